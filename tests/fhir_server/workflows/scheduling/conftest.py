"""A hospital with a doctor's Schedule: somebody of each role, two patients, and two doctors."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.scheduling.clinic import TOKENS, Clinic, directory


async def _authenticate(token: str) -> Principal | None:
    """Know two patients, two doctors, an administrator, a nurse, and a backend service."""
    if token == "SY":
        return Principal("app", ("system/*.cruds",))
    if token not in TOKENS:
        return None
    role, person = TOKENS[token]
    scopes = ("patient/*.cruds",) if role == "PT" else ("user/*.cruds",)
    patient = person.partition("/")[2] if role == "PT" else None
    return Principal("app", scopes, token, person, frozenset({role}), patient=patient)


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings of a hospital with visits by video, closed on the second day of January."""
    return settings.model_copy(update={"visit_url": "https://meet.example.org", "holidays": "01-02"})


@pytest.fixture(scope="module")
def clinic(settings: Settings) -> Iterator[Clinic]:
    """A running server, and a client for each person."""
    assert settings.mongo_url is not None
    with ExitStack() as opened:
        url = opened.enter_context(running_server(settings, _authenticate))
        clients = {
            token: opened.enter_context(
                httpx.Client(
                    base_url=url,
                    headers={"content-type": FHIR_JSON, "authorization": f"Bearer {token}"},
                    timeout=60,
                )
            )
            for token in (*TOKENS, "SY")
        }
        database = opened.enter_context(MongoClient[dict[str, Any]](settings.mongo_url))[settings.database]
        made = Clinic(clients, database, settings)
        for resource in directory():
            assert made.put("SY", resource).status_code in (200, 201)
        yield made
