"""When two pieces of JSON mean the same to FHIR: all but white space, and the order of properties, counts.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html#decimal
"""

import json
from decimal import Decimal
from typing import Any

# What the server sets: https://hl7.org/fhir/R4/http.html#update
_OF_THE_SERVER = ("versionId", "lastUpdated")


def content(data: bytes) -> Any:
    """Return JSON as values that are equal if the content is: numbers as sign, digits and exponent."""
    return json.loads(data, parse_float=_number, parse_int=_number)


def _number(literal: str) -> tuple[str, object]:
    return ("number", Decimal(literal).as_tuple())


def content_of(value: Any) -> Any:
    """Return a value that was parsed by resources.json_format in the form of `content`."""
    if isinstance(value, dict):
        return {key: content_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [content_of(item) for item in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return ("number", Decimal(value).as_tuple())
    return value


def of_the_client(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource without what the server sets: its id, its version and the time of its last update."""
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in _OF_THE_SERVER}
    rest = {key: value for key, value in resource.items() if key not in ("id", "meta")}
    return {**rest, "meta": meta} if meta else rest
