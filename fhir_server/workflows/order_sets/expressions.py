"""The expressions in an order set: whether an action applies, and what an element becomes.

FHIRPath alone, asked of the subject, with the parameters of the operation as variables; a name that is
misspelt is an error, and not nothing. https://hl7.org/fhir/R4/plandefinition.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.workflows.order_sets.case import Case
from fhir_server.workflows.order_sets.rules import CONTENT
from resources.fhirpath import FhirPathEvaluationError, FhirPathSyntaxError, evaluate_items
from resources.fhirpath.items import Collection, evaluated

Resource = Mapping[str, Any]
FHIRPATH = "text/fhirpath"
_APPLICABILITY = "applicability"


def applies(conditions: Iterable[Resource], subject: str, case: Case, place: str) -> bool:
    """Tell whether all conditions of the kind applicability hold; one that gives nothing does not.

    https://hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.action.condition
    """
    asked = [one for one in conditions if one["kind"] == _APPLICABILITY]
    return all(_holds(one, subject, case, f"{place}.condition") for one in asked)


def _holds(condition: Resource, subject: str, case: Case, place: str) -> bool:
    found = [evaluated(item) for item in values(condition.get("expression"), subject, case, place)]
    if found not in ([], [True], [False]):
        raise CONTENT.error("The condition is neither true nor false", place)
    return found == [True]


def others(conditions: Iterable[Resource]) -> list[Resource]:
    """Return the conditions about start and stop, which whoever carries it out looks at."""
    return [one for one in conditions if one["kind"] != _APPLICABILITY]


def values(expression: Resource | None, subject: str, case: Case, place: str) -> Collection:
    """Return what an expression gives, asked of the subject of a type."""
    told = expression or {}
    if told.get("language") != FHIRPATH or "expression" not in told:
        raise CONTENT.error(f"Only expressions of {FHIRPATH} that stand here are evaluated", place)
    resource = case.subjects[subject]
    variables = {**case.variables, "subject": resource}
    try:
        return evaluate_items(
            told["expression"], resource, variables=variables, now=case.now, is_strict=True, work=case.work
        )
    except (FhirPathSyntaxError, FhirPathEvaluationError) as failure:
        raise CONTENT.error(failure.issues[0].diagnostics, place) from None
