"""What ORC-1 asks or tells of an order: its status afterwards, what staff have to see to, and the answer. Pure.

A request to cancel or hold is for a person to decide: the order stays as it is, and there is a Task. What
others tell of was so. HL7 v2.5.1 table 0119
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.applying import OrderAnswer
from adapters.to_fhir.drafts import OrderControl
from fhir_server.workflows.made import concept, key_id, made
from hl7.errors import UNKNOWN_KEY, HL7Error, Location
from hl7.order_answers import control_of

Resource = dict[str, Any]

_REVOKED = frozenset({"CR", "DC", "DR", "OC", "OD"})
_HELD = frozenset({"HR", "OH"})
_RELEASED = frozenset({"OE", "OR", "RL"})
_REQUESTS: Mapping[str, tuple[str, str]] = {
    "CA": ("cancel-requested", "Somebody asks for this order to be cancelled"),
    "HD": ("hold-requested", "Somebody asks for this order to be held"),
}
_UNABLE: Mapping[str, tuple[str, str]] = dict.fromkeys(
    ("UA", "UC", "UD", "UH", "UM", "UR", "UX"),
    ("not-done", "Whoever carries out this order is unable to do what was asked"),
)
_NEEDS_ORDER = frozenset({"CA", "DC", "HD", "RL", "CR", "DR", "OC", "OD", "HR", "OH", "OE", "OR", *_UNABLE})
_ENDED = frozenset({"completed", "revoked", "cancelled", "stopped", "entered-in-error"})
_TASKS = "urn:fhir-hospital-server:orders"


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order after what was asked: its status, and what staff have to see to ("" if nothing)."""

    status: str
    task: str = ""
    description: str = ""


def ordered(
    before: Resource | None, said: Resource, effect: OrderControl, warnings: list[HL7Error]
) -> Ordered:
    """Return what becomes of an order; `said` has the status that the message gives.

    Raises HL7Error (204) for what is asked of an order that nobody knows.
    """
    control = effect.control
    is_medicine = said.get("resourceType") == "MedicationRequest"
    told = str(said.get("status", "active"))
    if before is None:
        if control in _NEEDS_ORDER:
            raise HL7Error("there is no such order", code=UNKNOWN_KEY, location=Location("ORC", 1, 2))
        return Ordered(told)
    now = str(before.get("status"))
    if control in _REQUESTS or control in _UNABLE:
        task, description = _REQUESTS.get(control) or _UNABLE[control]
        return Ordered(now, task, description)
    if control in _REVOKED:
        becomes = "cancelled" if is_medicine else "revoked"
    elif control in _HELD:
        becomes = "on-hold"
    elif control in _RELEASED:
        becomes = "active" if now == "on-hold" else now
    else:
        becomes = told
    if now in _ENDED and becomes != now:
        text = "the order has ended already, and stays so"
        warnings.append(HL7Error(text, code="207", location=Location("ORC", 1, 1), severity="W"))
        return Ordered(now)
    return Ordered(becomes)


def task_of(order: str, patient: Any, what: Ordered, effect: OrderControl, now: str) -> Resource:
    """Return the Task of what staff have to see to, always the same for the same request."""
    return made(
        "Task",
        id=key_id(what.task, order, effect.placer, effect.filler),
        status="requested",
        intent="order",
        priority="urgent",
        code=concept(_TASKS, what.task),
        description=what.description,
        basedOn=[{"reference": order}],
        authoredOn=now,
        lastModified=now,
        reasonCode={"text": effect.reason} if effect.reason else None,
        **{"for": patient},
    )


def answer(effect: OrderControl) -> OrderAnswer:
    """Return the answer to what was asked: that it was taken; of a cancellation a person decides later."""
    control = "OK" if effect.control in _REQUESTS else control_of(effect.control, is_accepted=True)
    return OrderAnswer(control, effect.placer, effect.filler)
