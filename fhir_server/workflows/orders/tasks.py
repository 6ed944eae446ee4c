"""Task: an order that is carried out, and a critical result that somebody acknowledges.

https://hl7.org/fhir/R4/task.html#statemachine
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence
from fhir_server.workflows.notices import notice
from fhir_server.workflows.orders import critical
from fhir_server.workflows.orders.notices import NOT_DONE
from fhir_server.workflows.orders.people import requesters
from fhir_server.workflows.orders.rules import ACKNOWLEDGE_ROLE, TASK_DONE
from fhir_server.workflows.orders.vocabulary import is_acknowledgement, is_fulfilment
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


async def gather(change: Change, records: Records) -> critical.Alert | None:
    """Return the alert that an acknowledgement ends, or the order that was not carried out."""
    task = change.after
    if task is None or not is_acknowledgement(task):
        return None
    return await critical.alert(task.get("focus", {}).get("reference", ""), records)


def check(change: Change, _alert: critical.Alert | None, situation: Situation) -> Iterable[Violation]:
    """Yield who may not acknowledge, and what is not done yet."""
    task, before = change.after, change.before
    if task is None:
        return
    if is_acknowledgement(task) and change.became("completed") and not situation.has_role("DR", "RN"):
        yield ACKNOWLEDGE_ROLE.broken("This is for a doctor or a nurse to acknowledge", "Task.status")
    if not is_fulfilment(task) or before is None or not change.became("completed"):
        return
    if before.get("status") in _NOT_BEGUN and not _has_report(task):
        yield TASK_DONE.broken("It was not begun, and names no DiagnosticReport in output", "Task.output")


def _has_report(task: Resource) -> bool:
    outputs = (one.get("valueReference", {}).get("reference", "") for one in task.get("output", ()))
    return any("DiagnosticReport/" in one for one in outputs)


def follows(change: Change, alert: critical.Alert | None, situation: Situation) -> Iterable[Consequence]:
    """End the alert that was acknowledged, escalate one that was not, and tell who ordered in vain."""
    task = change.after
    if task is None:
        return
    if is_acknowledgement(task) and alert is not None:
        yield from critical.after_task(change, alert, situation)
    if is_fulfilment(task) and (change.became("rejected") or change.became("failed")):
        for one in requesters([task], situation.base_url):
            yield notice(NOT_DONE, change.reference, one, situation.now)


WATCH = Watch(frozenset({"Task"}), completes=completes, gather=gather, check=check, follows=follows)
