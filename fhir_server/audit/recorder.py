"""Writes events in the background, many at a time, so that whoever reads does not wait for them.

What changes something is not told of here: its events are stored with the changes (see `trail.py`).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog

from fhir_server.audit.events import Access, event, parts
from fhir_server.audit.index_values import index_values
from fhir_server.processes.ending import end
from fhir_server.search.extraction import search_values
from fhir_server.secrets_at_rest import CannotOpen
from fhir_server.store import Store, Write
from fhir_server.store.audit.log import AuditLog
from resources.custom_parameters import custom_parameters, using
from resources.operation_outcome import FhirError, StoreUnavailable, error

Resource = dict[str, Any]

# For so long an event waits for others that are written with it.
_PAUSE_SECONDS = 0.25
_AFTER_FAILURE_SECONDS = 1.0
# So many at a time: others get their turn between two batches.
_TOGETHER = 100
# What may wait if the database does not take events; from then on nobody is answered.
_MOST_WAITING = 20_000
_SWEEP = timedelta(seconds=60)
# A transaction that is older than this was stored or given up (MongoDB's own limit is 60 seconds).
_SETTLED = timedelta(seconds=90)
_PARTING_SECONDS = 5.0


def as_write(resource: Resource, resource_id: str, values: Resource | None = None) -> Write:
    """Return the write that creates a resource of this server's own under `resource_id`.

    Its index `values` are worked out if they are not known.
    """
    resource = {**resource, "id": resource_id}
    resource_type = resource["resourceType"]
    indexed = custom_parameters().stamp(resource_type)
    found = search_values(resource) if values is None else values
    return Write("POST", resource_type, resource_id, resource, found, indexed=indexed)


def as_writes(access: Access, new_id: Callable[[], str]) -> Iterable[Write]:
    """Yield the writes of the AuditEvents that tell of an access."""
    for patient, references in parts(access):
        found = event(access, patient, references)
        yield as_write(found, new_id(), index_values(access, patient, references, found))


class Recorder:
    """Takes events from all requests of one process; started and stopped with it."""

    def __init__(
        self, store: Store, log: AuditLog, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        """Write to `log`, which is that of `store`; clock and ids are handed in."""
        self._store = store
        self._audit = log
        self._now = now
        self._new_id = new_id
        self._waiting: deque[Access] = deque()
        # Taken from those that wait, with their ids: should writing fail, they are written again under these.
        self._under_way: list[Write] = []
        self._awake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._swept: datetime | None = None
        self._log = structlog.get_logger("fhir_server.audit")

    def check(self) -> None:
        """Raise StoreUnavailable if so much waits to be written that nothing more may be done."""
        if len(self._waiting) >= _MOST_WAITING:
            raise StoreUnavailable(error("transient", "The audit log cannot be written now"))

    def add(self, access: Access) -> None:
        """Have an access written soon."""
        self._waiting.append(access)
        self.wake()

    def wake(self) -> None:
        """Have what transactions stored sealed soon."""
        self._awake.set()

    async def record(self, told: Resource) -> None:
        """Write an AuditEvent now, with whatever else waits.

        Raises StoreUnavailable if that fails; then it is written later.
        """
        self._under_way.append(as_write(told, self._new_id()))
        await self.flush()

    async def flush(self) -> None:
        """Write and seal all that waits; raise StoreUnavailable if that fails, and keep it."""
        async with self._writing:
            while self._waiting or self._under_way:
                self._take_up()
                writing = list(self._under_way)
                await self._audit.append(writing)
                del self._under_way[: len(writing)]
                await asyncio.sleep(0)
            await self._audit.seal()

    def _take_up(self) -> None:
        while self._waiting and len(self._under_way) < _TOGETHER:
            self._under_way += as_writes(self._waiting.popleft(), self._new_id)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, if the database takes it soon, and end."""
        await end(self._task, _PARTING_SECONDS)
        try:
            async with asyncio.timeout(_PARTING_SECONDS):
                await self.flush()
                number, seal = await self._audit.head()
        except (FhirError, TimeoutError, CannotOpen):
            self._log.error("audit events lost", count=len(self._waiting) + len(self._under_way))
        else:
            # Outside the database, so that one who cuts the end off the chain is found out.
            self._log.info("audit log sealed", block=number, seal=seal)

    async def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP.total_seconds() / 4):
                    await self._awake.wait()
            await asyncio.sleep(pause)
            self._awake.clear()
            try:
                using(await self._store.custom_parameters())
                await self.flush()
                await self._sweep()
                pause = _PAUSE_SECONDS
            except FhirError as failure:
                self._log.error("audit log not written", reason=str(failure), waiting=len(self._waiting))
                pause = _AFTER_FAILURE_SECONDS
                self._awake.set()
            except Exception:
                self._log.exception("audit log not written", waiting=len(self._waiting))
                pause = _AFTER_FAILURE_SECONDS
                self._awake.set()

    async def _sweep(self) -> None:
        """Seal what processes that were killed have left."""
        until = self._now() - _SETTLED
        if self._swept is not None and until - self._swept < _SWEEP:
            return
        if found := await self._audit.sweep(self._swept, until):
            self._log.warning("audit events sealed late", count=found)
        self._swept = until
