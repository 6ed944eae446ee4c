"""What follows from what is on hand: that something runs low, expires soon, or does so no more.

Everything that changes what is on hand changes its Observation, so that this is looked at in one place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store.stock import Shelf
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.supplies.expiry import Expiry, expiry_of, near_expiry
from fhir_server.workflows.supplies.items import Item, item_of
from fhir_server.workflows.supplies.picking import stocked
from fhir_server.workflows.supplies.reordering import Level, levels, low_stock
from fhir_server.workflows.supplies.shelves import is_on_hand, on_hand, projection_broken
from fhir_server.workflows.supplies.terms import LOT_IN_USE

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """A shelf, what it counts for, and who looks after the place."""

    shelf: Shelf | None = None
    levels: tuple[Level, ...] = ()
    expiry: Expiry | None = None
    owner: str | None = None


async def _gather(change: Change, records: Records) -> Standing:
    if not is_on_hand(change.after) and not is_on_hand(change.before):
        return Standing()
    shelf = await records.stock.shelf(change.id)
    if shelf is None or change.after is None:
        return Standing(shelf)
    # Both movements and this are asked in one transaction: nobody else's movement may come between.
    await records.lock(f"W10/item/{shelf.item}")
    all_of_it = await stocked(await records.stock.shelves(item=shelf.item), records)
    expires = next((one.expires for one in all_of_it if one.shelf.id == shelf.id), None)
    place = await records.read(shelf.place)
    owner = None if place is None else place.get("managingOrganization", {}).get("reference")
    return Standing(
        shelf, await levels(shelf, all_of_it, records), await expiry_of(shelf, expires, records), owner
    )


def _check(change: Change, facts: Standing, _situation: Situation) -> Iterable[Violation]:
    return projection_broken(change, facts.shelf)


def _follows(_change: Change, facts: Standing, situation: Situation) -> Iterable[Consequence]:
    if facts.shelf is None or facts.expiry is None:
        return
    yield from low_stock(facts.shelf, facts.levels, facts.owner, situation.now)
    yield from near_expiry(facts.shelf, facts.expiry, facts.owner, situation)


OBSERVATIONS = Watch(frozenset({"Observation"}), gather=_gather, check=_check, follows=_follows)


async def _shelves_of_lot(change: Change, records: Records) -> list[Shelf]:
    if change.before is None:
        return []
    return await records.stock.shelves(lot=change.reference)


def _check_lot(change: Change, facts: list[Shelf], _situation: Situation) -> Iterable[Violation]:
    if not facts or change.before is None:
        return
    if change.after is None:
        yield LOT_IN_USE.broken("Of this lot something has moved; it can be made inactive instead")
        return
    before, after = item_of(change.before), item_of(change.after)
    if before.codes != after.codes or before.number != after.number:
        yield LOT_IN_USE.broken("Of this lot something has moved; what it is of and its number stay")


def _follows_lot(change: Change, facts: list[Shelf], situation: Situation) -> Iterable[Consequence]:
    """Tell anew what is on hand of a lot whose expiry was corrected."""
    if change.before is None or change.after is None:
        return
    lot: Item = item_of(change.after)
    if item_of(change.before).expires != lot.expires:
        for shelf in facts:
            yield Put(on_hand(shelf, situation.now, lot), is_whole=True)


LOTS = Watch(
    frozenset({"Medication", "Device"}), gather=_shelves_of_lot, check=_check_lot, follows=_follows_lot
)
