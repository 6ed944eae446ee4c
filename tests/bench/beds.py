"""How long the bed board of 1,000 beds takes over HTTP, most of them occupied: docs/workflows/beds.md."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import httpx
from pymongo import MongoClient

from fhir_server.workflows.beds.board import PIPELINE
from fhir_server.workflows.beds.terms import PHYSICAL, state
from tests.bench.traffic import Connection, get

BEDS = 1_000
_IN_A_ROOM, _ON_A_WARD = 2, 40
_FREE = 5
_QUESTIONS = 40
_AT_ONCE = 500


def measure(port: int, mongo_url: str) -> tuple[float, float]:
    """Return the medians, in milliseconds: of the board, and of its aggregation alone."""
    _load(port)
    ours = asyncio.run(_ask(port))
    theirs = []
    with MongoClient[dict[str, Any]](mongo_url) as client:
        for _ in range(_QUESTIONS):
            before = time.perf_counter()
            list(client["fhir"]["Location"].aggregate(PIPELINE))
            theirs.append(time.perf_counter() - before)
    return statistics.median(ours) * 1000, statistics.median(theirs) * 1000


async def _ask(port: int) -> list[float]:
    connection = await Connection.open(port)
    found = []
    for _ in range(_QUESTIONS):
        before = time.perf_counter()
        status, body = await connection.send(get("/fhir/Location/$bed-board"))
        found.append(time.perf_counter() - before)
        assert status == 200, body
    connection.close()
    beds = [one for ward in json.loads(body)["parameter"] for one in ward["part"] if one["name"] == "bed"]
    assert len(beds) >= BEDS
    return found


def _load(port: int) -> None:
    resources = list(_hospital())
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/fhir", timeout=60) as http:
        for first in range(0, len(resources), _AT_ONCE):
            entries = [
                {
                    "resource": one,
                    "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
                }
                for one in resources[first : first + _AT_ONCE]
            ]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            http.post("", json=bundle, headers={"X-Import": "records"}).raise_for_status()


def _hospital() -> Iterator[dict[str, Any]]:
    yield {"resourceType": "Patient", "id": "bench-patient"}
    for number in range(BEDS):
        ward, room = f"bench-ward-{number // _ON_A_WARD}", f"bench-room-{number // _IN_A_ROOM}"
        if number % _ON_A_WARD == 0:
            yield _place(ward, "wa")
        if number % _IN_A_ROOM == 0:
            yield _place(room, "ro", ward)
        is_free = number % _FREE == 0
        bed = f"bench-bed-{number}"
        yield {**_place(bed, "bd", room), "operationalStatus": state("U" if is_free else "O")}
        if not is_free:
            yield _stay(number, bed)


def _place(key: str, kind: str, within: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Location",
        "id": key,
        "status": "active",
        "name": key,
        "physicalType": {"coding": [{"system": PHYSICAL, "code": kind}]},
    }
    return found | ({"partOf": {"reference": f"Location/{within}"}} if within else {})


def _stay(number: int, bed: str) -> dict[str, Any]:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Encounter",
        "id": f"bench-stay-{number}",
        "status": "in-progress",
        "class": {"system": act, "code": "IMP"},
        "subject": {"reference": "Patient/bench-patient"},
        "location": [{"location": {"reference": f"Location/{bed}"}, "status": "active"}],
    }
