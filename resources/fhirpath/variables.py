"""The environment variables that expressions may name.

Source: http://hl7.org/fhirpath/N1/#environment-variables, https://hl7.org/fhir/R4/fhirpath.html#vars
"""

from collections.abc import Mapping
from typing import Any

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.items import Collection, as_item
from resources.fhirpath.nodes import Node, resource_of
from resources.fhirpath.quantities import UCUM
from resources.fhirpath.scope import Run

_CODE_SYSTEMS = {"ucum": UCUM, "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}
_CANONICALS = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": "http://hl7.org/fhir/StructureDefinition/"}


def constant(run: Run, name: str) -> Collection:
    """Return the value of `%name`; FhirPathEvaluationError if nothing of that name was provided."""
    if name in run.variables:
        return run.variables[name]
    if name in _CODE_SYSTEMS:
        return [_CODE_SYSTEMS[name]]
    for prefix, base in _CANONICALS.items():
        if name.startswith(prefix):
            return [base + name.removeprefix(prefix)]
    raise FhirPathEvaluationError(f"there is no variable %{name[:40]}")


def variables_for(context: Node, given: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the variables of an evaluation: those that FHIR defines, and the given JSON values."""
    resource = resource_of(context)
    container = resource_of(resource.parent) if resource.key == "contained" and resource.parent else resource
    found: dict[str, Collection] = {"context": [context], "resource": [resource], "rootResource": [container]}
    for name, value in given.items():
        found[name] = [as_item(item) for item in (value if isinstance(value, list) else [value])]
    return found
