"""What the authorization server tells an auditor: each answer of a person, each token, each attack it sees.

https://profiles.ihe.net/ITI/BALP/
"""

import pytest

from fhir_server.smart.events import SecurityEvent
from fhir_server.store.oauth import Client
from tests.fhir_server.smart.oauth.world import DOCTOR, FHIR, PATIENT, World, handle_in, key

_OFFLINE = "launch/patient patient/*.rs offline_access"
_SECRETS = {"token_endpoint_auth_method": "client_secret_post"}


@pytest.fixture(scope="module")
def more_settings() -> dict[str, object]:
    """A server at which applications register themselves."""
    return {"dynamic_registration": "on"}


@pytest.fixture(autouse=True)
def nothing_told(world: World) -> None:
    """Each test begins without events."""
    world.events.clear()


def _granted(world: World, client: Client) -> dict[str, str]:
    tokens: dict[str, str] = world.tokens(client.id, PATIENT, scope=_OFFLINE)
    world.events.clear()
    return tokens


def _event(world: World, kind: str, client: Client, *, is_success: bool = True, detail: str = "") -> None:
    """Assert that one event was told, of PATIENT's grant to `client`."""
    assert [(one.kind, one.is_success) for one in world.events] == [(kind, is_success)]
    told = world.events[0]
    assert (told.account_id, told.client_id, told.patient) == (PATIENT.account_id, client.id, "anna")
    assert (told.address, told.moment, told.detail) == ("127.0.0.1", world.clock(), detail)


def test_what_a_person_allows_and_what_comes_of_it(world: World) -> None:
    """The person's answer and the tokens are told, with whom they are about."""
    client = world.app().client
    world.tokens(client.id, PATIENT, scope=_OFFLINE)
    about = (PATIENT.account_id, client.id, "127.0.0.1", "anna")
    assert world.events == [
        SecurityEvent(kind, True, world.clock(), *about) for kind in ("authorization", "token")
    ]


def test_what_a_person_denies(world: World) -> None:
    """A refusal is told with its reason, once however often the form is sent."""
    client = world.app().client
    handle = handle_in(world.ask(client.id, scope=_OFFLINE))
    world.page(handle, PATIENT)
    for _ in range(2):
        world.answer(handle, PATIENT, decision="deny")
    _event(world, "authorization", client, is_success=False, detail="The person said no")


def test_tokens_renewed(world: World) -> None:
    """A refresh is another event than a first token."""
    client = world.app().client
    world.refresh(client.id, _granted(world, client)["refresh_token"])
    _event(world, "refresh", client)


def test_a_token_of_a_service(world: World) -> None:
    """A service gets tokens without a person."""
    own = key()
    service = world.app(
        token_endpoint_auth_method="private_key_jwt",
        grant_types=["client_credentials"],
        jwks=own.jwks,
        scope="system/*.rs",
    ).client
    assert world.service(own.assertion(service.id, world.clock())).status_code == 200
    assert [(one.kind, one.account_id, one.client_id) for one in world.events] == [
        ("token", None, service.id)
    ]


@pytest.mark.parametrize(
    ("verifier", "detail"),
    [("v" * 64, "The code was used before"), ("w" * 64, "The code is another request's")],
    ids=["second-use", "other-verifier"],
)
def test_a_code_of_a_thief(world: World, verifier: str, detail: str) -> None:
    """A code that comes twice, or without its verifier, is told beside being refused."""
    client = world.app().client
    code = world.code(client.id, PATIENT, scope=_OFFLINE)
    if detail == "The code was used before":
        world.exchange(client.id, code)
    world.events.clear()
    assert world.exchange(client.id, code, code_verifier=verifier).status_code == 400
    _event(world, "code-replay", client, is_success=False, detail=detail)


def test_a_refresh_token_of_a_thief(world: World) -> None:
    """A refresh token that comes twice is told."""
    client = world.app().client
    tokens = _granted(world, client)
    world.refresh(client.id, tokens["refresh_token"])
    world.events.clear()
    world.refresh(client.id, tokens["refresh_token"])
    _event(world, "refresh-token-reuse", client, is_success=False)


@pytest.mark.parametrize("way", ["form", "header", "assertion", "two-ways"])
def test_an_application_without_its_proof(world: World, way: str) -> None:
    """A failed proof is told with the registered application that was named."""
    known = world.app(**_SECRETS).client.id
    form: dict[str, str] = {"grant_type": "authorization_code"}
    options: dict[str, tuple[str, str]] = {}
    if way in ("form", "two-ways"):
        form |= {"client_id": known, "client_secret": "wrong"}
    if way in ("header", "two-ways"):
        options["auth"] = (known, "wrong")
    if way == "assertion":
        form["client_assertion"] = key().assertion(known, world.clock())
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert world.http.post("/oauth/token", data=form, **options).status_code in (400, 401)
    assert [(one.kind, one.is_success, one.client_id) for one in world.events] == [
        ("client-authentication", False, known)
    ]


@pytest.mark.parametrize("header", [None, "Basic x", "Digest x", "Basic eA=="])
def test_what_is_no_application_is_not_quoted(world: World, header: str | None) -> None:
    """What somebody put in the place of an id may be a secret: it is left out."""
    form = {"grant_type": "refresh_token"} if header else {"client_id": "my-password"}
    world.http.post("/oauth/token", data=form, headers={"authorization": header} if header else {})
    assert [(one.kind, one.client_id, one.detail) for one in world.events] == [
        ("client-authentication", None, "")
    ]


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        ("access_token", "An access token"),
        ("refresh_token", "A refresh token, with all that came of the grant"),
    ],
    ids=["access", "refresh"],
)
def test_a_token_taken_back(world: World, token: str, detail: str) -> None:
    """An application that gives a token back is told of, and one that gives back another's is not."""
    client, other = world.app().client, world.app().client
    tokens = _granted(world, client)
    for one in (other, client):
        world.http.post("/oauth/revoke", data={"client_id": one.id, "token": tokens[token]})
    _event(world, "token-revocation", client, detail=detail)


def test_a_grant_taken_back(world: World) -> None:
    """A person who takes back what was granted is told of; without a grant nothing happened."""
    client = world.app().client
    _granted(world, client)
    form = {"csrf_token": f"csrf of {PATIENT.account_id}", "client": client.id}
    for _ in range(2):
        world.http.post("/oauth/grants", data=form, headers={"x-account": PATIENT.account_id})
    assert [(one.kind, one.account_id, one.client_id) for one in world.events] == [
        ("grant-revocation", PATIENT.account_id, client.id)
    ]


def test_an_application_that_registers_itself(world: World) -> None:
    """Its id is told; a registration that is refused is none."""
    metadata = {
        "client_name": "Itself",
        "redirect_uris": ["https://app.example.org/"],
        "scope": "patient/*.rs",
    }
    answer = world.http.post("/oauth/register", json=metadata)
    world.http.post("/oauth/register", json=metadata | {"scope": ""})
    assert [(one.kind, one.client_id) for one in world.events] == [
        ("client-registration", answer.json()["client_id"])
    ]


def test_no_event_has_a_secret(world: World) -> None:
    """Neither codes nor tokens nor handles of the whole way are in what is told."""
    client = world.app(**_SECRETS)
    handle = handle_in(world.ask(client.client.id, scope=_OFFLINE, launch=None, aud=FHIR))
    world.page(handle, PATIENT)
    answer = world.answer(handle, PATIENT, _OFFLINE)
    code = answer.headers["location"].partition("code=")[2].partition("&")[0]
    tokens = world.exchange(client.client.id, code, client_secret=client.secret).json()
    told = repr(world.events)
    assert len(world.events) == 2
    assert not [
        one
        for one in (handle, code, client.secret, tokens["access_token"], tokens["refresh_token"])
        if str(one) in told
    ]
    assert DOCTOR.account_id not in told
