"""The least and the greatest value that a number, date or time of limited precision may stand for.

Source: http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from resources.fhirpath.arithmetic import as_number, representable
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.items import Collection, Item, Value, single, single_integer, wrong_type
from resources.fhirpath.quantities import Quantity
from resources.fhirpath.scope import Scope
from resources.fhirpath.temporal import EARLIEST_OFFSET, LATEST_OFFSET, Temporal, first_minute, last_minute

_LOW, _HIGH = -1, 1
_MOST_DECIMAL_PLACES = 28
_DEFAULT_DECIMAL_PLACES = 8

# How many fields a precision in digits means: year 4, month 6 ... second 14, and 17 with milliseconds.
_FIELDS_BY_DIGITS = {
    "Date": {4: 1, 6: 2, 8: 3},
    "DateTime": {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6},
    "Time": {2: 1, 4: 2, 6: 3, 9: 3},
}


def _boundary(name: str, side: int) -> Callable[..., Collection]:
    def call(_: Scope, items: Collection, *precision: Collection) -> Collection:
        item = single(items, f"{name}()")
        digits = single_integer(precision[0], f"{name}()") if precision else None
        value = None if item is None else representable(lambda: _bound(item, side, digits, name))
        return [] if value is None else [value]

    return call


def _bound(item: Item, side: int, digits: int | None, name: str) -> Value | None:
    if isinstance(item, Temporal):
        by_digits = _FIELDS_BY_DIGITS[item.type]
        digits = max(by_digits) if digits is None else digits
        return _temporal_bound(item, side, digits, by_digits[digits]) if digits in by_digits else None
    if isinstance(item, Quantity):
        value = _decimal_bound(item.value, side, digits)
        return None if value is None else replace(item, value=value)
    number = as_number(item)
    if number is None:
        raise wrong_type(item, f"{name}()", "a number, Quantity, Date, DateTime or Time")
    return _decimal_bound(Decimal(number), side, digits)


def _decimal_bound(number: Decimal, side: int, digits: int | None) -> Decimal | None:
    """Go half a unit of the last digit to one side.

    HL7's tests round a boundary that is farther from 0 than the number, and cut one that is nearer.
    """
    places = _DEFAULT_DECIMAL_PLACES if digits is None else digits
    if not 0 <= places <= _MOST_DECIMAL_PLACES:
        return None
    bound = number + side * Decimal(5).scaleb(-_decimal_places(number) - 1)
    rounding = ROUND_HALF_UP if abs(bound) > abs(number) else ROUND_DOWN
    return bound.quantize(Decimal(1).scaleb(-places), rounding)


def _decimal_places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _temporal_bound(item: Temporal, side: int, digits: int, fields: int) -> Temporal:
    """Fill in what is missing, the offset of a clock on earth too, and cut to so many fields."""
    if item.type == "Time":
        minutes = _bound_of_clock(item.clock, side)
        second = _bound_of_second(item, side) if digits >= 9 else _second(item, side)
        return Temporal("Time", (), minutes[:fields], second if fields > 2 else None)
    filled = first_minute(item) if side == _LOW else last_minute(item)
    second = _bound_of_second(item, side) if digits >= 17 else _second(item, side)
    offset = item.offset if item.offset is not None else EARLIEST_OFFSET if side == _LOW else LATEST_OFFSET
    return Temporal(
        item.type,
        filled[: min(fields, 3)],
        filled[3:fields],
        second if fields > 5 else None,
        offset if fields > 3 else None,
    )


def _bound_of_clock(clock: tuple[int, ...], side: int) -> tuple[int, int]:
    hour, minute = (*clock, 0 if side == _LOW else 59)[:2]
    return hour, minute


def _second(item: Temporal, side: int) -> Decimal:
    return Decimal(0 if side == _LOW else 59) if item.second is None else item.second


def _bound_of_second(item: Temporal, side: int) -> Decimal:
    """Return a second with (at least) milliseconds, those that are missing at one end."""
    known = _second(item, side)
    places = _decimal_places(known)
    missing = "" if places >= 3 else ("0" if side == _LOW else "9") * (3 - places)
    text = f"{known:f}"
    return Decimal(f"{text if '.' in text else text + '.'}{missing}") if missing else known


def _precision(_: Scope, items: Collection) -> Collection:
    """Return the number of digits of a date or time, or after the point of a number."""
    item = single(items, "precision()")
    if item is None:
        return []
    if isinstance(item, Temporal):
        digits = 2 * len(item.fields) + (2 if item.day else 0)
        return [digits + (_decimal_places(item.second) if item.second is not None else 0)]
    number = item.value if isinstance(item, Quantity) else as_number(item)
    if number is None:
        raise wrong_type(item, "precision()", "a number, Date, DateTime or Time")
    return [_decimal_places(Decimal(number))]


BOUNDARIES: Mapping[str, Function] = {
    "lowBoundary": Function(_boundary("lowBoundary", _LOW), 0, 1),
    "highBoundary": Function(_boundary("highBoundary", _HIGH), 0, 1),
    "precision": Function(_precision),
}
