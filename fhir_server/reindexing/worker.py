"""The part of each server process that works on reindexings; of all processes one at a time does.

A process that is killed holds the lease for a few seconds more; then another one, or the same one started
again, goes on where it stopped.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from fhir_server.processes.ending import end
from fhir_server.reindexing.walk import Pace, carry_out
from fhir_server.store import Store
from resources.operation_outcome import StoreUnavailable

_IDLE_SECONDS = 1.0
_RENEWAL_SECONDS = 1.0
# A database that falls silent shall not keep a server from ending.
_PARTING_SECONDS = 2.0
# Longer than any request may take that still goes by a parameter which is gone, also one answered later.
REMOVAL_GRACE = timedelta(minutes=15)


class ReindexWorker:
    """Works on reindexings from `start` to `stop`."""

    def __init__(self, store: Store, pace: Pace, now: Callable[[], datetime]) -> None:
        """Work in `store`, at `pace`; `now` is the clock."""
        self._values, self._reindexings = store.index_values, store.reindexings
        self._pace = pace
        self._now = now
        self._id = uuid.uuid4().hex
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("fhir_server.reindexing")
        self.outdated: tuple[str, ...] = ()
        """The resource types whose index values are those of an earlier version of the server."""

    def start(self) -> None:
        """Begin, on the event loop that runs now."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End what is under way; another process goes on with it at once."""
        if self._task is not None:
            await end(self._task, _PARTING_SECONDS)
            # A lease that cannot be given back runs out by itself.
            with contextlib.suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_PARTING_SECONDS):
                    await self._reindexings.release_lease(self._id)

    async def _run(self) -> None:
        is_checked = False
        while True:
            try:
                if not is_checked or self.outdated:
                    await self._check_extraction(warns=not is_checked)
                    is_checked = True
                await self._work()
            except StoreUnavailable:
                pass  # requests tell of it; what was under way is gone on with
            except Exception:
                self._log.exception("the worker for reindexings failed")
            await self._reindexings.wait_for_news(_IDLE_SECONDS)

    async def _check_extraction(self, *, warns: bool) -> None:
        self.outdated = tuple(await self._values.outdated_types())
        if self.outdated and warns:
            message = "resources were indexed by another version of the server; run $reindex"
            self._log.warning(message, types=", ".join(self.outdated))

    async def _work(self) -> None:
        has_work = await self._reindexings.has_unfinished()
        if not has_work and not await self._values.has_removed(REMOVAL_GRACE):
            return
        if not await self._reindexings.hold_lease(self._id):
            return
        holding = asyncio.create_task(self._hold_lease())
        try:
            while (job := await self._reindexings.take(self._id)) is not None:
                await carry_out(job, self._id, self._reindexings, self._values, self._pace, self._now)
            if not has_work:
                await self._remove()
        finally:
            holding.cancel()
            await self._reindexings.release_lease(self._id)

    async def _remove(self) -> None:
        """Remove what is left of one parameter that is gone, batch after batch."""
        started = asyncio.get_running_loop().time()
        while await self._values.remove_some(REMOVAL_GRACE, self._pace.batch_size):
            await self._pace.pause(asyncio.get_running_loop().time() - started)
            if await self._reindexings.has_unfinished():
                return
            started = asyncio.get_running_loop().time()

    async def _hold_lease(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await self._reindexings.hold_lease(self._id)
