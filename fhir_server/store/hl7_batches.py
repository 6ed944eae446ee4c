"""Inserts that come at the same time, sent to MongoDB in one command and made durable by one write to disk.

Alone, each insert waits for the journal: some 300 a second. Those that arrive while one is under way go
together in the next.
"""

import asyncio
import enum

from pymongo.errors import BulkWriteError

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document

_MOST_DOCUMENTS = 500
# A command has 48 MB at most.
_MOST_BYTES = 16 * 1024 * 1024
_DUPLICATE_KEY = 11000


class Kept(enum.Enum):
    """What became of a document."""

    NEW = enum.auto()
    KNOWN = enum.auto()
    """Another document has its unique key."""


class Batches:
    """Inserts into one collection, from all tasks of a process."""

    def __init__(self, database: Database, collection: str) -> None:
        """Insert into `collection` of `database`, with its write concern."""
        self._database = database
        self._collection = collection
        self._waiting: list[tuple[Document, int, asyncio.Future[Kept]]] = []
        self._task: asyncio.Task[None] | None = None

    async def insert(self, document: Document, size: int) -> Kept:
        """Insert a document of about `size` bytes; return when it is durable. Raises PyMongoError."""
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append((document, size, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch = self._take()
            try:
                known = await self._insert([document for document, _, _ in batch])
            except Exception as failure:
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(failure)
                continue
            for place, (_, _, future) in enumerate(batch):
                if not future.done():
                    future.set_result(Kept.KNOWN if place in known else Kept.NEW)

    def _take(self) -> list[tuple[Document, int, asyncio.Future[Kept]]]:
        count, total = 0, 0
        for _, size, _ in self._waiting[:_MOST_DOCUMENTS]:
            total += size
            if count and total > _MOST_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _insert(self, documents: list[Document]) -> frozenset[int]:
        """Insert documents; return the places of those whose key is known."""
        answer = await self._database.command(
            "insert",
            self._collection,
            documents=documents,
            ordered=False,
            writeConcern=self._database.write_concern.document,
        )
        problems = answer.get("writeErrors", [])
        if any(one["code"] != _DUPLICATE_KEY for one in problems) or "writeConcernError" in answer:
            raise BulkWriteError(answer)
        return frozenset(one["index"] for one in problems)
