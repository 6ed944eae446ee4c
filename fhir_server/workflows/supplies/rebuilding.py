"""Booking of movements that came in by an import: each once, receipts first, and never below zero.

https://hl7.org/fhir/R4/supplydelivery.html
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fhir_server.context import Context
from fhir_server.store.stock import Shelf
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.supplies.expiry import retell
from fhir_server.workflows.supplies.movements import movement_of
from fhir_server.workflows.supplies.picking import planned
from resources.operation_outcome import FhirError

_AT_ONCE = 50
_TOLD_AT_ONCE = 100
_ATTEMPTS = 5
_WHEN = {
    "SupplyDelivery": ("$resource.occurrenceDateTime", "$resource.occurrencePeriod.start"),
    "MedicationDispense": ("$resource.whenHandedOver", "$resource.whenPrepared"),
    "MedicationAdministration": ("$resource.effectiveDateTime", "$resource.effectivePeriod.start"),
}


async def rebuilt(context: Context) -> tuple[int, list[tuple[str, str]]]:
    """Book what is not booked; return how many movements were, and those that were not, with the rule."""
    whole = replace(context, store=context.store.unguarded())
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    records = Records(whole.store, situation)
    names = await _completed(records)
    booked = 0
    refused: list[tuple[str, str]] = []
    touched: dict[str, Shelf] = {}
    for is_receipt in (True, False):
        for first in range(0, len(names), _AT_ONCE):
            chunk = names[first : first + _AT_ONCE]

            async def work(chunk: Sequence[str] = chunk, wanted: bool = is_receipt) -> Any:
                return await _book_all(chunk, records, are_receipts=wanted)

            count, shelves, wrong = await context.store.stock.transact(work)
            booked += count
            refused += wrong
            touched |= {shelf.id: shelf for shelf in shelves}
    await _tell(list(touched.values()), whole)
    return booked, refused


async def _completed(records: Records) -> list[str]:
    """Return all movements that are completed, by when they happened."""
    found: list[tuple[str, str]] = []
    for resource_type, (first, second) in _WHEN.items():
        pipeline: list[dict[str, Any]] = [
            {"$match": {"resource.status": "completed"}},
            {"$project": {"when": {"$ifNull": [first, {"$ifNull": [second, ""]}]}}},
        ]
        documents = await records.aggregate(resource_type, pipeline)
        found += [(str(one["when"]), f"{resource_type}/{one['_id']}") for one in documents]
    return [name for _, name in sorted(found)]


async def _book_all(
    names: Sequence[str], records: Records, *, are_receipts: bool
) -> tuple[int, list[Shelf], list[tuple[str, str]]]:
    """Book those of `names` that are receipts, or that are not; within a transaction."""
    count, shelves, refused = 0, [], []
    for name in names:
        resource = await records.read(name)
        if resource is None or resource.get("status") != "completed" or await records.stock.lines(name):
            continue
        movement = await movement_of(resource, records)
        if (movement.sources == ()) != are_receipts:
            continue
        # What has expired by now had not when it was given out.
        plan = await planned(replace(movement, takes_expired=True), name, records)
        if plan.violations:
            refused.append((name, plan.violations[0].rule.id))
        elif plan.lines:
            await records.stock.book(plan.lines)
            shelves += [line.shelf for line in plan.lines]
            count += 1
    return count, shelves, refused


async def _tell(touched: Sequence[Shelf], context: Context) -> None:
    """Store what is on hand now; what others move meanwhile is told by them, and asked for again."""
    for first in range(0, len(touched), _TOLD_AT_ONCE):
        for attempt in range(_ATTEMPTS):
            ids = [one.id for one in touched[first : first + _TOLD_AT_ONCE]]
            found = [await context.store.stock.shelf(one) for one in ids]
            try:
                await retell(context, [one for one in found if one is not None])
                break
            except FhirError:
                if attempt == _ATTEMPTS - 1:
                    raise
