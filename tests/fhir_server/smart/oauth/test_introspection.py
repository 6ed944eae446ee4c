"""What a token means, and tokens taken back, for those who may ask.

https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html, https://www.rfc-editor.org/rfc/rfc7009
"""

from typing import Any

import httpx
import pytest

from tests.fhir_server.smart.oauth.world import ADMINISTRATOR, DOCTOR, FHIR, ORIGIN, PATIENT, World, key

_SCOPE = "launch openid fhirUser offline_access patient/*.rs"


def _checker(world: World) -> dict[str, str]:
    """Return the proof of a resource server that checks tokens."""
    registered = world.app(token_endpoint_auth_method="client_secret_post", client_name="Imaging archive")
    assert registered.secret is not None
    return {"client_id": registered.client.id, "client_secret": registered.secret}


def _introspect(world: World, token: str, **form: Any) -> httpx.Response:
    return world.http.post("/oauth/introspect", data={"token": token, **form})


@pytest.mark.requirement("smart-99", "smart-269", "smart-271", "smart-272", "smart-273", "smart-274")
@pytest.mark.requirement("smart-275", "smart-276", "smart-277", "smart-278", "smart-279", "smart-280")
@pytest.mark.requirement("smart-283", "smart-391")
def test_a_resource_server_learns_what_a_token_means(world: World) -> None:
    """Whichever application it was issued to: scope, expiry, person and launch context."""
    client_id = world.app().client.id
    launch = world.launch(patient="anna", encounter="e1", intent="x", fhir_context=[{"canonical": "urn:x"}])
    tokens = world.tokens(client_id, DOCTOR, scope=_SCOPE, launch=launch)
    now = int(world.clock().timestamp())
    assert _introspect(world, tokens["access_token"], **_checker(world)).json() == {
        "active": True,
        "scope": _SCOPE,
        "client_id": client_id,
        "token_type": "Bearer",
        "exp": now + 600,
        "iat": now,
        "iss": ORIGIN,
        "aud": FHIR,
        "sub": "account-doctor",
        "fhirUser": f"{FHIR}/Practitioner/grey",
        "patient": "anna",
        "encounter": "e1",
        "fhirContext": [{"canonical": "urn:x"}],
        "need_patient_banner": True,
        "intent": "x",
        "smart_style_url": f"{ORIGIN}/oauth/smart-style.json",
    }


@pytest.mark.requirement("smart-272")
def test_what_is_no_good_token_is_not_active(world: World) -> None:
    """And nothing else is said of it: unknown, expired, taken back, or a refresh token."""
    proof = _checker(world)
    tokens = world.tokens(world.app().client.id, PATIENT, scope="offline_access patient/*.rs")
    for token in ("x", tokens["refresh_token"], "", None):
        answer = _introspect(world, token or "x", **proof)
        assert answer.json() == {"active": False}
    world.clock.wait(seconds=600)
    assert _introspect(world, tokens["access_token"], **proof).json() == {"active": False}


@pytest.mark.requirement("smart-281")
def test_others_may_not_ask(world: World) -> None:
    """No public application, none that registered itself, no wrong secret, no token of a doctor."""
    from dataclasses import replace

    token = world.tokens(world.app().client.id, PATIENT, scope="patient/*.rs")["access_token"]
    assert _introspect(world, token).status_code == 401
    assert _introspect(world, token, client_id=world.app().client.id).status_code == 403
    assert _introspect(world, token, **_checker(world) | {"client_secret": "x"}).status_code == 401
    itself = world.app(token_endpoint_auth_method="client_secret_post")
    world.run(world.server.oauth.clients.replace(replace(itself.client, is_dynamic=True)))
    proof = {"client_id": itself.client.id, "client_secret": itself.secret}
    assert _introspect(world, token, **proof).status_code == 403
    doctor = world.tokens(world.app().client.id, DOCTOR, scope="user/*.rs")["access_token"]
    header = {"authorization": f"Bearer {doctor}"}
    assert world.http.post("/oauth/introspect", data={"token": token}, headers=header).status_code == 401


@pytest.mark.requirement("smart-282", "smart-283")
@pytest.mark.parametrize("kind", ["service", "application"])
def test_who_may_ask_may_do_so_by_a_token(world: World, kind: str) -> None:
    """The token of a backend service, or of an application that could prove itself instead."""
    asked = world.tokens(world.app().client.id, PATIENT, scope="patient/*.rs")["access_token"]
    if kind == "service":
        own_key = key()
        metadata = {"token_endpoint_auth_method": "private_key_jwt", "jwks": own_key.jwks}
        grants = {"grant_types": ["client_credentials"], "scope": "system/*.rs"}
        service = world.app(**metadata, **grants).client.id
        own = world.service(own_key.assertion(service, world.clock())).json()["access_token"]
    else:
        registered = world.app(token_endpoint_auth_method="client_secret_post")
        code = world.code(registered.client.id, DOCTOR, scope="user/*.rs")
        answer = world.exchange(registered.client.id, code, client_secret=registered.secret)
        own = answer.json()["access_token"]
    header = {"authorization": f"Bearer {own}"}
    answer = world.http.post("/oauth/introspect", data={"token": asked}, headers=header)
    assert answer.json()["sub"] == PATIENT.account_id


def test_an_administrator_may_ask(world: World) -> None:
    """With a token of their own."""
    own = world.tokens(world.app().client.id, ADMINISTRATOR, scope="user/*.rs")["access_token"]
    header = {"authorization": f"Bearer {own}"}
    answer = world.http.post("/oauth/introspect", data={"token": own}, headers=header)
    assert answer.json()["sub"] == ADMINISTRATOR.account_id


@pytest.mark.requirement("smart-392")
@pytest.mark.parametrize(("which", "is_all"), [("access_token", False), ("refresh_token", True)])
def test_an_application_gives_its_tokens_back(world: World, which: str, *, is_all: bool) -> None:
    """An access token alone, or with a refresh token all that came of the grant; twice does no harm."""
    client_id = world.app().client.id
    tokens = world.tokens(client_id, PATIENT, scope="offline_access patient/*.rs")
    for _ in range(2):
        form = {"token": tokens[which], "client_id": client_id}
        assert world.http.post("/oauth/revoke", data=form).status_code == 200
    assert world.principal(tokens["access_token"]) is None
    assert (world.refresh(client_id, tokens["refresh_token"]).status_code == 400) is is_all


def test_nobody_gives_back_the_tokens_of_another(world: World) -> None:
    """The answer is the same, and the token stays good."""
    tokens = world.tokens(world.app().client.id, PATIENT, scope="offline_access patient/*.rs")
    for which in ("access_token", "refresh_token"):
        form = {"token": tokens[which], "client_id": world.app().client.id}
        assert world.http.post("/oauth/revoke", data=form).status_code == 200
    assert world.principal(tokens["access_token"]) is not None
    assert world.http.post("/oauth/revoke", data={"token": "x"}).status_code == 401
