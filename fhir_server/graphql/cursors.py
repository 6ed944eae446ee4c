"""Cursors: a page of a connection, as text that only this server reads.

A cursor holds the page link of a REST search, and what is not part of such a search; it is encrypted, as a
page link is, since what is searched for may be about a patient.
https://hl7.org/fhir/R4/graphql.html#searching, https://cryptography.io/en/latest/fernet/
"""

from dataclasses import dataclass
from functools import lru_cache

import orjson
from cryptography.fernet import Fernet, InvalidToken

from resources.operation_outcome import InvalidSearch, error

KEY_NAME = "graphql-cursors"
"""The name of the key in the store."""

_LONGEST = 300_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """A page link of REST, the FHIRPath that chooses among its matches, and their number on a page.

    `offset` is the number of matches before the page, None where that is not known.
    """

    resource_type: str
    link: str
    fhirpath: str | None
    size: int
    offset: int | None


def encode_cursor(cursor: Cursor, key: str) -> str:
    """Return `cursor` as text that only the holders of `key` can read."""
    parts = [cursor.resource_type, cursor.link, cursor.fhirpath, cursor.size, cursor.offset]
    return _fernet(key).encrypt(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(text: str, resource_type: str, key: str) -> Cursor:
    """Return what `encode_cursor` was given; raise InvalidSearch for anything else or another type."""
    token = text + "=" * (-len(text) % 4)
    try:
        if len(token) > _LONGEST or not token.isascii():
            raise InvalidToken
        cursor = Cursor(*orjson.loads(_fernet(key).decrypt(token)))
    except InvalidToken:
        cursor = None
    if cursor is None or cursor.resource_type != resource_type:
        raise InvalidSearch(error("value", f"This is no cursor that this server made for {resource_type}"))
    return cursor


@lru_cache(maxsize=4)
def _fernet(key: str) -> Fernet:
    return Fernet(key)
