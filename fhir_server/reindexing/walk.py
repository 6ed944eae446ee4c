"""One reindexing carried out: type after type, batch after batch, with pauses.

After each batch it is stored how far it came, and whoever goes on goes on from there. A batch that is done
twice does no harm. See `docs/decisions/0018-custom-search-parameters.md`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from fhir_server.search.extraction import search_values
from fhir_server.search.indexes import custom_indexes, defined_indexes
from fhir_server.store import IndexValues, Reindexings
from fhir_server.store.registry import FRESH_SECONDS
from fhir_server.store.reindexings import Reindexing, TypeProgress
from resources.custom_parameters import custom_parameters, using
from resources.operation_outcome import FhirError, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Pace:
    """How many resources are looked at in one go, and what share of the time goes into that, in percent."""

    batch_size: int
    load_percent: int

    async def pause(self, worked_seconds: float) -> None:
        """Do nothing for as long as the share of the time asks for after so much work."""
        await asyncio.sleep(worked_seconds * (100 - self.load_percent) / self.load_percent)


async def carry_out(
    job: Reindexing,
    worker: str,
    reindexings: Reindexings,
    values: IndexValues,
    pace: Pace,
    now: Callable[[], datetime],
) -> None:
    """Go on with `job` to its end, until it is cancelled, or until another process works on it.

    Raises StoreUnavailable if the database is away; the job is then gone on with later.
    """
    log = structlog.get_logger("fhir_server.reindexing").bind(job=job.id)
    log.info("reindexing goes on" if job.seconds else "reindexing begins", types=len(job.types))
    try:
        for index, progress in enumerate(job.types):
            async for after, seconds in _steps(progress, values, pace, job.created):
                types = (*job.types[:index], after, *job.types[index + 1 :])
                job = replace(job, types=types, seconds=job.seconds + seconds)
                if not await reindexings.save(job, worker):
                    log.info("reindexing was cancelled or is gone on with elsewhere")
                    return
        await asyncio.sleep(FRESH_SECONDS)  # when it is told to be complete, all processes know
        job = replace(job, status="completed", ended=now())
    except StoreUnavailable:
        raise
    except FhirError as failure:
        job = replace(job, status="failed", ended=now(), problem=failure.issues[0].diagnostics)
    except Exception:
        log.exception("reindexing failed")
        job = replace(job, status="failed", ended=now(), problem="Something went wrong here; see the log")
    await reindexings.save(job, worker)
    log.info("reindexing ended", status=job.status, seconds=round(job.seconds, 1))


async def _steps(
    progress: TypeProgress, values: IndexValues, pace: Pace, created: datetime
) -> AsyncIterator[tuple[TypeProgress, float]]:
    """Index the rest of a type; yield after each step how far it is, and how long it took.

    `created` is a moment before the first of the steps.
    """
    if progress.is_done:
        return
    if progress.stamp is None:
        started = time.monotonic()
        progress = await _begun(progress, values)
        yield progress, time.monotonic() - started
    resource_type, stamp = progress.resource_type, progress.stamp or 0
    while True:
        started = time.monotonic()
        # Parameters that came after the job began are extracted too, and wait for a job of their own.
        using(await values.custom_parameters())
        batch = await values.extract_anew(
            resource_type,
            progress.last_id,
            pace.batch_size,
            search_values,
            custom_parameters().stamp(resource_type),
        )
        if batch.last_id is None:
            break
        progress = replace(
            progress,
            done=progress.done + batch.seen,
            changed=progress.changed + batch.changed,
            last_id=batch.last_id,
        )
        seconds = time.monotonic() - started
        yield progress, seconds
        await pace.pause(seconds)
    await values.make_ready(resource_type, stamp)
    await values.note_extracted(resource_type)
    await values.forget_removed(resource_type, created)
    yield replace(progress, is_done=True), time.monotonic() - started


async def _begun(progress: TypeProgress, values: IndexValues) -> TypeProgress:
    """Return the progress once every new write has the values of all parameters, and the indexes are made."""
    resource_type = progress.resource_type
    using(await values.custom_parameters())
    stamp = custom_parameters().stamp(resource_type)
    if stamp:
        await values.set_fence(resource_type, stamp)
    total = await values.count(resource_type)
    custom = [index for listed in custom_indexes(resource_type).values() for index in listed]
    indexes = [*defined_indexes(resource_type), *custom] if total else custom
    await values.drop_leftover_indexes(resource_type)
    if indexes:
        await values.make_indexes(resource_type, indexes)
    return replace(progress, stamp=stamp, total=total)
