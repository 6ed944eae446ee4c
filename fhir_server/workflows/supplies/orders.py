"""Orders from suppliers: the supplier is told and has a Task for as long as the order is open.

https://hl7.org/fhir/R4/supplyrequest.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Create, Put
from fhir_server.workflows.made import changed, concept, key_id, made
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.supplies.booking import ordered_quantity
from fhir_server.workflows.supplies.reordering import OPEN_TASKS
from fhir_server.workflows.supplies.terms import ORDER_STATE, OTHER_ITEM, POSTED, TASKS, TOO_MUCH

Resource = Mapping[str, Any]

ORDERED = NoticeKind(
    "W10.ordered",
    "An order from the hospital",
    "The hospital has ordered something from you. The order is waiting for you in the system.",
    "The hospital has sent you an order.",
)
_OPEN = ("draft", "active", "suspended")

ORDER_STATES = StateTable(
    "SupplyRequest",
    ORDER_STATE,
    {
        "draft": ("active", "cancelled", "entered-in-error"),
        "active": ("suspended", "completed", "cancelled", "entered-in-error"),
        "suspended": ("active", "cancelled", "entered-in-error"),
        # Only by a delivery that is taken back; see `_check`.
        "completed": ("active",),
    },
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How much has come for an order, and the tasks that are open for it."""

    received: Decimal
    tasks: tuple[Resource, ...]


async def _gather(change: Change, records: Records) -> Progress:
    await records.lock(f"W10/order/{change.reference}")
    tasks = await records.search("Task", ("focus", change.reference), ("status", OPEN_TASKS))
    return Progress(await records.stock.delivered(change.reference), tuple(tasks))


def _check(change: Change, facts: Progress, _situation: Situation) -> Iterable[Violation]:
    """Refuse to open what is complete, and to make an order smaller or another than what has come for it."""
    if _was_complete(change) and change.became("active") and not change.is_ours:
        message = "It is open again when a delivery that completed it is taken back"
        yield ORDER_STATE.broken(message, "SupplyRequest.status")
    if facts.received <= 0 or change.before is None:
        return
    if change.after is None:
        yield POSTED.broken("Goods have come in for this order")
        return
    wanted = ordered_quantity(change.after)
    if wanted is None or wanted < facts.received:
        yield TOO_MUCH.broken(f"{facts.received} have come for this order", "SupplyRequest.quantity")
    names = ("itemReference", "itemCodeableConcept")
    if any(change.before.get(name) != change.after.get(name) for name in names):
        yield OTHER_ITEM.broken("Goods have come in for this order", "SupplyRequest.item")


def _was_complete(change: Change) -> bool:
    return change.before is not None and change.before.get("status") == "completed"


def _follows(change: Change, facts: Progress, situation: Situation) -> Iterable[Consequence]:
    order, now = change.after, situation.now
    if order is None:
        return
    suppliers = [one["reference"] for one in order.get("supplier", ()) if "reference" in one]
    if change.became("active") and suppliers:
        again = instant(now) if _was_complete(change) else ""
        yield Create(_task(change.reference, order, suppliers[0], situation, again))
        yield notice(ORDERED, change.reference, suppliers[0], now, occasion=again)
    if order.get("status") not in _OPEN:
        ended = "completed" if order.get("status") == "completed" else "cancelled"
        for task in facts.tasks:
            yield Put(changed(task, status=ended, lastModified=instant(now)))


def _task(reference: str, order: Resource, supplier: str, situation: Situation, again: str) -> dict[str, Any]:
    """Return the Task of the supplier; `again` is when an order that was complete came to be open."""
    now = instant(situation.now)
    return made(
        "Task",
        id=key_id("supply-order", reference, *([again] if again else [])),
        status="requested",
        intent="order",
        code=concept(TASKS, "order", "Deliver what was ordered"),
        focus={"reference": reference},
        authoredOn=now,
        lastModified=now,
        requester=order.get("requester"),
        owner={"reference": supplier},
    )


ORDERS = Watch(frozenset({"SupplyRequest"}), gather=_gather, check=_check, follows=_follows)
