"""The inbox of HL7 v2 messages: kept before they are answered, each applied once, whatever crashes.

A message is open (`received`) until the transaction that stores its resources notes that it is done, or it is
refused. An open message belongs to a process; those of a process that shows no sign of life are taken over by
another one, and what the first still tries to store is undone, as the note finds another owner.
docs/hl7v2.md, docs/decisions/0042-inbox-of-messages.md
"""

import asyncio
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from adapters.applying import Applied
from adapters.inboxes import OPEN, Added, Arrival, Entry, NotOurs, Reason, Render
from fhir_server.processes.liveness import is_alive, machine
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.hl7_batches import Batches, Kept
from fhir_server.store.hl7_sealing import SealedMessages

INBOX = "hl7_inbox"
PROCESSES = "hl7_processes"

_LIFE = timedelta(seconds=10)
"""How long after its last sign of life a process counts as dead."""

# What an entry is made of, without the message.
_PARTS = "sha256 order received channel lanes state attempts rejected answer peer owner"
_ENTRY = dict.fromkeys(_PARTS.split(), 1)
# Threads are worth their price for long messages only.
_LONG_BYTES = 256 * 1024


class MessageInbox:
    """The inbox of one database, as one process sees it (see `adapters.inboxes.Inbox`)."""

    def __init__(
        self,
        database: Database,
        messages: SealedMessages,
        now: Callable[[], datetime],
        keep: timedelta | None,
    ) -> None:
        """Keep entries in `database`, sealed by `messages`, for the time of `keep` once they are done."""
        self._entries = database[INBOX]
        self._processes = database[PROCESSES]
        self._messages = messages
        self._now = now
        self._keep = keep
        self._owner = uuid.uuid4().hex
        self._batches = Batches(database, INBOX)
        self._renders: dict[str, Render] = {}
        self._last_order = 0
        self._preparing = asyncio.Lock()
        self._is_prepared = False

    @property
    def owner(self) -> str:
        """The name of this process among those that work on messages."""
        return self._owner

    async def prepare(self) -> None:
        """Make the indexes, and get the key of the messages."""
        if self._is_prepared:
            return
        async with self._preparing:
            if not self._is_prepared:
                await self._messages.prepare()
                with translated_failures():
                    await self._entries.create_indexes(_indexes())
                    expires = IndexModel([("until", ASCENDING)], name="until", expireAfterSeconds=3600)
                    await self._processes.create_indexes([expires])
                self._is_prepared = True

    async def add(self, arrival: Arrival) -> Added:
        """Keep an arrival durably, or return the entry that has its key."""
        await self.prepare()
        entry_id = uuid.uuid4().hex
        document = self._document(entry_id, arrival)
        record = record_of(entry_id)
        if len(arrival.data) > _LONG_BYTES:
            sealed: bytes = await asyncio.to_thread(self._messages.seal, arrival.data, record)
        else:
            sealed = self._messages.seal(arrival.data, record)
        with translated_failures():
            if self._messages.is_long(sealed):
                document["pieces"] = await self._messages.keep_pieces(entry_id, sealed)
            else:
                document["data"] = sealed
            if await self._batches.insert(document, len(sealed)) is Kept.NEW:
                return Added(self._entry(document), is_new=True)
            found = await self._entries.find_one({"key": document["key"]}, _ENTRY)
            if "pieces" in document:
                await self._messages.let_expire(entry_id, self._now())
        if found is None:  # it expired between the two questions
            return await self.add(arrival)
        return Added(self._entry(found), is_new=False)

    def _document(self, entry_id: str, arrival: Arrival) -> Document:
        self._last_order = max(self._last_order + 1, time.time_ns())
        document: Document = {
            "_id": entry_id,
            "order": self._last_order,
            "received": arrival.received,
            "channel": arrival.channel,
            "event": arrival.event,
            "version": arrival.version,
            "control_id": arrival.key[2] if arrival.key else "",
            "sender": list(arrival.key[:2]) if arrival.key else [],
            "peer": arrival.peer,
            "sha256": arrival.sha256,
            "size": len(arrival.data),
            "lanes": list(arrival.lanes),
            "state": arrival.state,
            "owner": self._owner,
            "attempts": 0 if arrival.state == OPEN else 1,
            "reasons": [_as_document(one) for one in arrival.reasons],
            "rejected": arrival.rejected,
        }
        if arrival.key is not None and not arrival.conflicts_with:
            document["key"] = key_of(arrival.key)
        if arrival.conflicts_with:
            document["conflicts_with"] = arrival.conflicts_with
        if arrival.answer is not None:
            document["answer"] = self._messages.seal(arrival.answer, record_of(entry_id, "answer"))
        return document

    async def body(self, entry_id: str) -> bytes:
        """Return the bytes of a message, as they are to be applied."""
        return await self.stored(entry_id, edited=True)

    async def stored(self, entry_id: str, *, edited: bool) -> bytes:
        """Return the bytes of a message: the `edited` ones, if there are any, or those that came.

        Raises KeyError if there is no such entry.
        """
        await self.prepare()
        with translated_failures():
            found = await self._entries.find_one({"_id": entry_id}, {"data": 1, "pieces": 1, "edited": 1})
            if found is None:
                raise KeyError(entry_id)
            if edited and "edited" in found:
                return self._messages.open(found["edited"], record_of(entry_id, "edited"))
            sealed = found.get("data")
            if sealed is None:
                sealed = await self._messages.pieces(entry_id, found["pieces"])
        if len(sealed) > _LONG_BYTES:
            return await asyncio.to_thread(self._messages.open, sealed, record_of(entry_id))
        return self._messages.open(sealed, record_of(entry_id))

    async def entry(self, entry_id: str) -> Entry | None:
        """Return an entry as it is now, None if it is gone."""
        await self.prepare()
        with translated_failures():
            found = await self._entries.find_one({"_id": entry_id}, _ENTRY)
        return None if found is None else self._entry(found)

    async def earlier(self, entry: Entry) -> Entry | None:
        """Return an open entry that shares a lane with `entry` and came before it, None if there is none."""
        if not entry.lanes:
            return None
        before = {"lanes": {"$in": list(entry.lanes)}, "state": OPEN, "order": {"$lt": entry.order}}
        with translated_failures():
            found = await self._entries.find_one(before, _ENTRY, sort=[("order", ASCENDING)])
        return None if found is None else self._entry(found)

    def expect(self, entry_id: str, render: Render | None) -> None:
        """Have the answer that `render` makes stored with what becomes of an entry; None ends that."""
        if render is None:
            self._renders.pop(entry_id, None)
        else:
            self._renders[entry_id] = render

    def note(self, entry_id: str, applied: Applied) -> "InboxNote":
        """Return the note that an entry is done, to be stored in the transaction of its resources."""
        return InboxNote(self, entry_id, self._outcome(entry_id, applied))

    def _outcome(self, entry_id: str, applied: Applied) -> Document:
        now = self._now()
        render = self._renders.get(entry_id)
        answer = None if render is None else render(applied)
        outcome: Document = {
            "state": applied.status,
            "finished": now,
            "references": list(applied.references),
            "reasons": [
                _as_document(Reason(one.code, one.text, str(one.location or ""), one.severity))
                for one in applied.warnings
            ],
            "rejected": False,
        }
        if answer is not None:
            outcome["answer"] = self._messages.seal(answer, record_of(entry_id, "answer"))
        if self._keep is not None:
            outcome["expires"] = now + self._keep
        return outcome

    async def settle(self, entry_id: str, applied: Applied) -> None:
        """Note what became of an entry, unless its transaction did; raise NotOurs if it is not ours."""
        if applied.is_noted and self._keep is None:
            return
        with translated_failures():
            found = await self._entries.find_one({"_id": entry_id}, {"state": 1, "owner": 1})
            if found is None or found["owner"] != self._owner:
                raise NotOurs(entry_id)
            if found["state"] == OPEN:
                await self._change(entry_id, self._outcome(entry_id, applied), None)
            if self._keep is not None:
                await self._messages.let_expire(entry_id, self._now() + self._keep)

    async def refuse(
        self, entry_id: str, reasons: Sequence[Reason], answer: bytes | None, *, rejected: bool
    ) -> None:
        """Put an entry into quarantine; raise NotOurs if it is not ours."""
        outcome: Document = {
            "state": "refused",
            "finished": self._now(),
            "reasons": [_as_document(one) for one in reasons],
            "rejected": rejected,
        }
        if answer is not None:
            outcome["answer"] = self._messages.seal(answer, record_of(entry_id, "answer"))
        with translated_failures():
            await self._change(entry_id, outcome, None)

    async def _change(self, entry_id: str, outcome: Document, session: AsyncClientSession | None) -> None:
        held = {"_id": entry_id, "owner": self._owner, "state": OPEN}
        change = {"$set": outcome, "$inc": {"attempts": 1}}
        found = await self._entries.update_one(held, change, session=session)
        if found.matched_count == 0:
            raise NotOurs(entry_id)

    async def reopen(self, entry: Entry) -> bool:
        """Have a refused entry that its sender sends again tried again; False if it is refused no more."""
        refused = {"_id": entry.id, "state": "refused"}
        again = {"$set": {"state": OPEN, "owner": self._owner, "reasons": []}, "$unset": {"answer": ""}}
        with translated_failures():
            return (await self._entries.update_one(refused, again)).modified_count == 1

    async def adopt(self, entry_id: str) -> Entry | None:
        """Take an open entry over whose process is dead; None if it is alive, or the entry is not open."""
        with translated_failures():
            dead = {"_id": entry_id, "state": OPEN, "owner": {"$nin": await self._living()}}
            found = await self._entries.find_one_and_update(
                dead,
                {"$set": {"owner": self._owner}},
                projection=_ENTRY,
                return_document=ReturnDocument.AFTER,
            )
        return None if found is None else self._entry(found)

    async def abandoned(self, limit: int) -> Sequence[Entry]:
        """Take over open entries that no living process works on, the oldest first."""
        await self.prepare()
        with translated_failures():
            dead = {"state": OPEN, "owner": {"$nin": await self._living()}}
            listed = self._entries.find(dead, {"_id": 1}).sort("order", ASCENDING).limit(limit)
            ids = [one["_id"] async for one in listed]
            if not ids:
                return ()
            mine = {"$set": {"owner": self._owner}}
            await self._entries.update_many({**dead, "_id": {"$in": ids}}, mine)
            taken = self._entries.find({"_id": {"$in": ids}, "owner": self._owner, "state": OPEN}, _ENTRY)
            return [self._entry(one) async for one in taken.sort("order", ASCENDING)]

    async def own(self, known: Callable[[str], bool], limit: int) -> Sequence[Entry]:
        """Return open entries of this process that are not `known` to it, the oldest first."""
        await self.prepare()
        found: list[Entry] = []
        with translated_failures():
            mine = self._entries.find({"state": OPEN, "owner": self._owner}, _ENTRY).sort("order", ASCENDING)
            async for one in mine:
                if not known(one["_id"]):
                    found.append(self._entry(one))
                    if len(found) >= limit:
                        break
        return found

    async def beat(self) -> None:
        """Say that this process is alive."""
        await self.prepare()
        change = {"$set": {"until": self._now() + _LIFE, "machine": machine(), "pid": os.getpid()}}
        with translated_failures():
            await self._processes.update_one({"_id": self._owner}, change, upsert=True)

    async def leave(self) -> None:
        """Give back what this process has not done: it counts as dead from now on."""
        with translated_failures():
            await self._processes.delete_one({"_id": self._owner})

    async def _living(self) -> list[str]:
        """Return the processes that are alive: of those on this machine the system knows it at once."""
        found = self._processes.find({"until": {"$gt": self._now()}})
        here = machine()
        return [
            self._owner,
            *[
                str(one["_id"])
                async for one in found
                if one["_id"] != self._owner and (one["machine"] != here or is_alive(one["pid"]))
            ],
        ]

    def _entry(self, document: Document) -> Entry:
        answer = document.get("answer")
        return Entry(
            id=document["_id"],
            sha256=document["sha256"],
            order=document["order"],
            received=document["received"],
            channel=document["channel"],
            lanes=tuple(document["lanes"]),
            state=document["state"],
            attempts=document["attempts"],
            rejected=document["rejected"],
            answer=None
            if answer is None
            else self._messages.open(answer, record_of(document["_id"], "answer")),
            peer=document["peer"],
            is_ours=document["owner"] == self._owner,
        )


class InboxNote:
    """That an entry is done, stored with its resources (see `store.noting.Note`)."""

    def __init__(self, inbox: MessageInbox, entry_id: str, outcome: Document) -> None:
        """Note in `inbox` what became of an entry."""
        self._inbox = inbox
        self._entry_id = entry_id
        self._outcome = outcome

    async def store(self, session: AsyncClientSession) -> None:
        """Store it; raise NotOurs if the entry is another process's by now, or done."""
        await self._inbox._change(self._entry_id, self._outcome, session)


def key_of(key: tuple[str, str, str]) -> str:
    """Return MSH-3, MSH-4 and MSH-10 as one text of bounded length; what is between them is in none."""
    return hashlib.sha256("\x1f".join(key).encode("utf-8", "surrogatepass")).hexdigest()


def record_of(entry_id: str, field: str = "data") -> str:
    """Return the name of the record that a sealed text of an entry belongs to."""
    return f"{INBOX}/{entry_id}/{field}"


def _as_document(reason: Reason) -> dict[str, Any]:
    listed = {
        "code": reason.code,
        "text": reason.text,
        "location": reason.location,
        "severity": reason.severity,
        "rule": reason.rule,
    }
    return {name: value for name, value in listed.items() if value}


def _indexes() -> list[IndexModel]:
    is_open = {"state": OPEN}
    return [
        IndexModel(
            [("key", ASCENDING)], name="key", unique=True, partialFilterExpression={"key": {"$exists": True}}
        ),
        IndexModel(
            [("lanes", ASCENDING), ("order", ASCENDING)], name="lanes", partialFilterExpression=is_open
        ),
        IndexModel(
            [("owner", ASCENDING), ("order", ASCENDING)], name="open", partialFilterExpression=is_open
        ),
        IndexModel([("state", ASCENDING), ("received", ASCENDING)], name="state"),
        IndexModel([("control_id", ASCENDING)], name="control_id"),
        IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0),
    ]
