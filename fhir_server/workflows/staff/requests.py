"""Requests about staff as Tasks: leave, hiring, training. https://hl7.org/fhir/R4/task.html"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Claim
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed, has_code
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.directory import OPEN_TASKS
from fhir_server.workflows.staff.qualifications import bounds, lapsed
from fhir_server.workflows.staff.terms import (
    APPROVAL,
    CHECKS_OPEN,
    LEAVE,
    LEAVE_BOOKED,
    LEAVE_GIVEN,
    TASK_STATE,
    TASKS,
    UNQUALIFIED,
)

Resource = Mapping[str, Any]

DECIDED = NoticeKind(
    "W12.decided",
    "Your request was decided",
    "An administrator has decided what you asked for. The answer is in the system.",
    "An administrator has decided what you asked for.",
)
TRAINING = NoticeKind(
    "W12.renew",
    "Something of yours expires soon",
    "A licence or training of yours expires soon. The task to renew it is waiting for you in the system.",
    "A licence or training of yours expires soon.",
)
_DECISIONS = ("accepted", "rejected")
_GIVEN = ("accepted", "in-progress", "on-hold")
"""The states in which leave stands in the role, and takes the time of whoever has it."""
_MAY_CHANGE = frozenset({"status", "statusReason", "businessStatus", "lastModified", "executionPeriod"})
_MAY_CHANGE |= {"meta", "text", "note"}


def is_about(task: Resource, *codes: str) -> bool:
    """Tell whether a Task is one of ours, of one of these kinds."""
    return has_code(task.get("code"), TASKS, *codes)


STATES = StateTable(
    "Task",
    TASK_STATE,
    {
        "draft": ("requested", "cancelled", "entered-in-error"),
        "requested": ("received", "accepted", "rejected", "cancelled", "entered-in-error"),
        "received": ("accepted", "rejected", "cancelled", "entered-in-error"),
        "accepted": ("in-progress", "completed", "cancelled", "failed", "entered-in-error"),
        "in-progress": ("on-hold", "completed", "cancelled", "failed", "entered-in-error"),
        "on-hold": ("in-progress", "cancelled", "failed", "entered-in-error"),
    },
    applies=lambda task: is_about(task, "leave", "hiring"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a request is about: the role, the person, the parts that are open, and who is booked then."""

    role: Resource | None = None
    practitioner: Resource | None = None
    parts: tuple[Resource, ...] = ()
    is_booked: bool = False


async def _gather(change: Change, records: Records) -> Request:
    task = change.after
    if task is None or not is_about(task, "leave", "hiring"):
        return Request()
    role = await records.read(task.get("focus"))
    if role is None or role["resourceType"] != "PractitionerRole":
        return Request()
    person = await records.read(role.get("practitioner"))
    parts: list[dict[str, Any]] = []
    if is_about(task, "hiring") and change.became("completed"):
        parts = await records.search("Task", ("part-of", change.reference), ("status", OPEN_TASKS))
    is_booked = False
    if is_about(task, "leave") and change.became("accepted"):
        is_booked = await _is_booked(role, _period(task), records)
    return Request(role, person, tuple(parts), is_booked)


async def _is_booked(role: Resource, period: Any, records: Records) -> bool:
    actors = [f"PractitionerRole/{role['id']}"]
    person = reference_of(role.get("practitioner"))
    if person is not None and local(person, records.situation.base_url) is not None:
        actors.append(person)
    start, end = bounds(period)
    return bool(
        await records.count(
            "Appointment",
            ("actor", ",".join(actors)),
            ("status", "pending,booked,arrived,checked-in"),
            ("date", f"ge{instant(start)}"),
            ("date", f"lt{instant(end)}"),
        )
    )


def _period(task: Resource) -> Any:
    return task.get("restriction", {}).get("period")


def _check(change: Change, facts: Request, situation: Situation) -> Iterable[Violation]:
    yield from _check_hiring_by(change, situation)
    yield from _check_given(change, situation)
    task = change.after
    if task is None or not is_about(task, "leave", "hiring"):
        return
    if is_about(task, "leave") and any(change.became(state) for state in (*_DECISIONS, "completed")):
        yield from _check_who(change, situation)
    if is_about(task, "leave"):
        period = _period(task) or {}
        if facts.role is None or "start" not in period or "end" not in period:
            yield LEAVE.broken("Name the role as focus, the time as restriction.period", "Task.restriction")
        elif bounds(period)[0] >= bounds(period)[1]:
            yield LEAVE.broken("Leave ends after it begins", "Task.restriction.period")
        if facts.is_booked:
            yield LEAVE_BOOKED.broken("Appointments are booked for that time; move them first")
    if is_about(task, "hiring") and change.became("completed"):
        if facts.parts:
            yield CHECKS_OPEN.broken(f"{len(facts.parts)} checks are open", "Task.status")
        if facts.practitioner is not None and lapsed(facts.practitioner, situation.now):
            yield UNQUALIFIED.broken("Their licence or training has expired", "Task.status")


def _check_hiring_by(change: Change, situation: Situation) -> Iterable[Violation]:
    """Refuse what others do about a hiring: one that begins makes a role inactive, one that ends active."""
    is_hiring = any(one is not None and is_about(one, "hiring") for one in (change.before, change.after))
    if is_hiring and not change.is_ours and not situation.has_role("AD"):
        yield APPROVAL.broken("Administrators hire, and nobody else", "Task.code")


def _check_given(change: Change, situation: Situation) -> Iterable[Violation]:
    """Refuse what would leave the role with another leave than that which was given."""
    before, after = change.before, change.after
    if before is None or not is_about(before, "leave") or change.is_ours:
        return
    if before.get("status") not in _GIVEN:
        return
    names = (before.keys() | (after or {}).keys()) - _MAY_CHANGE
    if after is None or any(before.get(name) != after.get(name) for name in names):
        yield LEAVE_GIVEN.broken("It was given; cancel it, and ask for another one", "Task")
    elif after.get("status") != before.get("status") and not situation.has_role("AD"):
        whose = [reference_of(before.get(name)) for name in ("requester", "for")]
        if situation.person not in whose:
            yield APPROVAL.broken("Whose leave it is, or an administrator, cancels it", "Task.status")


def _check_who(change: Change, situation: Situation) -> Iterable[Violation]:
    task = change.after or {}
    if not situation.has_role("AD"):
        yield APPROVAL.broken("An administrator decides this", "Task.status")
    elif not situation.is_anybody and situation.person is not None:
        asked = reference_of((change.before or task).get("requester"))
        if asked == situation.person:
            yield APPROVAL.broken("Another administrator decides what you have asked for", "Task.status")


def _follows(change: Change, facts: Request, situation: Situation) -> Iterable[Consequence]:
    task = change.after
    if task is None:
        return
    owner = reference_of(task.get("owner"))
    if is_about(task, "training") and change.became("requested") and owner:
        yield notice(TRAINING, change.reference, owner, situation.now)
    asked = reference_of(task.get("requester"))
    if is_about(task, "leave") and asked and any(change.became(state) for state in _DECISIONS):
        yield notice(DECIDED, change.reference, asked, situation.now, occasion=str(task["status"]))
    if facts.role is None:
        return
    if is_about(task, "leave"):
        yield from _follows_leave(change, task, facts.role)
    if is_about(task, "hiring"):
        yield from _follows_hiring(change, facts.role, situation)


def _claims(task: Resource) -> Iterable[Claim]:
    """Claim the time of leave that is given, by the keys of appointments: one of two gets it."""
    period = _period(task) or {}
    if not is_about(task, "leave") or task.get("status") not in _GIVEN:
        return
    start, end = bounds(period)
    if "start" not in period or "end" not in period or start >= end:
        return
    refusal = LEAVE_BOOKED.error("Appointments or leave are booked for that time; move them first")
    for one in dict.fromkeys(reference_of(task.get(name)) for name in ("focus", "for")):
        if one is not None:
            yield Claim(f"W3/time/{one}", f"Task/{task['id']}", refusal, start, end)


def _follows_leave(change: Change, task: Resource, role: Resource) -> Iterable[Consequence]:
    """Write leave into the role when it is given, and take it out again when it is cancelled."""
    person = role.get("practitioner")
    if person is not None and task.get("for") != person:
        yield Put({**task, "for": person})
    given = {"description": "Leave", "during": _period(task)}
    there = role.get("notAvailable", [])
    if change.became("accepted") and given not in there:
        yield Put(changed(role, notAvailable=[*there, given]))
    was_given = change.before is not None and change.before.get("status") in _GIVEN
    if was_given and task.get("status") in ("cancelled", "entered-in-error", "failed") and given in there:
        yield Put(changed(role, notAvailable=[one for one in there if one != given] or None))


def _follows_hiring(change: Change, role: Resource, situation: Situation) -> Iterable[Consequence]:
    """Keep a role inactive while the hiring goes on, and make it active when it is completed."""
    status = change.after.get("status") if change.after is not None else None
    if change.before is None and status in OPEN_TASKS.split(",") and role.get("active") is not False:
        yield Put(changed(role, active=False))
    if change.became("completed") and role.get("active") is not True:
        period = role.get("period") or {"start": situation.now.date().isoformat()}
        yield Put(changed(role, active=True, period=period))


WATCH = Watch(frozenset({"Task"}), claims=_claims, gather=_gather, check=_check, follows=_follows)
