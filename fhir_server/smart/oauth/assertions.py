"""A signed statement by which an application proves who it is (`private_key_jwt`).

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fhir_server.smart.oauth.errors import invalid_client
from fhir_server.smart.oauth.key_sets import KeySets, UnusableKeys, parse_key_set
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.store.oauth import AuthorizationStore, Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS384", "ES384")

_KEY_TYPES = {"RS384": "RSA", "ES384": "EC"}
_LONGEST_SECONDS = 300
# Clocks differ by that much; only what is said of the past is forgiven, never an expired assertion.
_SKEW_SECONDS = 30
_MOST_CHARACTERS = 8192
_LONGEST_JTI = 256


def claimed_client_id(assertion: str) -> str | None:
    """Return the issuer that an assertion claims, which nothing proves yet; None if it is malformed."""
    if len(assertion) > _MOST_CHARACTERS:
        return None
    try:
        claims = json.loads(jws.extract_compact(assertion.encode()).payload)
    except (JoseError, ValueError, RecursionError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) and issuer.isascii() else None


async def check_assertion(
    assertion: str,
    client: Client,
    *,
    audience: str,
    key_sets: KeySets,
    seen: AuthorizationStore,
    now: datetime,
) -> None:
    """Return if `assertion` is signed by a key of `client`, for `audience`, and good now for the first time.

    Raises OAuthError `invalid_client` otherwise.
    """
    claims = await _signed_claims(assertion, client, key_sets)
    expires = _check_claims(claims, client, audience, int(now.timestamp()))
    # The hash of both, as two applications may choose the same jti.
    assertion_id = hashed(json.dumps([client.id, claims["jti"]]))
    if not await seen.is_first_sight(assertion_id, datetime.fromtimestamp(expires, UTC)):
        raise invalid_client("The assertion was used before")


async def _signed_claims(assertion: str, client: Client, key_sets: KeySets) -> Mapping[str, Any]:
    try:
        header = jws.extract_compact(assertion.encode()).headers()
        key_id, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in ALGORITHMS or not isinstance(key_id, str):
            raise invalid_client(f"An assertion names its key, and is signed with {' or '.join(ALGORITHMS)}")
        keys = await _keys(client, header, key_id, key_sets)
        candidates = [key for key in keys.keys if key.kid == key_id and key.key_type == _KEY_TYPES[algorithm]]
        if len(candidates) != 1:
            raise invalid_client("The application has not just one key of this id for this algorithm")
        return jwt.decode(assertion, candidates[0], algorithms=[algorithm]).claims
    except (JoseError, ValueError, RecursionError):
        raise invalid_client(
            "The assertion is malformed, or not signed by a key of the application"
        ) from None
    except UnusableKeys as failure:
        raise invalid_client(str(failure)) from None


async def _keys(client: Client, header: Mapping[str, Any], key_id: str, key_sets: KeySets) -> KeySet:
    if "jku" in header and header["jku"] != client.jwks_uri:
        raise invalid_client("The assertion's jku is not the address that the application registered")
    if client.jwks_uri is not None:
        return await key_sets.at(client.jwks_uri, key_id)
    return parse_key_set(json.loads(client.jwks or "{}"))


def _check_claims(claims: Mapping[str, Any], client: Client, audience: str, now: int) -> int:
    """Return when the assertion expires; raise OAuthError if it says anything else than it must."""
    if claims.get("iss") != client.id or claims.get("sub") != client.id:
        raise invalid_client("An assertion's iss and sub are the client_id")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise invalid_client("An assertion's aud is the address of the token endpoint")
    expires = _seconds(claims, "exp")
    if expires is None or not now < expires <= now + _LONGEST_SECONDS:
        raise invalid_client(f"An assertion expires at most {_LONGEST_SECONDS} seconds ahead")
    for name in ("nbf", "iat"):
        begins = _seconds(claims, name)
        if name in claims and (begins is None or begins > now + _SKEW_SECONDS):
            raise invalid_client(f"An assertion's {name} is not in the future")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise invalid_client(f"An assertion has a jti of {_LONGEST_JTI} characters at most")
    return expires


def _seconds(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
