"""`Patient/$everything` of a patient with very many resources: how fast, and in how much memory.

Each page is bounded, and so is what a worker holds at a time, however large the record is.
https://hl7.org/fhir/R4/patient-operation-everything.html
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.bench.servers import Running, resident_bytes

_RESOURCES = 10_000
_IN_A_BUNDLE = 1_000
_HEADERS = {"content-type": "application/fhir+json", "x-import": "records"}


@dataclass(frozen=True, slots=True)
class Whole:
    """What came of it: resources, seconds, and how many bytes of memory the workers took beside."""

    resources: int
    seconds: float
    growth: int

    @property
    def rate(self) -> float:
        """Resources per second."""
        return self.resources / self.seconds


def whole_record(server: Running) -> Whole:
    """Load a patient with 10,000 resources, and read them all."""
    url = f"http://127.0.0.1:{server.port}/fhir"
    with httpx.Client(timeout=120, headers=_HEADERS) as client:
        patient = {"resourceType": "Patient", "id": "everything", "birthDate": "1950-01-01"}
        client.put(f"{url}/Patient/everything", json=patient).raise_for_status()
        for first in range(0, _RESOURCES, _IN_A_BUNDLE):
            client.post(url, json=_bundle(first)).raise_for_status()
        # What a first request brings in by itself does not count.
        client.get(f"{url}/Patient/everything/$everything?_count=10").raise_for_status()
        before = _memory(server)
        began, most, resources = time.perf_counter(), before, 0
        for number, memory in _pages(client, url, server):
            resources += number
            most = max(most, memory)
        return Whole(resources, time.perf_counter() - began, most - before)


def _pages(client: httpx.Client, url: str, server: Running) -> Iterator[tuple[int, int]]:
    """Yield, for each page, how many resources are on it, and the memory of the workers then."""
    address: str | None = f"{url}/Patient/everything/$everything"
    while address is not None:
        page = client.get(address).raise_for_status().json()
        yield len(page["entry"]), _memory(server)
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)


def _memory(server: Running) -> int:
    """Return the memory of a server and of all its processes but the database."""
    return sum(
        resident_bytes(process) for process in _family(server.process.pid) if not _is_database(process)
    )


def _family(process: int) -> Iterator[int]:
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _is_database(process: int) -> bool:
    return "mongo" in Path(f"/proc/{process}/comm").read_text()


def _bundle(first: int) -> dict[str, Any]:
    entries = [
        {"resource": _observation(number), "request": {"method": "POST", "url": "Observation"}}
        for number in range(first, first + _IN_A_BUNDLE)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/everything"},
        "effectiveDateTime": f"20{number % 26:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "valueQuantity": {"value": number % 200, "unit": "/min"},
    }


def main() -> None:
    """Measure on a server and a database of their own, and print the figures."""
    import tempfile

    from fhir_server.settings import Settings
    from fhir_server.store.embedded import running_mongo
    from tests.bench.servers import fhir_server

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), mongo_url=None)
        with running_mongo(settings) as mongo, fhir_server(settings.data_dir, 2, mongo.url) as server:
            found = whole_record(server)
    print(f"{found.resources} resources, {found.rate:.0f}/s, {found.growth / 2**20:.1f} MB")  # noqa: T201


if __name__ == "__main__":
    main()
