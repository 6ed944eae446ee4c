"""What the tests of accounts share: the pages on an empty database."""

from collections.abc import Iterator

import pytest

from fhir_server.settings import Settings
from tests.fhir_server.smart.accounts.world import KEY, World


@pytest.fixture(scope="module")
def world(settings: Settings) -> Iterator[World]:
    """The pages on an empty database, with cheap hashes."""
    changes = {"password_rounds": 1, "password_memory_kib": 8, "sign_in_attempts": 3}
    cheap = Settings(**(settings.model_dump() | changes | {"encryption_key": KEY}))
    made = World(cheap)
    yield made
    made.run(made.store.close())
    made.runner.close()
