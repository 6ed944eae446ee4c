"""The findings about JSON values that cannot be what they stand for, whatever the element.

Source: https://hl7.org/fhir/R4/json.html
"""

from typing import Any

from resources.validation.findings import Findings, one

_NULL = "null may only stand in an array of primitives, in the place of one that has no value"


def not_an_object(value: Any) -> Findings:
    """Return the finding about a value that should be a JSON object with properties."""
    if isinstance(value, dict):
        return one("invalid", "A JSON object is never empty: leave the element out")
    return wrong_json_type(value, "a JSON object")


def not_an_array(value: Any) -> Findings:
    """Return the finding about a value that should be a JSON array with items."""
    if isinstance(value, list):
        return one("invalid", "A JSON array is never empty: leave the element out")
    if value is None:
        return one("invalid", _NULL)
    return one("structure", "This element may repeat: it must be a JSON array, even with a single item")


def wrong_text(value: Any, expected: str) -> Findings:
    """Return the finding about a value that should be a JSON string of a certain form, given in words."""
    if not isinstance(value, str):
        return wrong_json_type(value, "a JSON string")
    if not value:
        return one("invalid", "A JSON string is never empty: leave the element out")
    return one("value", f"This must be {expected}")


def wrong_json_type(value: Any, expected: str) -> Findings:
    """Return the finding about a value of another JSON type than `expected`."""
    if value is None:
        return one("invalid", _NULL)
    if isinstance(value, list):
        return one(
            "structure", f"This must be {expected}: the element does not repeat, so it is not an array"
        )
    return one("structure", f"This must be {expected}")
