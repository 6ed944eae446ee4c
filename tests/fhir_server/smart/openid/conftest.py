"""A provider for each test, and whom its tokens stand for."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_server.settings import Settings
from fhir_server.smart.openid.provider import load_provider
from fhir_server.smart.openid.trust import trusted_provider
from fhir_server.smart.principal import Principal
from tests.fhir_server.smart.openid.provider_stub import AUDIENCE, StubProvider, running_provider, write_file

Ask = Callable[[str], Principal | None]


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    """A provider on this machine."""
    with running_provider() as running:
        yield running
    load_provider.cache_clear()


def asking(path: Path) -> Ask:
    """Return what tells whom tokens of the provider in a file stand for."""
    settings = Settings(mongo_url="x", openid_provider=path, local_key_sets="on", base_url=AUDIENCE)
    provider = trusted_provider(settings, lambda: datetime.now(UTC))
    assert provider is not None
    authenticate = provider.beside(None)

    async def principal(token: str) -> Principal | None:
        return await authenticate(token)

    return lambda token: asyncio.run(principal(token))


@pytest.fixture
def ask(stub: StubProvider, tmp_path: Path) -> Ask:
    """From a token of the provider to whom it stands for."""
    return asking(write_file(tmp_path, stub))
