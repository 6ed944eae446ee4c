"""The authorization server as part of the whole: tokens for the FHIR interface, and what pages may read.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#access-fhir-api
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.oauth.operator_tokens import issue_token
from fhir_server.smart.oauth.registration import RegistrationRules, register
from fhir_server.smart.oauth.secrets import challenge_of
from fhir_server.store import open_store
from fhir_server.store.oauth import Client
from tests.fhir_server.conftest import running_server
from tests.fhir_server.smart.oauth.world import (
    PATIENT,
    REDIRECT,
    STATE,
    VERIFIER,
    Clock,
    People,
)

_SCOPE = "launch/patient patient/Patient.rs patient/Observation.rs"
_PAGES = "https://app.example.org"


@pytest.fixture(scope="module")
def secure(settings: Settings) -> Settings:
    """Settings of a server that asks for tokens."""
    return Settings(**settings.model_dump() | {"auth": "on", "encryption_key": new_key()})


@pytest.fixture(scope="module")
def app(secure: Settings) -> Client:
    """A public application."""
    rules = RegistrationRules(Clock(), lambda: "growth-chart", lambda: "")
    metadata = {"client_name": "Growth Chart", "redirect_uris": [REDIRECT], "scope": _SCOPE}
    client = register(metadata | {"token_endpoint_auth_method": "none"}, rules, is_dynamic=False).client

    async def add() -> None:
        assert secure.mongo_url is not None
        store = open_store(secure, secure.mongo_url)
        await store.oauth.clients.add(client)
        await store.close()

    asyncio.run(add())
    return client


@pytest.fixture(scope="module")
def browser(settings: Settings, secure: Settings, app: Client) -> Iterator[httpx.Client]:
    """The browser of a patient, at a server with two records."""
    with running_server(settings) as url, httpx.Client(base_url=url) as http:
        for name in ("anna", "bert"):
            answer = http.put(f"/Patient/{name}", json={"resourceType": "Patient", "id": name})
            assert answer.status_code == 201
    with running_server(secure, accounts=People()) as url:
        headers = {"x-account": PATIENT.account_id}
        with httpx.Client(base_url=url.removesuffix("/fhir"), headers=headers) as http:
            yield http


@pytest.mark.requirement("smart-95", "smart-136", "smart-363", "smart-367")
def test_a_token_opens_the_own_record_and_nothing_else(browser: httpx.Client, app: Client) -> None:
    """From discovery to a read, by the addresses that the server tells, and then by a token taken back."""
    fhir = f"{browser.base_url}/fhir".replace("//fhir", "/fhir")
    known = browser.get("/fhir/.well-known/smart-configuration").json()
    request = {
        "response_type": "code",
        "client_id": app.id,
        "redirect_uri": REDIRECT,
        "scope": _SCOPE,
        "state": STATE,
        "aud": fhir,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    page = browser.get(known["authorization_endpoint"], params=request).headers["location"]
    assert browser.get(page).json()["template"] == "oauth/consent.html"
    form = {
        "request": page.partition("=")[2],
        "csrf_token": f"csrf of {PATIENT.account_id}",
        "decision": "allow",
        "scope": _SCOPE.split(),
    }
    back = browser.post("/oauth/consent", data=form).headers["location"]
    exchange = {
        "grant_type": "authorization_code",
        "client_id": app.id,
        "code": dict(parse_qsl(urlsplit(back).query))["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    tokens = browser.post(known["token_endpoint"], data=exchange).json()
    header = {"authorization": f"Bearer {tokens['access_token']}"}
    assert tokens["patient"] == "anna"
    assert browser.get("/fhir/Patient/anna", headers=header).status_code == 200
    assert browser.get("/fhir/Patient/bert", headers=header).status_code == 404
    assert browser.get("/fhir/Encounter", headers=header).status_code == 403
    assert browser.get("/fhir/Patient/anna").status_code == 401
    browser.post(known["revocation_endpoint"], data={"token": tokens["access_token"], "client_id": app.id})
    assert browser.get("/fhir/Patient/anna", headers=header).status_code == 401


def _token(secure: Settings, scope: str, seconds: int) -> dict[str, str]:
    """Return the header with a token of a backend service, good for so many seconds from now."""

    async def issue() -> str:
        assert secure.mongo_url is not None
        store = open_store(secure, secure.mongo_url)
        lifetime = timedelta(seconds=seconds)
        issued = await issue_token(store.oauth.grants, scope, lifetime, datetime.now(UTC))
        await store.close()
        return issued.token

    return {"authorization": f"Bearer {asyncio.run(issue())}"}


@pytest.mark.requirement("smart-77", "smart-94", "smart-265")
@pytest.mark.parametrize(("seconds", "status"), [(300, 200), (0, 401), (-1, 401)])
def test_a_token_that_is_over_opens_nothing(
    browser: httpx.Client, secure: Settings, seconds: int, status: int
) -> None:
    """Of two tokens that differ in nothing else."""
    header = _token(secure, "system/*.rs", seconds)
    assert browser.get("/fhir/Patient/anna", headers=header).status_code == status


@pytest.mark.requirement("smart-142", "smart-144", "smart-243", "smart-244", "smart-266")
@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("system/*.rs", "Patient/bert", 200),
        ("system/*.rs", "Encounter", 200),
        ("system/*.rs", "SupplyRequest", 200),
        ("system/Patient.rs", "Patient/bert", 200),
        ("system/Patient.s", "Patient/bert", 403),
        ("system/Patient.rs", "Observation", 403),
        ("system/Patient.rs", "Observation/x", 403),
        ("patient/*.rs", "Patient/bert", 403),
        ("system/*.rs", "Nothing", 404),
    ],
)
def test_a_service_sees_what_its_scopes_say(
    browser: httpx.Client, secure: Settings, scope: str, path: str, status: int
) -> None:
    """All of a type, or of all types, for nobody in particular; what it may not ask, or is unknown, fails."""
    header = _token(secure, scope, 300)
    assert browser.get(f"/fhir/{path}", headers=header).status_code == status


@pytest.mark.requirement("smart-16", "smart-17")
@pytest.mark.parametrize(
    ("path", "origin", "expected"),
    [
        ("/fhir/.well-known/smart-configuration", "https://any.example.org", "*"),
        ("/fhir/metadata", "https://any.example.org", "*"),
        ("/.well-known/openid-configuration", "https://any.example.org", "*"),
        ("/oauth/jwks", "https://any.example.org", "*"),
        ("/oauth/token", _PAGES, _PAGES),
        ("/oauth/token", "https://any.example.org", None),
        ("/fhir/Patient/anna", _PAGES, _PAGES),
        ("/fhir/Patient/anna", "https://any.example.org", None),
        ("/oauth/authorize", _PAGES, None),
        ("/oauth/consent", _PAGES, None),
    ],
)
def test_pages_of_registered_applications_may_read_tokens(
    browser: httpx.Client, app: Client, path: str, origin: str, expected: str | None
) -> None:
    """Discovery is for all pages, tokens and records for those of registered applications only."""
    for method in ("GET", "POST"):
        answer = browser.request(method, path, headers={"origin": origin})
        if answer.status_code != 405:
            assert answer.headers.get("access-control-allow-origin") == expected
    if expected == _PAGES:  # before they send a token they ask whether they may
        asking = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
        answer = browser.options(path, headers={"origin": origin, **asking})
        assert answer.headers.get("access-control-allow-origin") == expected
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
