"""Quantities of FHIRPath: a decimal with a UCUM code or a calendar unit, and which of them can be compared.

Units are compared as they are written, except for durations: seconds to weeks have the same length in UCUM
and in the calendar, and twelve months are a year.

Source: http://hl7.org/fhirpath/N1/#quantity, http://hl7.org/fhirpath/N1/#time-valued-quantities
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

UCUM = "http://unitsofmeasure.org"

CALENDAR_UNITS = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")

_WORDS = {unit: unit for unit in CALENDAR_UNITS} | {f"{unit}s": unit for unit in CALENDAR_UNITS}

# https://hl7.org/fhir/R4/fhirpath.html#quantity
_CALENDAR_OF_FHIR = {"a": "year", "mo": "month", "d": "day", "h": "hour", "min": "minute", "s": "second"}

# How long a unit is in another one; 'a' and 'mo' are means, and no whole number of days.
_UCUM_DURATIONS = {
    "wk": (Decimal(604_800), "s"),
    "d": (Decimal(86_400), "s"),
    "h": (Decimal(3600), "s"),
    "min": (Decimal(60), "s"),
    "s": (Decimal(1), "s"),
    "ms": (Decimal("0.001"), "s"),
}
_CALENDAR_DURATIONS = {
    "year": (Decimal(12), "month"),
    "month": (Decimal(1), "month"),
    "week": _UCUM_DURATIONS["wk"],
    "day": _UCUM_DURATIONS["d"],
    "hour": _UCUM_DURATIONS["h"],
    "minute": _UCUM_DURATIONS["min"],
    "second": _UCUM_DURATIONS["s"],
    "millisecond": _UCUM_DURATIONS["ms"],
}

_TEXT = re.compile(r"(?P<value>[+-]?\d+(?:\.\d+)?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-zA-Z]+))?", re.ASCII)
_SIMPLE_UNIT = re.compile(r"[A-Za-z%\[\]_]+")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, or a word of CALENDAR_UNITS if `is_calendar`."""

    value: Decimal
    unit: str = "1"
    is_calendar: bool = False

    def __str__(self) -> str:
        """Return the text as a literal has it: `4.5 'mg'`, `2 days`."""
        if not self.is_calendar:
            return f"{self.value:f} '{self.unit}'"
        return f"{self.value:f} {self.unit}{'' if abs(self.value) == 1 else 's'}"


def quantity(value: Decimal, unit: str) -> Quantity:
    """Return a quantity; the words of the calendar, singular or plural, are calendar units."""
    word = _WORDS.get(unit)
    return Quantity(value, word or unit, is_calendar=word is not None)


def parse_quantity(text: str) -> Quantity | None:
    """Return the quantity that a text says (`1`, `1 'mg'`, `2 days`); None if it says none."""
    match = _TEXT.fullmatch(text)
    if match is None or (match["word"] and match["word"] not in _WORDS):
        return None
    return quantity(Decimal(match["value"]), match["unit"] or match["word"] or "1")


def from_fhir(element: Mapping[str, Any]) -> Quantity | None:
    """Return a FHIR Quantity as one of FHIRPath; None if it has no UCUM code, or only bounds its value."""
    value, code = element.get("value"), element.get("code")
    if element.get("system") != UCUM or not isinstance(code, str) or "comparator" in element:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    calendar = _CALENDAR_OF_FHIR.get(code)
    return Quantity(Decimal(value), calendar or code, is_calendar=calendar is not None)


def canonical(item: Quantity) -> tuple[Decimal, str]:
    """Return the value in one unit for all that can be compared with this one, and that unit."""
    durations = _CALENDAR_DURATIONS if item.is_calendar else _UCUM_DURATIONS
    factor, unit = durations.get(item.unit, (Decimal(1), f"'{item.unit}'"))
    return item.value * factor, unit


def are_comparable(left: Quantity, right: Quantity) -> bool:
    """Tell whether two quantities are of the same dimension, as far as this module knows."""
    return canonical(left)[1] == canonical(right)[1]


def in_unit_of(item: Quantity, other: Quantity) -> Quantity | None:
    """Return the quantity in the unit of another one; None if they cannot be compared."""
    if not are_comparable(item, other):
        return None
    if (item.unit, item.is_calendar) == (other.unit, other.is_calendar):
        return item
    factor = canonical(replace(other, value=Decimal(1)))[0]
    return replace(other, value=canonical(item)[0] / factor)


def multiplied(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the product; None if its unit would need a calculation with UCUM."""
    value = left.value * right.value
    if "1" in (left.unit, right.unit):
        return replace(right if left.unit == "1" else left, value=value)
    if left.is_calendar or right.is_calendar or not (_is_simple(left) and _is_simple(right)):
        return None
    return Quantity(value, f"{left.unit}2" if left.unit == right.unit else f"{left.unit}.{right.unit}")


def divided(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the quotient; None if its unit would need a calculation with UCUM, or for a division by zero."""
    if right.value == 0:
        return None
    if right.unit == "1":
        return replace(left, value=left.value / right.value)
    same_unit = in_unit_of(left, right)
    if same_unit is not None:
        return Quantity(same_unit.value / right.value)
    if left.is_calendar or right.is_calendar or not (_is_simple(left) and _is_simple(right)):
        return None
    unit = f"/{right.unit}" if left.unit == "1" else f"{left.unit}/{right.unit}"
    return Quantity(left.value / right.value, unit)


def _is_simple(item: Quantity) -> bool:
    return item.unit == "1" or _SIMPLE_UNIT.fullmatch(item.unit) is not None
