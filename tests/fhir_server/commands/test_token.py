"""`fhir-server token`: what a token is good for that the operator makes."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner, Result

from fhir_server.commands.token import token
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.store.accounts import Account
from tests.fhir_server.conftest import running_server


@pytest.fixture(scope="module")
def secure(settings: Settings) -> Settings:
    """Settings of a server that asks for tokens, with a nurse of the demo and a real doctor."""
    secure = Settings(**settings.model_dump() | {"auth": "on", "encryption_key": new_key()})

    async def fill() -> None:
        assert secure.mongo_url is not None
        store = open_store(secure, secure.mongo_url)
        await store.accounts.add(Account("1", "nurse", "Demo", "", ("RN",), is_demo=True))
        await store.accounts.add(Account("2", "ada", "Ada", "", ("DR",)))
        await store.close()

    asyncio.run(fill())
    return secure


@pytest.fixture(scope="module")
def url(secure: Settings) -> Iterator[str]:
    """The address of that server."""
    with running_server(secure) as address:
        yield address


def _run(settings: Settings, *arguments: str) -> Result:
    assert settings.encryption_key is not None
    environment = {
        "FHIR_MONGO_URL": settings.mongo_url,
        "FHIR_DATABASE": settings.database,
        "FHIR_ENCRYPTION_KEY": settings.encryption_key.get_secret_value(),
    }
    return CliRunner(env=environment).invoke(token, arguments)


def _status(url: str, token: str, method: str = "GET") -> int:
    patient = {"resourceType": "Patient"}
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(
        method, f"{url}/Patient", headers=headers, json=patient if method == "POST" else None
    ).status_code


def test_it_is_good_for_everything(secure: Settings, url: str) -> None:
    """Nothing but the token is printed, and it reads and writes."""
    made = _run(secure)
    assert made.exit_code == 0, made.output
    [printed] = made.output.splitlines()
    assert (_status(url, printed), _status(url, printed, "POST")) == (200, 201)


def test_it_is_good_for_what_was_asked(secure: Settings, url: str) -> None:
    """A narrower scope makes a token of less."""
    printed = _run(secure, "--scope", "system/Patient.rs").output.strip()
    assert (_status(url, printed), _status(url, printed, "POST")) == (200, 403)


def test_as_a_user_of_the_demo(secure: Settings, url: str) -> None:
    """It sees and does what the role of that user allows."""
    printed = _run(secure, "nurse").output.strip()
    assert (_status(url, printed), _status(url, printed, "POST")) == (200, 403)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ada"], "There is no user of the demo called ada"),
        (["nobody"], "There is no user of the demo called nobody"),
        (["--scope", "user/*.rs"], "these are no system scopes"),
        (["--minutes", "61"], "61"),
    ],
)
def test_what_is_refused(secure: Settings, arguments: list[str], message: str) -> None:
    """Above all nobody acts in the name of a real person."""
    refused = _run(secure, *arguments)
    assert refused.exit_code != 0
    assert message in refused.output
