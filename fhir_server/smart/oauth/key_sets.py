"""The public keys of applications: as they registered them, or fetched from where they publish them.

An address that an application names must not let it reach what only this server can reach. So only https is
taken, a name is looked up once, each of its addresses must be a public one, and the connection goes to the
address that was looked at. Redirects are not followed, and size and time are bounded.
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import asyncio
import ipaddress
import json
import re
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

_SECONDS = 5.0
_MOST_BYTES = 64 * 1024
_MOST_KEYS = 20
_MOST_CACHED = 500
_MOST_AT_ONCE = 4
_LONGEST_CACHED = timedelta(hours=1)
# An application that has new keys is heard soon, and somebody who invents key ids does not make us ask often.
_SHORTEST_BETWEEN = timedelta(seconds=10)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")
_UNCACHED = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])")
# 2048 bits in base64url.
_SHORTEST_RSA_MODULUS = 342
# https://www.iana.org/assignments/ipv6-unicast-address-assignments, https://www.rfc-editor.org/rfc/rfc3056
_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
_6TO4 = ipaddress.ip_network("2002::/16")

Resolve = Callable[[str, int], Awaitable[list[str]]]


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
        self._allow_local = allow_local
        self._resolve = resolve or _addresses
        self._cache: OrderedDict[str, tuple[KeySet, datetime, datetime]] = OrderedDict()
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

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
            async with asyncio.timeout(_SECONDS), self._turns:
                body, cache_control = await self._get(httpx.URL(url))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError):
            raise UnusableKeys("The JWK Set cannot be fetched") from None
        try:
            return parse_key_set(json.loads(body)), _lifetime(cache_control)
        except (ValueError, RecursionError):
            raise UnusableKeys("What is at the address of the JWK Set is no JSON") from None

    async def _get(self, url: httpx.URL) -> tuple[bytes, str]:
        address = await self._checked_address(url)
        # The name stands in the certificate and in the Host header, but is not looked up a second time.
        headers = {"host": url.netloc.decode(), "accept": "application/json", "accept-encoding": "identity"}
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_SECONDS) as client,
            client.stream(
                "GET",
                url.copy_with(host=address),
                headers=headers,
                extensions={"sni_hostname": url.host},
            ) as response,
        ):
            if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
                raise UnusableKeys("The address of the JWK Set does not answer 200 with plain JSON")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise UnusableKeys(f"A JWK Set has {_MOST_BYTES} bytes at most")
            return body, response.headers.get("cache-control", "")

    async def _checked_address(self, url: httpx.URL) -> str:
        if not is_key_set_url(str(url), allow_local=self._allow_local):
            raise UnusableKeys("A JWK Set is fetched from an https address")
        found = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        if not found or (not self._allow_local and not all(_is_public(address) for address in found)):
            raise UnusableKeys("A JWK Set is fetched from a public address only")
        return found[0]


def is_key_set_url(url: str, *, allow_local: bool) -> bool:
    """Tell whether keys may be fetched from `url`, by what it looks like."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    schemes = ("https", "http") if allow_local else ("https",)
    return parsed.scheme in schemes and bool(parsed.host) and not parsed.userinfo and not parsed.fragment


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and (parsed not in _IPV6_UNICAST or parsed in _6TO4):
        return False  # among others what leads to an IPv4 address: mapped ones, NAT64, 6to4
    return parsed.is_global and not parsed.is_multicast


def _lifetime(cache_control: str) -> timedelta:
    text = cache_control.lower()
    found = _MAX_AGE.search(text)
    if found is None or _UNCACHED.search(text):
        return timedelta(0)
    return min(timedelta(seconds=int(found[1])), _LONGEST_CACHED)
