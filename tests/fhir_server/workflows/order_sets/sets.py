"""Order sets and their definitions, as tests write them, and what there is to apply them to."""

from datetime import UTC, datetime
from typing import Any

from fhir_server.workflows.order_sets.applying import applied
from fhir_server.workflows.order_sets.case import Case
from fhir_server.workflows.order_sets.gathering import CONCEPTS
from resources.validation import validate

Resource = dict[str, Any]

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
SUBJECT_KINDS = "http://hl7.org/fhir/resource-types"
PATIENT: Resource = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1980-02-03"}
ENCOUNTER: Resource = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "in-progress",
    "class": {"code": "IMP"},
    "subject": {"reference": "Patient/p"},
}


def activity(kind: str, **elements: Any) -> Resource:
    """Return a definition of a request, with the canonical URL of its kind."""
    url = f"http://house.example/{kind}"
    return {"resourceType": "ActivityDefinition", "url": url, "status": "active", "kind": kind, **elements}


def order_set(*actions: Resource, **elements: Any) -> Resource:
    """Return an order set of actions."""
    listed = {"action": list(actions)} if actions else {}
    return {"resourceType": "PlanDefinition", "status": "active", **listed, **elements}


def when(expression: str, kind: str = "applicability", language: str = "text/fhirpath") -> Resource:
    """Return a condition."""
    return {"kind": kind, "expression": {"language": language, "expression": expression}}


def dynamic(path: str, expression: str, language: str = "text/fhirpath") -> Resource:
    """Return a dynamic value."""
    return {"path": path, "expression": {"language": language, "expression": expression}}


def about(kind: str) -> Resource:
    """Return that something is for subjects of a type."""
    return {"subjectCodeableConcept": {"coding": [{"system": SUBJECT_KINDS, "code": kind}]}}


def case(*definitions: Resource, subjects: tuple[Resource, ...] = (PATIENT,), **elements: Any) -> Case:
    """Return a case of one patient, with definitions by their canonical URLs or contained ids."""
    names = ("encounter", "practitioner", "organization", *CONCEPTS)
    variables: dict[str, Any] = {name: [] for name in names}
    return Case(
        subjects={one["resourceType"]: one for one in subjects},
        definitions={one.get("url") or f"#{one['id']}": one for one in definitions},
        variables=variables | elements.pop("variables", {}),
        now=NOW,
        **elements,
    )


def action(definition: Resource, **elements: Any) -> Resource:
    """Return an action by a definition."""
    return {"definitionCanonical": definition.get("url") or f"#{definition['id']}", **elements}


def group(care_plan: Resource) -> Resource:
    """Return the RequestGroup of a CarePlan."""
    return held(care_plan, care_plan["activity"][0]["reference"])


def held(care_plan: Resource, reference: Resource) -> Resource:
    """Return what a reference in a CarePlan means."""
    [found] = [one for one in care_plan["contained"] if f"#{one['id']}" == reference["reference"]]
    resource: Resource = found
    return resource


def drafted(definition: Resource, given: Resource | None = None, **elements: Any) -> Resource:
    """Return the draft that a definition gives as the only action of an order set, without its id."""
    facts = case(definition, **elements)
    care_plan = applied(order_set(action(definition, **(given or {}))), facts)
    assert validate(care_plan) == []
    [one] = group(care_plan)["action"]
    return {name: value for name, value in held(care_plan, one["resource"]).items() if name != "id"}
