"""Is a number, or an amount with its unit, as it is asked for?

https://hl7.org/fhir/R4/search.html#number, https://hl7.org/fhir/R4/search.html#quantity
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.fhir_server.search.agreement.asking import Asked, plain, prefixed, split
from tests.fhir_server.search.agreement.elements import Element, Resource

UCUM = "http://unitsofmeasure.org"

Ends = tuple[Fraction | None, Fraction | None]
"""A range; None is an open end."""

End = tuple[Fraction | None, Resource]
"""One end of a range, and the quantity that says its unit."""

# What is below 5 is at most a hair less than 5.
_HAIR = Fraction(1, 10**60)

# Unit -> what it measures, and how many of the first unit of that kind it is. https://ucum.org/ucum
UNITS: Mapping[str, tuple[str, Fraction]] = {
    code: (kind, Fraction(factor))
    for kind, units in {
        "mass": "g:1 mg:1/1000 ug:1/1000000 ng:1/1000000000 pg:1/1000000000000 kg:1000",
        "volume": "L:1 mL:1/1000 dL:1/10 uL:1/1000000 fL:1/1000000000000000",
        "length": "m:1 cm:1/100 mm:1/1000 km:1000",
        "time": "s:1 min:60 h:3600 d:86400 wk:604800 ms:1/1000",
        "concentration": "g/L:1 mg/dL:1/100 g/dL:10 mg/L:1/1000 ug/mL:1/1000 ug/L:1/1000000 ng/mL:1/1000000"
        " pg/mL:1/1000000000",
        "molarity": "mol/L:1 mmol/L:1/1000 umol/L:1/1000000",
        "share": "1:1 %:1/100 mg/g:1/1000",
        "frequency": "/min:1/60 /s:1",
        "number": "10*3/uL:1000 10*6/uL:1000000 /uL:1",
        "activity": "U/L:1 kU/L:1000",
        "pressure": "Pa:1 kPa:1000 mm[Hg]:133322/1000",
    }.items()
    for code, _, factor in (unit.partition(":") for unit in units.split())
}


def unit(code: str) -> tuple[str, Fraction] | None:
    """Return what a unit measures and its factor, None if it is not in the table; `{score}` is plain."""
    return UNITS.get("1" if re.fullmatch(r"\{[^{}]*\}", code) else code)


def meets_number(element: Element, text: str, _asked: Asked) -> bool:
    """Tell whether a number is as `text` asks."""
    value = Fraction(element.value)
    return compares((value, value), text)


def compares(target: Ends, text: str) -> bool:
    """Compare a range to a number with its prefix."""
    prefix, digits = prefixed(text)
    number = Fraction(digits)
    low, high = target
    half = _half_of_last_digit(digits)
    contained = low is not None and high is not None and number - half <= low and high < number + half
    reach = max(abs(number) / 10, half)
    return {
        "eq": contained,
        "ne": not contained,
        "gt": high is None or high > number,
        "ge": high is None or high >= number,
        "lt": low is None or low < number,
        "le": low is None or low <= number,
        "sa": low is not None and low > number,
        "eb": high is not None and high < number,
        "ap": (high is None or high >= number - reach) and (low is None or low <= number + reach),
    }[prefix]


def _half_of_last_digit(digits: str) -> Fraction:
    mantissa, _, exponent = digits.lower().partition("e")
    power = int(exponent or 0) - len(mantissa.partition(".")[2])
    if power > 0 and len(mantissa.lstrip("+-").replace(".", "")) == 1:
        power -= 1  # the specification's example: 1e2 is 95 up to 105
    return Fraction(10) ** power / 2


def meets_quantity(element: Element, text: str, _asked: Asked) -> bool:
    """Tell whether an amount is as `text` asks, in its unit or in one that can be converted to it."""
    number, *asked_unit = [plain(part) for part in split(text, "|")]
    found = ends(element.type, element.value)
    if found is None:
        return False
    (low, of_low), (high, of_high) = found
    if not asked_unit:
        return compares((low, high), number)
    system, code = asked_unit
    scales = [_scale(quantity, code) if system in ("", UCUM) else None for quantity in (of_low, of_high)]
    if scales[0] is not None and scales[1] is not None:
        moved = (None if low is None else low * scales[0], None if high is None else high * scales[1])
        if compares(moved, number):
            return True
    return _is_written_so(of_low, system, code) and compares((low, high), number)


def _scale(quantity: Resource, code: str) -> Fraction | None:
    """Return how many of the unit `code` one of the quantity's unit is, None if there is no telling."""
    own, wanted = unit(quantity.get("code", "")), unit(code)
    if quantity.get("system") != UCUM or own is None or wanted is None or own[0] != wanted[0]:
        return None
    return own[1] / wanted[1]


def _is_written_so(quantity: Resource, system: str, code: str) -> bool:
    if system:
        return quantity.get("system") == system and quantity.get("code") == code
    return code in (quantity.get("code"), quantity.get("unit"))


def ends(fhir_type: str, value: Any) -> tuple[End, End] | None:
    """Return the two ends of an amount, the same unless it is a range; None if it has no number."""
    if fhir_type == "Range":
        low, high = value.get("low", {}), value.get("high", {})
        if "value" not in low and "value" not in high:
            return None
        first, last = (Fraction(end["value"]) if "value" in end else None for end in (low, high))
        return (first, low or high), (last, high or low)
    if fhir_type == "SampledData":
        origin = Fraction(value["origin"]["value"])
        factor = Fraction(value.get("factor", 1))
        samples = [origin + Fraction(s) * factor for s in value.get("data", "").split() if s not in "EUL"]
        origin_unit = value["origin"]
        return ((min(samples), origin_unit), (max(samples), origin_unit)) if samples else None
    if "value" not in value:
        return None
    number = Fraction(value["value"])
    if fhir_type == "Money":
        currency = value.get("currency")
        coded = {"system": "urn:iso:std:iso:4217", "code": currency} if currency else {}
        return (number, coded), (number, coded)
    first, last = {
        "<": (None, number - _HAIR),
        "<=": (None, number),
        ">=": (number, None),
        ">": (number + _HAIR, None),
    }.get(value.get("comparator"), (number, number))
    return (first, value), (last, value)
