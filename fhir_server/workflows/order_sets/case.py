"""For whom an order set is applied, by whom and when: all that applying it has to know.

https://hl7.org/fhir/R4/plandefinition-operation-apply.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_server.workflows.order_sets.rules import CONTENT, SUBJECT
from resources.fhirpath.work import Work

Resource = Mapping[str, Any]

SUBJECT_TYPES = ("Patient", "Practitioner", "Organization", "Location", "Device", "Group")
"""Whom a definition may be about: https://hl7.org/fhir/R4/valueset-subject-type.html"""

_OF_PLANS = ("Patient", "Group")


@dataclass(frozen=True, slots=True)
class Case:
    """The facts of one call.

    `subjects` are one resource for each type. `variables` are the other parameters, as expressions name
    them. `definitions` are those of the actions, by the canonical as the action has it. All expressions
    together may make the `work` of one.
    """

    subjects: Mapping[str, Resource]
    definitions: Mapping[str, Resource]
    variables: Mapping[str, Any]
    now: datetime
    encounter: Resource | None = None
    practitioner: str | None = None
    organization: str | None = None
    work: Work = field(default_factory=Work)

    def reference(self, subject_type: str) -> dict[str, str]:
        """Return a reference to the subject of a type."""
        return {"reference": f"{subject_type}/{self.subjects[subject_type]['id']}"}

    @property
    def requester(self) -> dict[str, str] | None:
        """Who asks for what comes of it: the practitioner, else the organization."""
        who = self.practitioner or self.organization
        return {"reference": who} if who else None

    @property
    def in_encounter(self) -> dict[str, str] | None:
        """A reference to the encounter."""
        return None if self.encounter is None else {"reference": f"Encounter/{self.encounter['id']}"}


def subject_of_plan(plan: Resource, case: Case) -> str:
    """Return the type of the subject of an order set; raise the refusal of SUBJECT if it is none.

    It is a patient, unless the order set says otherwise; the CarePlan of R4 is of a patient or a group.
    """
    place = "PlanDefinition.subject"
    default = next((one for one in _OF_PLANS if one in case.subjects), "Patient")
    found = subject_type(plan, default, case, place)
    if found not in _OF_PLANS:
        raise SUBJECT.error(f"A CarePlan is of a patient or a group, and this is for a {found}", place)
    return found


def subject_type(holder: Resource, default: str, case: Case, place: str) -> str:
    """Return the type of the subject that a definition or an action is about, else that of what it is in.

    https://hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.action.subject_x_
    """
    if "subjectReference" in holder:
        raise CONTENT.error("It is for the members of one group, which is not looked into", place)
    concept = holder.get("subjectCodeableConcept")
    codes = [coding.get("code") for coding in (concept or {}).get("coding", ())]
    found = next((code for code in codes if code in SUBJECT_TYPES), None if concept else default)
    if found is None:
        raise CONTENT.error(f"It is for none of {', '.join(SUBJECT_TYPES)}", place)
    if found not in case.subjects:
        raise SUBJECT.error(f"It is for a {found}, and the parameter subject names none", place)
    return found
