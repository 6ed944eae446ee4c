"""Compartments: which resources belong to a patient, encounter, practitioner, related person or device.

A resource belongs to a compartment if one of the parameters given here refers to the resource that the
compartment is named for. That resource itself belongs to it too, without any parameter: the definitions
mostly say so as `{def}`.

Source: https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from collections.abc import Mapping
from functools import cache

from resources.definitions import Facts, compartment_definitions

_EXAMPLE = "http://hl7.org/fhir/CompartmentDefinition/example"
_ITSELF = "{def}"


def compartments() -> tuple[str, ...]:
    """Return the names of the five compartments: Device, Encounter, Patient, Practitioner, RelatedPerson."""
    return tuple(sorted(_parameters()))


def compartment_urls() -> tuple[str, ...]:
    """Return the canonical URLs of the definitions of the compartments, sorted."""
    return tuple(sorted(facts["url"] for facts in _definitions()))


def compartment_parameters(compartment: str, resource_type: str) -> tuple[str, ...]:
    """Return the codes of the search parameters that link a resource type to a compartment.

    () means that no resource of the type is in the compartment, apart from the one it is named for. A
    reference counts only if it is to a resource of the type `compartment`. Raises `KeyError` for an unknown
    compartment.
    """
    return _parameters()[compartment].get(resource_type, ())


@cache
def _parameters() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    return {
        facts["code"]: {
            row["code"]: tuple(code for code in row.get("param", ()) if code != _ITSELF)
            for row in facts["resource"]
        }
        for facts in _definitions()
    }


def _definitions() -> list[Facts]:
    return [facts for facts in compartment_definitions() if facts["url"] != _EXAMPLE]
