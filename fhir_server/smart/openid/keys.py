"""The provider's keys and endpoints, found by discovery and kept for a while.

A key that is not known is asked for anew, but not often, as anybody can name one. While the provider does not
answer what is known goes on to count for an hour.
https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.oauth.fetching import CannotFetch, Fetching
from fhir_server.smart.openid.provider import Provider
from resources.operation_outcome import AuthorizationUnavailable, error

SHORTEST_BETWEEN = timedelta(seconds=10)
FRESH_FOR = timedelta(minutes=5)
GOOD_FOR = timedelta(hours=1)

_DISCOVERY = "/.well-known/openid-configuration"
_MOST_KEYS = 50
# 2048 bits in base64url.
_SHORTEST_RSA_MODULUS = 342
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

PublicKey = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class _Known:
    """The discovery document and the keys by their ids, as they were at the time `fetched`."""

    document: Mapping[str, Any]
    keys: Mapping[str, Mapping[str, Any]]
    fetched: datetime


class ProviderKeys:
    """What a provider publishes; one for each process."""

    def __init__(self, provider: Provider, fetching: Fetching, now: Callable[[], datetime]) -> None:
        """Ask `provider` by `fetching` when something is needed."""
        self._provider = provider
        self._fetching = fetching
        self._now = now
        self._known: _Known | None = None
        self._asked: datetime | None = None
        self._turn = asyncio.Lock()

    async def key(self, key_id: str, algorithm: str) -> PublicKey | None:
        """Return the key of that id, if it may verify signatures by `algorithm`; None if there is none.

        Raises AuthorizationUnavailable.
        """
        known = await self._current(key_id)
        jwk = known.keys.get(key_id)
        return None if jwk is None else _verifying(jwk, algorithm)

    async def document(self) -> Mapping[str, Any]:
        """Return the discovery document; raise AuthorizationUnavailable."""
        return (await self._current(None)).document

    async def _current(self, key_id: str | None) -> _Known:
        """Return what is known, asked for anew if it is old or has not the key."""
        if self._is_needed(key_id) and not (self._turn.locked() and self._has(key_id)):
            async with self._turn:
                if self._is_needed(key_id):
                    await self._ask()
        known = self._known
        if known is None or self._now() - known.fetched >= GOOD_FOR:
            raise AuthorizationUnavailable(error("transient", "The OpenID provider does not answer"))
        return known

    def _is_needed(self, key_id: str | None) -> bool:
        now, known = self._now(), self._known
        if self._asked is not None and now - self._asked < SHORTEST_BETWEEN:
            return False
        return known is None or now - known.fetched >= FRESH_FOR or not self._has(key_id)

    def _has(self, key_id: str | None) -> bool:
        return self._known is not None and (key_id is None or key_id in self._known.keys)

    async def _ask(self) -> None:
        try:
            known = await self._published()
            self._known = self._known if known is None else known
        finally:
            self._asked = self._now()

    async def _published(self) -> _Known | None:
        """Return what the provider publishes, None if it does not answer, or answers for another issuer."""
        try:
            document = await self._json(self._provider.issuer.rstrip("/") + _DISCOVERY)
            if document.get("issuer") != self._provider.issuer:
                return None
            keys = (await self._json(str(document.get("jwks_uri", "")))).get("keys")
        except (CannotFetch, ValueError, RecursionError):
            return None
        return _Known(document, _by_id(keys[:_MOST_KEYS]), self._now()) if isinstance(keys, list) else None

    async def _json(self, url: str) -> dict[str, Any]:
        found = json.loads((await self._fetching.get(url)).body)
        if not isinstance(found, dict):
            raise ValueError("no object")
        return found


def _by_id(keys: list[Any]) -> dict[str, Mapping[str, Any]]:
    """Return the keys for signatures by their ids; an id that two keys have names none of them."""
    found: dict[str, Mapping[str, Any]] = {}
    several: set[str] = set()
    for jwk in keys:
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
            continue
        if jwk.get("use", "sig") == "sig":
            several |= {jwk["kid"]} & found.keys()
            found[jwk["kid"]] = jwk
    return {key_id: jwk for key_id, jwk in found.items() if key_id not in several}


def _verifying(jwk: Mapping[str, Any], algorithm: str) -> PublicKey | None:
    """Return a key if its type, its curve and its own `alg` are for the algorithm."""
    if jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        if algorithm in _CURVES:
            is_fitting = jwk.get("kty") == "EC" and jwk.get("crv") == _CURVES[algorithm]
            return ECKey.import_key(_public(jwk, "crv", "x", "y")) if is_fitting else None
        is_fitting = jwk.get("kty") == "RSA" and len(jwk["n"]) >= _SHORTEST_RSA_MODULUS
        return RSAKey.import_key(_public(jwk, "n", "e")) if is_fitting else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _public(jwk: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: jwk[name] for name in ("kty", *names)}
