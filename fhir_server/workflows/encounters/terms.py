"""What encounters say of themselves: classes, states, and who takes part.

https://hl7.org/fhir/R4/encounter.html, https://terminology.hl7.org/CodeSystem-v3-ActCode.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.workflows.made import has_code
from fhir_server.workflows.references import reference_of

Resource = Mapping[str, Any]

CLASSES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ATTENDER = "ATND"
UNDER_WAY = frozenset({"arrived", "triaged", "in-progress", "onleave"})
"""The states in which the patient is, or was and comes back."""
ENDED = frozenset({"finished", "cancelled", "entered-in-error"})


def encounter_of(resource: Resource) -> str | None:
    """Return the encounter that a resource was made in, as it says itself."""
    context = resource.get("encounter") or resource.get("context")
    if isinstance(context, dict) and "encounter" in context:  # of a DocumentReference
        return reference_of(next(iter(context["encounter"]), None))
    found = reference_of(context)
    return found if found and "Encounter/" in found else None


def patient_of(resource: Resource) -> str | None:
    """Return whom a resource is about."""
    return reference_of(resource.get("subject") or resource.get("patient"))


def attenders(encounter: Resource | None) -> Iterator[str]:
    """Yield who is responsible for an encounter at present."""
    for one in (encounter or {}).get("participant", ()):
        if has_code(one.get("type", []), PARTICIPATION, ATTENDER) and "end" not in one.get("period", {}):
            yield reference_of(one.get("individual")) or ""


def people(encounter: Resource | None) -> Iterator[str]:
    """Yield who takes part in an encounter at present."""
    for one in (encounter or {}).get("participant", ()):
        found = reference_of(one.get("individual"))
        if found and "end" not in one.get("period", {}):
            yield found


def attender(individual: str) -> dict[str, Any]:
    """Return the participant who is responsible."""
    kind = {"coding": [{"system": PARTICIPATION, "code": ATTENDER, "display": "attender"}]}
    return {"type": [kind], "individual": {"reference": individual}}
