"""The part of each server process that does what the agenda says is due; of all processes one at a time each.

An entry that fails is tried again, later each time; after some attempts it is parked for a person to look at,
and the log and the metrics say so.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta

import structlog

from fhir_server.context import Context
from fhir_server.processes.ending import end
from fhir_server.store import Store
from fhir_server.store.agenda import Agenda, Leased, LeaseLost
from fhir_server.store.ruling import Entry
from fhir_server.workflows.agenda import PARKED, Action, NotYet
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from resources.custom_parameters import using
from resources.operation_outcome import FhirError, StoreUnavailable

_IDLE_SECONDS = 0.5
_LEASE_SECONDS = 60.0
# The pauses double: the last attempt is about a day after the first.
_MOST_ATTEMPTS = 12
_FIRST_PAUSE = timedelta(seconds=15)
_LONGEST_PAUSE = timedelta(hours=6)
_PARTING_SECONDS = 5.0
# When nightly work is due, in UTC.
_NIGHT = time(2, 30)
# So that one that waits for a mail server does not hold up an alert.
_AT_ONCE = 3

NewContext = Callable[[str], Context]
"""Makes the context in which the server itself acts, for a request id."""


class Clock:
    """Works on the agenda from `start` to `stop`."""

    def __init__(self, store: Store, book: RuleBook, services: Services, new_context: NewContext) -> None:
        """Do what is due in the agenda of `store` by the actions of `book`'s patterns."""
        self._store = store
        self._agenda: Agenda = store.agenda
        self._book = book
        self._services = services
        self._new_context = new_context
        self._actions: Mapping[str, Action] = {
            name: action for pattern in book.patterns for name, action in pattern.actions.items()
        }
        self._nightly = [name for pattern in book.patterns for name in pattern.nightly]
        self._planned: date | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("fhir_server.workflows")

    def start(self) -> None:
        """Begin, on the event loop that runs now."""
        self._tasks = [asyncio.create_task(self._run()) for _ in range(_AT_ONCE)]

    async def stop(self) -> None:
        """Let what is under way end, if it does soon."""
        await asyncio.gather(*(end(task, _PARTING_SECONDS) for task in self._tasks))

    async def _run(self) -> None:
        while True:
            worked = False
            try:
                await self.plan_night()
                worked = await self.work_once()
            except StoreUnavailable:
                pass  # requests tell of it; the agenda waits
            except Exception:
                self._log.exception("the agenda failed")
            if not worked:
                await asyncio.sleep(_IDLE_SECONDS)

    async def plan_night(self) -> None:
        """Enter the work of the night that comes, of which each day has one entry whoever makes it."""
        now = self._new_context("").now()
        night = datetime.combine(now.date(), _NIGHT, UTC)
        if self._planned == night.date():
            return
        for name in self._nightly:
            await self._agenda.add(Entry(f"nightly/{name}/{night.date()}", night, name, ""))
        self._planned = night.date()

    async def work_once(self) -> bool:
        """Do the entry that is most overdue; return whether there was one."""
        lease = uuid.uuid4().hex
        context = self._new_context(lease)
        leased = await self._agenda.take(context.now(), _LEASE_SECONDS, lease)
        if leased is None:
            return False
        action = self._actions.get(leased.entry.action)
        if action is None:  # of a pattern that is switched off: it may be switched on again
            await self._agenda.defer(leased, context.now() + _LONGEST_PAUSE)
            return True
        using(await self._store.custom_parameters())
        try:
            acting = ruled(context, self._book, done=[(leased.entry.key, lease)])
            # In a task of its own, so that an end of the server does not stop it half way.
            await asyncio.shield(self._kept(leased, action(leased.entry, acting, self._services)))
            await self._agenda.finish(leased, context.now())
        except LeaseLost:
            pass
        except NotYet as early:
            await self._agenda.defer(leased, early.until)
        except Exception as failure:
            await self._failed(leased, failure, context.now())
        return True

    async def _kept(self, leased: Leased, work: Awaitable[None]) -> None:
        """Do the work of an entry, and keep its lease for as long as that takes."""
        keeping = asyncio.create_task(self._keep(leased))
        try:
            await work
        finally:
            keeping.cancel()

    async def _keep(self, leased: Leased) -> None:
        is_ours = True
        while is_ours:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            until = self._new_context("").now() + timedelta(seconds=_LEASE_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                is_ours = await self._agenda.renew(leased, until)

    async def _failed(self, leased: Leased, failure: Exception, now: datetime) -> None:
        """Have an entry tried again, or parked; what is told of the failure names no patient."""
        rules = [one.rule or one.code for one in failure.issues] if isinstance(failure, FhirError) else []
        reason = " ".join([type(failure).__name__, *rules])
        told = {"action": leased.entry.action, "reason": reason, "attempts": leased.attempts}
        if not isinstance(failure, FhirError):
            self._log.error("an entry of the agenda failed", exc_info=failure, **told)
        if leased.attempts >= _MOST_ATTEMPTS:
            self._log.error("an entry of the agenda is parked", **told)
            # Told first: one who is told twice is better off than one who is never told.
            await self._tell_operators(leased.entry, reason, now)
            await self._agenda.park(leased, reason)
            return
        pause = min(_FIRST_PAUSE * 2 ** (leased.attempts - 1), _LONGEST_PAUSE)
        await self._agenda.postpone(leased, now + pause, reason)

    async def _tell_operators(self, entry: Entry, reason: str, now: datetime) -> None:
        if entry.action != PARKED:
            key, data = f"parked/{entry.key}/{now.isoformat()}", {"action": entry.action, "reason": reason}
            await self._agenda.add(Entry(key, now, PARKED, entry.subject, data))
