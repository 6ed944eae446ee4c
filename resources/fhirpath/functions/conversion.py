"""Functions that convert a value to another type, and that ask whether they could.

Source: http://hl7.org/fhirpath/N1/#conversion
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from resources.fhirpath.functions.definition import Function
from resources.fhirpath.items import Collection, Item, Value, single, single_string, wrong_type
from resources.fhirpath.quantities import Quantity, in_unit_of, parse_quantity, quantity
from resources.fhirpath.scope import Evaluate, Scope
from resources.fhirpath.temporal import Temporal, TemporalType, parse_temporal

_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
_INTEGERS = range(-(2**31), 2**31)

_STEPS = 5
"""How much more work a conversion is than looking at an item."""


def _to_boolean(item: Item) -> bool | None:
    match item:
        case bool():
            return item
        case int() | Decimal():
            return {0: False, 1: True}.get(int(item)) if item == int(item) else None
        case str():
            return _BOOLEANS.get(item.lower())
    return None


def _to_integer(item: Item) -> int | None:
    match item:
        case bool() | int():
            return int(item)
        case str() if _INTEGER.fullmatch(item) and int(item) in _INTEGERS:
            return int(item)
    return None


def _to_decimal(item: Item) -> Decimal | None:
    match item:
        case bool():
            return Decimal("1.0" if item else "0.0")
        case int() | Decimal():
            return Decimal(item)
        case str() if _DECIMAL.fullmatch(item):
            return Decimal(item)
    return None


def _to_quantity(item: Item) -> Quantity | None:
    match item:
        case Quantity():
            return item
        case str():
            return parse_quantity(item)
    number = _to_decimal(item)
    return None if number is None else Quantity(number)


def _to_string(item: Item) -> str | None:
    match item:
        case bool():
            return "true" if item else "false"
        case str():
            return item
        case Decimal():
            return f"{item:f}"
        case int() | Quantity() | Temporal():
            return str(item)
    return None


def _to_date(item: Item) -> Temporal | None:
    if isinstance(item, Temporal) and item.type == "DateTime":
        return Temporal("Date", item.day)
    return _temporal(item, "Date")


def _to_date_time(item: Item) -> Temporal | None:
    if isinstance(item, Temporal) and item.type == "Date":
        return Temporal("DateTime", item.day)
    return _temporal(item, "DateTime")


def _to_time(item: Item) -> Temporal | None:
    return _temporal(item, "Time")


def _temporal(item: Item, type_: TemporalType) -> Temporal | None:
    if isinstance(item, Temporal):
        return item if item.type == type_ else None
    return parse_temporal(item, type_) if isinstance(item, str) else None


def _converting(name: str, convert: Callable[[Item], Value | None]) -> Function:
    def call(scope: Scope, items: Collection) -> Collection:
        scope.run.work.spend(_STEPS)
        item = single(items, f"to{name}()")
        value = None if item is None else convert(item)
        return [] if value is None else [value]

    return Function(call)


def _asking(name: str, convert: Callable[[Item], Value | None]) -> Function:
    def call(scope: Scope, items: Collection) -> Collection:
        scope.run.work.spend(_STEPS)
        item = single(items, f"convertsTo{name}()")
        return [] if item is None else [convert(item) is not None]

    return Function(call)


def _quantity(_: Scope, items: Collection, *unit: Collection) -> Collection:
    item = single(items, "toQuantity()")
    converted = None if item is None else _to_quantity(item)
    if converted is not None and unit:
        name = single_string(unit[0], "toQuantity()")
        converted = in_unit_of(converted, quantity(Decimal(1), name)) if name else None
    return [] if converted is None else [converted]


def _converts_to_quantity(scope: Scope, items: Collection, *unit: Collection) -> Collection:
    return [bool(_quantity(scope, items, *unit))] if items else []


def _iif(scope: Scope, items: Collection, criterion: Evaluate, *results: Evaluate) -> Collection:
    """Evaluate one of the two results only; `$this` is the input, and `$index` what it was outside."""
    single(items, "iif()")
    inner = Scope(items, scope.run, scope.index, scope.total)
    found = single(criterion(inner), "the criterion of iif()")
    if not isinstance(found, bool | None):
        raise wrong_type(found, "the criterion of iif()", "a Boolean")
    if found:
        return results[0](inner)
    return results[1](inner) if len(results) > 1 else []


_CONVERSIONS: Mapping[str, Callable[[Item], Value | None]] = {
    "Boolean": _to_boolean,
    "Integer": _to_integer,
    "Decimal": _to_decimal,
    "String": _to_string,
    "Date": _to_date,
    "DateTime": _to_date_time,
    "Time": _to_time,
}

CONVERSION: Mapping[str, Function] = {
    "iif": Function(_iif, 2, 3, takes="expressions"),
    "toQuantity": Function(_quantity, 0, 1),
    "convertsToQuantity": Function(_converts_to_quantity, 0, 1),
    **{f"to{name}": _converting(name, convert) for name, convert in _CONVERSIONS.items()},
    **{f"convertsTo{name}": _asking(name, convert) for name, convert in _CONVERSIONS.items()},
}
