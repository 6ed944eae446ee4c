"""Invariants that recur in most resources and cost next to nothing, written by hand.

All other invariants are FHIRPath expressions and are not evaluated here. A rule sees an object whose values
may be of any kind: it judges only those that it can read, since the others are found wrong elsewhere.

Source: https://hl7.org/fhir/R4/conformance-rules.html#constraints; each rule's key is in the page of its type
"""

from datetime import datetime
from typing import Any

from resources.validation.findings import Findings, one
from resources.validation.objects import Rule


def _extension(extension: dict[str, Any]) -> Findings | None:
    # https://hl7.org/fhir/R4/extensibility.html#Extension
    names = {name.removeprefix("_") for name in extension}
    has_value = any(name.startswith("value") for name in names)
    if has_value != ("extension" in names):
        return None
    return one("invariant", "ext-1: An extension must have either a value or extensions, not both")


def _quantity(quantity: dict[str, Any]) -> Findings | None:
    # https://hl7.org/fhir/R4/datatypes.html#Quantity
    if "code" in quantity and "system" not in quantity and "_system" not in quantity:
        return one("invariant", "qty-3: A quantity with a code for its unit must have the system of the code")
    return None


def _contact_point(contact_point: dict[str, Any]) -> Findings | None:
    # https://hl7.org/fhir/R4/datatypes.html#ContactPoint
    if "value" in contact_point and "system" not in contact_point and "_system" not in contact_point:
        return one("invariant", "cpt-2: A contact point with a value must have a system")
    return None


def _period(period: dict[str, Any]) -> Findings | None:
    # https://hl7.org/fhir/R4/datatypes.html#Period
    start, end = period.get("start"), period.get("end")
    if type(start) is str and type(end) is str and _is_after(start, end):
        return one("invariant", "per-1: The start of a period must not be after its end")
    return None


def _is_after(start: str, end: str) -> bool:
    """Tell whether `start` is after `end`; with different precisions, as far as both go."""
    if "T" in start and "T" in end:
        try:
            return datetime.fromisoformat(start) > datetime.fromisoformat(end)
        except (ValueError, TypeError):  # a leap second, or no dateTime at all
            return False
    length = min(len(start), len(end), len("YYYY-MM-DD"))
    return start[:length] > end[:length]


def simple_quantity(quantity: dict[str, Any]) -> Findings | None:
    """Check what a SimpleQuantity must have on top of a Quantity: https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity"""
    if "comparator" in quantity or "_comparator" in quantity:
        return one("invariant", "sqty-1: This quantity must not have a comparator")
    return None


RULES: dict[str, Rule] = {
    "Age": _quantity,
    "ContactPoint": _contact_point,
    "Count": _quantity,
    "Distance": _quantity,
    "Duration": _quantity,
    "Extension": _extension,
    "Period": _period,
    "Quantity": _quantity,
}
"""The rule of each data type that has one here."""
