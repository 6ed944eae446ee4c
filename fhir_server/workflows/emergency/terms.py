"""The emergency department: urgency, whom it concerns, and the rules.

https://loinc.org/75636-1, https://terminology.hl7.org/CodeSystem-v3-ActPriority.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.encounters.terms import CLASSES, UNDER_WAY
from fhir_server.workflows.made import concept, has_code
from fhir_server.workflows.notices import NoticeKind
from fhir_server.workflows.pattern import Rule, StateTable

Resource = Mapping[str, Any]

LOINC = "http://loinc.org"
ESI = "75636-1"
OWN = "urn:fhir-hospital-server:emergency"
"""Our own codes: the Tasks `triage` and `alert`, and the duty `on-call` of a PractitionerRole."""
TRIAGE, ALERT, ON_CALL = "triage", "alert", "on-call"
ROLES = "http://terminology.hl7.org/CodeSystem/practitioner-role"
DOCTOR, NURSE = "doctor", "nurse"
FINAL = frozenset({"final", "amended", "corrected"})
WRONG = frozenset({"cancelled", "entered-in-error"})
OPEN_TASKS = "requested,received,accepted,in-progress,on-hold"
ACCEPTED = frozenset({"accepted", "in-progress", "completed"})
MOST_URGENT = 2
_PRIORITIES = {1: ("EM", "emergency"), 2: ("EM", "emergency"), 3: ("UR", "urgent")}

RANGE = Rule("W11.esi-range", "The Emergency Severity Index is a whole number from 1 to 5.")
FINAL_ESI = Rule(
    "W11.final-esi", "A patient's own urgency is provisional: nurses and doctors triage.", 403, "forbidden"
)
RETRIAGE = Rule("W11.retriage", "Who is triaged again gets a new index; the one before stays as it was.")
ALREADY_HERE = Rule(
    "W11.already-here", "A patient is in the emergency department once at a time.", 409, "duplicate"
)
UNKNOWN = Rule("W11.unknown-patient", "Only staff check in a patient whom nobody knows.", 403, "forbidden")
TASK_STATE = Rule("W11.task-state", "A task of the emergency department is accepted and ends, once.")
RULES = (RANGE, FINAL_ESI, RETRIAGE, ALREADY_HERE, UNKNOWN, TASK_STATE)

ARRIVED = NoticeKind(
    "W11.arrived",
    "Somebody waits in the emergency department",
    "A patient has been checked in to the emergency department and waits for triage.",
    "Emergency department: a patient waits for triage.",
    urgent=True,
)
URGENT = NoticeKind(
    "W11.urgent",
    "Emergency: you are needed now",
    "A patient in the emergency department needs you at once. Accept the task that is waiting for you.",
    "EMERGENCY: you are needed now. Accept the task.",
    urgent=True,
)
ESCALATED = NoticeKind(
    "W11.escalated",
    "Emergency: nobody has come yet",
    "A patient in the emergency department needs somebody at once, and nobody has accepted the task.",
    "EMERGENCY: nobody has accepted the task yet.",
    urgent=True,
)
NOTICES = (ARRIVED, URGENT, ESCALATED)


def is_own(task: Resource) -> bool:
    """Tell whether a Task is the emergency department's."""
    return has_code(task.get("code"), OWN, TRIAGE, ALERT)


_ENDS = ("completed", "rejected", "failed", "cancelled", "entered-in-error")
TASKS = StateTable(
    "Task",
    TASK_STATE,
    {
        "requested": ("received", "accepted", "in-progress", *_ENDS),
        "received": ("accepted", "in-progress", *_ENDS),
        "accepted": ("in-progress", *_ENDS),
        "in-progress": _ENDS,
        "completed": ("entered-in-error",),
        "rejected": ("entered-in-error",),
        "failed": ("entered-in-error",),
        "cancelled": ("entered-in-error",),
        "entered-in-error": (),
    },
    applies=is_own,
)


def is_esi(observation: Resource) -> bool:
    """Tell whether an Observation is an Emergency Severity Index."""
    return has_code(observation.get("code"), LOINC, ESI)


def index_of(observation: Resource) -> int | None:
    """Return the index that an Observation says; None if it is not one from 1 to 5."""
    value = observation.get("valueInteger")
    return value if isinstance(value, int) and 1 <= value <= 5 else None


def is_emergency(encounter: Resource | None) -> bool:
    """Tell whether an encounter is one of the emergency department."""
    kind = (encounter or {}).get("class", {})
    return bool(kind.get("system") == CLASSES and kind.get("code") == "EMER")


def is_here(encounter: Resource | None) -> bool:
    """Tell whether a patient is in the emergency department."""
    return is_emergency(encounter) and (encounter or {}).get("status") in UNDER_WAY


def priority(index: int) -> dict[str, Any]:
    """Return the priority of an encounter of an index."""
    system = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
    return concept(system, *_PRIORITIES.get(index, ("R", "routine")))
