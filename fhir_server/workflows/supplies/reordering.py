"""When something runs low: one Flag that is open, one Task for who buys, and their end when goods come.

How much is too little is said by an ObservationDefinition, the definition of what the Observations of stock
say: its `category` is ours, its `code` the item, the low end of each `qualifiedInterval` a reorder point, for
a Location if `appliesTo` names one, else for the hospital.
https://hl7.org/fhir/R4/observationdefinition.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_server.store import instant
from fhir_server.store.stock import Shelf
from fhir_server.workflows.consequences import Consequence, Create, Put
from fhir_server.workflows.made import changed, concept, key_id, made
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.records import Records
from fhir_server.workflows.supplies.items import codes_of
from fhir_server.workflows.supplies.picking import Stocked
from fhir_server.workflows.supplies.terms import PLACES, STOCK, TASKS

Resource = Mapping[str, Any]

LOW = NoticeKind(
    "W10.low-stock",
    "Something in stock runs low",
    "Something that is kept in stock has reached its reorder point. The task to buy it says what it is.",
    "Stock is low: a task to buy is waiting for you.",
)
OPEN_TASKS = "draft,requested,received,accepted,ready,in-progress,on-hold"
ADMINISTRATIVE = concept("http://terminology.hl7.org/CodeSystem/flag-category", "admin", "Administrative")


@dataclass(frozen=True, slots=True)
class Level:
    """How much of an item is fit for use, in a `place` or the hospital (None), and how little may be.

    `flag` is the Flag as it is, `tasks` those that are open for it.
    """

    place: str | None
    there: Decimal
    point: Decimal
    flag_id: str
    flag: Resource | None
    tasks: tuple[Resource, ...] = ()

    @property
    def is_low(self) -> bool:
        """Whether it has come to the reorder point."""
        return self.there <= self.point

    @property
    def is_flagged(self) -> bool:
        """Whether the Flag is up."""
        return self.flag is not None and self.flag["status"] == "active"


def low_stock_id(item: str, place: str | None = None) -> str:
    """Return the id of the Flag that says that an item runs low."""
    return key_id("low-stock", item, place or "")


async def levels(shelf: Shelf, all_of_it: Iterable[Stocked], records: Records) -> tuple[Level, ...]:
    """Return the levels that a shelf counts for."""
    now, listed, found = records.situation.now, list(all_of_it), []
    for place, point in await _points(shelf, records):
        if place not in (None, shelf.place):
            continue
        fit = (
            one.shelf.quantity
            for one in listed
            if not one.has_expired(now) and place in (None, one.shelf.place)
        )
        flag_id = low_stock_id(shelf.item, place)
        flag = await records.read(f"Flag/{flag_id}")
        tasks: list[dict[str, Any]] = []
        if flag is not None and flag["status"] == "active":
            tasks = await records.search("Task", ("focus", f"Flag/{flag_id}"), ("status", OPEN_TASKS))
        found.append(Level(place, sum(fit, Decimal(0)), point, flag_id, flag, tuple(tasks)))
    return tuple(found)


async def _points(shelf: Shelf, records: Records) -> list[tuple[str | None, Decimal]]:
    """Return the reorder points of an item, each with the place that it is for."""
    ours = {"resource.category.coding": {"$elemMatch": {"system": STOCK, "code": "on-hand"}}}
    found = await records.aggregate("ObservationDefinition", [{"$match": ours}])
    points: dict[str | None, Decimal] = {}
    for document in found:
        definition = document["resource"]
        if not set(codes_of(definition.get("code", {}))) & set(shelf.codes):
            continue
        for one in definition.get("qualifiedInterval", ()):
            low = one.get("range", {}).get("low", {}).get("value")
            if low is not None:
                for place in _places(one):
                    points[place] = max(points.get(place, Decimal(0)), Decimal(str(low)))
    return sorted(points.items(), key=lambda one: one[0] or "")


def _places(interval: Resource) -> list[str | None]:
    found = [
        coding["code"]
        for one in interval.get("appliesTo", ())
        for coding in one.get("coding", ())
        if coding.get("system") == PLACES and "code" in coding
    ]
    return found or [None]


def low_stock(
    shelf: Shelf, found: Iterable[Level], owner: str | None, now: datetime
) -> Iterable[Consequence]:
    """Put up what says that an item runs low, or take it down, where it is not as it should be."""
    for level in found:
        if level.is_low and not level.is_flagged:
            yield from _put_up(shelf, level, owner, now)
        elif not level.is_low and level.flag is not None and level.is_flagged:
            period = {**level.flag.get("period", {}), "end": instant(now)}
            yield Put(changed(level.flag, status="inactive", period=period))
            for task in level.tasks:
                yield Put(changed(task, status="completed", lastModified=instant(now)))


def _put_up(shelf: Shelf, level: Level, owner: str | None, now: datetime) -> Iterable[Consequence]:
    reference = f"Flag/{level.flag_id}"
    yield Put(
        made(
            "Flag",
            id=level.flag_id,
            status="active",
            category=[ADMINISTRATIVE],
            code=concept(STOCK, "low-stock", "Low stock"),
            subject=flagged(shelf, level.place),
            period={"start": instant(now)},
        )
    )
    task_id = key_id("buy", reference, instant(now))
    yield Create(
        made(
            "Task",
            id=task_id,
            status="requested",
            intent="order",
            code=concept(TASKS, "buy", "Buy what runs low"),
            description=f"Buy {name_of(shelf)}: {level.there} are left, the reorder point is {level.point}",
            focus={"reference": reference},
            authoredOn=instant(now),
            lastModified=instant(now),
            owner=None if owner is None else {"reference": owner},
            performerType=[{"text": "Buyer"}],
        )
    )
    if owner is not None:
        yield notice(LOW, f"Task/{task_id}", owner, now)


def flagged(shelf: Shelf, place: str | None = None) -> dict[str, str]:
    """Return what a Flag about a shelf is about: the medicine, or where the thing is kept."""
    is_medicine = place is None and (shelf.lot or "").startswith("Medication/")
    return {"reference": shelf.lot if is_medicine and shelf.lot else place or shelf.place}


def name_of(shelf: Shelf) -> str:
    """Return what people call an item."""
    codings = shelf.concept.get("coding", ())
    names = [shelf.concept.get("text"), *(one.get("display") or one.get("code") for one in codings)]
    return str(next((name for name in names if name), shelf.item))
