"""From which lots something is taken: what expires first goes out first, and nothing that has expired.

https://hl7.org/fhir/R4/medication-definitions.html#Medication.batch.expirationDate
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from fhir_server.search.intervals import LAST
from fhir_server.store.stock import Line, Shelf
from fhir_server.workflows.pattern import Violation
from fhir_server.workflows.records import Records
from fhir_server.workflows.supplies.items import UNKNOWN_LOT, Item, item_of
from fhir_server.workflows.supplies.movements import Movement
from fhir_server.workflows.supplies.terms import EXPIRED, INCOMPLETE, KIND, NEGATIVE, UNIT

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stocked:
    """What is on a shelf, and when it expires."""

    shelf: Shelf
    expires: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """Tell whether it is over."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class Plan:
    """The lines by which a movement is booked, or what is wrong with it; both empty if it moves nothing."""

    lines: tuple[Line, ...] = ()
    violations: tuple[Violation, ...] = ()


async def stocked(shelves: Iterable[Shelf], records: Records) -> list[Stocked]:
    """Return shelves with the expiry of their lots as it is on record now."""
    found = []
    for shelf in shelves:
        lot = None if shelf.lot is None else await records.read(shelf.lot)
        found.append(Stocked(shelf, None if lot is None else item_of(lot).expires))
    return found


async def lock_item(item: Item, records: Records) -> None:
    """Let nobody else move anything of the item meanwhile: it is locked by the code it is counted by."""
    known = await records.stock.shelves(codes=item.codes)
    for key in sorted({item.key, *(shelf.item for shelf in known)}):
        await records.lock(f"W10/item/{key}")


async def planned(movement: Movement, name: str, records: Records) -> Plan:
    """Return how the movement that `name` makes is booked, as things are now; the item is locked."""
    item = movement.item
    if movement.kind == "unknown":
        return Plan(violations=(KIND.broken("There is no such kind of movement", "SupplyDelivery.type"),))
    if item is None or movement.quantity is None or movement.problem is not None:
        is_kept = item is not None and bool(await records.stock.shelves(codes=item.codes))
        says_more = is_kept and movement.kind != "administration"
        return _incomplete(movement) if movement.is_strict or says_more else Plan()
    await lock_item(item, records)
    known = await records.stock.shelves(codes=item.codes)
    if not known and not movement.is_strict and movement.target is None:
        return Plan()
    wrong = _wrong_unit(movement, known)
    if wrong is not None:
        # A dose is often said by its weight; what of it was counted cannot be told.
        return Plan() if movement.kind == "administration" else Plan(violations=(wrong,))
    if movement.quantity <= 0:
        return Plan(violations=(INCOMPLETE.broken("What moves is more than nothing"),))
    if movement.sources == () and (item.lot or "").startswith(UNKNOWN_LOT):
        return Plan(violations=(INCOMPLETE.broken("A lot that comes in is a resource of its own"),))
    if movement.sources == ():
        return Plan(lines=(_received(movement, item, name, known, records),))
    return await _taken(movement, item, name, known, records)


def _incomplete(movement: Movement) -> Plan:
    told = movement.problem or "This movement does not say of what, and how much"
    return Plan(violations=(INCOMPLETE.broken(told),))


def _wrong_unit(movement: Movement, known: Sequence[Shelf]) -> Violation | None:
    units = {shelf.unit for shelf in known}
    if not movement.unit or not units or movement.unit in {unit.casefold() for unit in units}:
        return None
    return UNIT.broken(f"This item is counted in another unit: {', '.join(sorted(units))}")


def _received(movement: Movement, item: Item, name: str, known: Sequence[Shelf], records: Records) -> Line:
    assert movement.target is not None  # noqa: S101 - `planned` has seen to it
    assert movement.quantity is not None  # noqa: S101
    shelf = _shelf_at(movement.target, item, movement.unit, known)
    return Line(
        name, "posted/0", movement.kind, shelf, movement.quantity, records.situation.now, movement.order
    )


def _shelf_at(place: str, item: Item, unit: str, known: Sequence[Shelf]) -> Shelf:
    first = known[0] if known else None
    return Shelf(
        item.shelf_id(place),
        first.item if first else item.key,
        item.names,
        item.lot,
        place,
        first.unit if first else unit,
        item.concept,
    )


async def _taken(movement: Movement, item: Item, name: str, known: Sequence[Shelf], records: Records) -> Plan:
    now, wanted = records.situation.now, movement.quantity or _NOTHING
    if item.is_lot and item.expires is not None and item.expires <= now and not movement.takes_expired:
        return Plan(violations=(EXPIRED.broken("This lot has expired"),))
    there = [
        one
        for one in await stocked(known, records)
        if one.shelf.quantity > 0
        and (movement.sources is None or one.shelf.place in movement.sources)
        and (not item.is_lot or one.shelf.lot == item.lot)
    ]
    good = [one for one in there if movement.takes_expired or not one.has_expired(now)]
    picked = list(pick(good, wanted))
    if sum((number for _, number in picked), _NOTHING) < wanted:
        return Plan(violations=(_short(there, good, wanted),))
    lines: list[Line] = []
    for shelf, number in picked:
        part = f"posted/{len(lines)}"
        lines.append(Line(name, part, movement.kind, shelf, -number, now))
        if movement.target is not None:
            moved = replace(shelf, id=_moved_id(shelf, movement.target), place=movement.target)
            moved = replace(moved, quantity=_NOTHING)
            lines.append(Line(name, f"posted/{len(lines)}", movement.kind, moved, number, now))
    return Plan(lines=tuple(lines))


def _moved_id(shelf: Shelf, place: str) -> str:
    return Item((shelf.item,), shelf.concept, shelf.lot).shelf_id(place)


def pick(there: Iterable[Stocked], wanted: Decimal) -> Iterable[tuple[Shelf, Decimal]]:
    """Yield how much is taken of which shelf, what expires first before the others, until there is enough."""
    for one in sorted(there, key=lambda one: (one.expires or LAST, one.shelf.lot or "", one.shelf.id)):
        if wanted <= 0:
            return
        number = min(wanted, one.shelf.quantity)
        wanted -= number
        yield one.shelf, number


def _short(there: Sequence[Stocked], good: Sequence[Stocked], wanted: Decimal) -> Violation:
    have = sum((one.shelf.quantity for one in good), _NOTHING)
    if len(good) < len(there) and sum((one.shelf.quantity for one in there), _NOTHING) >= wanted:
        return EXPIRED.broken(f"Of what is there only {have} have not expired; {wanted} are wanted")
    return NEGATIVE.broken(f"There are {have}; {wanted} are wanted. Nothing was moved")


def reversal(lines: Sequence[Line], now: datetime) -> tuple[Line, ...]:
    """Return the lines that take others back."""
    return tuple(
        Line(line.movement, f"reversed/{number}", line.kind, line.shelf, -line.quantity, now, line.order)
        for number, line in enumerate(lines)
    )
