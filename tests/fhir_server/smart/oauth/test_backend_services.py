"""Services that sign in with a key, and what is wrong with an assertion that is refused.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.smart.oauth.assertions import ASSERTION_TYPE
from fhir_server.smart.principal import Principal
from tests.fhir_server.smart.oauth.publisher import Publisher, publisher
from tests.fhir_server.smart.oauth.world import (
    FHIR,
    PATIENT,
    REDIRECT,
    TOKEN,
    Key,
    World,
    handle_in,
    key,
    returned,
)

__all__ = ["publisher"]


@pytest.fixture(scope="module")
def more_settings() -> dict[str, object]:
    """Let keys be fetched from this machine."""
    return {"local_key_sets": "on"}


@pytest.fixture(scope="module")
def own_key() -> Key:
    """The key of the service."""
    return key()


@pytest.fixture(scope="module")
def service(world: World, own_key: Key) -> str:
    """The id of a service that may read all and create observations."""
    return _service(world, own_key)


def _service(world: World, own_key: Key, **metadata: Any) -> str:
    given = {
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "jwks": own_key.jwks,
        "scope": "system/*.rs system/Observation.c",
    }
    return world.app(**given | metadata).client.id


@pytest.mark.requirement("smart-248", "smart-249", "smart-253", "smart-254")
@pytest.mark.requirement("smart-255", "smart-256", "smart-257", "smart-258", "smart-261", "smart-262")
@pytest.mark.requirement("smart-297", "smart-310", "smart-326", "smart-357", "smart-142")
@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_service_gets_a_short_lived_token(world: World, algorithm: str) -> None:
    """With either algorithm, for five minutes, and without a refresh token."""
    own_key = key(algorithm)
    client_id = _service(world, own_key)
    answer = world.service(own_key.assertion(client_id, world.clock()))
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert {**tokens, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "system/*.rs",
    }
    principal = world.principal(tokens["access_token"])
    assert principal == Principal(client_id, ("system/*.rs",), token_id=principal.token_id)
    world.clock.wait(seconds=300)
    assert world.principal(tokens["access_token"]) is None


@pytest.mark.requirement("smart-240", "smart-241", "smart-250", "smart-259", "smart-260")
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/Patient.rs", "system/Patient.rs"),
        ("system/*.cruds", "system/*.rs system/Observation.c"),
        ("system/Observation.cruds system/Patient.d", "system/Observation.rs system/Observation.c"),
        ("system/Patient.d", None),
        ("patient/*.rs", None),
        ("system/*.rs user/*.rs", None),
        ("system/*.rs openid", None),
        ("system/*.rs offline_access", None),
        ("system/Patient.sr", None),
        ("", None),
    ],
)
def test_a_service_gets_what_it_is_registered_for(
    world: World, service: str, own_key: Key, asked: str, granted: str | None
) -> None:
    """No more, nothing of a person, and nothing without saying what."""
    answer = world.service(own_key.assertion(service, world.clock(), jti=f"for {asked}"), asked)
    if granted is None:
        assert answer.json()["error"] in ("invalid_scope", "invalid_request")
    else:
        assert answer.json()["scope"] == granted


_NOW: Callable[[World], int] = lambda world: int(world.clock().timestamp())  # noqa: E731


@pytest.mark.requirement("smart-249", "smart-335", "smart-337", "smart-340", "smart-251", "smart-252")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(lambda world: {"aud": "https://evil.example.org/oauth/token"}, id="another server"),
        pytest.param(lambda world: {"aud": FHIR}, id="the FHIR base"),
        pytest.param(lambda world: {"aud": TOKEN + "/"}, id="a slash more"),
        pytest.param(lambda world: {"aud": None}, id="no audience"),
        pytest.param(lambda world: {"exp": _NOW(world)}, id="expired now"),
        pytest.param(lambda world: {"exp": _NOW(world) - 1}, id="expired"),
        pytest.param(lambda world: {"exp": _NOW(world) + 301}, id="good for too long"),
        pytest.param(lambda world: {"exp": str(_NOW(world) + 100)}, id="expiry as text"),
        pytest.param(lambda world: {"exp": True}, id="expiry is no number"),
        pytest.param(lambda world: {"exp": None}, id="no expiry"),
        pytest.param(lambda world: {"nbf": _NOW(world) + 60}, id="not good yet"),
        pytest.param(lambda world: {"iat": _NOW(world) + 60}, id="from the future"),
        pytest.param(lambda world: {"jti": None}, id="no jti"),
        pytest.param(lambda world: {"jti": ""}, id="empty jti"),
        pytest.param(lambda world: {"jti": 1}, id="jti is no text"),
        pytest.param(lambda world: {"jti": "x" * 257}, id="long jti"),
        pytest.param(lambda world: {"sub": "another"}, id="another subject"),
        pytest.param(lambda world: {"sub": None}, id="no subject"),
        pytest.param(lambda world: {"iss": "another"}, id="another issuer"),
        pytest.param(lambda world: {"iss": {"$ne": ""}}, id="an operator as issuer"),
    ],
)
def test_claims_that_are_wrong_are_refused(
    world: World, service: str, own_key: Key, claims: Callable[[World], dict[str, Any]]
) -> None:
    """The signature is right, and what is signed is not."""
    answer = world.service(own_key.assertion(service, world.clock(), **claims(world)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.json()["error_description"]


def test_an_assertion_for_another_server_is_not_good_here(world: World, service: str, own_key: Key) -> None:
    """Neither as it is, nor when it is sent with the other server's name in the Host header."""
    other = "http://evil.example.org/oauth/token"
    for host in ("evil.example.org", "localhost"):
        form = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": own_key.assertion(service, world.clock(), aud=other, jti=host),
        }
        answer = world.http.post("/oauth/token", data=form, headers={"host": host})
        assert answer.json()["error"] in ("invalid_client", "invalid_request")


@pytest.mark.requirement("smart-336")
def test_an_assertion_is_good_once(world: World, service: str, own_key: Key) -> None:
    """The same jti of the same service is refused; another service may use it."""
    other_key = key()
    other = _service(world, other_key)
    first = own_key.assertion(service, world.clock(), jti="once")
    assert world.service(first).status_code == 200
    assert world.service(first).json()["error"] == "invalid_client"
    again = own_key.assertion(service, world.clock(), jti="once", exp=_NOW(world) + 100)
    assert world.service(again).json()["error"] == "invalid_client"
    assert world.service(other_key.assertion(other, world.clock(), jti="once")).status_code == 200


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _claims(world: World, service: str) -> dict[str, Any]:
    return {"iss": service, "sub": service, "aud": TOKEN, "exp": _NOW(world) + 100, "jti": "forged"}


@pytest.mark.requirement("smart-338")
@pytest.mark.parametrize("kind", ["none", "hmac", "other key", "other kid", "no kid", "jku", "jwk", "RS256"])
def test_signatures_that_are_wrong_are_refused(world: World, service: str, own_key: Key, kind: str) -> None:
    """`alg: none`, the public key as a secret, another key, and keys that the assertion brings along."""
    claims, now = _claims(world, service), world.clock()
    stranger = key(key_id=own_key.id)
    forged = {
        "none": lambda: f"{_part({'alg': 'none', 'kid': own_key.id})}.{_part(claims)}.",
        "hmac": lambda: _with_public_key_as_secret(own_key, claims),
        "other key": lambda: stranger.assertion(service, now),
        "other kid": lambda: own_key.assertion(service, now, {"kid": "unknown"}),
        "no kid": lambda: own_key.assertion(service, now, {"kid": None}),
        "jku": lambda: own_key.assertion(service, now, {"jku": "https://evil.example.org/jwks"}),
        "jwk": lambda: stranger.assertion(service, now, {"jwk": stranger.jwks["keys"][0]}),
        "RS256": lambda: key("RS384", own_key.id).assertion(service, now, {"alg": "RS256"}),
    }[kind]()
    answer = world.service(forged)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.requirement("smart-296", "smart-326", "smart-338", "smart-339", "smart-341")
@pytest.mark.parametrize("header", [{}, {"jku": "registered"}], ids=["no jku", "jku"])
def test_keys_are_fetched_from_where_they_were_registered(
    world: World, own_key: Key, publisher: Publisher, header: dict[str, str]
) -> None:
    """By GET, whether the assertion names the address or not; those that are there now are good."""
    client_id = _service(world, own_key, jwks=None, jwks_uri=publisher.url)
    header = dict.fromkeys(header, publisher.url)
    publisher.publish(key(key_id="other"), own_key)
    answer = world.service(own_key.assertion(client_id, world.clock(), header, jti="1"))
    assert answer.status_code == 200, answer.text
    asked = publisher.asked
    elsewhere = {"jku": publisher.url.replace("/jwks", "/elsewhere")}
    refused = world.service(own_key.assertion(client_id, world.clock(), elsewhere, jti="2"))
    assert refused.json()["error"] == "invalid_client"
    assert publisher.asked == asked
    publisher.publish(key(key_id="other"))
    refused = world.service(own_key.assertion(client_id, world.clock(), header, jti="3"))
    assert refused.json()["error"] == "invalid_client"
    assert publisher.asked > asked


def _with_public_key_as_secret(own_key: Key, claims: dict[str, Any]) -> str:
    signed = f"{_part({'alg': 'HS384', 'kid': own_key.id})}.{_part(claims)}"
    digest = hmac.digest(own_key.private.as_pem(private=False), signed.encode(), "sha384")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


_HALF_A_CHARACTER = f"{_part({'alg': 'ES384', 'kid': 'k1'})}.{_part({'iss': chr(0xD800)})}.x"


@pytest.mark.parametrize(
    "assertion", ["", "x", "a.b.c", "e30.e30.", "x" * 9000, "é.é.é", "[]" * 3000, _HALF_A_CHARACTER]
)
def test_what_is_no_assertion_is_refused(world: World, assertion: str) -> None:
    """Malformed texts are answered like any wrong one."""
    answer = world.service(assertion)
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("invalid_client", "invalid_request")


@pytest.mark.requirement("smart-337")
def test_the_form_says_the_same_as_the_assertion(world: World, service: str, own_key: Key) -> None:
    """Another client_id, another kind of assertion, or a secret beside it, are refused."""
    for form in (
        {"client_id": "another"},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_secret": "x"},
    ):
        answer = world.service(own_key.assertion(service, world.clock(), jti=str(form)), **form)
        assert answer.status_code in (400, 401)


@pytest.mark.requirement("smart-344")
def test_a_secret_is_not_enough_for_a_service(world: World) -> None:
    """Backend services have keys; one that has a secret or nothing cannot be registered as such."""
    from fhir_server.smart.oauth.errors import OAuthError

    for method in ("client_secret_basic", "client_secret_post", "none"):
        with pytest.raises(OAuthError, match="private_key_jwt"):
            world.app(
                grant_types=["client_credentials"], token_endpoint_auth_method=method, scope="system/*.rs"
            )


@pytest.mark.requirement("smart-357")
def test_an_application_with_people_may_have_a_key(world: World, own_key: Key) -> None:
    """It proves itself by an assertion where others send a secret, and by nothing less."""
    client_id = world.app(token_endpoint_auth_method="private_key_jwt", jwks=own_key.jwks).client.id
    code = world.code(client_id, PATIENT)
    assert world.exchange(client_id, code).json()["error"] == "invalid_client"
    proof = {
        "client_assertion": own_key.assertion(client_id, world.clock()),
        "client_assertion_type": ASSERTION_TYPE,
    }
    assert world.exchange(client_id, code, **proof).status_code == 200


def test_no_person_grants_the_rights_of_a_service(world: World, own_key: Key) -> None:
    """An application that is both gets its system scopes by itself only."""
    client_id = _service(
        world,
        own_key,
        grant_types=["authorization_code", "client_credentials"],
        redirect_uris=[REDIRECT],
        scope="system/*.rs user/*.rs",
    )
    handle = handle_in(world.ask(client_id, scope="system/*.rs user/*.rs"))
    assert [one["scope"] for one in world.page(handle).json()["values"]["lines"]] == ["user/*.rs"]
    answer = returned(world.ask(client_id, scope="system/*.rs"))
    assert answer["error"] == "invalid_scope"
