"""Bookings under contention: many patients who want the same Slots at once, over several connections.

https://hl7.org/fhir/R4/appointment.html
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.bench.traffic import Connection

DOCTORS = 2
SLOTS = 200
_PATIENTS = 40


@dataclass(frozen=True, slots=True)
class Contention:
    """What became of the attempts: how many of each HTTP status, and how long it all took."""

    statuses: Counter[int]
    seconds: float

    @property
    def rate(self) -> float:
        """Attempts that were decided in a second, be it by a booking or a refusal."""
        return sum(self.statuses.values()) / self.seconds


def open_hours(port: int) -> None:
    """Create doctors, patients and the free Slots of the coming days."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    resources: list[dict[str, Any]] = []
    for number in range(DOCTORS):
        actor = {"reference": f"Practitioner/busy-{number}"}
        resources.append({"resourceType": "Practitioner", "id": f"busy-{number}", "active": True})
        resources.append({"resourceType": "PractitionerRole", "id": f"busy-{number}", "practitioner": actor})
        resources[-1]["active"] = True
        resources.append({"resourceType": "Schedule", "id": f"busy-{number}", "actor": [actor]})
    for number in range(_PATIENTS):
        born = (datetime(1950, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()
        name = [{"family": f"Contender {number}"}]
        resources.append({"resourceType": "Patient", "id": f"busy-{number}", "name": name, "birthDate": born})
    for number in range(SLOTS):
        begins = start + timedelta(minutes=30 * (number // DOCTORS))
        times = {"start": begins.isoformat(), "end": (begins + timedelta(minutes=30)).isoformat()}
        schedule = {"reference": f"Schedule/busy-{number % DOCTORS}"}
        slot = {"resourceType": "Slot", "id": f"busy-{number}", "status": "free", "schedule": schedule}
        resources.append(slot | times)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/fhir", timeout=60) as client:
        for one in resources:
            answer = client.put(f"/{one['resourceType']}/{one['id']}", json=one)
            assert answer.status_code == 201, answer.text


def attempts(port: int, each: int) -> list[bytes]:
    """Return the requests by which `each` patients want each Slot, mixed."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/fhir", timeout=60) as client:
        slots = [client.get(f"/Slot/busy-{number}").json() for number in range(SLOTS)]
    chance = random.Random(7)
    made = []
    for slot in slots:
        for number in chance.choices(range(_PATIENTS), k=each - 3) + chance.sample(range(_PATIENTS), 3):
            made.append(_request(slot, number))
    chance.shuffle(made)
    return made


def _request(slot: dict[str, Any], patient: int) -> bytes:
    appointment = {
        "resourceType": "Appointment",
        "status": "booked",
        "slot": [{"reference": f"Slot/{slot['id']}"}],
        "start": slot["start"],
        "end": slot["end"],
        "participant": [{"actor": {"reference": f"Patient/busy-{patient}"}, "status": "accepted"}],
    }
    body = json.dumps(appointment).encode()
    head = "POST /fhir/Appointment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def contend(ports: Sequence[int], requests: Sequence[bytes], connections: int) -> Contention:
    """Send all requests over `connections` to each of `ports`, and count the answers."""
    waiting = list(requests)
    statuses: Counter[int] = Counter()

    async def work(port: int) -> None:
        connection = await Connection.open(port)
        while waiting:
            status, _ = await connection.send(waiting.pop())
            statuses[status] += 1
        connection.close()

    before = time.perf_counter()
    await asyncio.gather(*(work(port) for port in ports for _ in range(connections)))
    return Contention(statuses, time.perf_counter() - before)
