"""Documents fetched from addresses that others name, so that they lead to nothing that only we can reach.

Only https is taken, a name is looked up once, each of its addresses must be a public one, and the connection
goes to the address that was looked at. Redirects are not followed, and size and time are bounded.
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

_SECONDS = 5.0
_MOST_BYTES = 64 * 1024
_MOST_AT_ONCE = 4
# https://www.iana.org/assignments/ipv6-unicast-address-assignments, https://www.rfc-editor.org/rfc/rfc3056
_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
_6TO4 = ipaddress.ip_network("2002::/16")

Resolve = Callable[[str, int], Awaitable[list[str]]]


class CannotFetch(Exception):
    """A document that cannot be had; the message says why, and nothing of what is there."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at an address, and the header `Cache-Control` that came with it."""

    body: bytes
    cache_control: str


class Fetching:
    """Fetches a few documents at a time."""

    def __init__(
        self,
        *,
        allow_local: bool,
        resolve: Resolve | None = None,
        own_host: str = "",
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Fetch over https from public addresses; `allow_local` lets http and private ones be, for tests.

        `own_host` is a name that an administrator gave, so it may be within the own network. `trust` says
        which certificates are believed, None for those that the public believes.
        """
        self._allow_local = allow_local
        self._resolve = resolve or _addresses
        self._own_host = own_host
        self._trust = trust
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def get(self, url: str) -> Fetched:
        """Return what is at `url`; raise CannotFetch."""
        try:
            async with asyncio.timeout(_SECONDS), self._turns:
                return await self._get(httpx.URL(url))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError):
            raise CannotFetch("cannot be fetched") from None

    async def _get(self, url: httpx.URL) -> Fetched:
        address = await self._checked_address(url)
        # The name stands in the certificate and in the Host header, but is not looked up a second time.
        headers = {"host": url.netloc.decode(), "accept": "application/json", "accept-encoding": "identity"}
        trust = True if self._trust is None else self._trust
        async with (
            httpx.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=_SECONDS, verify=trust
            ) as client,
            client.stream(
                "GET",
                url.copy_with(host=address),
                headers=headers,
                extensions={"sni_hostname": url.host},
            ) as response,
        ):
            if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
                raise CannotFetch("is not answered 200 with plain JSON at its address")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise CannotFetch(f"has more than {_MOST_BYTES} bytes")
            return Fetched(body, response.headers.get("cache-control", ""))

    async def _checked_address(self, url: httpx.URL) -> str:
        if not may_be_fetched(str(url), allow_local=self._allow_local):
            raise CannotFetch("is fetched from an https address")
        found = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        is_ours = self._allow_local or url.host == self._own_host
        if not found or (not is_ours and not all(_is_public(address) for address in found)):
            raise CannotFetch("is fetched from a public address only")
        return found[0]


def may_be_fetched(url: str, *, allow_local: bool) -> bool:
    """Tell whether a document may be fetched from `url`, by what it looks like."""
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
