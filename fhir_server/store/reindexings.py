"""Reindexings that go on for long, and which server process works on them.

A process holds the lease for some seconds, and renews it as long as it lives; another one takes over after
that. The moment is the database's, so that no clock of a server process matters. Two that believe to hold it
do no harm: what they do can be done twice, and only the one that the job names can say how far it came.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.registry import REGISTRY

REINDEXINGS = "reindexings"
LEASE_SECONDS = 5
_LEASE = "reindexing-lease"
_MOST_KEPT = 100

Status = Literal["accepted", "in-progress", "completed", "cancelled", "failed"]
ENDED: tuple[Status, ...] = ("completed", "cancelled", "failed")


@dataclass(frozen=True, slots=True)
class TypeProgress:
    """How far a job is with one resource type.

    `done` of about `total` resources were looked at, and `changed` of them got other index values, up to the
    id `last_id`. `stamp` is the revision of the custom parameters that is indexed, None before it began.
    """

    resource_type: str
    total: int = 0
    done: int = 0
    changed: int = 0
    last_id: str | None = None
    stamp: int | None = None
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Reindexing:
    """One reindexing: what it is about, and how far it is. `seconds` is how long was worked on it."""

    id: str
    created: datetime
    types: tuple[TypeProgress, ...]
    status: Status = "accepted"
    seconds: float = 0.0
    ended: datetime | None = None
    problem: str | None = None


class Reindexings:
    """The jobs of one database."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._news = asyncio.Event()
        self._reindexings = database[REINDEXINGS]
        self._leases = database[REGISTRY]

    async def add(self, job: Reindexing) -> None:
        """Store a new job; of those that ended only the last hundred are kept."""
        with translated_failures():
            await self._reindexings.insert_one(_document(job))
            self._news.set()
            ended = self._reindexings.find({"status": {"$in": list(ENDED)}}, {"_id": 1})
            old = await ended.sort("created", DESCENDING).skip(_MOST_KEPT).to_list()
            if old:
                await self._reindexings.delete_many({"_id": {"$in": [document["_id"] for document in old]}})

    async def read(self, job_id: str) -> Reindexing | None:
        """Return a job, None if there is none of that id."""
        with translated_failures():
            found = await self._reindexings.find_one({"_id": job_id})
            return _reindexing(found) if found else None

    async def newest(self, limit: int) -> list[Reindexing]:
        """Return the last jobs, the newest first."""
        with translated_failures():
            found = await self._reindexings.find().sort("created", DESCENDING).limit(limit).to_list()
            return [_reindexing(document) for document in found]

    async def cancel(self, job_id: str, now: datetime) -> Reindexing | None:
        """Let a job end, if it did not end before; return what it is now, None if there is none."""
        with translated_failures():
            await self._reindexings.update_one(
                {"_id": job_id, "status": {"$nin": list(ENDED)}},
                {"$set": {"status": "cancelled", "ended": now}},
            )
            return await self.read(job_id)

    async def has_unfinished(self) -> bool:
        """Tell whether there is a job that did not end."""
        with translated_failures():
            unfinished = {"status": {"$nin": list(ENDED)}}
            return await self._reindexings.find_one(unfinished, {"_id": 1}) is not None

    async def wait_for_news(self, seconds: float) -> None:
        """Return when a job was added by this process, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        self._news.clear()

    async def take(self, worker: str) -> Reindexing | None:
        """Return the oldest job that did not end, which `worker` works on from now on; None without one."""
        with translated_failures():
            found = await self._reindexings.find_one_and_update(
                {"status": {"$nin": list(ENDED)}},
                {"$set": {"status": "in-progress", "worker": worker}},
                sort=[("created", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
            return _reindexing(found) if found else None

    async def save(self, job: Reindexing, worker: str) -> bool:
        """Store how far a job is; False if it was cancelled, or another process works on it."""
        with translated_failures():
            result = await self._reindexings.update_one(
                {"_id": job.id, "status": "in-progress", "worker": worker},
                {"$set": _document(job)},
            )
            return bool(result.matched_count)

    async def hold_lease(self, worker: str) -> bool:
        """Be the one process that works on jobs for some seconds more; False if another one is."""
        with translated_failures():
            with contextlib.suppress(DuplicateKeyError):
                await self._leases.insert_one({"_id": _LEASE, "worker": None})
            until: Mapping[str, Any] = {"$add": ["$$NOW", LEASE_SECONDS * 1000]}
            result = await self._leases.update_one(
                {
                    "_id": _LEASE,
                    "$or": [{"worker": {"$in": [worker, None]}}, {"$expr": {"$lt": ["$until", "$$NOW"]}}],
                },
                [{"$set": {"worker": worker, "until": until}}],
            )
            return bool(result.matched_count)

    async def release_lease(self, worker: str) -> None:
        """Let another process go on at once."""
        with translated_failures():
            await self._leases.update_one({"_id": _LEASE, "worker": worker}, {"$set": {"worker": None}})


def _document(job: Reindexing) -> Document:
    return {
        "_id": job.id,
        "created": job.created,
        "status": job.status,
        "seconds": job.seconds,
        "ended": job.ended,
        "problem": job.problem,
        "types": [
            {name: getattr(one, name) for name in TypeProgress.__dataclass_fields__} for one in job.types
        ],
    }


def _reindexing(document: Document) -> Reindexing:
    return Reindexing(
        document["_id"],
        document["created"],
        tuple(TypeProgress(**one) for one in document["types"]),
        document["status"],
        document["seconds"],
        document["ended"],
        document["problem"],
    )
