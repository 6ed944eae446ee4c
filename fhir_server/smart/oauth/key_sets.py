"""The public keys of applications: as they registered them, or fetched from where they publish them.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification
"""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from fhir_server.smart.oauth.fetching import CannotFetch, Fetching, Resolve, may_be_fetched

_MOST_KEYS = 20
_MOST_CACHED = 500
_LONGEST_CACHED = timedelta(hours=1)
# An application that has new keys is heard soon, and somebody who invents key ids does not make us ask often.
_SHORTEST_BETWEEN = timedelta(seconds=10)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")
_UNCACHED = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])")
# 2048 bits in base64url.
_SHORTEST_RSA_MODULUS = 342


class UnusableKeys(Exception):
    """Keys that cannot be read or fetched; the message is for who registered them."""


def parse_key_set(document: Any) -> KeySet:
    """Return the keys of a JWK Set that may verify RS384 or ES384, without the others.

    Raises UnusableKeys if it is no JWK Set, or if a private or a symmetric key is in it.
    """
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise UnusableKeys(f"A JWK Set has an array `keys` of {_MOST_KEYS} keys at most")
    found: list[Key] = []
    for jwk in keys:
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
            raise UnusableKeys("Each key of a JWK Set has a `kid`")
        if {"d", "k", "p", "q"} & set(jwk):
            raise UnusableKeys("A JWK Set has public keys only")
        key = _verifying_key(jwk)
        if key is not None:
            found.append(key)
    return KeySet(found)


def _verifying_key(jwk: dict[str, Any]) -> RSAKey | ECKey | None:
    try:
        if jwk.get("kty") == "RSA":
            return RSAKey.import_key(jwk) if len(jwk["n"]) >= _SHORTEST_RSA_MODULUS else None
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-384":
            return ECKey.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        raise UnusableKeys("A key of the JWK Set is malformed") from None
    return None


class KeySets:
    """The key sets that are fetched, each kept as long as who publishes it says; one for each process."""

    def __init__(
        self, now: Callable[[], datetime], *, allow_local: bool, resolve: Resolve | None = None
    ) -> None:
        """Fetch over https from public addresses; `allow_local` lets http and private ones be, for tests."""
        self._now = now
        self._fetching = Fetching(allow_local=allow_local, resolve=resolve)
        self._cache: OrderedDict[str, tuple[KeySet, datetime, datetime]] = OrderedDict()

    async def at(self, url: str, key_id: str) -> KeySet:
        """Return the keys that are published at `url`, fetched again if `key_id` is not among those known.

        Raises UnusableKeys if they cannot be had.
        """
        now = self._now()
        keys, fetched, until = self._cache.get(url, (None, now, now))
        if keys is not None and now < until:
            is_known = any(key.kid == key_id for key in keys.keys)
            if is_known or now - fetched < _SHORTEST_BETWEEN:
                return keys
        keys, lifetime = await self._fetch(url)
        self._cache[url] = (keys, now, now + lifetime)
        self._cache.move_to_end(url)
        if len(self._cache) > _MOST_CACHED:
            self._cache.popitem(last=False)
        return keys

    async def _fetch(self, url: str) -> tuple[KeySet, timedelta]:
        try:
            fetched = await self._fetching.get(url)
            return parse_key_set(json.loads(fetched.body)), _lifetime(fetched.cache_control)
        except CannotFetch as failure:
            raise UnusableKeys(f"The JWK Set {failure}") from None
        except (ValueError, RecursionError):
            raise UnusableKeys("What is at the address of the JWK Set is no JSON") from None


def is_key_set_url(url: str, *, allow_local: bool) -> bool:
    """Tell whether keys may be fetched from `url`, by what it looks like."""
    return may_be_fetched(url, allow_local=allow_local)


def _lifetime(cache_control: str) -> timedelta:
    text = cache_control.lower()
    found = _MAX_AGE.search(text)
    if found is None or _UNCACHED.search(text):
        return timedelta(0)
    return min(timedelta(seconds=int(found[1])), _LONGEST_CACHED)
