"""The rules of encounters and treatment, and the states of each. https://hl7.org/fhir/R4/encounter.html"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.pattern import Rule, StateTable

Resource = Mapping[str, Any]

ENCOUNTER_STATE = Rule(
    "W4.encounter-state", "An encounter goes from planned to finished step by step, and is cancelled before."
)
PERIOD_END = Rule(
    "W4.period-end", "A finished encounter says when it ended, and that was no earlier than it began."
)
ONE_ATTENDER = Rule("W4.one-attender", "One person is responsible (ATND) for an encounter at a time.")
INACTIVE = Rule(
    "W4.inactive-participant", "Nobody is assigned to an encounter who does not work here any more."
)
APPOINTMENT = Rule("W4.other-appointment", "An encounter is with the patient of its appointment.")
SUBJECT = Rule("W4.other-subject", "What is done in an encounter is done to the patient of the encounter.")
CLOSED = Rule("W4.closed-encounter", "Nothing new is written in an encounter that has ended.")
AMEND = Rule(
    "W4.amend", "What was written in a finished encounter is amended by a doctor only.", 403, "forbidden"
)
PERFORMED = Rule(
    "W4.performed-later", "What is recorded was done before, or at the moment that it is recorded."
)
ACTIVITY_STATE = Rule("W4.activity-state", "An activity of a care plan goes from not started to completed.")
PLAN_STATE = Rule("W4.plan-state", "A care plan goes from draft to active, and ends once.")
PROCEDURE_STATE = Rule("W4.procedure-state", "A procedure goes from preparation to its end, and ends once.")
TASK_STATE = Rule("W4.task-state", "A task goes from draft to its end step by step, and ends once.")

RULES = (
    *(ENCOUNTER_STATE, PERIOD_END, ONE_ATTENDER, INACTIVE, APPOINTMENT, SUBJECT, CLOSED, AMEND, PERFORMED),
    *(ACTIVITY_STATE, PLAN_STATE, PROCEDURE_STATE, TASK_STATE),
)

_WRONG = "entered-in-error"

_ENCOUNTER = {
    # A patient who is admitted, or seen at once, arrives in the same moment.
    "planned": ("arrived", "in-progress", "cancelled", _WRONG),
    "arrived": ("triaged", "in-progress", "cancelled", _WRONG),
    "triaged": ("in-progress", "cancelled", _WRONG),
    "in-progress": ("onleave", "finished", _WRONG),
    "onleave": ("in-progress", "finished", _WRONG),
    "finished": (_WRONG,),
    "cancelled": (_WRONG,),
    _WRONG: (),
    "unknown": ("planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", _WRONG),
}
# By ADT messages: outpatients who leave (A03) were never admitted here, and A11 and A13 take back.
_ENCOUNTER_TOLD = {
    "planned": ("finished",),
    "arrived": ("finished",),
    "triaged": ("finished",),
    "in-progress": ("cancelled",),
    "onleave": ("cancelled",),
    "finished": ("in-progress",),
    "cancelled": ("arrived", "in-progress"),
}
ACTIVITY: Mapping[str, tuple[str, ...]] = {
    "not-started": ("scheduled", "in-progress", "on-hold", "cancelled", "stopped", _WRONG),
    "scheduled": ("not-started", "in-progress", "on-hold", "cancelled", "stopped", _WRONG),
    "in-progress": ("on-hold", "completed", "cancelled", "stopped", _WRONG),
    "on-hold": ("not-started", "scheduled", "in-progress", "cancelled", "stopped", _WRONG),
    "completed": (_WRONG,),
    "cancelled": (_WRONG,),
    "stopped": (_WRONG,),
    _WRONG: (),
    "unknown": (
        *("not-started", "scheduled", "in-progress", "on-hold", "completed", "cancelled", "stopped", _WRONG),
    ),
}
_PLAN = {
    "draft": ("active", "on-hold", "revoked", _WRONG),
    "active": ("on-hold", "completed", "revoked", _WRONG),
    "on-hold": ("active", "completed", "revoked", _WRONG),
    "completed": (_WRONG,),
    "revoked": (_WRONG,),
    _WRONG: (),
    "unknown": ("draft", "active", "on-hold", "completed", "revoked", _WRONG),
}
_PROCEDURE = {
    "preparation": ("in-progress", "not-done", _WRONG),
    "in-progress": ("on-hold", "completed", "stopped", _WRONG),
    "on-hold": ("in-progress", "stopped", _WRONG),
    "completed": (_WRONG,),
    "stopped": (_WRONG,),
    "not-done": (_WRONG,),
    _WRONG: (),
    "unknown": ("preparation", "in-progress", "on-hold", "completed", "stopped", "not-done", _WRONG),
}
TASK: Mapping[str, tuple[str, ...]] = {
    "draft": ("requested", "cancelled", _WRONG),
    "requested": ("received", "accepted", "rejected", "ready", "on-hold", "in-progress", "cancelled", _WRONG),
    "received": ("accepted", "rejected", "on-hold", "cancelled", _WRONG),
    "accepted": ("ready", "in-progress", "on-hold", "completed", "failed", "cancelled", _WRONG),
    "ready": ("in-progress", "on-hold", "completed", "failed", "cancelled", _WRONG),
    "in-progress": ("on-hold", "completed", "failed", "cancelled", _WRONG),
    "on-hold": ("requested", "accepted", "ready", "in-progress", "failed", "cancelled", _WRONG),
    "completed": (_WRONG,),
    "rejected": (_WRONG,),
    "failed": (_WRONG,),
    "cancelled": (_WRONG,),
    _WRONG: (),
}
"""The steps of https://hl7.org/fhir/R4/task.html#statemachine that lead on."""
_OWN = "urn:fhir-hospital-server:"


def is_general(task: Resource) -> bool:
    """Tell whether a Task has no rules of its own: orders, and what patterns make Tasks for, have."""
    focus = task.get("focus", {}).get("reference", "")
    if "ServiceRequest/" in focus or "MedicationRequest/" in focus:
        return False
    codings = task.get("code", {}).get("coding", ())
    return not any(one.get("system", "").startswith(_OWN) for one in codings)


STATES = (
    StateTable("Encounter", ENCOUNTER_STATE, _ENCOUNTER, told=_ENCOUNTER_TOLD),
    StateTable("CarePlan", PLAN_STATE, _PLAN),
    StateTable("Procedure", PROCEDURE_STATE, _PROCEDURE),
    StateTable("Task", TASK_STATE, TASK, applies=is_general),
)
