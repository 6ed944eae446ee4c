"""Applications registered, by administrators and by themselves (https://www.rfc-editor.org/rfc/rfc7591)."""

import json
from typing import Any

import pytest

from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.redirect_uris import is_redirect_uri
from tests.fhir_server.smart.oauth.world import REDIRECT, World, key


@pytest.fixture(scope="module")
def more_settings() -> dict[str, object]:
    """Let applications register themselves."""
    return {"dynamic_registration": "on"}


_METADATA = {
    "client_name": "Growth Chart",
    "redirect_uris": [REDIRECT],
    "scope": "launch/patient patient/*.rs",
    "token_endpoint_auth_method": "none",
}


@pytest.mark.requirement("smart-19", "smart-24", "smart-316", "smart-355", "smart-438")
def test_an_application_registers_itself(world: World) -> None:
    """It gets an id, and can be used at once; unknown members are passed over."""
    answer = world.http.post("/oauth/register", json=_METADATA | {"logo_uri": "https://evil.example.org"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    registered = answer.json()
    assert registered["redirect_uris"] == [REDIRECT]
    assert "client_secret" not in registered
    assert "logo_uri" not in registered
    tokens = world.tokens(registered["client_id"], scope="launch/patient patient/*.rs")
    assert tokens["patient"] == "anna"
    assert world.http.get("/fhir/.well-known/smart-configuration").json()["registration_endpoint"]


def test_a_secret_is_told_once(world: World) -> None:
    """It proves the application at the token endpoint."""
    metadata = _METADATA | {"token_endpoint_auth_method": "client_secret_post"}
    registered = world.http.post("/oauth/register", json=metadata).json()
    assert registered["client_secret_expires_at"] == 0
    code = world.code(registered["client_id"], scope="launch/patient patient/*.rs")
    answer = world.exchange(registered["client_id"], code, client_secret=registered["client_secret"])
    assert answer.status_code == 200


_KEYS = key().jwks


@pytest.mark.requirement("smart-18")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example.org/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [REDIRECT, "javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"{REDIRECT}/{number}" for number in range(21)]}, "invalid_redirect_uri"),
        ({"redirect_uris": REDIRECT}, "invalid_client_metadata"),
        ({"redirect_uris": [{"$ne": 1}]}, "invalid_client_metadata"),
        ({"client_name": ""}, "invalid_client_metadata"),
        ({"client_name": "x" * 101}, "invalid_client_metadata"),
        ({"client_name": "a\u202eb"}, "invalid_client_metadata"),
        ({"client_name": None}, "invalid_client_metadata"),
        ({"scope": ""}, "invalid_client_metadata"),
        ({"scope": "patient/*.sr"}, "invalid_client_metadata"),
        ({"scope": "system/*.rs"}, "invalid_client_metadata"),
        ({"scope": ["openid"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"initiate_login_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": _KEYS,
                "grant_types": ["client_credentials"],
                "scope": "system/*.rs",
            },
            "invalid_client_metadata",
        ),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": _KEYS,
                "jwks_uri": "https://app.example.org/jwks",
            },
            "invalid_client_metadata",
        ),
        (
            {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://127.0.0.1/"},
            "invalid_client_metadata",
        ),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}, "invalid_client_metadata"),
    ],
)
def test_what_is_not_allowed_is_refused(world: World, changes: dict[str, Any], error: str) -> None:
    """With a code of the specification, and nothing is registered."""
    answer = world.http.post("/oauth/register", json=_METADATA | changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("body", [b"", b"[]", b"x", b"\xff", b"[" * 60_000, b"x" * 70_000])
def test_what_is_no_registration_is_refused(world: World, body: bytes) -> None:
    """Malformed and large bodies are answered as such."""
    assert world.http.post("/oauth/register", content=body).status_code == 400


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (REDIRECT, True),
        ("https://app.example.org:8443/a?b=c", True),
        ("http://127.0.0.1:7000/callback", True),
        ("http://[::1]/callback", True),
        ("http://localhost:7000/callback", True),
        ("org.example.app:/callback", True),
        ("http://app.example.org/callback", False),
        ("http://127.0.0.1.example.org/", False),
        ("http://localhost.example.org/", False),
        ("app:/callback", False),
        ("javascript:alert(1)//a.b", False),
        ("data:text/html,x", False),
        ("https://", False),
        ("https:app.example.org", False),
        ("https://app.example.org/#", False),
        ("https://*.example.org/", False),
        ("https://user@app.example.org/", False),
        ("https://app.example.org/a b", False),
        ("https://app.example.org/\r\nlocation: x", False),
        ("https://app.example.org\\@evil.example.org/", False),
        ("https://bücher.example.org/", False),
        ("https://app.example.org:x/", False),
        ("https://[::1/", False),
        ("/callback", False),
        ("//app.example.org/callback", False),
        ("https://app.example.org/" + "x" * 2000, False),
        ("", False),
    ],
)
def test_addresses_to_return_to(uri: str, *, expected: bool) -> None:
    """https, http on the person's own machine, or a scheme of the application's own."""
    assert is_redirect_uri(uri) is expected


def test_the_origins_of_the_pages_follow_from_the_addresses(world: World) -> None:
    """The token endpoint may be read by pages from there, and by no others."""
    world.app(redirect_uris=["https://Pages.example.org:8443/a/b", "org.example.app:/x"])
    clients = world.server.oauth.clients
    assert world.run(clients.has_origin("https://pages.example.org:8443"))
    assert not world.run(clients.has_origin("https://pages.example.org"))
    assert not world.run(clients.has_origin("org.example.app://"))


def test_administrators_keep_the_list(world: World) -> None:
    """Applications are listed, replaced and removed."""
    from dataclasses import replace

    clients, client = world.server.oauth.clients, world.app().client
    assert client in world.run(clients.all())
    changed = replace(client, name="Another name")
    assert world.run(clients.replace(changed))
    assert world.run(clients.get(client.id)) == replace(changed, created=client.created)
    assert world.run(clients.remove(client.id))
    assert not world.run(clients.remove(client.id))
    assert not world.run(clients.replace(client))
    assert world.run(clients.get(client.id)) is None


@pytest.mark.requirement("smart-297", "smart-305")
def test_keys_stay_as_they_were_registered(world: World) -> None:
    """They are answered and kept as they were sent, and there is no address at which to change them."""
    metadata = _METADATA | {"token_endpoint_auth_method": "private_key_jwt", "jwks": _KEYS}
    registered = world.http.post("/oauth/register", json=metadata).json()
    assert registered["jwks"] == _KEYS
    client_id, other = registered["client_id"], metadata | {"jwks": key().jwks}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in (f"/oauth/register/{client_id}", "/oauth/register"):
            answer = world.http.send(method, path, json=other | {"client_id": client_id})
            assert answer.status_code in (201, 404, 405)
            assert answer.status_code != 201 or answer.json()["client_id"] != client_id
    client = world.run(world.server.oauth.clients.get(client_id))
    assert json.loads(client.jwks) == _KEYS


@pytest.mark.requirement("smart-296", "smart-297")
def test_services_are_registered_by_administrators(world: World) -> None:
    """With a key, or with an address where it is."""
    given = {
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "scope": "system/*.rs",
    }
    assert world.app(**given, jwks_uri="https://lab.example.org/jwks").client.jwks_uri
    assert world.app(**given, jwks=_KEYS).client.jwks
    with pytest.raises(OAuthError):
        world.app(**given)
