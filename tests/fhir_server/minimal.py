"""The smallest valid resource of each type, made from the definitions: mandatory elements and no others."""

from functools import cache
from typing import Any

from resources.definitions import Element, structure, value_set_codes

_TEXTS = {
    "base64Binary": "QQ==",
    "boolean": True,
    "date": "2020-01-01",
    "dateTime": "2020-01-01",
    "decimal": 1,
    "id": "a",
    "instant": "2020-01-01T00:00:00Z",
    "integer": 1,
    "positiveInt": 1,
    "time": "12:00:00",
    "unsignedInt": 1,
}
_FILLED: dict[str, dict[str, Any]] = {
    "Attachment": {"title": "invented"},
    "CodeableConcept": {"text": "invented"},
    "Coding": {"system": "urn:invented", "code": "a"},
    "Identifier": {"value": "invented"},
    "Money": {"value": 1},
    "Period": {"start": "2020-01-01"},
    "Quantity": {"value": 1},
    "Reference": {"display": "invented"},
}
# What invariants ask for beside cardinalities.
_MORE: dict[str, dict[str, Any]] = {
    "ActivityDefinition": {"name": "Invented"},
    "AllergyIntolerance": {
        "clinicalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                    "code": "active",
                }
            ]
        }
    },
    "Bundle": {"type": "collection"},
}


@cache
def minimal(resource_type: str) -> dict[str, Any]:
    """Return the smallest resource of a type; callers must not change it."""
    return {"resourceType": resource_type, **_children(resource_type, ""), **_MORE.get(resource_type, {})}


def _children(type_name: str, parent: str) -> dict[str, Any]:
    prefix = f"{parent}." if parent else ""
    found: dict[str, Any] = {}
    for path, element in structure(type_name).elements.items():
        name = path.removeprefix(prefix)
        if not path.startswith(prefix) or not name or "." in name or not element.minimum:
            continue
        code = element.types[0].code if element.types else ""
        value = _value(type_name, element, code)
        if name.endswith("[x]"):
            name = name.removesuffix("[x]") + code[0].upper() + code[1:]
        found[name] = value if element.maximum == 1 else [value]
    return found


def _value(type_name: str, element: Element, code: str) -> Any:
    if code in ("", "BackboneElement", "Element"):
        return _children(type_name, element.content_reference or element.path) or {"id": "a"}
    if code[0].isupper():
        return _children(code, "") | _FILLED.get(code, {})
    binding = element.binding
    if code == "code" and binding is not None and binding.strength == "required":
        codes = value_set_codes(binding.value_set)
        return sorted(code for _, code in codes)[0] if codes else "text/plain"
    return _TEXTS.get(code, "urn:invented" if code in ("uri", "url", "canonical") else "invented")
