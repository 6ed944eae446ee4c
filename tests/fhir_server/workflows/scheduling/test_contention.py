"""Many want the same Slots at once: each is booked once, and nobody is in two places."""

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.bench.scheduling import SLOTS, attempts, contend, open_hours
from tests.bench.servers import free_port, started
from tests.sweeps import IS_WHOLE

# 10,000 attempts in all, or as many as it takes for each Slot to be wanted by somebody who is free then.
_EACH = 50 if IS_WHOLE else 3


@pytest.fixture
def database(mongo_url: str) -> Iterator[Any]:
    """A database of the test's own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](mongo_url) as client:
        yield client[name]
        client.drop_database(name)


@pytest.mark.workflow("0-09", "4-05")
def test_two_hundred_slots_are_booked_two_hundred_times(
    mongo_url: str, database: Any, tmp_path: Path
) -> None:
    """By two servers, and many connections at once; no patient and no doctor is twice at one time."""
    with ExitStack() as opened:
        ports = []
        for number in range(2):
            ports.append(free_port())
            command = [sys.executable, "-m", "fhir_server", "serve", "--no-auth", "--port", str(ports[-1])]
            command += ["--workers", "1", "--data-dir", str(tmp_path / str(number))]
            environment = {"FHIR_MONGO_URL": mongo_url, "FHIR_DATABASE": database.name}
            opened.enter_context(started(command, ports[-1], "/health/ready", **environment))
        open_hours(ports[0])
        found = asyncio.run(contend(ports, attempts(ports[0], _EACH), 8))
    assert found.statuses == Counter({201: SLOTS, 409: (_EACH - 1) * SLOTS})
    booked = [one["resource"] for one in database["Appointment"].find({"resource.status": "booked"})]
    assert len(booked) == SLOTS
    for kind in ("Patient/", "Practitioner/"):
        taken = [
            (one["start"], actor["actor"]["reference"])
            for one in booked
            for actor in one["participant"]
            if actor["actor"]["reference"].startswith(kind)
        ]
        assert len(taken) == len(set(taken)) == SLOTS
    assert database["Slot"].count_documents({"resource.status": "busy"}) == SLOTS
