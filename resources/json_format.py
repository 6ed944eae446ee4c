"""JSON in and out without losing a digit or letting anything ambiguous through.

Decimals keep the digits that they were written with, as FHIR demands; what two parsers could read differently
(duplicate keys, NaN, lone surrogates, control characters) is refused. https://hl7.org/fhir/R4/json.html
"""

import json
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import orjson

from resources.operation_outcome import InvalidContent, error

# An integer literal that may not fit the 64 bits of a BSON integer is kept as a decimal, digits and all.
_LONGEST_INT64_LITERAL = 18
# Only these escapes can bring a lone surrogate or a control character past a strict JSON parser.
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|00[01])")
# Characters that FHIR strings may not hold: https://hl7.org/fhir/R4/datatypes.html#string
_FORBIDDEN_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
# IEEE 754 decimal128, in which MongoDB keeps decimals: significant digits and the range of the exponent.
_DECIMAL_DIGITS = 34
_DECIMAL_EXPONENTS = range(-6176, 6112)
# 0.000...1, the longest literal of such a number, has fewer characters; longer ones are not even looked into.
_LONGEST_LITERAL = 6_300


def parse(data: bytes) -> Any:
    """Read one JSON document: objects as dict, decimals as `decimal.Decimal`, integers as int.

    Raises InvalidContent, naming the place but never the content, for what is not strict, unambiguous JSON.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as failure:
        raise InvalidContent(error("structure", f"The body is not UTF-8 (at byte {failure.start})")) from None
    except json.JSONDecodeError as failure:
        place = f"line {failure.lineno}, column {failure.colno}"
        raise InvalidContent(error("structure", f"The body is not JSON: {failure.msg} ({place})")) from None
    except RecursionError:
        raise InvalidContent(error("structure", "The body is nested too deeply")) from None
    if _SUSPICIOUS_ESCAPE.search(data):
        _refuse_forbidden_characters(value)
    return value


def dumps(value: Any, *, pretty: bool = False) -> bytes:
    """Write `value` as UTF-8 JSON; decimals with the digits that they hold."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE if pretty else 0
    return orjson.dumps(value, default=_as_fragment, option=option)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        shown = f" '{twice}'" if twice.isidentifier() and len(twice) <= 64 else ""
        raise InvalidContent(error("structure", f"The property{shown} stands twice in one JSON object"))
    return result


def _decimal(literal: str) -> Decimal:
    if len(literal) <= _DECIMAL_DIGITS and "e" not in literal and "E" not in literal:
        return Decimal(literal)
    value = _within_bounds(literal)
    if value is None:
        raise InvalidContent(
            error("value", f"A number has more than {_DECIMAL_DIGITS} digits, or is out of range")
        )
    return value


def _within_bounds(literal: str) -> Decimal | None:
    if len(literal) > _LONGEST_LITERAL:
        return None
    try:
        value = Decimal(literal)
    except InvalidOperation:  # an exponent that not even Python's decimals have
        return None
    _, digits, exponent = value.as_tuple()
    return value if len(digits) <= _DECIMAL_DIGITS and exponent in _DECIMAL_EXPONENTS else None


def _integer(literal: str) -> int | Decimal:
    # As an int, -0 would lose its sign.
    if len(literal) > _LONGEST_INT64_LITERAL or literal == "-0":
        return _decimal(literal)
    return int(literal)


def _refuse_constant(_literal: str) -> NoReturn:
    raise InvalidContent(error("structure", "NaN and Infinity are not JSON numbers"))


def _refuse_forbidden_characters(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if _FORBIDDEN_CHARACTER.search(item):
                raise InvalidContent(
                    error("value", "A string has a control character or half of a surrogate pair")
                )
        elif isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _as_fragment(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not a JSON value")
    return orjson.Fragment(_digits(value))


def _digits(value: Decimal) -> str:
    """Return the literal with the digits of `value`: plain notation where it shows the same precision."""
    text = str(value)
    if "E-" in text:
        plain = format(value, "f")
        if len(plain) <= _DECIMAL_DIGITS:
            return plain
    return text
