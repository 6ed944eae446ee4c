"""What is in stock: a ledger of lines that never change, and what is on hand of each lot in each place.

What is on hand is the sum of the lines, kept so that nobody need add them up. It is taken from by an update
that finds the record only if there is enough: no two transactions, however they meet, bring it below zero.
https://www.mongodb.com/docs/manual/core/transactions-production-consideration/#in-progress-transactions-and-write-conflicts
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from pymongo import ASCENDING, IndexModel
from pymongo.write_concern import WriteConcern

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.snapshots import is_in_transaction, reading_in_transaction

STOCK = "stock"
LEDGER = "stock_ledger"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is on hand of one item, of one lot if it has lots, in one place.

    `id` is also that of the Observation that tells of it. `item` is the first of `codes`, by which others
    know the item too. `lot` is the Medication or Device of which it is, `place` a Location, both as
    references, and `concept` what the item is called.
    """

    id: str
    item: str
    codes: tuple[str, ...]
    lot: str | None
    place: str
    unit: str
    concept: Mapping[str, Any] = field(default_factory=dict, hash=False)
    quantity: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger: how much of what came to a shelf (more than nothing) or left it (less).

    `movement` is the resource by which it moved, and `part` numbers its lines: `posted/0`, and `reversed/0`
    for one that takes another back. `order` is the SupplyRequest that a receipt is for.
    """

    movement: str
    part: str
    kind: str
    shelf: Shelf
    quantity: Decimal
    at: datetime
    order: str | None = None

    @property
    def id(self) -> str:
        """What the line is called; there is one of each."""
        return f"{self.movement}/{self.part}"


class Shortage(Exception):
    """There is less on hand than is to be taken."""


class StockStore:
    """The stock of one database."""

    def __init__(self, database: Database) -> None:
        """Keep it in `database`."""
        self._database = database
        # As part of a transaction an operation has no write concern of its own.
        within = database.with_options(write_concern=WriteConcern())
        self._shelves, self._lines = within[STOCK], within[LEDGER]
        self._is_prepared = False

    async def prepare(self) -> None:
        """Make the collections and their indexes, which cannot be done within a transaction."""
        if not self._is_prepared:
            await self._database[STOCK].create_indexes(
                [
                    IndexModel([("codes", ASCENDING)], name="codes"),
                    IndexModel([("item", ASCENDING)], name="item"),
                    IndexModel([("lot", ASCENDING)], name="lot"),
                    IndexModel([("place", ASCENDING)], name="place"),
                ]
            )
            order = IndexModel(
                [("order", ASCENDING)], name="order", partialFilterExpression={"order": {"$type": "string"}}
            )
            await self._database[LEDGER].create_indexes(
                [IndexModel([("movement", ASCENDING)], name="movement"), order]
            )
            self._is_prepared = True

    async def shelf(self, shelf_id: str) -> Shelf | None:
        """Return one shelf, None if nothing was ever on it."""
        with _translated():
            found = await self._shelves.find_one({"_id": shelf_id})
        return None if found is None else _shelf(found)

    async def shelves(
        self,
        *,
        item: str | None = None,
        codes: Iterable[str] | None = None,
        lot: str | None = None,
        places: Iterable[str] | None = None,
        only_filled: bool = False,
    ) -> list[Shelf]:
        """Return the shelves of an item (or of any of `codes`), a lot and `places`, where these are given."""
        wanted: Document = {} if item is None else {"item": item}
        if codes is not None:
            wanted["codes"] = {"$in": list(codes)}
        if lot is not None:
            wanted["lot"] = lot
        if places is not None:
            wanted["place"] = {"$in": list(places)}
        if only_filled:
            wanted["quantity"] = {"$gt": Decimal(0)}
        with _translated():
            found = await self._shelves.find(wanted).sort("_id", ASCENDING).to_list()
        return [_shelf(document) for document in found]

    async def lines(self, movement: str) -> list[Line]:
        """Return the lines of a movement."""
        found = await self._lines.find({"movement": movement}).sort("_id", ASCENDING).to_list()
        return [_line(document) for document in found]

    async def is_in_ledger(self, lot: str) -> bool:
        """Tell whether anything of a lot ever moved."""
        return await self._shelves.find_one({"lot": lot}, {"_id": 1}) is not None

    async def delivered(self, order: str) -> Decimal:
        """Return how much has come of what a SupplyRequest asked for, less what was taken back."""
        found = await self._lines.find({"order": order}).to_list()
        return sum((document["quantity"] for document in found), Decimal(0))

    async def book(self, lines: Sequence[Line]) -> None:
        """Add lines to the ledger, and change what is on hand; raise Shortage if that is too little.

        It is called within a transaction, which has to fail if this does.
        """
        if lines:
            await self._lines.insert_many([_line_document(line) for line in lines])
        for line in lines:
            shelf, change = line.shelf, {"$inc": {"quantity": line.quantity}}
            if line.quantity < 0:
                enough = {"_id": shelf.id, "quantity": {"$gte": -line.quantity}}
                taken = await self._shelves.update_one(enough, change)
                if taken.matched_count == 0:
                    raise Shortage(shelf.id)
                continue
            first = {name: value for name, value in _shelf_document(shelf).items() if name != "quantity"}
            await self._shelves.update_one({"_id": shelf.id}, {**change, "$setOnInsert": first}, upsert=True)

    async def differences(self) -> list[tuple[str, Decimal, Decimal]]:
        """Return the shelves on which there is not what the ledger says: id, on hand, sum of the lines.

        Both are of one moment: what is booked meanwhile is no difference.
        """
        sums, hand = await self.transact(self._sums)
        found = []
        for shelf_id in sorted(sums.keys() | hand.keys()):
            there, said = hand.get(shelf_id, Decimal(0)), sums.get(shelf_id, Decimal(0))
            if there != said or there < 0:
                found.append((shelf_id, there, said))
        return found

    async def _sums(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Return what the lines add up to by shelf, and what is on hand; within a transaction."""
        summed = await self._lines.aggregate(
            [{"$group": {"_id": "$shelf._id", "sum": {"$sum": "$quantity"}}}]
        )
        sums = {one["_id"]: one["sum"] async for one in summed}
        hand = {one["_id"]: one["quantity"] async for one in self._shelves.find({}, {"quantity": 1})}
        return sums, hand

    async def count_lines(self) -> int:
        """Return how many lines the ledger has."""
        with translated_failures():
            return await self._lines.count_documents({})

    async def transact(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return what `work` does, which reads and books in one transaction; again on a conflict."""
        with translated_failures():
            await self.prepare()
            async with self._database.client.start_session() as session:

                async def within(_session: object) -> Result:
                    async with session.bind(end_session=False):
                        with reading_in_transaction():
                            return await work()

                return await session.with_transaction(within, write_concern=WriteConcern("majority", j=True))


def _translated() -> AbstractContextManager[None]:
    """Return what tells of failures; within a transaction, whoever runs it has to see them as they are."""
    return nullcontext() if is_in_transaction() else translated_failures()


def _shelf_document(shelf: Shelf) -> Document:
    document = asdict(shelf)
    document["_id"] = document.pop("id")
    return document | {"codes": list(shelf.codes)}


def _shelf(document: Document) -> Shelf:
    values = {name: value for name, value in document.items() if name != "_id"}
    return Shelf(id=document["_id"], **{**values, "codes": tuple(document["codes"])})


def _line_document(line: Line) -> Document:
    return {
        "_id": line.id,
        "movement": line.movement,
        "part": line.part,
        "kind": line.kind,
        "shelf": _shelf_document(line.shelf),
        "quantity": line.quantity,
        "at": line.at,
        "order": line.order,
    }


def _line(document: Document) -> Line:
    values = {name: value for name, value in document.items() if name != "_id"}
    return Line(**{**values, "shelf": _shelf(document["shelf"])})
