"""A patient to patch, and FHIRPath Patches written shortly."""

from typing import Any

from resources.patch import apply_fhirpath_patch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"use": "official", "family": "Chalmers", "given": ["Peter", "James"]}, {"given": ["Jim"]}],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "urn:time", "valueTime": "14:35:45"}]},
    "multipleBirthInteger": 2,
    "contact": [{"name": {"text": "Ann"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/1"}],
}


def operation(type_: str, path: str, **parts: Any) -> dict[str, Any]:
    """Return an operation; `value` is a parameter without its name, and the others are values."""
    found: list[dict[str, Any]] = [
        {"name": "type", "valueCode": type_},
        {"name": "path", "valueString": path},
    ]
    for name, value in parts.items():
        if name == "value":
            found.append({"name": "value", **value})
        else:
            found.append({"name": name, "valueInteger" if isinstance(value, int) else "valueString": value})
    return {"name": "operation", "part": found}


def patched(*operations: Any, resource: dict[str, Any] = PATIENT) -> dict[str, Any]:
    """Return a resource after some operations."""
    return apply_fhirpath_patch(resource, {"resourceType": "Parameters", "parameter": list(operations)})
