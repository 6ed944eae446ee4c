"""A server on which all rules of registration hold, and callers by their tokens."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server

ALL = ("user/*.cruds",)
CALLERS = {
    "backend": Principal("service", ("system/*.cruds",)),
    "adapter": Principal("adapter", ("system/*.cruds",)),
    "administrator": Principal("app", ALL, "1", "Practitioner/ada", frozenset({"AD"})),
    "doctor": Principal("app", ALL, "2", "Practitioner/dora", frozenset({"DR"})),
    "nurse": Principal("app", ALL, "3", "Practitioner/nora", frozenset({"RN"})),
    "anna": Principal("app", ALL, "4", "Patient/anna", frozenset({"PT"})),
    "boris": Principal("app", ALL, "5", "Patient/boris", frozenset({"PT"})),
}

Client = httpx.Client
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def settings(mongo_url: str) -> Iterator[Settings]:
    """Settings with which no rule is off."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(
        mongo_url=mongo_url,
        database=name,
        log_level="error",
        auth="off",
        workflows_off=None,
        record_number_clients="adapter",
    )
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


async def authenticate(token: str) -> Principal | None:
    """Return the caller whose token this is."""
    return CALLERS.get(token)


@pytest.fixture(scope="module")
def clients(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for each caller, of a server that knows them."""
    with running_server(settings, authenticate) as url:
        made = {
            caller: httpx.Client(
                base_url=url,
                headers={"authorization": f"Bearer {caller}", "content-type": FHIR_JSON},
                timeout=60,
            )
            for caller in CALLERS
        }
        yield made
        for client in made.values():
            client.close()
