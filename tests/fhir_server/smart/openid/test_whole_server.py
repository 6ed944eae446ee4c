"""The provider as a part of the whole: what its people see, beside those who sign in here, and alone.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.search.extraction import search_values
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.openid.provider import load_provider
from fhir_server.store import Write, open_store
from tests.fhir_server.conftest import running_server
from tests.fhir_server.smart.openid.provider_stub import AUDIENCE, StubProvider, running_provider, write_file

_TREATED = {"generalPractitioner": [{"reference": "Practitioner/grey"}]}


@pytest.fixture(scope="module")
def stub() -> Iterator[StubProvider]:
    """One provider for both servers."""
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def records(settings: Settings) -> None:
    """Two patients, of whom the doctor treats the first."""

    async def fill() -> None:
        store = open_store(settings, str(settings.mongo_url))
        for name, more in (("anna", _TREATED), ("bert", {})):
            resource = {"resourceType": "Patient", "id": name, **more}
            await store.commit([Write("PUT", "Patient", name, resource, search_values(resource))])
        await store.close()

    asyncio.run(fill())


def _server(settings: Settings, path: Path) -> Settings:
    load_provider.cache_clear()
    changes = {"auth": "on", "encryption_key": new_key(), "openid_provider": path, "local_key_sets": "on"}
    return Settings(**settings.model_dump() | changes)


@pytest.fixture(scope="module")
def beside(
    settings: Settings, stub: StubProvider, records: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server at which people may sign in too."""
    path = write_file(tmp_path_factory.mktemp("beside"), stub)
    with running_server(_server(settings, path)) as url:
        yield url


@pytest.fixture(scope="module")
def alone(
    settings: Settings, stub: StubProvider, records: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server at which nobody signs in."""
    path = write_file(tmp_path_factory.mktemp("alone"), stub, head='sign_in = "alone"')
    with running_server(_server(settings, path)) as url:
        yield url


def _get(url: str, token: str) -> int:
    return httpx.get(url, headers={"authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize(
    ("claims", "anna", "bert"),
    [
        pytest.param({}, 200, 404, id="a doctor sees whom they treat"),
        pytest.param({"roles": ["ward-nurse"]}, 200, 200, id="a nurse sees all"),
        pytest.param({"roles": ["patient-portal"], "fhirUser": "Patient/bert"}, 404, 200, id="a patient"),
        pytest.param(
            {"roles": ["ward-nurse"], "scope": "patient/*.rs", "patient": "bert"}, 404, 200, id="a launch"
        ),
        pytest.param({"roles": ["unmapped"]}, 403, 403, id="a role that is mapped to none"),
        pytest.param({"roles": None}, 403, 403, id="no role"),
        pytest.param({"scope": "system/*.cruds"}, 403, 403, id="system scopes"),
        pytest.param({"scope": None}, 403, 403, id="no scope"),
        pytest.param({"scope": "user/Observation.rs"}, 403, 403, id="another scope"),
    ],
)
def test_people_see_what_their_roles_and_scopes_allow(
    beside: str, stub: StubProvider, claims: dict[str, Any], anna: int, bert: int
) -> None:
    """By the same rules as people with accounts here."""
    token = stub.token(**claims)
    assert (_get(f"{beside}/Patient/anna", token), _get(f"{beside}/Patient/bert", token)) == (anna, bert)


def test_a_token_that_is_not_good_is_none(beside: str, stub: StubProvider) -> None:
    """401 with the challenge, as for our own."""
    for token in (stub.token(aud="other"), stub.token(exp=1), "a.b.c", "x" * 43):
        assert _get(f"{beside}/Patient/anna", token) == 401


def test_long_tokens_are_taken(beside: str, stub: StubProvider) -> None:
    """A person may have many groups."""
    token = stub.token(groups=[f"00000000-0000-0000-0000-{number:012}" for number in range(150)])
    assert len(token) > 8_000
    assert _get(f"{beside}/Patient/anna", token) == 200


def test_beside_it_our_own_endpoints_are_named(beside: str) -> None:
    """Launches and services need them, and people with accounts sign in."""
    known = httpx.get(f"{beside}/.well-known/smart-configuration").json()
    assert known["token_endpoint"] == beside.replace("/fhir", "/oauth/token")
    assert httpx.get(beside.replace("/fhir", "/auth/login")).status_code == 200


def test_alone_its_endpoints_are_named(alone: str, stub: StubProvider) -> None:
    """And there is nothing here by which anybody signs in, or gets a token."""
    known = httpx.get(f"{alone}/.well-known/smart-configuration")
    assert known.headers["access-control-allow-origin"] == "*"
    told = known.json()
    assert told["issuer"] == stub.issuer
    assert told["authorization_endpoint"] == f"{stub.issuer}/authorize"
    assert told["token_endpoint"] == f"{stub.issuer}/token"
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert "permission-user" in told["capabilities"]
    assert "launch-ehr" not in told["capabilities"]
    for path in ("/auth/login", "/oauth/authorize", "/oauth/launch", "/.well-known/openid-configuration"):
        assert httpx.get(alone.replace("/fhir", path)).status_code == 404
    [rest] = httpx.get(f"{alone}/metadata").json()["rest"]
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert "extension" not in rest["security"]


def test_alone_only_its_tokens_are_good(alone: str, stub: StubProvider) -> None:
    """No other is known."""
    assert _get(f"{alone}/Patient/anna", stub.token()) == 200
    assert _get(f"{alone}/Patient/anna", "x" * 43) == 401
    assert httpx.get(f"{alone}/Patient/anna").status_code == 401


def test_while_nobody_can_tell_it_is_no_fault_of_the_token(
    settings: Settings, stub: StubProvider, tmp_path: Path
) -> None:
    """503, so that an application tries again, and does not send people to sign in."""
    stub.is_down = True
    path = write_file(tmp_path, stub, head='sign_in = "alone"')
    try:
        with running_server(_server(settings, path)) as url:
            assert _get(f"{url}/Patient/anna", stub.token(aud=AUDIENCE)) == 503
            assert httpx.get(f"{url}/.well-known/smart-configuration").status_code == 503
    finally:
        stub.is_down = False
