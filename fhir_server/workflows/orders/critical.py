"""Critical results: an alert that waits until a doctor has acknowledged it, and grows louder meanwhile.

https://hl7.org/fhir/R4/flag.html, https://hl7.org/fhir/R4/communication.html, https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.search.parameters import parse_search
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Create, Later, Put, Strike
from fhir_server.workflows.escalation import escalated, escalations
from fhir_server.workflows.made import changed, concept, key_id, made
from fhir_server.workflows.notices import no_notice, notice
from fhir_server.workflows.orders.notices import CRITICAL_RESULT, ESCALATED
from fhir_server.workflows.orders.people import others
from fhir_server.workflows.orders.release import HELD
from fhir_server.workflows.orders.rules import ACKNOWLEDGED, NOT_CRITICAL
from fhir_server.workflows.orders.vocabulary import (
    ACKNOWLEDGE,
    CRITICAL,
    OPEN_TASKS,
    OWN,
    is_acknowledgement,
    is_critical,
)
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, revision
from resources.operation_outcome import PreconditionFailed

Resource = Mapping[str, Any]

ESCALATE = "W7.escalate"
_MOST_ESCALATIONS = 5
_MOST_TASKS = 100
_FLAG_CATEGORIES = "http://terminology.hl7.org/CodeSystem/flag-category"
_COMMUNICATION_CATEGORIES = "http://terminology.hl7.org/CodeSystem/communication-category"


@dataclass(frozen=True, slots=True)
class Alert:
    """What an Observation set off: its tasks and flags, and `others`, who are told if nobody reacts."""

    observation: str
    tasks: tuple[Resource, ...] = ()
    flags: tuple[Resource, ...] = ()
    others: tuple[str, ...] = ()


async def alert(reference: str, records: Records) -> Alert:
    """Return what the Observation at `reference` set off."""
    tasks = await records.search("Task", ("focus", reference))
    known = [one for one in tasks if is_acknowledgement(one)]
    flags = [await records.read(f"Flag/{task['id']}") for task in known]
    observation = await records.read(reference)
    escalation = records.situation.settings.critical_escalation
    told = dict.fromkeys([*(await others(observation or {}, records)), *([escalation] if escalation else [])])
    return Alert(reference, tuple(known), tuple(one for one in flags if one), tuple(told))


def begins(change: Change, people: tuple[str, ...], situation: Situation) -> Iterable[Consequence]:
    """Yield the alert of an Observation that has become critical."""
    result = change.after
    if result is None or not is_critical(result):
        return
    if change.before is not None and is_critical(change.before):
        return
    version = result.get("meta", {}).get("versionId", "1")
    alert_id = key_id("W7.critical", change.reference, version)
    yield from (Create(one) for one in _resources(alert_id, change.reference, result, people, situation))
    for one in people:
        yield notice(CRITICAL_RESULT, change.reference, one, situation.now, occasion=alert_id)
    yield _timer(alert_id, 1, situation)


def _resources(
    alert_id: str, reference: str, result: Resource, people: tuple[str, ...], situation: Situation
) -> Iterable[dict[str, Any]]:
    """Yield Flag, Communication and Task, all of one id; the patient sees none of them."""
    now, about, meta = instant(situation.now), {"reference": reference}, {"security": [HELD]}
    told = [{"reference": one} for one in people]
    common = {"id": alert_id, "meta": meta, "encounter": result.get("encounter")}
    yield made(
        "Flag",
        **common,
        status="active",
        category=[concept(_FLAG_CATEGORIES, "lab", "Laboratory")],
        code=concept(OWN, CRITICAL, "Critical result"),
        subject=result["subject"],
        period={"start": now},
    )
    yield made(
        "Communication",
        **common,
        status="completed",
        category=[concept(_COMMUNICATION_CATEGORIES, "alert", "Alert")],
        priority="stat",
        subject=result["subject"],
        about=[about],
        recipient=told or None,
        sent=now,
        payload=[{"contentReference": about}],
    )
    yield made(
        "Task",
        **common,
        status="requested",
        intent="order",
        priority="stat",
        code=concept(OWN, ACKNOWLEDGE, "Acknowledge a critical result"),
        focus=about,
        authoredOn=now,
        lastModified=now,
        owner=told[0] if told else None,
        restriction={"period": {"end": instant(_due(situation))}},
        **{"for": result["subject"]},
    )


def _due(situation: Situation) -> Any:
    return situation.now + timedelta(minutes=situation.settings.critical_minutes)


def _timer(task_id: str, number: int, situation: Situation) -> Later:
    key = f"W7/critical/{task_id}/{number}"
    return Later(Entry(key, _due(situation), ESCALATE, f"Task/{task_id}", {"number": number}))


def ends(change: Change, known: Alert | None, situation: Situation) -> Iterable[Consequence]:
    """Yield the end of the alert of an Observation that is critical no more."""
    before = change.before
    if known is None or before is None or not is_critical(before):
        return
    if change.after is not None and is_critical(change.after):
        return
    for task in known.tasks:
        if task["status"] in OPEN_TASKS:
            yield Put(changed(task, status="cancelled", lastModified=instant(situation.now)))
    yield no_notice(change.reference)


def after_task(change: Change, known: Alert, situation: Situation) -> Iterable[Consequence]:
    """Yield what follows when the task of an alert is done or cancelled, or was left too long."""
    task = change.after
    assert task is not None  # noqa: S101 - see the caller
    now = instant(situation.now)
    if task["status"] not in OPEN_TASKS and (change.before or {}).get("status") in OPEN_TASKS:
        yield Strike(f"W7/critical/{change.id}")
        for flag in known.flags:
            if flag["id"] == change.id and flag["status"] == "active":
                yield Put(changed(flag, status="inactive", period={**flag.get("period", {}), "end": now}))
    number = escalations(task, OWN)
    if number > escalations(change.before, OWN):
        for one in known.others:
            yield notice(ESCALATED, change.reference, one, situation.now, occasion=str(number))
        if number < _MOST_ESCALATIONS:
            yield _timer(change.id, number + 1, situation)


async def escalate(entry: Entry, context: Context, _services: Services) -> None:
    """Mark an alert that nobody has acknowledged in time, which tells more people of it."""
    _, _, task_id = entry.subject.partition("/")
    version = await context.store.read("Task", task_id)
    task = None if version is None else version.resource
    if task is None or task["status"] not in OPEN_TASKS:
        return
    number = int(entry.data["number"])
    marked = changed(task, businessStatus=escalated(OWN, number), lastModified=instant(context.now()))
    await commit(context, [revision(marked)])


async def acknowledge(request: Request, context: Context) -> Response:
    """Acknowledge a critical result: the alert ends, and the record says who has seen it and when.

    Answers the Task. What was acknowledged before is refused with 409.
    """
    inputs(request, (), lenient=context.preferences.lenient)
    _, observation_id, _ = request.path
    await read(Request("GET", ("Observation", observation_id)), context)
    tasks = await _tasks_of(observation_id, context)
    waiting = [one for one in tasks if one["status"] in OPEN_TASKS]
    if not tasks:
        raise NOT_CRITICAL.error("No critical result waits here", "Observation.interpretation")
    if not waiting:
        raise ACKNOWLEDGED.error("It was acknowledged before", "Task.status")
    try:
        await commit(context, [revision(changed(one, status="completed")) for one in waiting])
    except PreconditionFailed:
        raise ACKNOWLEDGED.error("Somebody has acknowledged it meanwhile", "Task.status") from None
    return await read(Request("GET", ("Task", waiting[0]["id"])), context)


async def _tasks_of(observation_id: str, context: Context) -> list[dict[str, Any]]:
    asked = [("focus", f"Observation/{observation_id}")]
    query = parse_search("Task", asked, lenient=False, base_url=context.base_url, now=context.now())
    found = await context.store.find("Task", query.filter, (), {"resource": 1}, _MOST_TASKS)
    return [one["resource"] for one in found if is_acknowledgement(one["resource"])]


ACKNOWLEDGEMENT = Operation(
    code="acknowledge",
    definition="metadata/OperationDefinition/acknowledge",
    handler=acknowledge,
    types=frozenset({"Observation"}),
    on_instance=True,
    affects_state=True,
    returns="Task",
)
