"""The outbox of HL7 v2 messages: kept in the transaction of the change that they tell of, sent after it.

Messages for one destination about one patient are a lane. The document of the lane, which every transaction
that adds to it writes, numbers them: so their order is that of the transactions. Whoever sends holds the lane
under a lease; if the process dies, another one goes on when the lease is over, with the very bytes that were
kept. docs/hl7v2.md, docs/decisions/0044-outbox-of-messages.md
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.hl7_outgoing import (
    ACCEPTED,
    CONNECTIONS,
    DISCARDED,
    LANES,
    OUTBOX,
    PARKED,
    SENT,
    STATES,
    WAITING,
    WITHOUT_TEXT,
    Lane,
    Outgoing,
    document_of,
    held,
    indexes,
    lane_id,
    lane_of,
    outgoing_of,
    record,
)
from fhir_server.store.hl7_sealing import SealedMessages
from fhir_server.store.ruling import Send

# Threads are worth their price for long messages only.
_LONG_BYTES = 256 * 1024


class MessageOutbox:
    """The outbox of one database, that of all processes."""

    def __init__(self, database: Database, messages: SealedMessages, keep: timedelta | None) -> None:
        """Keep entries in `database`, sealed by `messages`, for the time of `keep` once they are done."""
        self._entries = database[OUTBOX]
        self._lanes = database[LANES]
        self._connections = database[CONNECTIONS]
        self._messages = messages
        self._keep = keep
        self._is_prepared = False

    async def prepare(self) -> None:
        """Make the indexes, and get the key of the messages."""
        if self._is_prepared:
            return
        await self._messages.prepare()
        with translated_failures():
            await self._entries.create_indexes(indexes())
            await self._lanes.create_indexes(
                [
                    IndexModel(
                        [("destination", ASCENDING), ("due", ASCENDING)],
                        name="due",
                        partialFilterExpression={"open": True},
                    )
                ]
            )
            # A collection that does not exist yet cannot be made within every transaction.
            await self._connections.create_indexes([IndexModel([("until", ASCENDING)], name="until")])
        self._is_prepared = True

    async def add(self, sends: Sequence[Send], now: datetime, session: AsyncClientSession) -> None:
        """Keep messages, within a transaction."""
        chosen = list({(one.destination, one.kind, one.subject): one for one in sends}.values())
        last = await self._numbered(chosen, now, session)
        documents = []
        for one in chosen:
            lane = lane_id(one.destination, one.lane)
            last[lane] += 1
            document = document_of(one, last[lane], now)
            document["after"] = [[name, last[lane_id(one.destination, name)]] for name in one.after]
            if one.message is not None:
                await self._put_text(document, one.message, session)
            documents.append(document)
        await self._entries.insert_many(documents, session=session)

    async def _numbered(
        self, sends: Iterable[Send], now: datetime, session: AsyncClientSession
    ) -> dict[str, int]:
        """Give numbers to messages; return the last one of each lane before them.

        In the order of the names, so that transactions that want the same lanes meet at the first of them.
        """
        counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for one in sends:
            counts[one.destination, one.lane] += 1
            for name in one.after:
                counts[one.destination, name] += 0
        last: dict[str, int] = {}
        for destination, name in sorted(counts):
            number = counts[destination, name]
            lane = lane_id(destination, name)
            change: Document = {
                "destination": destination,
                "name": name,
                "last": {"$add": [{"$ifNull": ["$last", 0]}, number]},
                "touched": {"$add": [{"$ifNull": ["$touched", 0]}, 1]},
            }
            if number:
                # One that waits for another attempt goes on waiting.
                change |= {"open": True, "due": {"$cond": [{"$eq": ["$open", True]}, "$due", now]}}
            found = await self._lanes.find_one_and_update(
                {"_id": lane},
                [{"$set": change}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            assert found is not None  # noqa: S101 - it was made if it was not there
            last[lane] = found["last"] - number
        return last

    async def _put_text(self, document: Document, message: bytes, session: AsyncClientSession) -> None:
        name = record(document["_id"])
        if len(message) > _LONG_BYTES:
            sealed: bytes = await asyncio.to_thread(self._messages.seal, message, name)
        else:
            sealed = self._messages.seal(message, name)
        if self._messages.is_long(sealed):
            document["pieces"] = await self._messages.keep_pieces(document["_id"], sealed, session)
        else:
            document["data"] = sealed
        document["size"] = len(message)

    async def text(self, entry_id: str) -> bytes | None:
        """Return the message of an entry, None if it could not be made.

        Raise KeyError if there is no such entry.
        """
        await self.prepare()
        with translated_failures():
            found = await self._entries.find_one({"_id": entry_id}, {"data": 1, "pieces": 1})
            if found is None:
                raise KeyError(entry_id)
            sealed = found.get("data")
            if sealed is None and "pieces" in found:
                sealed = await self._messages.pieces(entry_id, found["pieces"])
        if sealed is None:
            return None
        if len(sealed) > _LONG_BYTES:
            return await asyncio.to_thread(self._messages.open, sealed, record(entry_id))
        return self._messages.open(sealed, record(entry_id))

    async def opened(self, entry: Outgoing) -> bytes | None:
        """Return the text of a message; see `text`."""
        if entry.sealed is None or len(entry.sealed) > _LONG_BYTES:
            return await self.text(entry.id)
        return self._messages.open(entry.sealed, record(entry.id))

    async def take(self, destination: str, now: datetime, until: datetime, lease: str) -> Lane | None:
        """Return the lane of a destination that has waited longest, held until then; None if none is due."""
        wanted = {
            "destination": destination,
            "open": True,
            "due": {"$lte": now},
            "$or": [{"until": None}, {"until": {"$lte": now}}],
        }
        with translated_failures():
            found = await self._lanes.find_one_and_update(
                wanted,
                {"$set": {"lease": lease, "until": until}},
                sort=[("due", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return None if found is None else lane_of(found)

    async def hold(self, lane: Lane, until: datetime) -> bool:
        """Keep a lane until then; return False if it is not this process's any more."""
        with translated_failures():
            found = await self._lanes.update_one(held(lane), {"$set": {"until": until}})
        return found.matched_count == 1

    async def first(self, lane: Lane, *, stops_at_parked: bool) -> Outgoing | None:
        """Return the message of a lane that goes next, None if there is none that may go.

        With `stops_at_parked` nothing goes past a message that a person has to look at.
        """
        states = [WAITING, PARKED] if stops_at_parked else [WAITING]
        wanted = {"destination": lane.destination, "lane": lane.name, "state": {"$in": states}}
        with translated_failures():
            found = await self._entries.find_one(wanted, sort=[("sequence", ASCENDING)])
        return None if found is None or found["state"] != WAITING else outgoing_of(found)

    async def is_free(self, entry: Outgoing) -> bool:
        """Tell whether what goes before a message in other lanes is gone."""
        for name, last in entry.after:
            wanted = {
                "destination": entry.destination,
                "lane": name,
                "state": WAITING,
                "sequence": {"$lte": last},
            }
            with translated_failures():
                if await self._entries.find_one(wanted, {"_id": 1}) is not None:
                    return False
        return True

    async def close(self, lane: Lane) -> int | None:
        """Give up a lane in which nothing waits.

        If something came meanwhile, keep it and return its last number.
        """
        change: Document = {"$set": {"open": False, "lease": None, "until": None}}
        with translated_failures():
            done = await self._lanes.update_one({**held(lane), "last": lane.last}, change)
            if done.matched_count:
                return None
            found = await self._lanes.find_one(held(lane), {"last": 1})
        return None if found is None else int(found["last"])

    async def release(self, lane: Lane, due: datetime) -> None:
        """Give up a lane that is to be taken again at a time."""
        with translated_failures():
            await self._lanes.update_one(held(lane), {"$set": {"lease": None, "until": None, "due": due}})

    async def attempted(self, entry: Outgoing, problem: str) -> None:
        """Note that a message was sent, or answered, in vain; `problem` says nothing of any patient."""
        change = {"$inc": {"attempts": 1}, "$set": {"problem": problem}}
        with translated_failures():
            await self._entries.update_one({"_id": entry.id, "state": WAITING}, change)

    async def settle(
        self, entry_id: str, state: str, now: datetime, *, problem: str = "", answer: Document | None = None
    ) -> bool:
        """Note what became of a message that waits, or that was taken; return False if it was neither."""
        change: Document = {"state": state, "problem": problem, "settled": now}
        if answer is not None:
            change["answer"] = answer
        if state in (SENT, ACCEPTED):
            change["sent"] = now
        if state in (SENT, DISCARDED) and self._keep is not None:
            change["expires"] = now + self._keep
            await self._messages.let_expire(entry_id, change["expires"])
        wanted = {"_id": entry_id, "state": {"$in": [WAITING, ACCEPTED]}}
        with translated_failures():
            found = await self._entries.update_one(wanted, {"$set": change, "$inc": {"attempts": 1}})
        return found.matched_count == 1

    async def connect(self, name: str, now: datetime, until: datetime, lease: str) -> bool:
        """Take, or keep, the connection called `name` until then; return False if another process has it."""
        wanted = {"_id": name, "$or": [{"lease": lease}, {"until": {"$lte": now}}]}
        with translated_failures():
            found = await self._connections.update_one(wanted, {"$set": {"lease": lease, "until": until}})
            if found.matched_count:
                return True
            there = await self._connections.update_one(
                {"_id": name}, {"$setOnInsert": {"lease": lease, "until": until}}, upsert=True
            )
        return there.upserted_id is not None

    async def disconnect(self, name: str, lease: str) -> None:
        """Give a connection back."""
        with translated_failures():
            await self._connections.delete_one({"_id": name, "lease": lease})

    async def entry(self, entry_id: str) -> Outgoing | None:
        """Return a message without its text, None if there is none of that id."""
        with translated_failures():
            found = await self._entries.find_one({"_id": entry_id}, WITHOUT_TEXT)
        return None if found is None else outgoing_of(found)

    async def listed(self, state: str | None, destination: str | None, limit: int) -> list[Outgoing]:
        """Return up to `limit` messages, the oldest first.

        In any state, or for any destination, with None.
        """
        wanted: Document = {} if state is None else {"state": state}
        if destination is not None:
            wanted["destination"] = destination
        with translated_failures():
            found = self._entries.find(wanted, WITHOUT_TEXT).sort("created", ASCENDING).limit(limit)
            return [outgoing_of(one) async for one in found]

    async def resend(self, entry_id: str, now: datetime) -> bool:
        """Have a message sent again, the same bytes; return False if it waits already, or has none."""
        wanted = {
            "_id": entry_id,
            "state": {"$ne": WAITING},
            "$or": [{"data": {"$exists": True}}, {"pieces": {"$exists": True}}],
        }
        again: Document = {
            "$set": {"state": WAITING, "attempts": 0, "problem": ""},
            "$unset": {"expires": "", "answer": "", "settled": ""},
        }
        with translated_failures():
            found = await self._entries.find_one_and_update(wanted, again)
        if found is None:
            return False
        await self._messages.let_expire(entry_id, None)
        await self._reopen(found, now)
        return True

    async def _reopen(self, entry: Document, now: datetime) -> None:
        lane = lane_id(entry["destination"], entry["lane"])
        with translated_failures():
            await self._lanes.update_one(
                {"_id": lane}, {"$set": {"open": True, "due": now}, "$inc": {"touched": 1, "last": 1}}
            )

    async def discard(self, entry_id: str, now: datetime) -> bool:
        """Put a message away that is not to be sent any more.

        Return False if it is done, or put away already.
        """
        change: Document = {"state": DISCARDED, "settled": now}
        if self._keep is not None:
            change["expires"] = now + self._keep
        wanted = {"_id": entry_id, "state": {"$in": [WAITING, PARKED, ACCEPTED]}}
        with translated_failures():
            found = await self._entries.find_one_and_update(wanted, {"$set": change})
        if found is None:
            return False
        await self._reopen(found, now)  # what waits behind it goes on
        return True

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many messages there are that are not done, by destination and state."""
        wanted = {"state": {"$in": [WAITING, ACCEPTED, PARKED]}}
        group = {"_id": {"destination": "$destination", "state": "$state"}, "count": {"$sum": 1}}
        found: dict[tuple[str, str], int] = {}
        with translated_failures():
            async for one in await self._entries.aggregate([{"$match": wanted}, {"$group": group}]):
                found[one["_id"]["destination"], one["_id"]["state"]] = one["count"]
        return found

    async def untold(self, destination: str) -> bool:
        """Tell whether there are messages that wait for a person, of which nobody was told."""
        wanted = {"destination": destination, "state": PARKED, "told": None}
        with translated_failures():
            return await self._entries.find_one(wanted, {"_id": 1}) is not None

    async def tell(self, destination: str) -> None:
        """Note that somebody was told of all messages that wait for a person."""
        wanted = {"destination": destination, "state": PARKED, "told": None}
        with translated_failures():
            await self._entries.update_many(wanted, {"$set": {"told": True}})

    async def unanswered(self, destination: str, before: datetime, limit: int) -> list[Outgoing]:
        """Return messages that were taken before a moment, and not processed since as far as is known."""
        wanted = {"destination": destination, "state": ACCEPTED, "sent": {"$lt": before}}
        with translated_failures():
            return [outgoing_of(one) async for one in self._entries.find(wanted, WITHOUT_TEXT).limit(limit)]


__all__ = [
    "ACCEPTED",
    "DISCARDED",
    "PARKED",
    "SENT",
    "STATES",
    "WAITING",
    "Lane",
    "MessageOutbox",
    "Outgoing",
]
