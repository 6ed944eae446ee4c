"""HL7 v2 messages to other systems: how many are made in a second, and how many go out and are acknowledged.

The outbox is filled while the receiver is away, so that what is measured is the sending alone.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from adapters.from_fhir.messages import for_destination, message, messages
from adapters.from_fhir.telling import Telling
from tests.adapters.from_fhir.invented import DESTINATION, FOUND, NOW, encounter, observation, report
from tests.adapters.receiver import Receiver
from tests.bench.servers import fhir_server

_PATIENTS = 200
_CHANGES = 5
_IN_A_BUNDLE = 50
_SECONDS = 2.0
_RESULTS = 20


@dataclass(frozen=True, slots=True)
class Outbound:
    """Messages in a second: made (ADT^A01, and ORU^R01 with 20 OBX), and sent and acknowledged."""

    adt: float
    oru: float
    sent: Mapping[int, float]


def making() -> tuple[float, float]:
    """Return how many ADT^A01, and ORU^R01 with 20 results, are made in a second by one process."""
    results = {f"Observation/o{n}": observation(f"o{n}", valueQuantity={"value": n}) for n in range(_RESULTS)}
    found = {**FOUND, **results}
    big = report(*(f"o{n}" for n in range(_RESULTS)))
    return _rate(encounter(), found), _rate(big, found)


def _rate(resource: dict[str, object], found: Mapping[str, dict[str, object]]) -> float:
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < _SECONDS:
        for told in messages(None, resource):
            wanted = for_destination(told, DESTINATION)
            assert wanted is not None
            message(Telling(wanted, DESTINATION, found, NOW, "BENCH"))
            count += 1
    return count / passed


def sending(data_dir: Path, connections: int) -> float:
    """Return how many messages that wait go out in a second, over so many connections."""
    there = Receiver()
    port = there.port
    there.close()
    path = data_dir / "channels.toml"
    path.write_text(
        f'[[destination]]\nname = "lab"\nhost = "127.0.0.1"\nport = {port}\nmessages = ["ADT"]\n'
        f"connections = {connections}\nlongest_pause = 1.0\n"
    )
    os.environ["FHIR_CHANNELS"] = str(path)
    os.environ["FHIR_DUPLICATE_PATIENTS"] = "allow"
    try:
        with fhir_server(data_dir / "data", 2) as server:
            _fill(server.port)
            there = Receiver(port=port)
            try:
                there.wait_for(1, seconds=90)
                began = there.moments[0]
                there.wait_for(_PATIENTS * _CHANGES, seconds=300)
                return (len(there.received) - 1) / (there.moments[-1] - began)
            finally:
                there.close()
    finally:
        del os.environ["FHIR_CHANNELS"], os.environ["FHIR_DUPLICATE_PATIENTS"]


def _fill(port: int) -> None:
    """Change each patient several times."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/fhir", timeout=120) as client:
        for turn in range(_CHANGES):
            for first in range(0, _PATIENTS, _IN_A_BUNDLE):
                entries = [_entry(number, turn) for number in range(first, first + _IN_A_BUNDLE)]
                bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
                client.post("", json=bundle).raise_for_status()


def _entry(number: int, turn: int) -> dict[str, object]:
    patient = {
        "resourceType": "Patient",
        "id": f"bench-{number}",
        "name": [{"family": f"Invented{number}", "given": ["Ann"]}],
        "gender": "other",
        "birthDate": f"19{50 + turn}-01-01",
    }
    return {"resource": patient, "request": {"method": "PUT", "url": f"Patient/bench-{number}"}}


def measured() -> Outbound:
    """Measure all of it."""
    adt, oru = making()
    sent = {}
    for connections in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            sent[connections] = sending(Path(folder), connections)
    return Outbound(adt, oru, sent)


if __name__ == "__main__":
    print(measured())  # noqa: T201 - what this program is for
