"""An authorization server for each module of tests."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.events import SecurityEvent
from fhir_server.smart.oauth.routes import authorization_server, oauth_routes
from fhir_server.store import open_store
from tests.fhir_server.smart.oauth.world import Clock, Http, People, World


@pytest.fixture(scope="module")
def more_settings() -> dict[str, object]:
    """Settings that the tests of a module need beside the others."""
    return {}


@pytest.fixture(scope="module")
def world(settings: Settings, more_settings: dict[str, object]) -> Iterator[World]:
    """The server, with nobody's browser."""
    given = settings.model_dump() | {"auth": "on", "encryption_key": new_key()} | more_settings
    settings = Settings(**given)
    assert settings.mongo_url is not None
    store, people, clock = open_store(settings, settings.mongo_url), People(), Clock()
    events: list[SecurityEvent] = []

    async def record(event: SecurityEvent) -> None:
        events.append(event)

    server = authorization_server(store, settings, people, people.seen_by(store), record, clock)
    with asyncio.Runner() as runner:
        http = Http(Starlette(routes=oauth_routes(server)), runner)
        made = World(server, http, people, clock, events)
        made.store_patient("anna", name=[{"given": ["Anna"], "family": "Muster"}], birthDate="1980-02-03")
        yield made
        made.run(store.close())
