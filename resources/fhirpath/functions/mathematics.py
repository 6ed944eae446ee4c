"""Functions on single numbers and quantities.

Source: http://hl7.org/fhirpath/N1/#math
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext

from resources.fhirpath.arithmetic import as_number, representable
from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.items import Collection, Value, single, single_integer, wrong_type
from resources.fhirpath.quantities import Quantity
from resources.fhirpath.scope import Scope

_MOST_DECIMAL_PLACES = 28
_GUARD_DIGITS = 16
"""Roots, powers and logarithms are calculated with more digits than are kept, so that 100.log(10) is 2."""

_STEPS = 20
"""How much more work such a calculation is than looking at an item."""


def _on_decimal(name: str, calculate: Callable[..., Decimal], arguments: int = 0) -> Function:
    """Return the function for a calculation with the input and so many arguments, decimals all of them."""

    def call(scope: Scope, *collections: Collection) -> Collection:
        scope.run.work.spend(_STEPS)
        numbers = [_single_decimal(collection, f"{name}()") for collection in collections]
        return [] if None in numbers else _some(representable(lambda: _rounded(calculate, numbers)))

    return Function(call, arguments, arguments)


def _rounded(calculate: Callable[..., Decimal], numbers: list[Decimal | None]) -> Decimal | None:
    with localcontext() as context:
        context.prec += _GUARD_DIGITS
        result = calculate(*numbers)
    return (+result).normalize() if result.is_finite() else None


def _single_decimal(collection: Collection, what: str) -> Decimal | None:
    item = single(collection, what)
    number = None if item is None else as_number(item)
    if item is not None and number is None:
        raise wrong_type(item, what, "a number")
    return None if number is None else Decimal(number)


def _some(value: Value | None) -> Collection:
    return [] if value is None else [value]


def _to_integer(name: str, rounding: str) -> Function:
    """Return the function that makes an Integer of a number, and keeps the unit of a quantity."""

    def call(_: Scope, items: Collection) -> Collection:
        item = single(items, f"{name}()")
        if isinstance(item, Quantity):
            return [replace(item, value=item.value.to_integral_value(rounding))]
        number = _single_decimal(items, f"{name}()")
        return [] if number is None else _some(representable(lambda: int(number.to_integral_value(rounding))))

    return Function(call)


def _abs(_: Scope, items: Collection) -> Collection:
    item = single(items, "abs()")
    if item is None:
        return []
    if isinstance(item, Quantity):
        return [replace(item, value=abs(item.value))]
    number = as_number(item)
    if number is None:
        raise wrong_type(item, "abs()", "a number")
    return [-number if number < 0 else number]


def _round(_: Scope, items: Collection, *precision: Collection) -> Collection:
    """Round to so many decimal places, halves away from zero."""
    places = (single_integer(precision[0], "round()") if precision else None) or 0
    if places < 0:
        raise FhirPathEvaluationError("round() takes a number of decimal places that is not negative")
    step = Decimal(1).scaleb(-min(places, _MOST_DECIMAL_PLACES))
    item = single(items, "round()")
    if isinstance(item, Quantity):
        rounded = representable(lambda: replace(item, value=item.value.quantize(step, ROUND_HALF_UP)))
        return _some(rounded)
    number = _single_decimal(items, "round()")
    return [] if number is None else _some(representable(lambda: number.quantize(step, ROUND_HALF_UP)))


def _logarithm(number: Decimal, base: Decimal) -> Decimal:
    return number.ln() / base.ln()


def _power(number: Decimal, exponent: Decimal) -> Decimal:
    return number**exponent


MATHEMATICS: Mapping[str, Function] = {
    "abs": Function(_abs),
    "ceiling": _to_integer("ceiling", ROUND_CEILING),
    "exp": _on_decimal("exp", Decimal.exp),
    "floor": _to_integer("floor", ROUND_FLOOR),
    "ln": _on_decimal("ln", Decimal.ln),
    "log": _on_decimal("log", _logarithm, 1),
    "power": _on_decimal("power", _power, 1),
    "round": Function(_round, 0, 1),
    "sqrt": _on_decimal("sqrt", Decimal.sqrt),
    "truncate": _to_integer("truncate", ROUND_DOWN),
}
