"""Alerts: Tasks for doctor and nurse on call, and what happens if nobody accepts one in time, or at all.

https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fhir_server.context import Context
from fhir_server.store import Write, instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Create, Later, Strike
from fhir_server.workflows.emergency import terms
from fhir_server.workflows.emergency.team import Team, team
from fhir_server.workflows.encounters.terms import reference_of
from fhir_server.workflows.escalation import escalated, escalations
from fhir_server.workflows.made import changed, concept, has_code, key_id, made
from fhir_server.workflows.notices import notice
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement

if TYPE_CHECKING:
    from fhir_server.workflows.services import Services

Resource = Mapping[str, Any]

ESCALATE = "W11.escalate"
_MOST_ESCALATIONS = 3
_COMMUNICATIONS = "http://terminology.hl7.org/CodeSystem/communication-category"
_JOBS = ((terms.DOCTOR, "Doctor"), (terms.NURSE, "Nurse"))
_WAITING = frozenset({"requested", "received"})
_DECLINED = frozenset({"rejected", "failed"})
_KEPT = ("resourceType", "intent", "priority", "code", "focus", "for", "encounter")


def task_id(about: str, job: str) -> str:
    """Return the id of the Task of an alert about an Observation, for a `doctor` or a `nurse`."""
    return key_id("er-alert", about, job)


def alerts(
    change: Change, encounter: Resource, on_call: Team, situation: Situation, *, is_final: bool
) -> Iterator[Consequence]:
    """Yield the alert that an index sets off: for doctor and nurse, or only a nurse until it is final."""
    about = f"{change.reference}/{'final' if is_final else 'provisional'}"
    jobs = _JOBS if is_final else _JOBS[1:]
    reference = f"Encounter/{encounter['id']}"
    told: list[str] = []
    for job, name in jobs:
        people = on_call.of(job)
        told += people
        task = _task(task_id(about, job), terms.ALERT, encounter, people, name, situation)
        yield Create(changed(task, groupIdentifier=_group(about)))
        for one in people:
            yield notice(terms.URGENT, reference, one, situation.now, occasion=f"{change.id}-{is_final}")
    if told:
        yield Create(_communication(about, encounter, told, situation))
    yield _timer(about, reference, 1, _soon(situation))


def triage_task(encounter: Resource, people: tuple[str, ...], situation: Situation) -> dict[str, Any]:
    """Return the Task to triage somebody who has arrived."""
    made_for = key_id("er-triage", f"Encounter/{encounter['id']}")
    return _task(made_for, terms.TRIAGE, encounter, people, "Nurse", situation)


def _task(
    resource_id: str,
    code: str,
    encounter: Resource,
    people: tuple[str, ...],
    job: str,
    situation: Situation,
) -> dict[str, Any]:
    now = instant(situation.now)
    name = "Triage the patient" if code == terms.TRIAGE else "Come at once"
    about = {"reference": f"Encounter/{encounter['id']}"}
    return made(
        "Task",
        id=resource_id,
        status="requested",
        intent="order",
        priority="urgent" if code == terms.TRIAGE else "stat",
        code=concept(terms.OWN, code, name),
        focus=about,
        encounter=about,
        authoredOn=now,
        lastModified=now,
        owner={"reference": people[0]} if people else None,
        performerType=[{"text": job}],
        **{"for": encounter.get("subject")},
    )


def _communication(about: str, encounter: Resource, told: list[str], situation: Situation) -> dict[str, Any]:
    reference = {"reference": f"Encounter/{encounter['id']}"}
    return made(
        "Communication",
        id=key_id("er-alert", about),
        status="completed",
        category=[concept(_COMMUNICATIONS, "alert", "Alert")],
        priority="stat",
        subject=encounter.get("subject"),
        encounter=reference,
        about=[reference],
        recipient=[{"reference": one} for one in dict.fromkeys(told)],
        sent=instant(situation.now),
        payload=[{"contentReference": reference}],
    )


def _group(about: str) -> dict[str, str]:
    return {"system": terms.OWN, "value": about}


def _about(task: Resource) -> str:
    """Return which alert a Task is of."""
    group = task.get("groupIdentifier", {})
    return str(group.get("value", "")) if group.get("system") == terms.OWN else ""


def _jobs(about: str) -> list[str]:
    return [job for job, _ in _JOBS if about.endswith("/final") or job == terms.NURSE]


def _tasks(about: str) -> list[str]:
    """Return the ids of the Tasks of an alert, and of those that come when all others were declined."""
    anybody = (f"anybody-{number}" for number in range(1, _MOST_ESCALATIONS + 1))
    return [task_id(about, one) for one in (*_jobs(about), *anybody)]


def _timer(about: str, encounter: str, number: int, due: datetime, occasion: str = "") -> Later:
    key = f"W11/alert/{encounter}/{about}/{number}{occasion}"
    return Later(Entry(key, due, ESCALATE, encounter, {"about": about, "number": number}))


def _soon(situation: Situation) -> datetime:
    return situation.now + timedelta(minutes=situation.settings.emergency_minutes_to_accept)


async def escalate(entry: Entry, context: Context, _services: "Services") -> None:
    """Mark an alert of which nobody has accepted a Task, so that more people are told.

    If all of its Tasks were declined there is a new one, for anybody to accept.
    """
    about, number = str(entry.data["about"]), int(entry.data["number"])
    versions = [await context.store.read("Task", one) for one in _tasks(about)]
    there = [
        (version.number, version.resource) for version in versions if version and version.resource is not None
    ]
    tasks = [task for _, task in there]
    is_done = any(escalations(task, terms.OWN) >= number for task in tasks)
    if is_done or any(task["status"] in terms.ACCEPTED for task in tasks):
        return
    marks = {
        "businessStatus": escalated(terms.OWN, number, "Nobody has accepted it"),
        "groupIdentifier": _group(about),
        "lastModified": instant(context.now()),
    }
    writes = [
        replacement("Task", task["id"], changed(task, **marks), if_match=version)
        for version, task in there
        if task["status"] in _WAITING
    ]
    declined = [task for task in tasks if task["status"] in _DECLINED]
    if not writes and declined:
        writes = [_again(declined[0], about, number, marks)]
    if writes:
        await commit(context, writes)


def _again(declined: Resource, about: str, number: int, marks: dict[str, Any]) -> Write:
    """Return the write of a Task that is for anybody, in the place of those that were declined."""
    new_id = task_id(about, f"anybody-{number}")
    task = {name: value for name, value in declined.items() if name in _KEPT}
    task |= {"id": new_id, "status": "requested", "authoredOn": marks["lastModified"], **marks}
    task["performerType"] = [{"text": "Doctor or nurse"}]
    return replacement("Task", new_id, task, must_be_new=True)


@dataclass(frozen=True, slots=True)
class Facts:
    """Who else can be told, and `tasks`, those of an alert of which one was declined."""

    team: Team = field(default_factory=Team)
    tasks: tuple[Resource, ...] = ()


async def gather(change: Change, records: Records) -> Facts:
    """Look up who else can be told of a Task that nobody has accepted, or whether all were declined."""
    task = change.after
    if task is None or not has_code(task.get("code"), terms.OWN, terms.ALERT):
        return Facts()
    if escalations(task, terms.OWN) > escalations(change.before, terms.OWN):
        return Facts(await team(await records.read(reference_of(task.get("focus"))), records))
    about = _about(task)
    if not about or not _is_declined(change):
        return Facts()
    # Of two who decline at once, one is the last.
    await records.lock(f"W11/alert/{about}")
    found = [await records.read(f"Task/{one}") for one in _tasks(about)]
    return Facts(tasks=tuple(one for one in found if one is not None))


def _is_declined(change: Change) -> bool:
    return any(change.became(one) for one in _DECLINED)


def _may_come(task: Resource) -> bool:
    """Tell whether somebody comes, or may still: one who was told of the Task has not answered."""
    is_told = "owner" in task or escalations(task, terms.OWN) > 0
    return task["status"] in terms.ACCEPTED or (task["status"] in _WAITING and is_told)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Tell everybody of the department, and wait once more; or stop as somebody comes."""
    task = change.after
    if task is None or not has_code(task.get("code"), terms.OWN, terms.ALERT):
        return
    encounter, about = reference_of(task.get("focus")) or "", _about(task)
    was = (change.before or {}).get("status")
    if task["status"] in terms.ACCEPTED and was not in terms.ACCEPTED:
        yield Strike(f"W11/alert/{encounter}")
        yield Strike(f"notice/{encounter}/{terms.ESCALATED.id}")
    if facts.tasks and not any(_may_come(one) for one in facts.tasks):
        following = max(escalations(one, terms.OWN) for one in facts.tasks) + 1
        if following <= _MOST_ESCALATIONS:
            yield _timer(about, encounter, following, situation.now, "/declined")
    number = escalations(task, terms.OWN)
    if number <= escalations(change.before, terms.OWN):
        return
    escalation = situation.settings.critical_escalation
    for one in dict.fromkeys([*facts.team.everybody, *([escalation] if escalation else [])]):
        yield notice(terms.ESCALATED, encounter, one, situation.now, occasion=f"{change.id}-{number}")
    if number < _MOST_ESCALATIONS and about:
        yield _timer(about, encounter, number + 1, _soon(situation))


WATCH: Watch[Facts] = Watch(frozenset({"Task"}), gather=gather, follows=follows)
