"""All writes: one MongoDB transaction that stores everything or nothing.

A version that is replaced moves to `history` in the same transaction, so each version is stored once and none
is ever lost. https://www.mongodb.com/docs/manual/core/transactions/
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from fhir_server import metrics
from fhir_server.store import integrity
from fhir_server.store.agenda import Agenda
from fhir_server.store.audit.chain import Entry
from fhir_server.store.audit.log import AUDIT_EVENT, AuditLog
from fhir_server.store.changes import Changes, VersionReplaced
from fhir_server.store.claims import settle
from fhir_server.store.collections import LOCKS
from fhir_server.store.connection import Database
from fhir_server.store.documents import (
    Document,
    SequenceNumbers,
    Version,
    Write,
    Written,
    index_values,
    live_document,
    next_instant,
    version_of_live,
)
from fhir_server.store.failures import is_write_conflict
from fhir_server.store.fence import is_stale
from fhir_server.store.guarding import Guard
from fhir_server.store.hl7_outbox import MessageOutbox
from fhir_server.store.noting import Note
from fhir_server.store.previous import previous_of
from fhir_server.store.registering import (
    ParametersChanged,
    Plan,
    extracted_anew,
    is_definition,
    planned,
    register,
)
from fhir_server.store.registry import FRESH_SECONDS, Registry
from fhir_server.store.ruling import Rules
from fhir_server.store.snapshots import reading_in_transaction
from fhir_server.store.witnessing import Change, Witness
from resources.operation_outcome import Conflict, error

# How long one request goes on trying against other writers of the same resources.
_PATIENCE_SECONDS = 20.0
_DUPLICATE_KEY = 11000
# Consequences of consequences: what the hospital's rules know of ends after a few.
_MOST_ROUNDS = 12


Reads = Callable[[], Awaitable[None]]
"""What a transaction reads before it ends; it may be called again if the transaction is tried again."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A promise that a conditional create relies on: nothing matches `filter` when the transaction commits.

    `key` is the same for all who rely on the same promise; they are served one after the other.
    """

    resource_type: str
    key: str
    filter: dict[str, Any]


class AbsenceBroken(Exception):
    """Somebody else created a match since the transaction was planned; plan again."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one transaction does.

    `reads` see what is stored as the transaction leaves it; if they raise an error, nothing is stored.
    `stored_types` are those that may refer to what is deleted, if that matters. `guard` has the rules for
    whoever makes the changes, if there are any, and what `witness` says of them is stored with them. What
    `rules` say follows from the changes is stored with them too, and so is `noting`, which may be all. At
    first it `expects_new` what must be new to be so, and does not look.
    """

    writes: Sequence[Write]
    absences: Sequence[Absence] = ()
    reads: Reads | None = None
    stored_types: Sequence[str] = ()
    guard: Guard | None = None
    witness: Witness | None = None
    rules: Rules | None = None
    noting: Note | None = None
    expects_new: bool = True

    @property
    def is_single_insert(self) -> bool:
        """Whether it only adds a document, about which there is nothing to check."""
        if len(self.writes) > 1 or self.absences or self.reads or self.witness or self.noting:
            return False
        if self.rules is not None and self.rules.concern(self.writes[0].resource_type):
            return False
        if is_definition(self.writes[0]) or self.writes[0].resource_type == AUDIT_EVENT:
            return False
        return self.writes[0].method == "POST" and not self.writes[0].refers_to


class Committer:
    """Commits writes to one database, a few transactions at a time.

    MongoDB slows down and aborts when many large transactions are open at once (measured elsewhere: with at
    most 4, 24 of 24 large bundles were committed; without a limit 5 of 24), hence the gate.
    """

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        database: Database,
        registry: Registry,
        max_open: int,
        now: Callable[[], datetime],
        numbers: SequenceNumbers,
        agenda: Agenda,
        outbox: MessageOutbox,
        audit: AuditLog | None = None,
    ) -> None:
        """Write to `database` of `client` with at most `max_open` transactions open; `now` is the clock.

        `registry` has the custom search parameters, which SearchParameters change; `numbers` puts new
        resources in order. What is to be done later goes into `agenda`, what other systems are told into
        `outbox`. AuditEvents are sealed by `audit`, if they are to be.
        """
        self._agenda = agenda
        self._outbox = outbox
        self._registry = registry
        self._client = client
        self._database = database
        self._gate = asyncio.Semaphore(max_open)
        self._now = now
        self._numbers = numbers
        self._audit = audit
        # Transactions that are open at the same time take different shares of a lock, as far as there are.
        self._shares = count(os.getpid() * max_open)

    async def commit(self, work: Work) -> list[Written]:
        """Store all of it or nothing, and return what became of each write, in the same order.

        Raises PreconditionFailed if a write's condition does not hold, AbsenceBroken if one of the absences
        does not, VersionReplaced if a version would have another number than its write says, and Conflict if
        other writers keep winning, or others refer to what is deleted; UnprocessableContent if a reference
        leads nowhere, or a SearchParameter cannot be served.
        """
        if not work.writes and work.noting is None:
            if work.reads is not None:
                await work.reads()
            return []
        if work.rules is not None and work.writes:
            await work.rules.prepare(work.writes)
        work = replace(work, writes=[_with_index_values(one, work.rules) for one in work.writes])
        give_up = time.monotonic() + _PATIENCE_SECONDS
        attempt = 0
        while True:
            try:
                async with self._gate:
                    with metrics.open_transactions.track_inprogress():
                        written, plan = await self._attempt(work, next(self._shares))
                break
            except (PyMongoError, ParametersChanged) as failure:
                if isinstance(failure, PyMongoError) and is_stale(failure):
                    work = replace(work, writes=await extracted_anew(self._registry, work.writes))
                elif not _may_go_well_again(failure):
                    raise
                if time.monotonic() > give_up:
                    message = "Too many others write the same resources now; try again"
                    raise Conflict(error("conflict", message)) from failure
            attempt, work = attempt + 1, replace(work, expects_new=False)
            await asyncio.sleep(random.uniform(0.001, 0.005 * min(attempt, 20)))  # noqa: S311 - jitter
        if plan is not None:
            await self._registry.refresh()
            if plan.changes_what_was_asked:
                # From then on no other process goes by what was before.
                await asyncio.sleep(FRESH_SECONDS)
        return written

    async def _attempt(self, work: Work, share: int) -> tuple[list[Written], Plan | None]:
        if work.is_single_insert:
            if work.guard is not None:
                work.guard.check(work.writes[0], None)
            return [await self._insert_one(work.writes[0])], None
        plan = await planned(self._registry, work.writes)
        async with self._client.start_session() as session, await session.start_transaction():
            if work.noting is not None:
                await work.noting.store(session)
            for absence in work.absences:
                await self._check_absence(absence, session)
            await integrity.lock(self._database, work.writes, share, self._now(), session)
            written, events = await self._write_all(work, session)
            await integrity.check(self._database, work.stored_types, work.writes, written, session)
            if plan is not None:
                await register(self._registry, plan, self._now(), session)
            if work.reads is not None:
                # Whatever reads from the database in here does so within the transaction.
                async with session.bind(end_session=False):
                    with reading_in_transaction():
                        await work.reads()
        if self._audit is not None:
            self._audit.stored(events)
        return written, plan

    async def _insert_one(self, write: Write) -> Written:
        # One document is atomic by itself: a transaction around it would only cost a round trip.
        document = live_document(write, 1, next_instant(self._now(), None), self._numbers.next())
        await self._database[write.resource_type].insert_one(document)
        return Written(version_of_live(write.resource_type, document), created=True)

    async def _check_absence(self, absence: Absence, session: AsyncClientSession) -> None:
        # Whoever writes the same lock document at the same time gets a write conflict, and tries again later.
        await self._database[LOCKS].update_one(
            {"_id": absence.key},
            {"$set": {"at": self._now()}, "$inc": {"uses": 1}},
            upsert=True,
            session=session,
        )
        collection = self._database[absence.resource_type]
        if await collection.find_one(absence.filter, projection={"_id": 1}, session=session) is not None:
            raise AbsenceBroken

    async def _write_all(self, work: Work, session: AsyncClientSession) -> tuple[list[Written], list[Entry]]:
        """Send all changes; return what became of the writes, and the AuditEvents that were added."""
        # Access rules are asked of what a write replaces: for these it has to be looked at.
        expects_new = work.expects_new and work.guard is None
        previous = await previous_of(self._database, work.writes, session, expects_new=expects_new)
        changes = Changes(self._now(), self._numbers, work.guard, work.rules)
        written = [changes.add(write, previous.get((write.resource_type, write.id))) for write in work.writes]
        events: list[Entry] = []
        if work.rules is not None:
            events += await self._follow(work.rules, changes, changes.of(work.writes), session)
            await self._enqueue(work.rules, changes, session)
        if work.witness is not None:
            changes.add_testimony(work.witness)
        events += await self._send(changes, session)
        return [changes.latest(one) for one in written], events

    async def _send(self, changes: Changes, session: AsyncClientSession) -> list[Entry]:
        """Send what was collected; return the AuditEvents among it, which are stamped for the log."""
        events = [] if self._audit is None else self._audit.stamp(changes.inserts.get(AUDIT_EVENT, []))
        # A version is replaced by removing it and inserting the new one: with some 45 indexes on a collection
        # MongoDB spends 5.3 ms of processor time on a replacement of most kinds, 0.8 ms on these two.
        for resource_type, ids in changes.removals.items():
            await self._database[resource_type].delete_many({"_id": {"$in": ids}}, session=session)
        for resource_type, documents in changes.inserts.items():
            await self._database[resource_type].insert_many(documents, ordered=False, session=session)
        changes.sent()
        return events

    async def _follow(
        self, rules: Rules, changes: Changes, made: Sequence[Change], session: AsyncClientSession
    ) -> list[Entry]:
        """Send `changes`, and then, round by round, what the rules say follows from them; see `_send`."""
        events: list[Entry] = []
        for _ in range(_MOST_ROUNDS):
            given_up, wanted = rules.claims(made)
            if given_up or wanted:
                await settle(self._database, given_up, wanted, session)
            events += await self._send(changes, session)
            # Whatever the rules read from the database they read within the transaction.
            async with session.bind(end_session=False):
                with reading_in_transaction():
                    outcome = await rules.consequences(made)
            await self._agenda.change(outcome, self._now(), session)
            if not outcome.writes:
                return events
            unknown = [write for write in outcome.writes if not changes.known(write)]
            previous = await previous_of(self._database, unknown, session)
            made = []
            for write in outcome.writes:
                before = previous.get((write.resource_type, write.id))
                # What is created once is left alone from then on, also after its deletion.
                if not write.must_be_new or (before is None and not changes.known(write)):
                    made.append(changes.add_consequence(replace(write, must_be_new=False), before))
            if not made:
                return events
        message = "What follows from this change does not come to an end"
        raise Conflict(error("processing", message))

    async def _enqueue(self, rules: Rules, changes: Changes, session: AsyncClientSession) -> None:
        """Put what other systems are told into the outbox."""
        made = changes.all()
        if not made or not rules.sends_messages:
            return
        async with session.bind(end_session=False):
            with reading_in_transaction():
                sends = await rules.messages(made)
        if sends:
            await self._outbox.add(sends, self._now(), session)


def _with_index_values(write: Write, rules: Rules | None) -> Write:
    """Return a write with its index values, which are not left to the transaction without need."""
    if write.search is not None or write.resource is None:
        return write
    if rules is not None and rules.completes(write.resource_type):
        return write
    return replace(write, search=index_values(write))


def _may_go_well_again(failure: Exception) -> bool:
    if isinstance(failure, PyMongoError):
        return _is_duplicate(failure) or is_write_conflict(failure)
    return isinstance(failure, ParametersChanged)


def _is_duplicate(failure: PyMongoError) -> bool:
    if isinstance(failure, BulkWriteError):
        errors = (failure.details or {}).get("writeErrors", [])
        return any(item.get("code") == _DUPLICATE_KEY for item in errors)
    return isinstance(failure, DuplicateKeyError)


__all__ = ["Absence", "AbsenceBroken", "Committer", "Version", "VersionReplaced", "Write", "Written"]
