"""The values of primitives: as the text of an XML attribute, and as JSON.

Numbers and booleans are JSON's own, all else are strings. Numbers keep their digits: decimals are `Decimal`,
but without a decimal point `int`, as in JSON.

Source: https://hl7.org/fhir/R4/datatypes.html#primitive, https://hl7.org/fhir/R4/json.html#primitive
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from resources import json_format
from resources.operation_outcome import InvalidContent, NotAcceptable, error

_is_decimal = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_is_integer = re.compile(r"[+-]?(?:0|[1-9][0-9]*)").fullmatch
_BOOLEANS = {"true": True, "false": False}
# Shorter numbers are within the bounds that the JSON format sets, whatever their digits.
_SHORT = 18


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError("true or false")
    return _BOOLEANS[text]


def _decimal(text: str) -> Any:
    if not _is_decimal(text):
        raise ValueError("a decimal number")
    return _number(text)


def _integer(text: str) -> Any:
    if not _is_integer(text):
        raise ValueError("an integer without a decimal point")
    return _number(text.removeprefix("+"))


def _number(literal: str) -> Any:
    if len(literal) <= _SHORT and literal != "-0" and "e" not in literal and "E" not in literal:
        return Decimal(literal) if "." in literal else int(literal)
    try:
        return json_format.parse(literal.encode())
    except InvalidContent:
        raise ValueError("a number of at most 34 digits, within the range of a decimal128") from None


READERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "decimal": _decimal,
    "integer": _integer,
    "positiveInt": _integer,
    "unsignedInt": _integer,
}
"""Per primitive that is no JSON string: what makes its JSON value out of a text.

Raises ValueError, whose message says in words what is expected, for a text that is none.
"""


def attribute_value(primitive: str, value: Any) -> str:
    """Return the JSON value of a primitive as it stands between the quotes of an XML attribute.

    Raises ValueError, whose message says in words what is expected, for a value of another JSON type, and
    NotAcceptable for a text with a character that XML does not have.
    """
    write = _WRITERS.get(primitive)
    if write is not None:
        return write(value)
    if type(value) is not str:
        raise ValueError("a string")
    return _ESCAPED.sub(_reference, value) if _ESCAPED.search(value) else value


def _boolean_text(value: Any) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise ValueError("true or false")


def _number_text(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if type(value) is Decimal and value.is_finite():
        return json_format.dumps(value).decode()
    raise ValueError("a number")


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "boolean": _boolean_text,
    "decimal": _number_text,
    "integer": _number_text,
    "positiveInt": _number_text,
    "unsignedInt": _number_text,
}

# Besides what XML itself reserves: other white space than blanks would be read as blanks.
_ESCAPED = re.compile('[&<"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_REFERENCES = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def _reference(match: re.Match[str]) -> str:
    if match[0] not in _REFERENCES:
        raise NotAcceptable(
            error("not-supported", "A text has a character that XML does not have: ask for JSON")
        )
    return _REFERENCES[match[0]]
