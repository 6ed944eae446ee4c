"""The agenda: what is to be done at a time, kept in the database and worked on by whichever process is free.

An entry is made in the transaction that it follows from, and is done once: the changes that doing it makes
are stored in one transaction with the note that it is done. A process works on an entry under a lease; if the
process dies, another one takes the entry when the lease is over.
https://www.mongodb.com/docs/manual/core/index-ttl/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.ruling import Entry, Outcome

AGENDA = "agenda"
# That an entry was done has to be known for as long as something may ask for it again.
_REMEMBERED = timedelta(days=400)


class LeaseLost(Exception):
    """Another process took the entry meanwhile, or it was struck out; nothing of this was stored."""


@dataclass(frozen=True, slots=True)
class Leased:
    """An entry that this process works on, under a lease; `attempts` counts the present one."""

    entry: Entry
    lease: str
    attempts: int


class Agenda:
    """The agenda of one database, that of all processes."""

    def __init__(self, database: Database) -> None:
        """Keep entries in `database`."""
        self._entries = database[AGENDA]
        self._is_prepared = False

    async def prepare(self) -> None:
        """Make the indexes."""
        if not self._is_prepared:
            await self._entries.create_indexes(
                [
                    IndexModel(
                        [("due", ASCENDING)], name="due", partialFilterExpression={"state": "waiting"}
                    ),
                    IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0),
                    IndexModel([("subject", ASCENDING)], name="subject"),
                    IndexModel(
                        [("action", ASCENDING)], name="parked", partialFilterExpression={"state": "parked"}
                    ),
                ]
            )
            self._is_prepared = True

    async def change(self, outcome: Outcome, now: datetime, session: AsyncClientSession) -> None:
        """Strike out, add and note as done what `outcome` says, within a transaction.

        Raises LeaseLost if an entry that was to be done, or worked on, is not this process's any more.
        """
        for key, lease in outcome.done:
            done = {"state": "done", "done": now, "expires": now + _REMEMBERED}
            # Said once in each round of the transaction.
            held = {"_id": key, "lease": lease, "state": {"$in": ["waiting", "done"]}}
            found = await self._entries.update_one(held, {"$set": done}, session=session)
            if found.matched_count == 0:
                raise LeaseLost(key)
        for key, lease in outcome.held:
            # Written, so that whoever strikes the entry out or takes it meanwhile meets this transaction.
            held = {"_id": key, "lease": lease, "state": "waiting"}
            found = await self._entries.update_one(held, {"$set": {"worked": now}}, session=session)
            if found.matched_count == 0:
                raise LeaseLost(key)
        for beginning in outcome.struck:
            # What follows is a part of the key of its own, so that Task/1 does not meet Task/12. "0" comes
            # next to the slash; a range is found in the index, a pattern with an alternative is not.
            below = {"_id": {"$gte": f"{beginning}/", "$lt": f"{beginning}0"}}
            struck = {"state": "struck", "expires": now + _REMEMBERED}
            await self._entries.update_many(
                {"$or": [{"_id": beginning}, below], "state": "waiting"}, {"$set": struck}, session=session
            )
        if outcome.entries:
            updates: list[Any] = []
            for one in sorted(outcome.entries, key=lambda one: one.key):
                # What was struck out is wanted again: an appointment goes back to the time that it had.
                struck = {"_id": one.key, "state": "struck"}
                updates.append(UpdateOne(struck, {"$set": _document(one), "$unset": {"expires": ""}}))
                updates.append(UpdateOne({"_id": one.key}, {"$setOnInsert": _document(one)}, upsert=True))
            await self._entries.bulk_write(updates, ordered=True, session=session)

    async def add(self, entry: Entry) -> None:
        """Add an entry, unless there was one of its key before."""
        with translated_failures():
            await self.prepare()
            await self._entries.update_one(
                {"_id": entry.key}, {"$setOnInsert": _document(entry)}, upsert=True
            )

    async def take(self, now: datetime, seconds: float, lease: str) -> Leased | None:
        """Return the entry that is most overdue, under `lease` for some seconds; None if nothing is due."""
        wanted = {
            "state": "waiting",
            "due": {"$lte": now},
            "$or": [{"until": None}, {"until": {"$lte": now}}],
        }
        change = {
            "$set": {"lease": lease, "until": now + timedelta(seconds=seconds)},
            "$inc": {"attempts": 1},
        }
        with translated_failures():
            await self.prepare()
            found: Document | None = await self._entries.find_one_and_update(
                wanted, change, sort=[("due", ASCENDING)], return_document=ReturnDocument.AFTER
            )
        return None if found is None else Leased(_entry(found), lease, found["attempts"])

    async def renew(self, leased: Leased, until: datetime) -> bool:
        """Keep an entry until then; return False if it is not this process's any more."""
        held = {"_id": leased.entry.key, "lease": leased.lease, "state": "waiting"}
        with translated_failures():
            return (await self._entries.update_one(held, {"$set": {"until": until}})).matched_count == 1

    async def finish(self, leased: Leased, now: datetime) -> None:
        """Note that an entry is done, if its transaction did not do so itself."""
        held = {"_id": leased.entry.key, "lease": leased.lease, "state": "waiting"}
        done = {"state": "done", "done": now, "expires": now + _REMEMBERED}
        with translated_failures():
            await self._entries.update_one(held, {"$set": done})

    async def postpone(self, leased: Leased, due: datetime, reason: str) -> None:
        """Have an entry that failed tried again; `reason` says why, and nothing of any patient."""
        held = {"_id": leased.entry.key, "lease": leased.lease, "state": "waiting"}
        with translated_failures():
            await self._entries.update_one(held, {"$set": {"due": due, "until": None, "failure": reason}})

    async def defer(self, leased: Leased, due: datetime) -> None:
        """Have an entry for which it is too early done at another time; this was no attempt."""
        held = {"_id": leased.entry.key, "lease": leased.lease, "state": "waiting"}
        change = {"$set": {"due": due, "until": None}, "$inc": {"attempts": -1}}
        with translated_failures():
            await self._entries.update_one(held, change)

    async def park(self, leased: Leased, reason: str) -> None:
        """Give up on an entry until a person looks at it."""
        held = {"_id": leased.entry.key, "lease": leased.lease, "state": "waiting"}
        with translated_failures():
            await self._entries.update_one(held, {"$set": {"state": "parked", "failure": reason}})

    async def open_entries(self, now: datetime) -> Mapping[tuple[str, str], int]:
        """Return how many entries there are to be done, by state (due, planned, parked) and action."""
        wanted = {
            "due": {"state": "waiting", "due": {"$lte": now}},
            "planned": {"state": "waiting", "due": {"$gt": now}},
            "parked": {"state": "parked"},
        }
        found: dict[tuple[str, str], int] = {}
        with translated_failures():
            for state, condition in wanted.items():
                group = {"$group": {"_id": "$action", "count": {"$sum": 1}}}
                async for one in await self._entries.aggregate([{"$match": condition}, group]):
                    found[state, one["_id"]] = one["count"]
        return found

    async def most_overdue(self, now: datetime) -> datetime | None:
        """Return since when the entry has been due that should have been done first; None if none is."""
        with translated_failures():
            found: Document | None = await self._entries.find_one(
                {"state": "waiting", "due": {"$lte": now}}, {"due": 1}, sort=[("due", ASCENDING)]
            )
        return None if found is None else found["due"]

    async def listed(self, state: str, limit: int) -> Sequence[Document]:
        """Return up to `limit` entries in a state, as they are stored, by when they are due."""
        with translated_failures():
            return await self._entries.find({"state": state}).sort("due", ASCENDING).limit(limit).to_list()

    async def retry(self, now: datetime, key: str | None = None) -> int:
        """Have parked entries, that of `key` or all, tried again from the first attempt; return how many."""
        parked = {"state": "parked"} | ({} if key is None else {"_id": key})
        again = {"state": "waiting", "due": now, "until": None, "attempts": 0}
        with translated_failures():
            return (await self._entries.update_many(parked, {"$set": again})).modified_count

    async def about(self, subject: str) -> Sequence[Document]:
        """Return the entries about a resource, as they are stored, by when they are due."""
        with translated_failures():
            found = self._entries.find({"subject": subject}).sort("due", ASCENDING)
            return await found.to_list()


def _document(entry: Entry) -> Document:
    return {
        "due": entry.due,
        "action": entry.action,
        "subject": entry.subject,
        "data": dict(entry.data),
        "state": "waiting",
        "until": None,
        "attempts": 0,
    }


def _entry(document: Document) -> Entry:
    return Entry(document["_id"], document["due"], document["action"], document["subject"], document["data"])
