"""Task: an order that is carried out, and a critical result that somebody acknowledges.

https://hl7.org/fhir/R4/task.html#statemachine
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence
from fhir_server.workflows.notices import notice
from fhir_server.workflows.orders import critical
from fhir_server.workflows.orders.notices import NOT_DONE
from fhir_server.workflows.orders.people import requesters
from fhir_server.workflows.orders.rules import ACKNOWLEDGE_ROLE, TASK_DONE
from fhir_server.workflows.orders.vocabulary import (
    OPEN_TASKS,
    is_acknowledgement,
    is_critical,
    is_final,
    is_fulfilment,
    references,
)
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_NOT_BEGUN = frozenset({"requested", "received", "accepted", "ready", "on-hold"})


def completes(task: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Write down who acknowledged a critical result, and when."""
    if not is_acknowledgement(task) or task.get("status") != "completed":
        return task
    if before is None or before.get("status") == "completed":
        return task
    done = {**task.get("executionPeriod", {}), "end": instant(situation.now)}
    who = {"owner": {"reference": situation.person}} if situation.person else {}
    return {**task, "executionPeriod": done, "lastModified": instant(situation.now), **who}


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be known about a task of ours.

    `alert` is what an acknowledgement ends; `is_awaited` says that the task waited for one, and that its
    result is still critical; `is_reported` that there is a final report of what was ordered.
    """

    alert: critical.Alert | None = None
    is_awaited: bool = False
    is_reported: bool = False


async def gather(change: Change, records: Records) -> Facts:
    """Return what has to be known about a task of ours."""
    task, before = change.after, change.before or {}
    is_awaited = False
    if _waits(before):
        result = await records.read(before.get("focus"))
        is_awaited = result is not None and is_critical(result)
    if task is None:
        return Facts(is_awaited=is_awaited)
    focus = task.get("focus", {}).get("reference", "")
    if is_acknowledgement(task):
        return Facts(alert=await critical.alert(focus, records), is_awaited=is_awaited)
    if is_fulfilment(task) and change.became("completed"):
        reports = await records.search("DiagnosticReport", ("based-on", focus))
        return Facts(is_awaited=is_awaited, is_reported=any(is_final(one) for one in reports))
    return Facts(is_awaited=is_awaited)


def _waits(task: Resource) -> bool:
    return is_acknowledgement(task) and task.get("status") in OPEN_TASKS


def _waits_on(before: Resource | None, task: Resource | None, base_url: str) -> bool:
    """Tell whether a task waits for the acknowledgement of the same result as before."""
    if before is None or task is None or not _waits(task):
        return False
    return references(before, "focus", base_url) == references(task, "focus", base_url)


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield who may not acknowledge, and what is not done yet."""
    task, before = change.after, change.before
    is_given_up = facts.is_awaited and not _waits_on(before, task, situation.base_url)
    is_done = task is not None and is_acknowledgement(task) and change.became("completed")
    if (is_given_up or is_done) and not situation.has_role("DR", "RN"):
        yield ACKNOWLEDGE_ROLE.broken("This is for a doctor or a nurse to acknowledge", "Task.status")
    if task is None or not is_fulfilment(task) or before is None or not change.became("completed"):
        return
    if before.get("status") in _NOT_BEGUN and not facts.is_reported:
        yield TASK_DONE.broken("It was not begun, and there is no final report", "Task.status")


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """End the alert that was acknowledged, escalate one that was not, and tell who ordered in vain."""
    task = change.after
    if task is None:
        return
    if is_acknowledgement(task) and facts.alert is not None:
        yield from critical.after_task(change, facts.alert, situation)
    if is_fulfilment(task) and (change.became("rejected") or change.became("failed")):
        for one in requesters([task], situation.base_url):
            yield notice(NOT_DONE, change.reference, one, situation.now)


WATCH = Watch(frozenset({"Task"}), completes=completes, gather=gather, check=check, follows=follows)
