"""Booking of movements: the lines are in the ledger, and off the shelf, in the transaction that says so.

It is done while the rules gather what they have to know, so that of two movements in one transaction the
second finds what the first has left. What is booked already is not booked again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fhir_server.store.stock import Line, Shelf, Shortage
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.supplies.items import Item, named
from fhir_server.workflows.supplies.movements import Movement, kind_of, movement_of
from fhir_server.workflows.supplies.picking import planned, reversal
from fhir_server.workflows.supplies.shelves import lot_of, on_hand
from fhir_server.workflows.supplies.terms import (
    NEGATIVE,
    NOT_ORDERED,
    ONLY_USE,
    OTHER_ITEM,
    POSTED,
    STATE,
    TOO_MUCH,
)

Resource = Mapping[str, Any]

_POSTED: Mapping[str, frozenset[str] | None] = {
    "SupplyDelivery": None,  # all of it
    "MedicationDispense": frozenset(
        {"medicationReference", "medicationCodeableConcept", "quantity", "location", "subject", "status"}
    ),
    "MedicationAdministration": frozenset(
        {"medicationReference", "medicationCodeableConcept", "dosage", "context", "subject", "status"}
    ),
}
_SAID_APART = frozenset({"meta", "text", "id"})


@dataclass(frozen=True, slots=True)
class Booked:
    """What was booked: the `shelves` that changed, as they are now, with their lots, and what was wrong.

    `is_posted` says that the movement was booked before. `order` is the order that goods came in for, and
    `received` how much of it has come by now; it `is_open_again` if it was complete with what is taken back.
    """

    shelves: tuple[tuple[Shelf, Item | None], ...] = ()
    violations: tuple[Violation, ...] = ()
    is_posted: bool = False
    order: Resource | None = None
    received: Decimal = Decimal(0)
    is_open_again: bool = False


async def gather(change: Change, records: Records) -> Booked:
    """Book what a change moves, or takes back."""
    lines = await records.stock.lines(change.reference)
    was = None if change.before is None else change.before.get("status")
    # Lines of a movement that was not posted before were booked in this very transaction.
    is_posted = was in ("completed", "entered-in-error") and bool(lines or _is_delivery(change))
    if change.after is None:
        return Booked(is_posted=is_posted)
    if change.became("completed") and not lines:
        return await _post(change.after, change.reference, records)
    taken_back = any(line.part.startswith("reversed/") for line in lines)
    if lines and change.became("entered-in-error") and not taken_back:
        return await _take_back(lines, records)
    return Booked(is_posted=is_posted)


def _is_delivery(change: Change) -> bool:
    return change.resource_type == "SupplyDelivery"


async def _post(resource: Resource, reference: str, records: Records) -> Booked:
    movement = await movement_of(resource, records)
    if movement.order is not None:
        # Before the item, as all do who lock both.
        await records.lock(f"W10/order/{movement.order}")
    plan = await planned(movement, reference, records)
    if plan.violations:
        return Booked(violations=plan.violations)
    booked = await _book(plan.lines, records)
    if movement.order is None or booked.violations:
        return booked
    order = await records.read(movement.order)
    received = await records.stock.delivered(movement.order)
    wrong = await _wrong_with_order(movement, order, received, records)
    return Booked(booked.shelves, wrong, order=order, received=received)


async def _wrong_with_order(
    movement: Movement, order: Resource | None, received: Decimal, records: Records
) -> tuple[Violation, ...]:
    where = "SupplyDelivery.basedOn"
    if order is None or order["status"] != "active":
        return (NOT_ORDERED.broken("The order is not active", where),)
    ordered = await named(order, order.get("itemReference"), order.get("itemCodeableConcept"), records)
    if ordered is None or movement.item is None or not set(ordered.codes) & set(movement.item.codes):
        return (OTHER_ITEM.broken("Something else was ordered", where),)
    wanted = ordered_quantity(order)
    if wanted is not None and received > wanted:
        return (TOO_MUCH.broken(f"{wanted} were ordered; {received} would have come", where),)
    return ()


def ordered_quantity(order: Resource) -> Decimal | None:
    """Return how much a SupplyRequest asks for."""
    value = order.get("quantity", {}).get("value")
    return None if value is None else Decimal(str(value))


async def _take_back(lines: list[Line], records: Records) -> Booked:
    reference = next((line.order for line in lines if line.order is not None), None)
    if reference is not None:
        # Before the items, as all do who lock both.
        await records.lock(f"W10/order/{reference}")
    for key in sorted({line.shelf.item for line in lines}):
        await records.lock(f"W10/item/{key}")
    booked = await _book(reversal(lines, records.situation.now), records, is_posted=True)
    order = None if reference is None else await records.read(reference)
    if reference is None or order is None or booked.violations:
        return booked
    received = await records.stock.delivered(reference)
    had = received + sum(line.quantity for line in lines if line.order == reference)
    wanted = ordered_quantity(order)
    was_complete = order["status"] == "completed" and wanted is not None and received < wanted <= had
    return replace(booked, order=order, received=received, is_open_again=was_complete)


async def _book(lines: Iterable[Line], records: Records, *, is_posted: bool = False) -> Booked:
    listed = tuple(lines)
    for shelf_id in {line.shelf.id for line in listed if line.quantity < 0}:
        wanted = -sum(line.quantity for line in listed if line.shelf.id == shelf_id)
        shelf = await records.stock.shelf(shelf_id)
        if shelf is None or shelf.quantity < wanted:
            have = 0 if shelf is None else shelf.quantity
            told = f"There are {have} of this lot; {wanted} are to be taken back"
            return Booked(violations=(NEGATIVE.broken(told),), is_posted=is_posted)
    try:
        await records.stock.book(listed)
    except Shortage:
        raise NEGATIVE.error("There is not enough left; nothing was moved") from None
    found = []
    for shelf_id in dict.fromkeys(line.shelf.id for line in listed):
        shelf = await records.stock.shelf(shelf_id)
        if shelf is not None:
            found.append((shelf, await lot_of(shelf, records)))
    return Booked(tuple(found), is_posted=is_posted)


def check(change: Change, facts: Booked, situation: Situation) -> Iterable[Violation]:
    """Refuse what cannot be booked, and changes of what is."""
    yield from facts.violations
    if change.resource_type == "SupplyDelivery" and change.after is not None:
        yield from _check_who(change.after, situation)
    if not facts.is_posted or change.became("entered-in-error"):
        if facts.is_posted and change.after is not None and _differs(change, besides={"status"}):
            yield POSTED.broken("What is taken back is not changed otherwise", change.resource_type)
        return
    if change.after is None or _differs(change):
        yield POSTED.broken("This was posted; mark it as entered-in-error, and write another one")


def _differs(change: Change, besides: Iterable[str] = ()) -> bool:
    before, after = change.before or {}, change.after or {}
    posted = _POSTED[change.resource_type]
    names = (before.keys() | after.keys() if posted is None else posted) - _SAID_APART - set(besides)
    return any(before.get(name) != after.get(name) for name in names)


def _check_who(delivery: Resource, situation: Situation) -> Iterable[Violation]:
    if kind_of(delivery) not in ("use", "waste") and not situation.has_role("PH", "AD"):
        yield ONLY_USE.broken("Say by the type that this is use or waste, or let the pharmacy write it")


def follows(_change: Change, facts: Booked, situation: Situation) -> Iterable[Consequence]:
    """Tell what is on hand now, and that an order is complete, or is so no more."""
    for shelf, lot in facts.shelves:
        yield Put(on_hand(shelf, situation.now, lot), is_whole=True)
    if facts.order is not None and facts.order["status"] == "active":
        wanted = ordered_quantity(facts.order)
        if wanted is not None and facts.received >= wanted:
            yield Put(changed(facts.order, status="completed"))
    elif facts.order is not None and facts.is_open_again:
        yield Put(changed(facts.order, status="active"))


DELIVERY_STATES = StateTable(
    "SupplyDelivery",
    STATE,
    {
        "in-progress": ("completed", "abandoned", "entered-in-error"),
        "completed": ("entered-in-error",),
        "abandoned": ("entered-in-error",),
    },
)

WATCH = Watch(
    frozenset({"SupplyDelivery", "MedicationDispense", "MedicationAdministration"}),
    gather=gather,
    check=check,
    follows=follows,
)
