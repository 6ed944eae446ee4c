"""A hospital with a laboratory: somebody of each role, a patient whom the doctor treats, and another one."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.orders.laboratory import ROLES, Laboratory, treated


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code, and a backend service as SY."""
    if token == "SY":
        return Principal("app", ("system/*.cruds",))
    if token not in ROLES:
        return None
    person = "Patient/p" if token == "PT" else f"Practitioner/{token.lower()}"
    scopes = ("patient/*.cruds",) if token == "PT" else ("user/*.cruds",)
    return Principal("app", scopes, token, person, frozenset({token}), patient="p" if token == "PT" else None)


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings of a hospital that releases results after two days, and knows whom to call."""
    changes = {"result_release_hours": 48.0, "critical_escalation": "Practitioner/chief"}
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def laboratory(settings: Settings) -> Iterator[Laboratory]:
    """A running server, and a client for each role."""
    assert settings.mongo_url is not None
    with ExitStack() as opened:
        url = opened.enter_context(running_server(settings, _authenticate))
        clients = {
            role: opened.enter_context(
                httpx.Client(
                    base_url=url,
                    headers={"content-type": FHIR_JSON, "authorization": f"Bearer {role}"},
                    timeout=60,
                )
            )
            for role in (*ROLES, "SY")
        }
        database = opened.enter_context(MongoClient[dict[str, Any]](settings.mongo_url))[settings.database]
        made = Laboratory(clients, database, settings)
        for resource in treated():
            made.put("SY", resource)
        yield made
