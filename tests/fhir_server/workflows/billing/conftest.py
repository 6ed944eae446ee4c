"""A hospital with a billing office and a card terminal."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.workflows.billing.desk import Desk


@pytest.fixture(scope="module")
def settings(mongo_url: str) -> Iterator[Settings]:
    """Settings for a database of the module's own, which is dropped afterwards; requests need no token."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(
        mongo_url=mongo_url,
        database=name,
        log_level="error",
        auth="off",
        workflows_off="W6.prescription",
        card_terminal="simulated",
    )
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture
def desk(client: httpx.Client) -> Desk:
    """The billing office."""
    return Desk(client)
