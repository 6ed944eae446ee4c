"""Tokens renewed: once each, for less or the same, for as long as the person or the session is there.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token
"""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings
from tests.fhir_server.smart.oauth.world import DOCTOR, PATIENT, World

_OFFLINE = "offline_access launch/patient patient/*.rs"
_ONLINE = "online_access user/*.rs"


@pytest.mark.requirement("smart-101", "smart-104", "smart-109", "smart-110", "smart-111", "smart-112")
@pytest.mark.requirement(
    "smart-113", "smart-114", "smart-116", "smart-118", "smart-365", "smart-81", "smart-89"
)
def test_a_refresh_gives_new_tokens_of_the_same_kind(world: World) -> None:
    """Scopes and context are those of the first ones, and there is a new refresh token."""
    client_id = world.app().client.id
    first = world.tokens(client_id, PATIENT, scope=_OFFLINE)
    answer = world.refresh(client_id, first["refresh_token"])
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert {**second, "access_token": "", "refresh_token": ""} == {
        **first,
        "access_token": "",
        "refresh_token": "",
    }
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert world.principal(second["access_token"]).patient == "anna"


def test_a_public_application_need_not_name_itself(world: World) -> None:
    """Its refresh token is enough; a second use is noticed all the same."""
    client_id = world.app().client.id
    first = world.tokens(client_id, PATIENT, scope=_OFFLINE)["refresh_token"]
    answer = world.refresh("", first)
    assert answer.status_code == 200
    assert world.refresh("", first).json()["error"] == "invalid_grant"
    assert world.principal(answer.json()["access_token"]) is None
    assert world.refresh("", "unknown").json()["error"] == "invalid_grant"


def test_a_refresh_token_is_no_proof_of_an_application_that_has_one(world: World) -> None:
    """Whoever steals it from an application with a secret cannot leave the secret out."""
    registered = world.app(token_endpoint_auth_method="client_secret_post")
    client_id, secret = registered.client.id, registered.secret
    code = world.code(client_id, PATIENT, scope=_OFFLINE)
    token = world.exchange(client_id, code, client_secret=secret).json()["refresh_token"]
    for name in ("", client_id):
        refused = world.refresh(name, token)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert world.refresh(client_id, token, client_secret=secret).status_code == 200


def test_without_the_scope_there_is_no_refresh_token(world: World) -> None:
    """An application that asked for no staying access gets none."""
    assert "refresh_token" not in world.tokens(world.app().client.id, PATIENT, scope="patient/*.rs")


def test_a_used_refresh_token_takes_everything_back(world: World) -> None:
    """The second use is noticed, and all that came of the grant is good for nothing."""
    client_id = world.app().client.id
    first = world.tokens(client_id, PATIENT, scope=_OFFLINE)
    second = world.refresh(client_id, first["refresh_token"]).json()
    assert world.principal(second["access_token"]) is not None
    assert world.refresh(client_id, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.principal(first["access_token"]) is None
    assert world.principal(second["access_token"]) is None
    assert world.refresh(client_id, second["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.requirement("smart-104")
def test_a_refresh_may_ask_for_less_and_never_for_more(world: World) -> None:
    """Less is granted for this token; more is refused, and the refresh token stays good."""
    client_id = world.app(scope="offline_access patient/*.cruds user/*.cruds").client.id
    token = world.tokens(client_id, PATIENT, scope="offline_access patient/*.rs")["refresh_token"]
    for more in ("patient/*.cruds", "user/*.rs", "patient/*.rs openid", "system/*.rs", "nonsense"):
        answer = world.refresh(client_id, token, scope=more)
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_scope"
    less = world.refresh(client_id, token, scope="patient/Observation.rs").json()
    assert less["scope"] == "patient/Observation.rs"
    assert world.principal(less["access_token"]).scopes == ("patient/Observation.rs",)
    again = world.refresh(client_id, less["refresh_token"]).json()
    assert again["scope"] == "offline_access patient/*.rs"


@pytest.mark.requirement("smart-115")
def test_a_refresh_gives_no_more_than_the_registration(world: World) -> None:
    """An administrator took a scope away from the application, and the next token is without it."""
    client = world.app().client
    token = world.tokens(client.id, PATIENT, scope="offline_access patient/*.rs")["refresh_token"]
    reduced = replace(client, scopes=("offline_access", "patient/Observation.rs"))
    world.run(world.server.oauth.clients.replace(reduced))
    second = world.refresh(client.id, token).json()
    assert second["scope"] == "offline_access patient/Observation.rs"
    world.run(world.server.oauth.clients.replace(replace(client, scopes=("openid",))))
    assert world.refresh(client.id, second["refresh_token"]).json()["error"] == "invalid_scope"


@pytest.mark.requirement("smart-103")
def test_a_refresh_token_is_for_one_application(world: World) -> None:
    """Another application cannot use it, and does not use it up."""
    mine, other = world.app().client.id, world.app().client.id
    token = world.tokens(mine, PATIENT, scope=_OFFLINE)["refresh_token"]
    assert world.refresh(other, token).json()["error"] == "invalid_grant"
    assert world.refresh(mine, token).status_code == 200


@pytest.mark.requirement("smart-100", "smart-366")
def test_online_access_ends_with_the_session(world: World) -> None:
    """The person signed out: there are no new tokens."""
    client_id = world.app().client.id
    token = world.tokens(client_id, DOCTOR, scope=_ONLINE)["refresh_token"]
    token = world.refresh(client_id, token).json()["refresh_token"]
    world.people.ended.add("session of account-doctor")
    try:
        assert world.refresh(client_id, token).json()["error"] == "invalid_grant"
    finally:
        world.people.ended.clear()


@pytest.mark.requirement("smart-101", "smart-365")
def test_offline_access_goes_on_without_the_session(world: World) -> None:
    """The person signed out, and the application gets new tokens without them."""
    client_id = world.app().client.id
    token = world.tokens(client_id, DOCTOR, scope="offline_access user/*.rs")["refresh_token"]
    world.people.ended.add("session of account-doctor")
    try:
        assert world.refresh(client_id, token).status_code == 200
    finally:
        world.people.ended.clear()


def test_offline_access_ends_with_the_account(world: World) -> None:
    """The account was closed: there are no new tokens, and the old ones stand for nobody."""
    client_id = world.app().client.id
    tokens = world.tokens(client_id, PATIENT, scope=_OFFLINE)
    del world.people.people[PATIENT.account_id]
    try:
        assert world.refresh(client_id, tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert world.principal(tokens["access_token"]) is None
    finally:
        world.people.people[PATIENT.account_id] = PATIENT


@pytest.mark.requirement("smart-88")
def test_tokens_are_good_for_a_while(world: World) -> None:
    """An access token for ten minutes, a refresh token for ninety days from its last use."""
    client_id = world.app().client.id
    tokens = world.tokens(client_id, PATIENT, scope=_OFFLINE)
    assert tokens["expires_in"] == 600
    world.clock.wait(seconds=599)
    assert world.principal(tokens["access_token"]) is not None
    world.clock.wait(seconds=1)
    assert world.principal(tokens["access_token"]) is None
    world.clock.wait(days=89)
    tokens = world.refresh(client_id, tokens["refresh_token"]).json()
    world.clock.wait(days=89)
    tokens = world.refresh(client_id, tokens["refresh_token"]).json()
    world.clock.wait(days=90)
    assert world.refresh(client_id, tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.requirement("smart-91")
def test_no_access_token_is_good_for_more_than_an_hour() -> None:
    """A hospital cannot set it so."""
    assert Settings(access_token_seconds=3600).access_token_seconds == 3600
    with pytest.raises(ValidationError, match="access_token_seconds"):
        Settings(access_token_seconds=3601)


@pytest.mark.parametrize("whose", ["account", "session", "client"])
def test_what_was_granted_can_be_taken_back(world: World, whose: str) -> None:
    """All grants of a person, of a session, or of an application, with their tokens."""
    client_id = world.app().client.id
    grants = world.server.oauth.grants
    tokens = world.tokens(client_id, DOCTOR, scope=_ONLINE)
    granted = world.run(grants.of_account(DOCTOR.account_id, world.clock()))
    assert client_id in [one.client_id for one in granted]
    take_back = {
        "account": lambda: grants.revoke_of_account(DOCTOR.account_id),
        "session": lambda: grants.revoke_of_session("session of account-doctor"),
        "client": lambda: grants.revoke_of_client(client_id),
    }
    world.run(take_back[whose]())
    assert world.principal(tokens["access_token"]) is None
    assert world.refresh(client_id, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    granted = world.run(grants.of_account(DOCTOR.account_id, world.clock()))
    assert client_id not in [one.client_id for one in granted]


def test_one_of_two_at_the_same_time_loses(world: World) -> None:
    """Of two who use a refresh token at once one gets tokens at most, and the grant is taken back."""
    import asyncio

    from starlette.requests import Request

    from fhir_server.smart.oauth.client_requests import ClientRequest
    from fhir_server.smart.oauth.errors import OAuthError
    from fhir_server.smart.oauth.tokens import Issued, renew

    client = world.app().client
    tokens = world.tokens(client.id, PATIENT, scope=_OFFLINE)

    asked = ClientRequest(world.server, Request({"type": "http"}), client, {})

    async def both() -> list[Issued | BaseException]:
        attempts = [renew(asked, tokens["refresh_token"], ()) for _ in range(5)]
        return await asyncio.gather(*attempts, return_exceptions=True)

    results = world.run(both())
    issued = [one for one in results if isinstance(one, Issued)]
    assert len(issued) <= 1
    assert all(isinstance(one, OAuthError) for one in results if one not in issued)
    assert all(world.principal(one.access) is None for one in issued)
