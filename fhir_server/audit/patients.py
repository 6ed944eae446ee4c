"""Which patients a resource is about, read off the resource itself.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.smart.access.compartment import fields_of_patient
from fhir_server.store.witnessing import Change
from resources.custom_parameters import once_for_each_type
from resources.fhirpath.element_paths import ElementIs, Step
from resources.references import is_id

_PATIENT = "Patient/"


def patients_of(resource: Mapping[str, Any], base_url: str) -> tuple[str, ...]:
    """Return the ids of the patients that a resource is about, each once; () if it is about none.

    `base_url` is this server's own address, which references may begin with.
    """
    resource_type = resource["resourceType"]
    if resource_type == "Patient":
        return (resource["id"],) if "id" in resource else ()
    if resource_type == "Binary":
        return _ids([resource.get("securityContext", {}).get("reference")], base_url)
    found: list[str | None] = []
    for steps in _paths(resource_type):
        found += [element.get("reference") for element in _at(resource, steps) if isinstance(element, dict)]
    return _ids(found, base_url) if found else ()


def patients_of_change(change: Change, base_url: str) -> tuple[str, ...]:
    """Return the ids of the patients that a resource was about before a change, or is afterwards."""
    found: dict[str, None] = {}
    for resource in (change.before, change.after.resource):
        if resource is not None:
            found |= dict.fromkeys(patients_of(resource, base_url))
    return tuple(found)


@once_for_each_type
def _paths(resource_type: str) -> Sequence[Sequence[Step]]:
    """Return the ways to the references to patients; the last step's condition is asked of their text."""
    found = {
        path.steps
        for field in fields_of_patient(resource_type)
        for path in field.parameter.paths
        if path.type == "Reference"
    }
    return tuple(sorted(found, key=str))


def _at(element: Any, steps: Sequence[Step]) -> Iterator[Any]:
    """Yield the elements that `steps` lead to from `element`."""
    if not steps:
        yield element
        return
    step, *rest = steps
    value = element.get(step.key) if isinstance(element, dict) else None
    if value is None:
        return
    for item in value if isinstance(value, list) else [value]:
        condition = step.condition
        if not isinstance(condition, ElementIs) or (
            isinstance(item, dict) and item.get(condition.key) == condition.value
        ):
            yield from _at(item, rest)


def _ids(references: Sequence[str | None], base_url: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for reference in references:
        if not isinstance(reference, str):
            continue
        text = reference.removeprefix(f"{base_url}/")
        if text.startswith(_PATIENT):
            patient = text[len(_PATIENT) :].partition("/")[0]
            if is_id(patient):
                found[patient] = None
    return tuple(found)
