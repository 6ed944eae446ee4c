"""quantity: a number with a unit. https://hl7.org/fhir/R4/search.html#quantity

Indexed as `{v, system, code, unit}` where `v` is the number; a Range, the samples of a SampledData, and a
Quantity that has a comparator, as `{lo, hi, ...}`. An amount of Money has its currency as the code. Where the
unit is one of UCUM, `ucum` has the same in the one unit of its dimension, so that 1000 mg are found as 1 g.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any

from fhir_server.search.asked import Asked, Condition, Reader, both, either
from fhir_server.search.escaping import split, unescape
from fhir_server.search.number import Bounds, alternatives, parse_number
from fhir_server.search.prefixes import Prefix
from resources.fhirpath.element_paths import ElementPath
from terminology.ucum import canonical, unit

UCUM = "http://unitsofmeasure.org"
_CURRENCIES = "urn:iso:std:iso:4217"
# An open end of a Range.
_LEAST, _GREATEST = Decimal("-Infinity"), Decimal("Infinity")
_COMPARED = {"<": ("", "below"), "<=": ("", "at"), ">=": ("at", ""), ">": ("above", "")}
# What is below 5 reaches to the last number before it that MongoDB's decimals can hold.
_NEIGHBOURS = Context(prec=34, Emin=-6143, Emax=6144, clamp=1, traps=[])
# Among the samples stand E, U and L for those that could not be taken.
_SAMPLE = re.compile(r"(?<!\S)-?\d+(?:\.\d+)?(?!\S)", re.ASCII)

Value = dict[str, Any]


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return _READERS.get(path.type, Reader(_quantity))


def may_be_range(path: ElementPath) -> bool:
    """Tell whether an element may have two ends instead of one number."""
    return path.type != "Money"


def may_be_number(path: ElementPath) -> bool:
    """Tell whether an element may have one number."""
    return path.type not in ("Range", "SampledData")


def may_be_ucum(path: ElementPath) -> bool:
    """Tell whether an element may have a unit of UCUM."""
    return path.type != "Money"


def _quantity(quantity: dict[str, Any]) -> Value | None:
    number = quantity.get("value")
    if number is None:
        return None
    if "comparator" in quantity:
        return _compared(quantity, number)
    found = _unit(quantity)
    found["v"] = number
    if found.get("system") == UCUM and "code" in found:
        same = canonical(number, found["code"])
        if same is not None:
            found["ucum"] = {"v": same[0], "unit": same[1]}
    return found


def _unit(quantity: dict[str, Any]) -> Value:
    return {key: quantity[key] for key in ("system", "code", "unit") if key in quantity}


def _compared(quantity: dict[str, Any], number: Decimal) -> Value:
    """Return the range of a quantity that says only what its value is above or below."""
    low, high = _COMPARED.get(quantity["comparator"], ("at", "at"))
    found = {"lo": _end(low, number, _LEAST), "hi": _end(high, number, _GREATEST), **_unit(quantity)}
    same = canonical(number, found.get("code", "")) if found.get("system") == UCUM else None
    if same is not None:
        ends = {"lo": _end(low, same[0], _LEAST), "hi": _end(high, same[0], _GREATEST)}
        found["ucum"] = {**ends, "unit": same[1]}
    return found


def _end(place: str, number: Decimal, unbounded: Decimal) -> Decimal:
    match place:
        case "at":
            return number
        case "below":
            return _NEIGHBOURS.next_minus(number)
        case "above":
            return _NEIGHBOURS.next_plus(number)
    return unbounded


def _money(money: dict[str, Any]) -> Value | None:
    number = money.get("value")
    if number is None:
        return None
    currency = money.get("currency")
    return {"v": number, "system": _CURRENCIES, "code": currency} if currency else {"v": number}


def _range(range_: dict[str, Any]) -> Value | None:
    low, high = range_.get("low", {}), range_.get("high", {})
    if "value" not in low and "value" not in high:
        return None
    ends = {"lo": low.get("value", _LEAST), "hi": high.get("value", _GREATEST)}
    return _with_ucum({**ends, **_unit(low or high)}, low or high, high or low)


def _sampled_data(sampled: dict[str, Any]) -> Value | None:
    samples = _SAMPLE.findall(sampled.get("data", ""))
    origin = sampled.get("origin", {})
    if not samples or "value" not in origin:
        return None
    # There may be thousands: floats find the ends quickly, and only these are computed exactly.
    ends = [
        origin["value"] + Decimal(sample) * sampled.get("factor", 1)
        for sample in (min(samples, key=float), max(samples, key=float))
    ]
    return _with_ucum({"lo": min(ends), "hi": max(ends), **_unit(origin)}, origin, origin)


def _with_ucum(range_: Value, low: Value, high: Value) -> Value:
    """Return a range with its ends in UCUM's terms as well, if `low` and `high` have comparable units."""
    ends: Value = {}
    for end, quantity in (("lo", low), ("hi", high)):
        is_open = range_[end] in (_LEAST, _GREATEST)
        code = quantity.get("code", "") if quantity.get("system") == UCUM else ""
        same = canonical(Decimal(1) if is_open else range_[end], code)
        if same is None or ends.get("unit", same[1]) != same[1]:
            return range_
        ends |= {end: range_[end] if is_open else same[0], "unit": same[1]}
    return {**range_, "ucum": ends}


_READERS = {"Money": Reader(_money), "Range": Reader(_range), "SampledData": Reader(_sampled_data)}


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for `number`, `number|system|code` or `number||unit`."""
    return both(
        either(found for quantity in split(text, ",") for found in _one(asked, quantity))
        for text in asked.texts
    )


def _one(asked: Asked, text: str) -> list[Condition]:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) not in (1, 3) or (len(parts) == 3 and not parts[2]):
        raise asked.refusal("a quantity is number, number|system|code or number||unit")
    prefix, number = parse_number(asked, parts[0])
    return [_on_value(asked, test) for test in _tests(asked, prefix, number, *parts[1:])]


def _tests(
    asked: Asked, prefix: Prefix, number: Decimal, system: str = "", code: str = ""
) -> Iterable[Condition]:
    """Return what is asked of an index value: one of these."""
    paths = asked.field.parameter.paths
    bounds = alternatives(prefix, number)
    known = unit(code) if code and system in ("", UCUM) and any(map(may_be_ucum, paths)) else None
    if known is not None:
        moved = [_in_ucum(asked, limits, code) for limits in bounds]
        yield from _of_bounds(paths, moved, "ucum.", {"ucum.unit": known.dimension})
    if not code:
        yield from _of_bounds(paths, bounds, "", {})
    elif not system:
        yield from _of_bounds(paths, bounds, "", {"code": code})
        yield from _of_bounds(paths, bounds, "", {"unit": code})
    elif known is None:
        yield from _of_bounds(paths, bounds, "", {"system": system, "code": code})


def _in_ucum(asked: Asked, bounds: Bounds, code: str) -> Bounds:
    """Return bounds on numbers of the unit `code` as bounds in the unit of its dimension."""
    ends = []
    for limits in (bounds.low, bounds.high):
        moved = {}
        for operator, number in limits.items():
            same = canonical(number, code)
            if same is None:
                raise asked.refusal("the number is beyond all that is compared in such a unit")
            moved[operator] = same[0]
        ends.append(moved)
    return Bounds(*ends)


def _of_bounds(
    paths: Iterable[ElementPath], bounds: Iterable[Bounds], prefix: str, unit_test: Condition
) -> Iterable[Condition]:
    paths = tuple(paths)
    for limits in bounds:
        if any(map(may_be_number, paths)):
            yield {f"{prefix}v": limits.of_value, **unit_test}
        if any(map(may_be_range, paths)):
            ends = {f"{prefix}lo": limits.low, f"{prefix}hi": limits.high}
            # The index begins with the lower end, so that a condition has to say something of it.
            yield {
                "lo": {"$exists": True},
                **{end: limit for end, limit in ends.items() if limit},
                **unit_test,
            }


def _on_value(asked: Asked, test: Condition) -> Condition:
    path = asked.field.path
    if asked.field.is_bare:
        return {f"{path}.{key}": wanted for key, wanted in test.items()}
    return {path: {"$elemMatch": test}}
