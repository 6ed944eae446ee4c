"""The place in a search where a page ended, as text that may stand in a URL.

https://hl7.org/fhir/R4/http.html#paging
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from resources.operation_outcome import InvalidSearch, error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# What MongoDB can hold: 64 bits, and the 34 digits and the exponents of decimal128.
_INTEGERS = range(-(2**63), 2**63)
_MOST_DIGITS = 34
_EXPONENTS = range(-6176, 6112)


@dataclass(frozen=True, slots=True)
class Position:
    """At the resource numbered `sequence` whose sort keys have `values` (None: it has none).

    In a search over several types `resource_type` says of which type it is.
    """

    values: tuple[Any, ...]
    sequence: int
    resource_type: str = ""


def encode_position(position: Position) -> str:
    """Return `position`, its type left aside, as URL-safe text."""
    parts = [position.sequence, *(_encoded(value) for value in position.values)]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_position(text: str, keys: int) -> Position:
    """Return the position in a link of a search with `keys` sort keys; raise InvalidSearch if it is none."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(parts, list) or len(parts) != keys + 1:
            raise ValueError
        return Position(tuple(_decoded(value) for value in parts[1:]), _integer(parts[0]))
    except (ValueError, TypeError, OverflowError, InvalidOperation):
        raise InvalidSearch(error("value", "This page link was not made by this server")) from None


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"ms": (value - _EPOCH) // _MILLISECOND}
    if isinstance(value, Decimal):
        return {"n": str(value)}
    return value


def _decoded(value: Any) -> Any:
    match value:
        case None | str():
            return value
        case {"ms": int(milliseconds)}:
            return _EPOCH + milliseconds * _MILLISECOND
        case {"n": str(digits)}:
            return _decimal(digits)
    return _integer(value)


def _integer(value: Any) -> int:
    if type(value) is not int or value not in _INTEGERS:
        raise ValueError
    return value


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    if not number.is_finite() or len(digits) > _MOST_DIGITS or exponent not in _EXPONENTS:
        raise ValueError
    return number
