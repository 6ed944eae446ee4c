"""The whole way of an application: registered, consented to, given a token, let in to somebody's own records.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.oauth.registration import RegistrationRules, register
from fhir_server.smart.oauth.secrets import challenge_of, new_secret
from fhir_server.store import Store, Write, open_store
from fhir_server.store.accounts import Account
from tests.fhir_server.conftest import running_server

PASSWORD = "correct horse battery"
REDIRECT = "https://app.example/callback"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
SCOPE = "openid fhirUser launch/patient patient/*.rs offline_access"


@pytest.fixture(scope="module")
def guarded(settings: Settings) -> Settings:
    """Settings with which requests need a token."""
    changes = {"auth": "on", "encryption_key": KEY, "password_rounds": 1, "password_memory_kib": 8}
    return Settings(**(settings.model_dump() | changes))


def _with_store(settings: Settings, work: Callable[[Store], Awaitable[None]]) -> None:
    async def done() -> None:
        store = open_store(settings, str(settings.mongo_url))
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(done())


@pytest.fixture(scope="module")
def client_id(guarded: Settings) -> str:
    """An application, registered, beside two patients and the account of the first."""
    rules = RegistrationRules(lambda: datetime.now(UTC), new_id, new_secret)
    metadata = {"client_name": "Diary", "redirect_uris": [REDIRECT], "scope": SCOPE}
    registered = register({**metadata, "token_endpoint_auth_method": "none"}, rules, is_dynamic=False)

    async def fill(store: Store) -> None:
        for name in ("anna", "boris"):
            await store.commit([Write("PUT", "Patient", name, {"resourceType": "Patient", "id": name}, {})])
        hashed = await Passwords(1, 8).hashed(PASSWORD)
        await store.accounts.add(Account("1", "anna", "Anna", hashed, ("PT",), "Patient/anna"))
        await store.oauth.clients.add(registered.client)

    _with_store(guarded, fill)
    return registered.client.id


@pytest.fixture(scope="module")
def url(guarded: Settings, client_id: str) -> Iterator[str]:
    """The base address of the server."""
    with running_server(guarded) as address:
        yield address


def _form(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))


def _code(url: str, client_id: str, verifier: str) -> str:
    """Return the code that an application gets when Anna signs in and says yes."""
    origin = url.removesuffix("/fhir")
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT,
        "scope": SCOPE,
        "state": "something-nobody-guesses",
        "aud": url,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    with httpx.Client(base_url=origin, follow_redirects=True) as browser:
        login = browser.get(f"/oauth/authorize?{urlencode(asked)}")
        assert login.url.path == "/auth/login", login.text
        consent = browser.post(
            "/auth/login", data={**_form(login), "user_name": "anna", "password": PASSWORD}
        )
        assert consent.url.path == "/oauth/consent", consent.text
        assert "Diary" in consent.text
        scopes = re.findall(r'name="scope" value="([^"]+)"', consent.text)
        fields = {**_form(consent), "decision": "allow", "scope": scopes}
        answer = browser.post("/oauth/consent", data=fields, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        given = parse_qs(urlsplit(answer.headers["location"]).query)
        assert given["state"] == ["something-nobody-guesses"]
        return given["code"][0]


@pytest.mark.workflow("0-18", "1-27", "3-21", "3-48")
def test_the_whole_way(url: str, client_id: str) -> None:
    """What discovery names leads to a token, and the token to Anna's records and to nobody else's."""
    found = httpx.get(f"{url}/.well-known/smart-configuration").json()
    verifier = new_secret()
    exchange = {
        "grant_type": "authorization_code",
        "code": _code(url, client_id, verifier),
        "redirect_uri": REDIRECT,
        "client_id": client_id,
        "code_verifier": verifier,
    }
    token = httpx.post(found["token_endpoint"], data=exchange).json()
    assert token["patient"] == "anna"
    assert set(token["scope"].split()) == set(SCOPE.split())
    assert token["id_token"].count(".") == 2
    headers = {"authorization": f"Bearer {token['access_token']}"}
    assert httpx.get(f"{url}/Patient/anna", headers=headers).status_code == 200
    assert httpx.get(f"{url}/Patient/boris", headers=headers).status_code == 404
    assert httpx.get(f"{url}/Patient?_total=accurate", headers=headers).json()["total"] == 1
    assert httpx.put(f"{url}/Patient/anna", headers=headers, json={}).status_code == 403
    refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": client_id}
    again = httpx.post(found["token_endpoint"], data=refresh).json()
    fresh = {"authorization": f"Bearer {again['access_token']}"}
    assert httpx.get(f"{url}/Patient/anna", headers=fresh).status_code == 200
    assert "error" in httpx.post(found["token_endpoint"], data=refresh).json()
    assert httpx.get(f"{url}/Patient/anna", headers=fresh).status_code == 401, "a stolen token ends the grant"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/metadata", 200),
        ("/fhir/.well-known/smart-configuration", 200),
        ("/.well-known/openid-configuration", 200),
        ("/oauth/jwks", 200),
        ("/health/live", 200),
        ("/fhir/Patient", 401),
        ("/fhir/Patient/anna", 401),
        ("/fhir/_history", 401),
        ("/fhir", 401),
    ],
)
def test_what_needs_no_token(url: str, path: str, status: int) -> None:
    """Nothing but what says how to come in."""
    assert httpx.get(url.removesuffix("/fhir") + path).status_code == status


def test_signing_out_ends_what_was_granted(guarded: Settings, client_id: str, url: str) -> None:
    """Who signs out everywhere takes back what applications were to keep, too."""
    with httpx.Client(base_url=url.removesuffix("/fhir")) as browser:
        verifier = new_secret()
        tokens = []
        for _ in range(2):
            exchange = {
                "grant_type": "authorization_code",
                "code": _code(url, client_id, verifier),
                "redirect_uri": REDIRECT,
                "client_id": client_id,
                "code_verifier": verifier,
            }
            tokens.append(browser.post("/oauth/token", data=exchange).json()["access_token"])

        def status(token: str) -> int:
            headers = {"authorization": f"Bearer {token}"}
            return browser.get("/fhir/Patient/anna", headers=headers).status_code

        assert [status(token) for token in tokens] == [200, 200]

        async def sign_out(store: Store) -> None:
            await store.accounts.end_sessions("1")

        _with_store(guarded, sign_out)
        assert [status(token) for token in tokens] == [401, 401]


def test_a_closed_account_is_out_at_once(url: str, client_id: str, guarded: Settings) -> None:
    """Who may not sign in any more has no use for the tokens that are left."""
    verifier = new_secret()
    code = _code(url, client_id, verifier)
    exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    more = {"client_id": client_id, "code_verifier": verifier}
    origin = url.removesuffix("/fhir")
    token = httpx.post(f"{origin}/oauth/token", data={**exchange, **more}).json()
    headers = {"authorization": f"Bearer {token['access_token']}"}
    assert httpx.get(f"{url}/Patient/anna", headers=headers).status_code == 200

    async def close(store: Store) -> None:
        await store.accounts.change("1", is_active=False)

    _with_store(guarded, close)
    assert httpx.get(f"{url}/Patient/anna", headers=headers).status_code == 401
