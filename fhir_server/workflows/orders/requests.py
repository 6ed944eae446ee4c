"""ServiceRequest: what is ordered, and the one task by which the laboratory or department gets it.

https://hl7.org/fhir/R4/servicerequest.html, https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Create, Put
from fhir_server.workflows.made import changed, concept, key_id, made
from fhir_server.workflows.order_sets.options import is_put_in_force
from fhir_server.workflows.orders.bookable import is_bookable
from fhir_server.workflows.orders.rules import NEEDS_ORDER, OPTION, REQUESTER
from fhir_server.workflows.orders.vocabulary import (
    OPEN_TASKS,
    TASK_CODES,
    is_fulfilment,
    is_order,
    references,
)
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_PERFORMERS = ("Practitioner", "PractitionerRole", "Organization", "HealthcareService", "CareTeam", "Device")
# What becomes of the task when the order is no longer to be carried out, or is not now.
_FOLLOWING = {"revoked": "cancelled", "entered-in-error": "cancelled", "on-hold": "on-hold"}


def completes(resource: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Write a patient who orders into the order."""
    if before is None and "requester" not in resource and situation.is_only_patient() and situation.person:
        return {**resource, "requester": {"reference": situation.person}}
    return resource


async def gather(change: Change, records: Records) -> list[dict[str, Any]]:
    """Return the tasks of an order, which nobody else makes or ends meanwhile."""
    await records.lock(f"W7/{change.reference}")
    found = await records.search("Task", ("focus", change.reference))
    return [one for one in found if is_fulfilment(one)]


def check(change: Change, _tasks: list[dict[str, Any]], situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with an option that is ordered, and with an order that a patient makes."""
    order = change.after
    if order is None:
        return
    if is_put_in_force(change):
        yield OPTION.broken("Make it an order, or leave it a draft", "ServiceRequest.intent")
    if change.before is not None or not situation.is_only_patient():
        return
    if not is_bookable(order, situation.settings.self_bookable_tests):
        message = "This is not a test that patients may order themselves; a doctor has to order it"
        yield NEEDS_ORDER.broken(message, "ServiceRequest.code")
    if references(order, "requester", situation.base_url) != (situation.person,):
        yield REQUESTER.broken("The requester is not you", "ServiceRequest.requester")


def follows(change: Change, tasks: list[dict[str, Any]], situation: Situation) -> Iterable[Consequence]:
    """Make the task when an order becomes active, and let it go where the order goes."""
    order = change.after
    if order is None or not is_order(order):
        return
    if not _is_ordered(change.before) and _is_ordered(order):
        task = _task(change.reference, order, situation)
        if all(one["id"] != task["id"] for one in tasks):
            yield Create(task)
        yield from (Put(_moved(task, "received", situation)) for task in tasks if task["status"] == "on-hold")
    for state, following in _FOLLOWING.items():
        if change.became(state):
            yield from (
                Put(_moved(task, following, situation))
                for task in tasks
                if task["status"] in OPEN_TASKS - {following}
            )


def _is_ordered(order: Resource | None) -> bool:
    return order is not None and is_order(order) and order.get("status") == "active"


def _task(reference: str, order: Resource, situation: Situation) -> dict[str, Any]:
    performer = next(iter(references(order, "performer", situation.base_url, *_PERFORMERS)), None)
    return made(
        "Task",
        id=key_id("W7.task", reference),
        basedOn=[{"reference": reference}],
        status="requested",
        intent="order",
        priority=order.get("priority"),
        code=concept(TASK_CODES, "fulfill", "Fulfill the focal request"),
        description=order.get("code", {}).get("text"),
        focus={"reference": reference},
        encounter=order.get("encounter"),
        authoredOn=instant(situation.now),
        lastModified=instant(situation.now),
        requester=order.get("requester"),
        performerType=[order["performerType"]] if "performerType" in order else None,
        owner={"reference": performer} if performer else None,
        **{"for": order["subject"]},
    )


def _moved(task: Resource, status: str, situation: Situation) -> dict[str, Any]:
    return changed(task, status=status, lastModified=instant(situation.now))


WATCH = Watch(frozenset({"ServiceRequest"}), completes=completes, gather=gather, check=check, follows=follows)
