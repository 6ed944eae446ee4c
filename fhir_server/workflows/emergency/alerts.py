"""Alerts: Tasks for doctor and nurse on call, and what happens if nobody accepts one in time.

https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fhir_server.context import Context
from fhir_server.store import Write, instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Create, Later, Strike
from fhir_server.workflows.emergency import terms
from fhir_server.workflows.emergency.team import Team, team
from fhir_server.workflows.encounters.terms import reference_of
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
        yield Create(_task(task_id(about, job), terms.ALERT, encounter, people, name, situation))
        for one in people:
            yield notice(terms.URGENT, reference, one, situation.now, occasion=f"{change.id}-{is_final}")
    if told:
        yield Create(_communication(about, encounter, told, situation))
    yield _timer(about, reference, [job for job, _ in jobs], 1, situation)


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


def _timer(about: str, encounter: str, jobs: Iterable[str], number: int, situation: Situation) -> Later:
    due = situation.now + timedelta(minutes=situation.settings.emergency_minutes_to_accept)
    data = {"about": about, "jobs": list(jobs), "number": number}
    return Later(Entry(f"W11/alert/{encounter}/{about}/{number}", due, ESCALATE, encounter, data))


async def escalate(entry: Entry, context: Context, _services: "Services") -> None:
    """Mark an alert of which nobody has accepted a Task, so that more people are told."""
    writes: list[Write] = []
    about, number = str(entry.data["about"]), int(entry.data["number"])
    for job in entry.data["jobs"]:
        version = await context.store.read("Task", task_id(about, job))
        task = None if version is None else version.resource
        if version is None or task is None or task["status"] in terms.ACCEPTED:
            return
        if task["status"] in ("requested", "received"):
            status = concept(terms.OWN, f"escalated-{number}", "Nobody has accepted it")
            status["text"] = about
            marked = changed(task, businessStatus=status, lastModified=instant(context.now()))
            writes.append(replacement("Task", task["id"], marked, if_match=version.number))
    if writes:
        await commit(context, writes)


async def gather(change: Change, records: Records) -> Team:
    """Look up who else can be told, of a Task that nobody has accepted in time."""
    if change.after is None or _escalations(change.after) <= _escalations(change.before):
        return Team()
    return await team(await records.read(reference_of(change.after.get("focus"))), records)


def follows(change: Change, facts: Team, situation: Situation) -> Iterable[Consequence]:
    """Tell everybody of the department, and wait once more; or stop as somebody comes."""
    task = change.after
    if task is None or not has_code(task.get("code"), terms.OWN, terms.ALERT):
        return
    encounter = reference_of(task.get("focus")) or ""
    was = (change.before or {}).get("status")
    if task["status"] in terms.ACCEPTED and was not in terms.ACCEPTED:
        yield Strike(f"W11/alert/{encounter}")
        yield Strike(f"notice/{encounter}/{terms.ESCALATED.id}")
    number = _escalations(task)
    if number <= _escalations(change.before):
        return
    escalation = situation.settings.critical_escalation
    for one in dict.fromkeys([*facts.everybody, *([escalation] if escalation else [])]):
        yield notice(terms.ESCALATED, encounter, one, situation.now, occasion=f"{change.id}-{number}")
    about = task["businessStatus"].get("text", "")
    if number < _MOST_ESCALATIONS and about:
        jobs = [job for job, _ in _JOBS if about.endswith("/final") or job == terms.NURSE]
        yield _timer(about, encounter, jobs, number + 1, situation)


def _escalations(task: Resource | None) -> int:
    for coding in (task or {}).get("businessStatus", {}).get("coding", ()):
        code = coding.get("code", "")
        if coding.get("system") == terms.OWN and code.startswith("escalated-") and code[10:].isdecimal():
            return int(code[10:])
    return 0


WATCH: Watch[Team] = Watch(frozenset({"Task"}), gather=gather, follows=follows)
