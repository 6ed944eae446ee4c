"""The goals of an order set, as proposed: https://hl7.org/fhir/R4/goal.html."""

from collections.abc import Mapping
from typing import Any

from fhir_server.papers.words import text_of
from fhir_server.workflows.made import changed

Resource = Mapping[str, Any]

_DETAILS = ("detailQuantity", "detailRange", "detailCodeableConcept")


def goal(told: Resource, subject: dict[str, str]) -> dict[str, Any]:
    """Return the Goal of the subject by a goal of a PlanDefinition, to be checked with what it is in."""
    return changed(
        {"resourceType": "Goal", "lifecycleStatus": "proposed", "subject": subject},
        category=[told["category"]] if "category" in told else None,
        priority=told.get("priority"),
        description=told["description"],
        startCodeableConcept=told.get("start"),
        addresses=[{"display": name} for one in told.get("addresses", ()) if (name := text_of(one))] or None,
        target=[_target(one) for one in told.get("target", ())] or None,
    )


def _target(told: Resource) -> dict[str, Any]:
    details = {name: told[name] for name in _DETAILS if name in told}
    return changed(details, measure=told.get("measure"), dueDuration=told.get("due"))
