"""A hospital that tells other systems what happens in it, for tests.

Server, receivers, and what is in the outbox.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient
from pymongo.database import Database

from fhir_server.settings import Settings
from hl7.message import Message
from tests.adapters.receiver import Receiver
from tests.fhir_server.conftest import FHIR_JSON, running_server

Resource = dict[str, Any]
_USUAL = {
    "messages": '["ADT", "OML", "ORU", "SIU", "DFT", "MDM", "RDE"]',
    "answer_seconds": "1.0",
    "connect_seconds": "1.0",
    "first_pause": "0.1",
    "longest_pause": "0.4",
    "retries": "3",
    "authorities": '{ GENHOSP = "urn:oid:2.999.1.1" }',
}


def destination(name: str, port: int, **keys: str) -> str:
    """Return the table of a destination; `keys` are written as they are."""
    lines = {"name": f'"{name}"', "host": '"127.0.0.1"', "port": str(port), **_USUAL, **keys}
    if "receiving_application" not in lines:
        lines["receiving_application"] = f'"{name.upper()}"'
    return "\n".join(["[[destination]]", *(f"{key} = {value}" for key, value in lines.items()), ""])


def hospital_number(message: Message, segment: str = "PID", field: int = 3) -> str:
    """Return the number of the hospital that a patient has in a message."""
    found = message.first(segment)
    assert found is not None
    return next(one[1].text for one in found[field].repetitions if one[4][1] == "GENHOSP")


@dataclass
class Told:
    """A server that tells `receivers`, by their names."""

    http: httpx.Client
    database: Database[dict[str, Any]]
    receivers: Mapping[str, Receiver]

    def put(self, resource: Resource) -> Resource:
        """Store a resource."""
        path = f"/{resource['resourceType']}/{resource['id']}"
        answer = self.http.put(path, json=resource)
        assert answer.is_success, answer.text
        found: Resource = answer.json()
        return found

    def patient(self, patient_id: str, **more: Any) -> Resource:
        """Store a made-up patient."""
        number = {"system": "urn:oid:2.999.1.1", "value": patient_id}
        name = [{"family": f"Invented {patient_id}", "given": ["Ann"]}]
        usual = {"identifier": [number], "name": name, "gender": "unknown", "birthDate": "1980-02-03"}
        return self.put({"resourceType": "Patient", "id": patient_id, **usual, **more})

    def outbox(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return what is in the outbox, in order."""
        return list(self.database["hl7_outbox"].find(wanted).sort([("created", 1), ("sequence", 1)]))

    def wait(self, state: str, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """Return the messages in a state, when there are so many; fail if there are fewer after some time."""
        until = time.monotonic() + seconds
        while len(found := self.outbox(state=state)) < count:
            there = [(one["kind"], one["state"], one["problem"]) for one in self.outbox()]
            assert time.monotonic() < until, there
            time.sleep(0.02)
        return found


@contextmanager
def telling(
    mongo_url: str, folder: Path, receivers: Mapping[str, Receiver], file: str = "", **settings: Any
) -> Iterator[Told]:
    """Run a server that tells `receivers`, by the usual tables or those of `file`."""
    path = folder / "channels.toml"
    path.write_text(file or "\n".join(destination(name, one.port) for name, one in receivers.items()))
    name = f"test-{uuid.uuid4().hex[:12]}"
    usual: dict[str, Any] = {"mongo_url": mongo_url, "database": name, "log_level": "error", "auth": "off"}
    usual["duplicate_patients"] = "allow"
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
        try:
            with (
                running_server(Settings(**usual, channels=path, **settings)) as url,
                httpx.Client(base_url=url, headers={"content-type": FHIR_JSON}, timeout=60) as http,
            ):
                yield Told(http, client[name], receivers)
        finally:
            client.drop_database(name)
            for one in receivers.values():
                one.close()
