"""Requests that are answered later: what was asked, who works on it, and what became of it.

A job is worked on by the process that holds its lease. One whose lease ran out, because its process is gone,
may be claimed by any other. Both jobs and results go away by themselves when they expire.
https://hl7.org/fhir/R4/async.html, https://www.mongodb.com/docs/manual/core/index-ttl/
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures

_JOBS = "async_jobs"
_RESULTS = "async_results"
# Well below the 16 MB that a document may have.
_CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AsyncJob:
    """One request that is answered later, for the caller or the network address `client`.

    `request` is what was asked, in a form that whoever made the job reads again. `owner` is the process that
    works on it, or did, until `lease` at least, and `attempts` how many did. `chunks` are the pieces of the
    result, None as long as there is none; the job goes away at `expires`.
    """

    id: str
    client: str
    request: bytes
    created: datetime
    expires: datetime
    owner: str
    lease: datetime
    attempts: int = 1
    chunks: int | None = None


class AsyncJobStore:
    """The jobs in one database, those of all processes."""

    def __init__(self, database: Database) -> None:
        """Keep jobs in `database`."""
        self._jobs = database[_JOBS]
        self._results = database[_RESULTS]
        self._is_prepared = False

    async def add(self, job: AsyncJob) -> None:
        """Keep a new job."""
        with translated_failures():
            await self._prepare()
            await self._jobs.insert_one(_document(job))

    async def _prepare(self) -> None:
        if not self._is_prepared:
            expiry = IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0)
            await self._jobs.create_indexes([expiry, IndexModel([("client", ASCENDING)], name="client")])
            await self._results.create_indexes([expiry, IndexModel([("job", ASCENDING)], name="job")])
            self._is_prepared = True

    async def count(self, client: str) -> tuple[int, int]:
        """Return how many jobs of `client` are under way, and how many there are in all."""
        with translated_failures():
            under_way = await self._jobs.count_documents({"client": client, "chunks": None})
            return under_way, await self._jobs.count_documents({"client": client})

    async def get(self, job_id: str, now: datetime) -> AsyncJob | None:
        """Return a job that has not expired, None if there is none of that id."""
        with translated_failures():
            document = await self._jobs.find_one({"_id": job_id, "expires": {"$gt": now}})
            return None if document is None else _job(document)

    async def claim(self, job: AsyncJob, owner: str, lease: datetime) -> AsyncJob | None:
        """Let `owner` work on a job as it was seen; None if somebody else was quicker."""
        seen = {"_id": job.id, "lease": job.lease, "owner": job.owner, "chunks": None}
        change = {"$set": {"owner": owner, "lease": lease}, "$inc": {"attempts": 1}}
        with translated_failures():
            document = await self._jobs.find_one_and_update(
                seen, change, return_document=ReturnDocument.AFTER
            )
            return None if document is None else _job(document)

    async def renew(self, job: AsyncJob, lease: datetime) -> bool:
        """Prolong the lease of the job's owner; False if it has another one, or is gone."""
        with translated_failures():
            held = {"_id": job.id, "owner": job.owner}
            return (await self._jobs.update_one(held, {"$set": {"lease": lease}})).matched_count > 0

    async def release(self, owner: str, now: datetime) -> None:
        """End the leases of `owner`, so that others may go on with its jobs."""
        with translated_failures():
            await self._jobs.update_many({"owner": owner, "chunks": None}, {"$set": {"lease": now}})

    async def complete(self, job: AsyncJob, result: bytes, expires: datetime) -> None:
        """Keep the result of a job, if its owner still has it."""
        pieces = [result[start : start + _CHUNK_BYTES] for start in range(0, len(result), _CHUNK_BYTES)]
        with translated_failures():
            for number, piece in enumerate(pieces):
                kept = {"_id": _piece_id(job, number), "job": job.id, "expires": expires, "data": piece}
                await self._results.insert_one(kept)
            held = {"_id": job.id, "owner": job.owner, "attempts": job.attempts}
            change = {"$set": {"chunks": len(pieces), "expires": expires}}
            if (await self._jobs.update_one(held, change)).matched_count == 0:
                ids = [_piece_id(job, number) for number in range(len(pieces))]
                await self._results.delete_many({"_id": {"$in": ids}})

    async def result(self, job: AsyncJob) -> bytes:
        """Return what `complete` was given."""
        with translated_failures():
            ids = [_piece_id(job, number) for number in range(job.chunks or 0)]
            found = {piece["_id"]: piece["data"] async for piece in self._results.find({"_id": {"$in": ids}})}
            return b"".join(found[piece_id] for piece_id in ids)

    async def remove(self, job_id: str) -> bool:
        """Remove a job and its result; False if there was none of that id."""
        with translated_failures():
            removed = await self._jobs.delete_one({"_id": job_id})
            await self._results.delete_many({"job": job_id})
            return removed.deleted_count > 0


def _piece_id(job: AsyncJob, number: int) -> str:
    return f"{job.id}/{job.attempts}/{number}"


def _document(job: AsyncJob) -> Document:
    return {
        "_id": job.id,
        "client": job.client,
        "request": job.request,
        "created": job.created,
        "expires": job.expires,
        "owner": job.owner,
        "lease": job.lease,
        "attempts": job.attempts,
        "chunks": job.chunks,
    }


def _job(document: dict[str, Any]) -> AsyncJob:
    values = {name: value for name, value in document.items() if name != "_id"}
    return replace(AsyncJob(document["_id"], **values), request=bytes(document["request"]))
