"""What an application is told of beside the patient and the encounter, checked before it is told.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#fhircontext-exp
"""

import re
from collections.abc import Mapping
from typing import Any

from resources.definitions import resource_types
from resources.references import parse_reference

_LAUNCH = "launch"
"""The role that an item without one has, and the only one that is no absolute URI."""

_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+")
_KINDS: Mapping[str, type] = {
    "reference": str,
    "canonical": str,
    "identifier": dict,
    "type": str,
    "role": str,
}
# They have parameters of their own, and stand here only in another role than that of the launch.
_OF_THEIR_OWN = ("Patient", "Encounter")


def check_fhir_context(item: Mapping[str, Any]) -> None:
    """Raise ValueError if `item` is none that may stand in `fhirContext`."""
    if not {"reference", "canonical", "identifier"} & set(item):
        raise ValueError("An item of fhirContext has a reference, canonical or identifier")
    for name, kind in _KINDS.items():
        if name in item and not (isinstance(item[name], kind) and item[name]):
            raise ValueError(
                f"The {name} of an item of fhirContext is no {kind.__name__} with something in it"
            )
    role = item.get("role", _LAUNCH)
    if role != _LAUNCH and _ABSOLUTE_URI.fullmatch(role) is None:
        raise ValueError("A role in fhirContext is launch, or an absolute URI")
    if _type_of(item) in _OF_THEIR_OWN and role == _LAUNCH:
        raise ValueError("Patient and encounter of the launch are no items of fhirContext")


def _type_of(item: Mapping[str, Any]) -> str | None:
    """Return the type of resource that an item is of; raise ValueError for one that says no, or two."""
    named = item.get("type")
    if named is not None and named not in resource_types():
        raise ValueError("The type in fhirContext is one of R4")
    if "reference" not in item:
        return named
    reference = parse_reference(item["reference"])
    if reference is None or reference.base or named not in (None, reference.resource_type):
        raise ValueError("A reference in fhirContext is relative, such as Task/1, and of the type beside it")
    return reference.resource_type
