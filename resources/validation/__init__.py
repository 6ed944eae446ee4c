"""Checks resources against the definitions of FHIR R4: structure, cardinality, primitives, codes, references.

What is checked and what is not: docs/validation.md. Source: https://hl7.org/fhir/R4/validation.html
"""

from typing import Any

from resources.definitions import resource_types
from resources.operation_outcome import Issue
from resources.validation.findings import MOST_FINDINGS, Scope
from resources.validation.structures import check_resource

__all__ = ["validate"]


def validate(resource: Any) -> list[Issue]:
    """Return all issues of a resource, in the order of the document; none if it is valid.

    `resource` is a JSON value as `resources.json_format.parse` gives it: decimals as `Decimal`.
    Each issue has one expression, a FHIRPath such as `Observation.component[1].value.ofType(Quantity).unit`,
    unless the type of the resource is not known. Nothing is raised, whatever the value, and nothing of the
    resource's data is in the diagnostics. After 1000 issues one more says that the others are not listed.
    """
    found = check_resource(resource, {}, Scope({}))
    if found is None:
        return []
    root = _type_name(resource)
    issues = [
        Issue("error", finding.code, finding.diagnostics, (root + finding.path,) if root else ())
        for finding in found
    ]
    if len(issues) >= MOST_FINDINGS:
        issues.append(
            Issue("information", "incomplete", f"Issues after the first {MOST_FINDINGS} are not listed")
        )
    return issues


def _type_name(resource: Any) -> str | None:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    return name if name in resource_types() else None
