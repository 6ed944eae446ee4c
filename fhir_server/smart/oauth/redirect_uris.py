"""Addresses to which a browser is sent with a code: which may be registered, and how one is made.

https://www.rfc-editor.org/rfc/rfc8252#section-7, https://www.rfc-editor.org/rfc/rfc9700#section-2.1
"""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from fhir_server.transport.loopback import is_loopback

_LONGEST_ADDRESS = 2000
_NOT_IN_ADDRESSES = frozenset(' "<>\\^`{|}')


def is_redirect_uri(uri: str) -> bool:
    """Tell whether a browser may be sent to `uri`: by https, by http on its own machine, or by an own scheme.

    An application's own scheme has a dot in it, as names in reverse have, so that it is nobody else's.
    """
    if (
        len(uri) > _LONGEST_ADDRESS
        or not uri.isascii()
        or not uri.isprintable()
        or _NOT_IN_ADDRESSES & set(uri)
    ):
        return False
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if "#" in uri or "*" in uri or "@" in parts.netloc:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme == "http":
        return host is not None and is_loopback(host)
    return "." in parts.scheme


def origin_of(uri: str) -> str | None:
    """Return the web origin of an address, None if it is of no web page."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.scheme in ("http", "https") else None


def host_of(uri: str) -> str:
    """Return what tells a person where an address leads: its host, or an application's own scheme."""
    parts = urlsplit(uri)
    return parts.hostname or parts.scheme


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """Return a registered address with parameters after those that it has."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"
