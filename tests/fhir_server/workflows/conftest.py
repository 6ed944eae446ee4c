"""Servers on which the rules of the hospital's work hold."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.agenda import AGENDA
from fhir_server.store.claims import CLAIMS
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.rulebook import RuleBook
from tests.fhir_server.workflows.hotel import PATTERN


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


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store for the hotel that is empty again after each test."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    yield store
    for name in ("CarePlan", "Basic", AGENDA, CLAIMS, "history"):
        await store._database[name].delete_many({})
    await store.close()


@pytest.fixture
def book(store: Store) -> RuleBook:
    """The rules of the hotel."""
    return RuleBook([PATTERN], parse_modes(None, None), store)
