"""The hospital of the access rules, on a server that puts what is done on record."""

from collections.abc import Iterator

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.audit.log import Log
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.smart.access.world import CALLERS, authenticate, resources


@pytest.fixture(scope="module")
def audited(settings: Settings) -> Settings:
    """Settings by which what is done goes on record, and records may be removed for good."""
    return settings.model_copy(update={"audit": "on", "expunge": "on"})


@pytest.fixture(scope="module")
def base_url(audited: Settings) -> Iterator[str]:
    """The address of a server that asks who makes a request."""
    with running_server(audited, authenticate) as address:
        yield address


@pytest.fixture(scope="module")
def clients(base_url: str) -> Iterator[dict[str, httpx.Client]]:
    """A client for each caller, and the hospital of two patients."""
    opened = {
        name: httpx.Client(
            base_url=base_url,
            headers={"authorization": f"Bearer {name}", "content-type": FHIR_JSON},
            timeout=30,
        )
        for name in CALLERS
    }
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources()
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    # Which makes the collections of all types, with their indexes.
    opened["backend"].post("", json=bundle, timeout=180).raise_for_status()
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture
def log(clients: dict[str, httpx.Client]) -> Log:
    """The audit log, from this moment on."""
    return Log(clients["auditor"])
