"""Which OpenID provider is trusted, and what its tokens mean here: a file that an administrator writes.

docs/openid-provider.md has one for Keycloak and one for Entra ID.
"""

import ssl
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from fhir_server.smart.oauth.fetching import may_be_fetched
from fhir_server.smart.oauth.scopes import is_scope
from fhir_server.smart.principal import ROLES

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""The signatures that may be allowed: all asymmetric, as with a shared secret we could sign ourselves."""

ClaimPath = tuple[str, ...]
"""The names that lead to a claim, from the outermost object on."""

_OF_ACCESS = "at+jwt"
_CLAIMS: Mapping[str, ClaimPath | None] = {
    "subject": ("sub",),
    "client": None,
    "roles": ("roles",),
    "scope": ("scope",),
    "fhir_user": ("fhirUser",),
    "patient": ("patient",),
    "encounter": ("encounter",),
}
_KEYS = {
    "issuer",
    "audience",
    "sign_in",
    "algorithms",
    "types",
    "leeway_seconds",
    "certificates",
    "capabilities",
    "claims",
    "require",
    "roles",
    "scopes",
}
_LONGEST_LEEWAY = 300
_CAPABILITIES = (
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "sso-openid-connect",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider by its `issuer`, whose tokens for `audience` are good here.

    It `is_alone` if nobody signs in at this server. `claims` are where what we ask for stands in a token;
    None is where the standards have it. A token has one of `types` in its header, and the claims in
    `required` with that value, or with any for True. `roles` are the provider's names of ours, and `scopes`
    its names of SMART's. `trust` are the certificates that are believed, None for those of the public.
    """

    issuer: str
    audience: str
    roles: Mapping[str, frozenset[str]]
    claims: Mapping[str, ClaimPath | None]
    scopes: Mapping[str, tuple[str, ...]]
    required: Mapping[str, str | Literal[True]]
    algorithms: tuple[str, ...] = ("RS256",)
    types: frozenset[str] = frozenset({_OF_ACCESS})
    leeway_seconds: int = 30
    is_alone: bool = False
    trust: ssl.SSLContext | None = None
    capabilities: tuple[str, ...] = _CAPABILITIES


@cache
def load_provider(path: Path | None, *, allow_local: bool = False) -> Provider | None:
    """Return the provider that a file describes, None without one.

    With `allow_local` its address may begin with http. Raises ValueError for what is not understood.
    """
    if path is None:
        return None
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        raise ValueError("the OpenID provider is a TOML file that can be read") from None
    if unknown := set(data) - _KEYS:
        raise ValueError(f"there is nothing like {', '.join(sorted(unknown))}")
    types, required = _types(data), _required(data)
    if "jwt" in types and not required:
        raise ValueError(
            "types has JWT, as id_tokens have: [require] says by which claim they are told apart"
        )
    return Provider(
        issuer=_issuer(data, allow_local=allow_local),
        audience=_text(data, "audience"),
        roles=_roles(data),
        claims=_claims(data),
        scopes=_scopes(data),
        required=required,
        algorithms=_some_of(data, "algorithms", ("RS256",), ALGORITHMS),
        types=types,
        leeway_seconds=_leeway(data),
        is_alone=_is_alone(data),
        trust=_trust(data),
        capabilities=_strings(data, "capabilities", _CAPABILITIES),
    )


def _issuer(data: Mapping[str, Any], *, allow_local: bool) -> str:
    issuer = _text(data, "issuer")
    if not may_be_fetched(issuer, allow_local=allow_local) or "?" in issuer:
        raise ValueError("issuer is an https address")
    return issuer


def _is_alone(data: Mapping[str, Any]) -> bool:
    sign_in = data.get("sign_in", "beside")
    if sign_in not in ("beside", "alone"):
        raise ValueError("sign_in is beside or alone")
    return bool(sign_in == "alone")


def _leeway(data: Mapping[str, Any]) -> int:
    leeway = data.get("leeway_seconds", 30)
    if not isinstance(leeway, int) or not 0 <= leeway <= _LONGEST_LEEWAY:
        raise ValueError(f"leeway_seconds is a number up to {_LONGEST_LEEWAY}")
    return leeway


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is a text")
    return value


def _strings(data: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = data.get(key, list(default))
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"{key} is an array of texts")
    return tuple(value)


def _some_of(
    data: Mapping[str, Any], key: str, default: tuple[str, ...], known: Collection[str]
) -> tuple[str, ...]:
    found = _strings(data, key, default)
    if set(found) - set(known):
        raise ValueError(f"{key} are of {', '.join(known)}")
    return found


def _types(data: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(one.lower() for one in _some_of(data, "types", (_OF_ACCESS,), (_OF_ACCESS, "JWT")))


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"[{key}] is a table")
    return value


def _required(data: Mapping[str, Any]) -> Mapping[str, str | Literal[True]]:
    table = _table(data, "require")
    if not all(value is True or isinstance(value, str) for value in table.values()):
        raise ValueError("[require] has the text that a claim is, or true if it may be any")
    return table


def _claims(data: Mapping[str, Any]) -> Mapping[str, ClaimPath | None]:
    table = _table(data, "claims")
    if unknown := set(table) - set(_CLAIMS):
        raise ValueError(f"[claims] has nothing like {', '.join(sorted(unknown))}")
    return {**_CLAIMS, **{name: _path(value) for name, value in table.items()}}


def _path(value: Any) -> ClaimPath:
    """Return the names that lead to a claim: with dots between them, or as an array if they have dots."""
    names = value.split(".") if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
        raise ValueError("[claims] has names, with dots between them, or arrays of names")
    return tuple(names)


def _roles(data: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    table = _table(data, "roles")
    found = {
        name: frozenset([value]) if isinstance(value, str) else frozenset(_strings(table, name, ()))
        for name, value in table.items()
    }
    if not found or any(codes - set(ROLES) for codes in found.values()):
        raise ValueError(f"[roles] has a code, or several, for names of the provider: {', '.join(ROLES)}")
    return found


def _scopes(data: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    found = {name: tuple(str(value).split()) for name, value in _table(data, "scopes").items()}
    if not all(scopes and all(map(is_scope, scopes)) for scopes in found.values()):
        raise ValueError("[scopes] has SMART scopes, with a space between them, for names of the provider")
    return found


def _trust(data: Mapping[str, Any]) -> ssl.SSLContext | None:
    if "certificates" not in data:
        return None
    try:
        return ssl.create_default_context(cafile=_text(data, "certificates"))
    except OSError:
        raise ValueError("certificates is a file with certificates in PEM") from None
