"""Applications registered: what they say of themselves checked, and made a `Client`.

The same rules bind an administrator who registers an application and one that registers itself.
https://www.rfc-editor.org/rfc/rfc7591#section-2
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.key_sets import UnusableKeys, is_key_set_url, parse_key_set
from fhir_server.smart.oauth.redirect_uris import is_redirect_uri, origin_of
from fhir_server.smart.oauth.scopes import is_scope, parse_scope
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.store.oauth import Client
from fhir_server.store.oauth.clients import AuthenticationMethod

METHODS: tuple[AuthenticationMethod, ...] = (
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
)
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")

_MOST_ADDRESSES = 20
_LONGEST_NAME = 100
_MOST_SCOPES = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """A new application, and the secret that is told once, None for one that has none."""

    client: Client
    secret: str | None


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """What surrounds a registration: the clock, where ids and secrets come from, and what may be."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    allow_local_key_sets: bool = False


def register(metadata: Mapping[str, Any], rules: RegistrationRules, *, is_dynamic: bool) -> Registration:
    """Return the application that `metadata` of RFC 7591 describe.

    One that registers itself gets no `system/` scopes, nor the right to open others (`may_launch`, which is
    no word of RFC 7591), which is for applications that prove who they are. Raises OAuthError
    `invalid_redirect_uri` or `invalid_client_metadata`.
    """
    method = _method(metadata)
    grant_types = _grant_types(metadata, method, is_dynamic=is_dynamic)
    redirect_uris = _redirect_uris(metadata, is_needed="authorization_code" in grant_types)
    jwks, jwks_uri = _keys(metadata, method, allow_local=rules.allow_local_key_sets)
    launch_uri = _text(metadata, "initiate_login_uri") or _text(metadata, "launch_uri")
    if launch_uri is not None and not is_redirect_uri(launch_uri):
        raise _invalid("launch_uri is no address that a browser may be sent to")
    algorithm = _text(metadata, "id_token_signed_response_alg") or "RS256"
    if algorithm not in ("RS256", "ES256"):
        raise _invalid("id_token_signed_response_alg is RS256 or ES256")
    may_launch = not is_dynamic and metadata.get("may_launch") is True
    if may_launch and method == "none":
        raise _invalid("An application that opens others proves who it is")
    secret = rules.new_secret() if method in SECRET_METHODS else None
    client = Client(
        id=rules.new_id(),
        name=_name(metadata),
        method=method,
        grant_types=grant_types,
        redirect_uris=redirect_uris,
        scopes=_scopes(metadata, grant_types),
        origins=tuple(sorted({origin for uri in redirect_uris if (origin := origin_of(uri))})),
        created=rules.now(),
        secret_hash=secret and hashed(secret),
        jwks=jwks,
        jwks_uri=jwks_uri,
        launch_uri=launch_uri,
        signing_algorithm="ES256" if algorithm == "ES256" else "RS256",
        is_dynamic=is_dynamic,
        may_launch=may_launch,
    )
    return Registration(client, secret)


def with_keys(client: Client, jwks: Any) -> Client:
    """Return an application with these keys in place of those that it had; raise OAuthError if it has none.

    One whose keys are fetched from an address changes them there.
    """
    if client.method != "private_key_jwt" or client.jwks is None:
        raise _invalid("This application is not registered with keys by value")
    keys, _ = _keys({"jwks": jwks}, client.method, allow_local=False)
    return replace(client, jwks=keys)


def metadata_of(registration: Registration) -> dict[str, Any]:
    """Return what is answered to one that registered itself (RFC 7591 section 3.2.1)."""
    client = registration.client
    known = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created.timestamp()),
        "client_name": client.name,
        "token_endpoint_auth_method": client.method,
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "redirect_uris": list(client.redirect_uris),
        "scope": " ".join(client.scopes),
        "id_token_signed_response_alg": client.signing_algorithm,
        "jwks_uri": client.jwks_uri,
        "jwks": client.jwks and json.loads(client.jwks),
        "initiate_login_uri": client.launch_uri,
    }
    if registration.secret is not None:
        known |= {"client_secret": registration.secret, "client_secret_expires_at": 0}
    return {name: value for name, value in known.items() if value is not None}


def _method(metadata: Mapping[str, Any]) -> AuthenticationMethod:
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in METHODS:
        raise _invalid(f"token_endpoint_auth_method is one of {', '.join(METHODS)}")
    return cast(AuthenticationMethod, method)


def _grant_types(metadata: Mapping[str, Any], method: str, *, is_dynamic: bool) -> tuple[str, ...]:
    grant_types = _strings(metadata, "grant_types") or ("authorization_code",)
    if not set(grant_types) <= set(GRANT_TYPES):
        raise _invalid(f"grant_types are of {', '.join(GRANT_TYPES)}")
    if _strings(metadata, "response_types") not in ((), ("code",)):
        raise _invalid("response_types is code")
    if "client_credentials" in grant_types:
        if is_dynamic:
            raise _invalid("An administrator registers applications for client_credentials")
        if method != "private_key_jwt":
            raise _invalid("client_credentials are for applications with private_key_jwt")
    return tuple(dict.fromkeys(grant_types))


def _redirect_uris(metadata: Mapping[str, Any], *, is_needed: bool) -> tuple[str, ...]:
    uris = _strings(metadata, "redirect_uris")
    if (is_needed and not uris) or len(uris) > _MOST_ADDRESSES or not all(map(is_redirect_uri, uris)):
        raise OAuthError("invalid_redirect_uri", "redirect_uris are https addresses without a fragment")
    return tuple(dict.fromkeys(uris))


def _keys(metadata: Mapping[str, Any], method: str, *, allow_local: bool) -> tuple[str | None, str | None]:
    jwks, jwks_uri = metadata.get("jwks"), _text(metadata, "jwks_uri")
    if method != "private_key_jwt":
        return None, None
    if (jwks is None) == (jwks_uri is None):
        raise _invalid("An application with private_key_jwt has either jwks or jwks_uri")
    if jwks_uri is not None:
        if not is_key_set_url(jwks_uri, allow_local=allow_local):
            raise _invalid("jwks_uri is an https address")
        return None, jwks_uri
    try:
        if not parse_key_set(jwks).keys:
            raise _invalid("jwks has no key for RS384 or ES384")
    except UnusableKeys as failure:
        raise _invalid(str(failure)) from None
    return json.dumps(jwks), None


def _scopes(metadata: Mapping[str, Any], grant_types: tuple[str, ...]) -> tuple[str, ...]:
    scopes = tuple(dict.fromkeys((_text(metadata, "scope") or "").split()))
    if not scopes or len(scopes) > _MOST_SCOPES or not all(map(is_scope, scopes)):
        raise _invalid("scope is a list of SMART scopes with a space between them")
    contexts = {scope.context for text in scopes if (scope := parse_scope(text)) is not None}
    if "system" in contexts and "client_credentials" not in grant_types:
        raise _invalid("system scopes are for applications with client_credentials")
    return scopes


def _name(metadata: Mapping[str, Any]) -> str:
    name = (_text(metadata, "client_name") or "").strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise _invalid(f"client_name is a text of {_LONGEST_NAME} characters at most")
    return name


def _text(metadata: Mapping[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    if value is not None and not isinstance(value, str):
        raise _invalid(f"{name} is a text")
    return value


def _strings(metadata: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = metadata.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _invalid(f"{name} is an array of texts")
    return tuple(value)


def _invalid(description: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", description)
