"""Who a request is from when a proxy hands it on; believed only from the proxies that the settings name.

https://www.rfc-editor.org/rfc/rfc7239, https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Headers = Iterable[tuple[bytes, bytes]]

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")
_SCHEMES = ("http", "https")
# A household or a hospital's department has at least such a network, with addresses without number in it.
_IPV6_CLIENT_BITS = 64


@dataclass(frozen=True, slots=True)
class Hop:
    """What a proxy says of the request that it hands on: the client's address, and the client's scheme."""

    address: str
    scheme: str | None


class TrustedProxies:
    """The proxies that are believed, and the header by which they tell who their client is."""

    def __init__(self, networks: str, header: str) -> None:
        """Trust the addresses and networks in `networks`, with commas between them, to write `header`.

        `header` is `x-forwarded-for` or `forwarded`; the other one is not looked at, as the proxy may let it
        through as its client sent it. Raises ValueError for what is no network.
        """
        self._networks = [ip_network(text.strip()) for text in networks.split(",") if text.strip()]
        self._header = header.encode()
        self._is_standard = header == "forwarded"
        self.is_trusted = lru_cache(maxsize=1024)(self._is_trusted)

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._networks)

    def client(self, peer: str, headers: Headers) -> Hop:
        """Return who a request with `headers`, which came from `peer`, is from.

        The chain is read from its end: each proxy adds the address that it saw, so what stands before the
        first one that is not ours is hearsay.
        """
        if not self.is_trusted(peer):
            return Hop(peer, None)
        elements = self._elements(headers)
        address = peer
        for element in reversed(elements):
            named = _address(_parameter(element, "for") if self._is_standard else element)
            if named is None:
                break
            address = named
            if not self.is_trusted(named):
                break
        return Hop(address, self._scheme(elements, headers))

    def _is_trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def _elements(self, headers: Headers) -> Sequence[str]:
        # A comma within quotes separates too, which no address has: quotes that a client opens and never
        # closes must not swallow what the proxy added behind them.
        values = [value.decode("latin-1") for name, value in headers if name == self._header]
        return [element.strip() for element in ",".join(values).split(",")] if values else []

    def _scheme(self, elements: Sequence[str], headers: Headers) -> str | None:
        if self._is_standard:
            said = _parameter(elements[-1], "proto") if elements else ""
        else:
            values = [value for name, value in headers if name == b"x-forwarded-proto"]
            said = values[-1].decode("latin-1").rpartition(",")[2].strip() if values else ""
        return said.lower() if said.lower() in _SCHEMES else None


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the network of 64 bits of an IPv6 address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _IPV6_CLIENT_BITS), strict=False))
    return address if parsed is None else str(parsed)


def _parameter(element: str, name: str) -> str:
    pairs = (pair.partition("=") for pair in element.split(";"))
    values = [value.strip(' "') for key, _, value in pairs if key.strip().lower() == name]
    return values[0] if len(values) == 1 else ""


def _address(text: str) -> str | None:
    """Return the address in `text`, which may have a port behind it, or None: `unknown` is allowed too."""
    match = _WITH_PORT.fullmatch(text)
    parsed = _parsed((match["v6"] or match["v4"]) if match else text)
    return None if parsed is None else str(parsed)


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or (None if address.scope_id else address)
    return address
