"""Links to other pages of a search: opaque, proof against changes, good for a time.

A link holds the whole search, encrypted and signed, since the values that it is about are those of patients,
and addresses end up in the logs of proxies. https://hl7.org/fhir/R4/http.html#paging,
RFC 5297 (AES-SIV)
"""

import base64
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fhir_server.query_string import Pairs
from fhir_server.search.positions import Position, decode_position, encode_position
from resources.operation_outcome import InvalidSearch, PageLinkExpired, error

PAGE = "_page"
"""The parameter that holds a link; nothing but the form of the answer can be asked for beside it."""

KEY_NAME = "page-links"
"""The name of the key in the store."""

_LEAST_COMPRESSED = 1_000
_TIME_BYTES = 8
_RANDOM_BYTES = 16
# A search has a thousand values at most; no link that was made here is longer.
_LONGEST_LINK = 200_000


@dataclass(frozen=True, slots=True)
class Place:
    """A page: what comes after `position`, or `backwards` before it; None is the start, or the end.

    `moment` is the state of the store that is shown (None: the present one), and `total` the number of all
    matches, if it is known.
    """

    position: Position | None = None
    backwards: bool = False
    moment: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page of the search for `pairs` at `address` (the path after the base), as understood at `now`."""

    address: tuple[str, ...]
    pairs: Pairs
    now: datetime
    place: Place


def new_key() -> str:
    """Return a key that nobody knows."""
    return Fernet.generate_key().decode()


def sealed(link: PageLink, key: str, now: datetime) -> str:
    """Return `link`, made `now`, as text for a URL that only the holders of `key` can read."""
    place = link.place
    content = [
        link.address,
        link.pairs,
        link.now.isoformat(),
        None if place.position is None else _packed(place.position),
        place.backwards,
        place.moment,
        place.total,
    ]
    text = orjson.dumps(content)
    packed = text if len(text) < _LEAST_COMPRESSED else zlib.compress(text, level=1)
    # The time, and what lets two links for the same page look different, are signed but not encrypted.
    head = int(now.timestamp()).to_bytes(_TIME_BYTES) + os.urandom(_RANDOM_BYTES)
    return base64.urlsafe_b64encode(head + _cipher(key).encrypt(packed, [head])).decode().rstrip("=")


@lru_cache(maxsize=4)
def _cipher(key: str) -> AESSIV:
    return AESSIV(base64.urlsafe_b64decode(key))


def opened(text: str, address: tuple[str, ...], key: str, now: datetime, lifetime: int) -> PageLink:
    """Return the link that `text` is, if it was made for `address` within the last `lifetime` seconds.

    Raises PageLinkExpired if it is older, and InvalidSearch if it is no link of this server or address.
    """
    token = text + "=" * (-len(text) % 4)
    try:
        if len(token) > _LONGEST_LINK or not token.isascii() or _is_changed(token):
            raise ValueError
        sent = base64.urlsafe_b64decode(token)
        head, content = sent[: _TIME_BYTES + _RANDOM_BYTES], sent[_TIME_BYTES + _RANDOM_BYTES :]
        packed = _cipher(key).decrypt(content, [head])
    except (InvalidTag, ValueError):
        raise InvalidSearch(error("value", "This page link was not made by this server")) from None
    made = int.from_bytes(head[:_TIME_BYTES])
    if made + lifetime < now.timestamp():
        message = f"This page link is older than {lifetime} seconds; make the search anew"
        raise PageLinkExpired(error("expired", message))
    # JSON begins with a bracket, and what is compressed does not.
    link = _link(orjson.loads(packed if packed[:1] == b"[" else zlib.decompress(packed)))
    if link.address != address:
        raise InvalidSearch(error("value", "This page link belongs to another address"))
    return link


def _is_changed(token: str) -> bool:
    """Tell whether the text is not what its bytes are written as: base64 has bits that say nothing."""
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(token)).decode() != token


def _link(content: list[Any]) -> PageLink:
    address, pairs, now, position, backwards, moment, total = content
    place = Place(None if position is None else _position(*position), backwards, moment, total)
    return PageLink(
        tuple(address),
        tuple((name, text) for name, text in pairs),
        datetime.fromisoformat(now),
        place,
    )


def _packed(position: Position) -> list[Any]:
    return [position.resource_type, len(position.values), encode_position(position)]


def _position(resource_type: str, keys: int, text: str) -> Position:
    return replace(decode_position(text, keys), resource_type=resource_type)


def link_in(query: Pairs) -> str | None:
    """Return the page link in a query, None if there is none; raise InvalidSearch if it is not alone."""
    given: Mapping[str, str] = dict(pair for pair in query if pair[1])
    if PAGE not in given:
        return None
    if set(given) - {PAGE, "_format", "_pretty"}:
        raise InvalidSearch(error("invalid", "A page link holds the whole search, alone"))
    return given[PAGE]
