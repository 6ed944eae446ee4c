"""The place in a search where a page ended, as text that may stand in a URL.

https://hl7.org/fhir/R4/http.html#paging
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from resources.operation_outcome import InvalidSearch, error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """After the resource numbered `sequence` whose sort keys have `values` (None: it has none)."""

    values: tuple[Any, ...]
    sequence: int


def encode_position(position: Position) -> str:
    """Return `position` as URL-safe text."""
    parts = [position.sequence, *(_encoded(value) for value in position.values)]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_position(text: str, keys: int) -> Position:
    """Return the position in a link of a search with `keys` sort keys; raise InvalidSearch if it is none."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        sequence, *values = parts
        if not isinstance(sequence, int) or len(values) != keys:
            raise ValueError
        return Position(tuple(_decoded(value) for value in values), sequence)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
        raise InvalidSearch(error("value", "This page link was not made by this server")) from None


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"ms": (value - _EPOCH) // _MILLISECOND}
    if isinstance(value, Decimal):
        return {"n": str(value)}
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _EPOCH + value["ms"] * _MILLISECOND if "ms" in value else Decimal(value["n"])
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError
