"""Is a number, or an amount with its unit, as it is asked for?

https://hl7.org/fhir/R4/search.html#number, https://hl7.org/fhir/R4/search.html#quantity
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.fhir_server.search.agreement.asking import Asked, plain, prefixed, split
from tests.fhir_server.search.agreement.elements import Element, Resource

UCUM = "http://unitsofmeasure.org"

Ends = tuple[Fraction | None, Fraction | None]
"""A range; None is an open end."""

# Unit -> what it measures, and how many of the first unit of that kind it is. https://ucum.org/ucum
UNITS: Mapping[str, tuple[str, Fraction]] = {
    code: (kind, Fraction(factor))
    for kind, units in {
        "mass": "g:1 mg:1/1000 ug:1/1000000 ng:1/1000000000 kg:1000",
        "volume": "L:1 mL:1/1000 dL:1/10 uL:1/1000000 fL:1/1000000000000000",
        "length": "m:1 cm:1/100 mm:1/1000 km:1000",
        "time": "s:1 min:60 h:3600 d:86400 wk:604800 ms:1/1000",
        "concentration": "g/L:1 mg/dL:1/100 g/dL:10 mg/L:1/1000 ug/mL:1/1000 ng/mL:1/1000000",
        "molarity": "mol/L:1 mmol/L:1/1000 umol/L:1/1000000",
        "share": "1:1 %:1/100",
        "pressure": "Pa:1 kPa:1000",
    }.items()
    for code, _, factor in (unit.partition(":") for unit in units.split())
}


def meets_number(element: Element, text: str, _asked: Asked) -> bool:
    """Tell whether a number is as `text` asks."""
    value = Fraction(element.value)
    return compares((value, value), text)


def compares(target: Ends, text: str, scale: Fraction = Fraction(1)) -> bool:
    """Compare a range to a number with its prefix, of a unit that is `scale` times the unit of the range."""
    prefix, digits = prefixed(text)
    number = Fraction(digits) * scale
    low, high = target
    half = _half_of_last_digit(digits) * scale
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
    number, *unit = [plain(part) for part in split(text, "|")]
    target, quantity = ends(element.type, element.value)
    if target is None:
        return False
    if not unit:
        return compares(target, number)
    system, code = unit
    if not system:
        return code in (quantity.get("code"), quantity.get("unit")) and compares(target, number)
    if quantity.get("system") != system:
        return False
    if quantity.get("code") == code:
        return compares(target, number)
    own, wanted = UNITS.get(quantity.get("code", "")), UNITS.get(code)
    if system != UCUM or own is None or wanted is None or own[0] != wanted[0]:
        return False
    return compares(target, number, wanted[1] / own[1])


def ends(fhir_type: str, value: Any) -> tuple[Ends | None, Resource]:
    """Return the two ends of an amount, the same unless it is a range, and where its unit stands."""
    if fhir_type == "Range":
        low, high = value.get("low", {}), value.get("high", {})
        if "value" not in low and "value" not in high:
            return None, {}
        first, last = (Fraction(end["value"]) if "value" in end else None for end in (low, high))
        return (first, last), low or high
    if fhir_type == "SampledData":
        origin = Fraction(value["origin"]["value"])
        factor = Fraction(value.get("factor", 1))
        samples = [origin + Fraction(s) * factor for s in value.get("data", "").split() if s not in "EUL"]
        return ((min(samples), max(samples)) if samples else None), value["origin"]
    if "value" not in value:
        return None, {}
    number = Fraction(value["value"])
    if fhir_type == "Money":
        currency = value.get("currency")
        unit = {"system": "urn:iso:std:iso:4217", "code": currency} if currency else {}
        return (number, number), unit
    return (number, number), value
