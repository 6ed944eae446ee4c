"""Servers on which the rules of the hospital's work hold."""

import uuid
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of tests that are coroutines."""
    return "asyncio"


@pytest.fixture(scope="module")
def settings(mongo_url: str) -> Iterator[Settings]:
    """Settings for a database of the module's own, which is dropped afterwards; requests need no token."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    # Patients of these tests are mostly an id; what they need to be registered is tested with registration.
    off = "W1.incomplete,W1.duplicate-patient,W1.record-number"
    # As prescriptions, dispenses and administrations are without those that they are on.
    off += ",W6.prescription,W6.reason,W6.requester,W6.dispensed,W6.dispense-state,W6.expired-lot"
    yield Settings(mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off=off)
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)
