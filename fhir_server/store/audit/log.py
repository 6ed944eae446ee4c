"""The AuditEvents of one database and the chain of blocks over them: both are added to, and never changed.

An event is stored at once and sealed into a block soon after, together with what else was stored meanwhile,
by whichever process stored it. Of several that seal at the same time each gets a number of its own, as `_id`
is unique. What a process left unsealed when it was killed is sealed by another (see `sweep`).
"""

import asyncio
import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from fhir_server.secrets_at_rest import Keyring, NoEncryptionKey
from fhir_server.store.audit.chain import GENESIS, Block, ChainKey, Entry, digest
from fhir_server.store.collections import Collections
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document, SequenceNumbers, Write, live_document, next_instant
from fhir_server.store.failures import translated_failures
from fhir_server.store.fence import is_stale
from fhir_server.store.keys import shared_key
from fhir_server.store.registering import extracted_anew
from fhir_server.store.registry import Registry
from resources.operation_outcome import StoreUnavailable, error

AUDIT_EVENT = "AuditEvent"
STAMP = "stamp"
"""The field of an AuditEvent's document by which it is known to be written by this server."""

KEY_NAME = "audit"
KEY_RECORD = "keys/audit"
_BLOCKS = "audit_chain"
PLAIN = "plain."
"""What the key of the chain begins with if there was no key to encrypt it with."""

_KEY_BYTES = 32
_LARGEST_BLOCK = 500
_MOST_ATTEMPTS = 200
_DUPLICATE_KEY = 11000
# How much later than its events a block is, at most, if nothing went wrong.
_MARGIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An AuditEvent as it is stored now, and the stamp that it carries ("" if none)."""

    resource: dict[str, Any]
    stamp: str

    @property
    def entry(self) -> Entry:
        """What a block would say of it."""
        return Entry(str(self.resource["id"]), digest(self.resource))


class AuditLog:
    """The audit log as one process sees it."""

    def __init__(
        self,
        database: Database,
        collections: Collections,
        registry: Registry,
        numbers: SequenceNumbers,
        keyring: Keyring,
        now: Callable[[], datetime],
    ) -> None:
        """Keep events in `database`, numbered by `numbers`; `keyring` encrypts the key of the chain.

        `registry` has the custom search parameters.
        """
        self._database = database
        self._registry = registry
        self._collections = collections
        self._numbers = numbers
        self._keyring = keyring
        self._now = now
        self._key: ChainKey | None = None
        self._head: tuple[int, str] | None = None
        self._unsealed: list[Entry] = []
        self._sealing = asyncio.Lock()

    async def prepare(self) -> ChainKey:
        """Return the key of the chain, made if there is none yet; events can be stored from then on.

        Raises CannotOpen if it was encrypted with a key that is not given any more.
        """
        if self._key is None:
            with translated_failures():
                await self._collections.prepare({AUDIT_EVENT})
                async with self._database.client.start_session() as session:
                    kept = await shared_key(self._database, KEY_NAME, self._new_key(), session)
            self._key = ChainKey(self._opened(kept))
        return self._key

    def _new_key(self) -> str:
        text = b64encode(os.urandom(_KEY_BYTES)).decode()
        try:
            return self._keyring.seal(text, KEY_RECORD)
        except NoEncryptionKey:
            return PLAIN + text  # whoever can write the database can then make seals as well

    def _opened(self, kept: str) -> bytes:
        text = kept.removeprefix(PLAIN) if kept.startswith(PLAIN) else self._keyring.open(kept, KEY_RECORD)
        return b64decode(text)

    def stamp(self, documents: Sequence[Document]) -> list[Entry]:
        """Put their stamps into documents of AuditEvents; return what a block will say of them.

        `prepare` was called before.
        """
        assert self._key is not None  # noqa: S101 - every way here leads over `prepare`
        entries = [Entry(one["_id"], digest(one["resource"])) for one in documents]
        for document, entry in zip(documents, entries, strict=True):
            document[STAMP] = self._key.stamp(entry)
        return entries

    def stored(self, entries: Sequence[Entry]) -> None:
        """Have events that were stored sealed with the next block."""
        self._unsealed += entries

    async def append(self, writes: Sequence[Write]) -> None:
        """Store new AuditEvents, which are sealed when `seal` is called.

        Raises StoreUnavailable; called again with the same events it stores each once.
        """
        await self.prepare()
        with translated_failures():
            try:
                entries = await self._insert(writes)
            except PyMongoError as failure:
                if not is_stale(failure):
                    raise
                entries = await self._insert(await extracted_anew(self._registry, writes))
        self.stored(entries)
        if len(self._unsealed) >= _LARGEST_BLOCK:
            await self.seal()

    async def _insert(self, writes: Sequence[Write]) -> list[Entry]:
        moment = next_instant(self._now(), None)
        documents = [live_document(write, 1, moment, self._numbers.next()) for write in writes]
        entries = self.stamp(documents)
        # Not `insert_many`, which looks at each document by itself once more: 15 µs of 40 for an event.
        answer = await self._database.command(
            "insert",
            AUDIT_EVENT,
            documents=documents,
            ordered=False,
            writeConcern=self._database.write_concern.document,
        )
        problems = answer.get("writeErrors", [])
        if any(problem["code"] != _DUPLICATE_KEY for problem in problems) or "writeConcernError" in answer:
            raise BulkWriteError(answer)
        if problems:
            # Stored by the attempt before this one, of which nobody knew how it ended.
            before = await self.events([entries[problem["index"]].id for problem in problems])
            return [before[entry.id].entry if entry.id in before else entry for entry in entries]
        return entries

    async def seal(self) -> None:
        """Seal the events that were stored and are not sealed yet."""
        key = await self.prepare()
        async with self._sealing:
            while self._unsealed:
                entries = self._unsealed[:_LARGEST_BLOCK]
                with translated_failures():
                    await self._add_block(key, entries)
                del self._unsealed[: len(entries)]

    async def _add_block(self, key: ChainKey, entries: Sequence[Entry]) -> None:
        for _ in range(_MOST_ATTEMPTS):
            if self._head is None:
                self._head = await self._last()
            number, previous = self._head
            block = key.block(number + 1, previous, next_instant(self._now(), None), entries)
            try:
                await self._database[_BLOCKS].insert_one(_as_document(block))
            except DuplicateKeyError:
                self._head = None  # another process was faster
                continue
            self._head = (block.number, block.seal)
            return
        raise StoreUnavailable(error("transient", "The audit log cannot be written now"))

    async def _last(self) -> tuple[int, str]:
        found = await self._database[_BLOCKS].find_one({}, {"seal": 1}, sort=[("_id", DESCENDING)])
        return (0, GENESIS) if found is None else (int(found["_id"]), str(found["seal"]))

    async def head(self) -> tuple[int, str]:
        """Return number and seal of the newest block; 0 if there is none."""
        with translated_failures():
            return await self._last()

    async def sweep(self, since: datetime | None, until: datetime) -> int:
        """Seal events stored from `since` until `until` that no process sealed; return how many.

        Without `since` it is from shortly before the newest block. An event without our stamp is left out.
        """
        key = await self.prepare()
        with translated_failures():
            if since is None:
                newest = await self._database[_BLOCKS].find_one({}, {"moment": 1}, sort=[("_id", DESCENDING)])
                since = None if newest is None else newest["moment"] - _MARGIN
            known = {entry.id async for block in self._blocks_since(since) for entry in block.entries}
            within = {"$lt": until} if since is None else {"$gte": since, "$lt": until}
            found = self._database[AUDIT_EVENT].find({"updated": within}, {"_id": 1})
            missing = [one["_id"] async for one in found if one["_id"] not in known]
        events = (await self.events(missing)).values()
        entries = [one.entry for one in events if key.has_stamped(one.entry, one.stamp)]
        known_here = {entry.id for entry in self._unsealed}
        entries = [entry for entry in entries if entry.id not in known_here]
        self._unsealed += entries
        await self.seal()
        return len(entries)

    async def _blocks_since(self, since: datetime | None) -> AsyncIterator[Block]:
        found = self._database[_BLOCKS].find({}).sort("_id", DESCENDING)
        async for document in found:
            block = _as_block(document)
            if since is not None and block.moment < since:
                return
            yield block

    async def blocks(self, first: int) -> AsyncIterator[Block]:
        """Yield the blocks from number `first` on, in their order."""
        with translated_failures():
            found = self._database[_BLOCKS].find({"_id": {"$gte": first}}).sort("_id", ASCENDING)
            async for document in found:
                yield _as_block(document)

    async def events(self, ids: Sequence[str]) -> dict[str, StoredEvent]:
        """Return those of the AuditEvents that are stored, by their ids."""
        if not ids:
            return {}
        with translated_failures():
            found = self._database[AUDIT_EVENT].find({"_id": {"$in": list(ids)}}, {"resource": 1, STAMP: 1})
            return {document["_id"]: _as_event(document) async for document in found}

    async def all_ids(self) -> AsyncIterator[str]:
        """Yield the ids of all AuditEvents that are stored, in no order."""
        with translated_failures():
            # Covered by the index on `_id`: the events themselves are not read.
            async for document in self._database[AUDIT_EVENT].find({}, {"_id": 1}).sort("_id", ASCENDING):
                yield str(document["_id"])


def _as_event(document: Document) -> StoredEvent:
    return StoredEvent(document["resource"], str(document.get(STAMP, "")))


def _as_document(block: Block) -> Document:
    entries = [{"id": entry.id, "digest": entry.digest} for entry in block.entries]
    return {
        "_id": block.number,
        "previous": block.previous,
        "moment": block.moment,
        "entries": entries,
        "seal": block.seal,
    }


def _as_block(document: Document) -> Block:
    entries = tuple(Entry(str(one["id"]), str(one["digest"])) for one in document["entries"])
    previous, seal = str(document["previous"]), str(document["seal"])
    return Block(int(document["_id"]), previous, document["moment"], entries, seal)
