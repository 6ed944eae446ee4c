"""Access tokens of the provider: which are good here, and what stands in them.

https://www.rfc-editor.org/rfc/rfc9068#section-4, https://www.rfc-editor.org/rfc/rfc8725
"""

from collections.abc import Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from fhir_server.smart.openid.keys import ProviderKeys
from fhir_server.smart.openid.provider import ClaimPath, Provider

Claims = Mapping[str, Any]

_LONGEST_KEY_ID = 256
# What only an id_token or a logout token has: https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken,
# https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
_OF_OTHER_TOKENS = ("at_hash", "c_hash", "s_hash", "events")
_APPLICATION = "application/"


def is_signed(token: str) -> bool:
    """Tell whether a token looks like one of a provider's; our own have no dots."""
    return token.count(".") == 2


async def good_claims(token: str, provider: Provider, keys: ProviderKeys, now: int) -> Claims | None:
    """Return what a token says that the provider signed for us and that is good now; None for any other.

    Raises AuthorizationUnavailable if nobody can tell.
    """
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError):
        return None
    key_id, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in provider.algorithms or not _is_of_type(header, provider) or "crit" in header:
        return None
    if not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID:
        return None
    key = await keys.key(key_id, algorithm)
    if key is None:
        return None
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, RecursionError):
        return None
    return claims if _are_for_us(claims, provider) and _are_good(claims, provider, now) else None


def claim(claims: Claims, path: ClaimPath | None) -> Any:
    """Return what stands in a token at a path, None if nothing does.

    A claim whose own name has the dots goes first, such as Entra's `extn.fhirUser`.
    """
    whole = ".".join(path or ())
    if whole in claims:
        return claims[whole]
    found: Any = claims if path else None
    for name in path or ():
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def texts(value: Any) -> tuple[str, ...]:
    """Return the words of a claim: those of an array, or of a text with spaces between them."""
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list):
        return tuple(one for one in value if isinstance(one, str))
    return ()


def _is_of_type(header: Mapping[str, Any], provider: Provider) -> bool:
    named = header.get("typ")
    return isinstance(named, str) and named.lower().removeprefix(_APPLICATION) in provider.types


def _are_for_us(claims: Claims, provider: Provider) -> bool:
    if claims.get("iss") != provider.issuer or any(name in claims for name in _OF_OTHER_TOKENS):
        return False
    audience = claims.get("aud")
    if provider.audience not in (audience if isinstance(audience, list) else [audience]):
        return False
    return all(
        name in claims and (wanted is True or claims[name] == wanted)
        for name, wanted in provider.required.items()
    )


def _are_good(claims: Claims, provider: Provider, now: int) -> bool:
    """Tell whether the time of a token has come and is not over, as clocks may differ."""
    expires, leeway = _seconds(claims, "exp"), provider.leeway_seconds
    if expires is None or now >= expires + leeway:
        return False
    begins = [_seconds(claims, name) for name in ("nbf", "iat") if name in claims]
    return all(one is not None and one <= now + leeway for one in begins)


def _seconds(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
