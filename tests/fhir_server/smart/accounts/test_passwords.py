"""How passwords are kept: https://www.rfc-editor.org/rfc/rfc9106."""

import pytest

from fhir_server.smart.accounts.passwords import Passwords

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of tests that are coroutines."""
    return "asyncio"


@pytest.mark.workflow("3-50")
async def test_a_password_is_kept_as_a_hash() -> None:
    """By Argon2id, each with a salt of its own; the right password matches it, and no other."""
    passwords = Passwords(rounds=1, memory_kib=64)
    first, second = [await passwords.hashed("correct horse battery") for _ in range(2)]
    assert first.startswith("$argon2id$")
    assert first != second
    assert "correct" not in first
    assert await passwords.matches("correct horse battery", first)
    assert not await passwords.matches("correct horse batterz", first)
    assert not await passwords.matches("correct horse battery", None)
