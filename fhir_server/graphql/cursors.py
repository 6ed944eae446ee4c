"""Cursors: where a page of a connection begins, as text that holds its search and only this server reads.

It is checked like any other search when it comes back.
https://hl7.org/fhir/R4/graphql.html#searching
"""

import base64
from dataclasses import dataclass
from typing import Any

import orjson

from resources.operation_outcome import InvalidSearch, error

_MOST_OFFSET = 2**31 - 1  # what GraphQL's Int can hold


@dataclass(frozen=True, slots=True)
class Cursor:
    """The pairs of a REST search, its place among its pages included, and the number of what comes before."""

    resource_type: str
    pairs: tuple[tuple[str, str], ...]
    fhirpath: str | None
    offset: int


def encode_cursor(cursor: Cursor) -> str:
    """Return `cursor` as text."""
    parts = [cursor.resource_type, cursor.pairs, cursor.fhirpath, cursor.offset]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(text: str, resource_type: str) -> Cursor:
    """Return what `encode_cursor` was given; raise InvalidSearch for anything else or another type."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        parts = None
    match parts:
        case [str(name), list(pairs), None | str() as fhirpath, int(offset)] if (
            name == resource_type and 0 <= offset <= _MOST_OFFSET and all(map(_is_pair, pairs))
        ):
            return Cursor(name, tuple((one, other) for one, other in pairs), fhirpath, offset)
    raise InvalidSearch(error("value", f"This is no cursor that this server made for {resource_type}"))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)
