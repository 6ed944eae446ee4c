"""The operators that calculate: + - * / div mod and &.

A result that cannot be represented is empty, as is a division by zero.

Source: http://hl7.org/fhirpath/N1/#math-2, http://hl7.org/fhirpath/N1/#datetime-arithmetic
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.items import Collection, Item, Value, single, single_string, type_name
from resources.fhirpath.quantities import Quantity, divided, in_unit_of, multiplied
from resources.fhirpath.temporal import Temporal
from resources.fhirpath.temporal_arithmetic import add as add_duration
from resources.fhirpath.work import Work

CONTEXT = Context(prec=34, Emin=-6143, Emax=6144, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Whoever evaluates does so in this context: decimals have as many digits as those of FHIR and MongoDB may
have (IEEE 754 decimal128), and what cannot be represented raises."""

_STEPS = 5
"""How much more work a calculation is than looking at an item."""

_INTEGERS = range(-(2**31), 2**31)

Number = int | Decimal
Operation = Callable[[Collection, Collection, Work], Collection]


def _calculating(symbol: str, calculate: Callable[[Item, Item], Value | None]) -> Operation:
    """Return the operator that calculates with two single items."""

    def operation(left: Collection, right: Collection, work: Work) -> Collection:
        one, other = single(left, f"'{symbol}'"), single(right, f"'{symbol}'")
        if one is None or other is None:
            return []
        work.spend(_STEPS)
        result = representable(lambda: calculate(one, other))
        if isinstance(result, str):
            work.making(result)
        return [] if result is None else [result]

    return operation


def representable(calculate: Callable[[], Value | None]) -> Value | None:
    """Return the result of a calculation; None if there is none, or if it cannot be represented."""
    try:
        result = calculate()
    except (DecimalException, OverflowError):
        return None
    is_integer = isinstance(result, int) and not isinstance(result, bool)
    return None if is_integer and result not in _INTEGERS else result


def as_number(item: Item) -> Number | None:
    """Return an Integer or Decimal; None for anything else."""
    return item if isinstance(item, int | Decimal) and not isinstance(item, bool) else None


def as_quantity(item: Item) -> Quantity | None:
    """Return a Quantity, or a number as a Quantity with the unit '1'; None for anything else."""
    number = as_number(item)
    if number is not None:
        return Quantity(Decimal(number))
    return item if isinstance(item, Quantity) else None


def _numbers(left: Item, right: Item) -> tuple[Number, Number] | None:
    """Return two Integers, or two numbers of which one is a Decimal as Decimals."""
    one, other = as_number(left), as_number(right)
    if one is None or other is None:
        return None
    return (one, other) if isinstance(one, int) and isinstance(other, int) else (Decimal(one), Decimal(other))


def _quantities(symbol: str, left: Item, right: Item) -> tuple[Quantity, Quantity]:
    one, other = as_quantity(left), as_quantity(right)
    if one is None or other is None:
        raise _cannot(symbol, left, right)
    return one, other


def _cannot(symbol: str, left: Item, right: Item) -> FhirPathEvaluationError:
    return FhirPathEvaluationError(f"'{symbol}' is not defined for {type_name(left)} and {type_name(right)}")


def _add(left: Item, right: Item) -> Value | None:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return _sum("+", left, right, 1)


def _subtract(left: Item, right: Item) -> Value | None:
    return _sum("-", left, right, -1)


def _sum(symbol: str, left: Item, right: Item, sign: int) -> Value | None:
    if isinstance(left, Temporal) and isinstance(right, Quantity):
        return add_duration(left, right, sign)
    numbers = _numbers(left, right)
    if numbers:
        return numbers[0] + sign * numbers[1]
    one, other = _quantities(symbol, left, right)
    converted = in_unit_of(other, one)
    return replace(one, value=one.value + sign * converted.value) if converted else None


def _multiply(left: Item, right: Item) -> Value | None:
    numbers = _numbers(left, right)
    return numbers[0] * numbers[1] if numbers else multiplied(*_quantities("*", left, right))


def _divide(left: Item, right: Item) -> Value | None:
    numbers = _numbers(left, right)
    if numbers:
        return Decimal(numbers[0]) / Decimal(numbers[1])
    return divided(*_quantities("/", left, right))


def _truncated_quotient(left: Item, right: Item) -> Value | None:
    one, other = _numbers(left, right) or _no_numbers("div", left, right)
    quotient = Decimal(one) // Decimal(other)
    return int(quotient) if isinstance(one, int) else quotient


def _remainder(left: Item, right: Item) -> Value | None:
    one, other = _numbers(left, right) or _no_numbers("mod", left, right)
    remainder = Decimal(one) % Decimal(other)
    return int(remainder) if isinstance(one, int) else remainder


def _no_numbers(symbol: str, left: Item, right: Item) -> tuple[Number, Number]:
    raise _cannot(symbol, left, right)


def _concatenate(left: Collection, right: Collection, work: Work) -> Collection:
    """Join two strings; an empty collection counts as the empty string."""
    return [work.making((single_string(left, "'&'") or "") + (single_string(right, "'&'") or ""))]


def negative(collection: Collection) -> Collection:
    """Return the number or quantity with the other sign."""
    item = single(collection, "'-'")
    if item is None:
        return []
    number = as_number(item)
    if number is not None:
        return [-number]
    if isinstance(item, Quantity):
        return [replace(item, value=-item.value)]
    raise FhirPathEvaluationError(f"'-' is not defined for {type_name(item)}")


def positive(collection: Collection) -> Collection:
    """Return the number or quantity as it is."""
    return negative(negative(collection))


ARITHMETIC: Mapping[str, Operation] = {
    "+": _calculating("+", _add),
    "-": _calculating("-", _subtract),
    "*": _calculating("*", _multiply),
    "/": _calculating("/", _divide),
    "div": _calculating("div", _truncated_quotient),
    "mod": _calculating("mod", _remainder),
    "&": _concatenate,
}
