"""quantity: a number with a unit. https://hl7.org/fhir/R4/search.html#quantity

Indexed as `{v, system, code, unit}` where `v` is the number; a Range, and the samples of a SampledData, as
`{lo, hi, ...}`. A unit is compared after the index has found the number. An amount of Money has its currency
as the code.
"""

import re
from decimal import Decimal
from typing import Any

from fhir_server.search.asked import Asked, Condition, Reader, both, either
from fhir_server.search.escaping import split, unescape
from fhir_server.search.number import Bounds, alternatives, parse_number
from resources.fhirpath.element_paths import ElementPath

_CURRENCIES = "urn:iso:std:iso:4217"
# An open end of a Range.
_LEAST, _GREATEST = Decimal("-Infinity"), Decimal("Infinity")
_RANGES = frozenset({"Range", "SampledData"})
# Among the samples stand E, U and L for those that could not be taken.
_SAMPLE = re.compile(r"(?<!\S)-?\d+(?:\.\d+)?(?!\S)", re.ASCII)

Value = dict[str, Any]


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return _READERS.get(path.type, Reader(_quantity))


def may_be_range(path: ElementPath) -> bool:
    """Tell whether an element has two ends instead of one number."""
    return path.type in _RANGES


def _quantity(quantity: dict[str, Any]) -> Value | None:
    number = quantity.get("value")
    return None if number is None else {"v": number, **_unit(quantity)}


def _unit(quantity: dict[str, Any]) -> Value:
    return {key: quantity[key] for key in ("system", "code", "unit") if key in quantity}


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
    return {"lo": low.get("value", _LEAST), "hi": high.get("value", _GREATEST), **_unit(low or high)}


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
    return {"lo": min(ends), "hi": max(ends), **_unit(origin)}


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
    types = [may_be_range(path) for path in asked.field.parameter.paths]
    return [
        _on_value(asked, test | unit)
        for bounds in alternatives(*parse_number(asked, parts[0]))
        for test in _tests(bounds, values=not all(types), ranges=any(types))
        for unit in _units(*parts[1:])
    ]


def _units(system: str = "", code: str = "") -> list[Condition]:
    """Return what is asked of the unit: one of these."""
    if system:
        return [{"system": system, "code": code}]
    return [{"code": code}, {"unit": code}] if code else [{}]


def _tests(bounds: Bounds, *, values: bool, ranges: bool) -> list[Condition]:
    found: list[Condition] = []
    if values:
        found.append({"v": bounds.of_value})
    if ranges:
        # The index begins with the lower end, so that a condition has to say something of it.
        upper = {"hi": bounds.high} if bounds.high else {}
        found.append({"lo": bounds.low or {"$exists": True}, **upper})
    return found


def _on_value(asked: Asked, test: Condition) -> Condition:
    path = asked.field.path
    if asked.field.is_bare:
        return {f"{path}.{key}": wanted for key, wanted in test.items()}
    return {path: {"$elemMatch": test}}
