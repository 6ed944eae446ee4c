"""What a transaction sends to MongoDB: each write beside what was there before it.

A version that is replaced moves to `history`, where deletions are kept too.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fhir_server.store.documents import (
    HISTORY,
    Document,
    SequenceNumbers,
    Write,
    Written,
    deletion_document,
    live_document,
    next_instant,
    past_document,
    version_of_live,
    version_of_past,
)
from fhir_server.store.guarding import Guard
from fhir_server.store.ruling import Rules
from fhir_server.store.witnessing import Change, Witness
from resources.operation_outcome import Conflict, PreconditionFailed, PreconditionRequired, error


class VersionReplaced(Exception):
    """Somebody else changed a resource since the transaction was planned; plan again from the new version."""


@dataclass(frozen=True, slots=True)
class Previous:
    """The newest version of a resource before a transaction: what is current, or else its deletion."""

    document: Document
    is_live: bool


class Changes:
    """Collects what a transaction sends to MongoDB, so that each collection is written to once in a round.

    A resource that is written a second time, in a later round, stays the one new version of the transaction.
    """

    def __init__(
        self, now: datetime, numbers: SequenceNumbers, guard: Guard | None, rules: Rules | None = None
    ) -> None:
        """Stamp versions with `now`, number new resources by `numbers`, and allow what `guard` does.

        `rules` fill in what the server adds itself.
        """
        self._now = now
        self._numbers = numbers
        self._guard = guard
        self._rules = rules
        self.inserts: defaultdict[str, list[Document]] = defaultdict(list)
        self.removals: defaultdict[str, list[str]] = defaultdict(list)
        self._made: dict[tuple[str, str], Change] = {}
        self._live: dict[tuple[str, str], Document] = {}

    def known(self, write: Write) -> bool:
        """Tell whether the transaction has written the resource before."""
        return (write.resource_type, write.id) in self._made

    def add(self, write: Write, previous: Previous | None) -> Written:
        """Add what `write` does, given the version before it; return what it will have become."""
        live = previous.document if previous is not None and previous.is_live else None
        before = None if live is None else live["resource"]
        if self._guard is not None:
            # First of all, lest a precondition tells of what the caller may not see.
            self._guard.check(write, before)
        _check_preconditions(write, live)
        if self._rules is not None:
            write = self._rules.completed(write, before)
        updated = next_instant(self._now, previous.document["updated"] if previous else None)
        if write.method == "DELETE":
            return self._delete(write, live, updated)
        number = previous.document["version"] + 1 if previous else 1
        if write.number not in (None, number) or _is_relabelled(write, live):
            raise VersionReplaced
        sequence = previous.document["seq"] if previous else self._numbers.next()
        document = live_document(write, number, updated, sequence)
        if live is not None:
            self.inserts[HISTORY].append(past_document(write.resource_type, live, updated))
            self.removals[write.resource_type].append(write.id)
        return self._keep(write, before, before, document)

    def _keep(
        self,
        write: Write,
        before: dict[str, Any] | None,
        since: dict[str, Any] | None,
        document: Document,
    ) -> Written:
        self.inserts[write.resource_type].append(document)
        version = version_of_live(write.resource_type, document)
        key = write.resource_type, write.id
        self._live[key] = document
        self._made[key] = Change(write, before, version, since)
        return Written(version, created=before is None)

    def add_consequence(self, write: Write, previous: Previous | None) -> Change:
        """Add what `write`, which follows from the changes before, does; return the whole change."""
        key = write.resource_type, write.id
        if key not in self._live:
            guard, self._guard = self._guard, None
            try:
                self.add(write, previous)
            finally:
                self._guard = guard
            return self._made[key]
        if write.method == "DELETE" or write.must_be_new:
            raise Conflict(error("conflict", f"{write.resource_type}/{write.id} is made in this transaction"))
        made, last = self._made[key], self._live[key]
        if self._rules is not None:
            write = self._rules.completed(write, made.before)
        document = live_document(write, last["version"], last["updated"], last["seq"])
        self.removals[write.resource_type].append(write.id)
        self._keep(write, made.before, last["resource"], document)
        return self._made[key]

    def _delete(self, write: Write, live: Document | None, updated: datetime) -> Written:
        if write.number is not None and (live is None or live["version"] + 1 != write.number):
            raise VersionReplaced
        if live is None:
            return Written(None)
        deletion = deletion_document(write.resource_type, live, updated)
        self.inserts[HISTORY] += [past_document(write.resource_type, live, updated), deletion]
        self.removals[write.resource_type].append(write.id)
        version = version_of_past(deletion)
        self._made[write.resource_type, write.id] = Change(write, live["resource"], version, live["resource"])
        return Written(version)

    def of(self, writes: Iterable[Write]) -> list[Change]:
        """Return the changes that `writes` are, as they are now."""
        keys = dict.fromkeys((write.resource_type, write.id) for write in writes)
        return [self._made[key] for key in keys if key in self._made]

    def all(self) -> list[Change]:
        """Return all changes of the transaction, each whole, in the order in which they were first made."""
        return list(self._made.values())

    def latest(self, written: Written) -> Written:
        """Return what became of a write in the end, if what followed from it changed it again."""
        version = written.version
        if version is None or (version.resource_type, version.id) not in self._live:
            return written
        after = self._made[version.resource_type, version.id].after
        return replace(written, version=after) if after.number == version.number else written

    def sent(self) -> None:
        """Begin a new round: what was collected is sent."""
        self.inserts.clear()
        self.removals.clear()

    def add_testimony(self, witness: Witness) -> None:
        """Add what `witness` says of the changes that were added before, if there are any."""
        for write in witness.testify(self.all()) if self._made else ():
            moment = next_instant(self._now, None)
            self.inserts[write.resource_type].append(live_document(write, 1, moment, self._numbers.next()))


def _check_preconditions(write: Write, live: Document | None) -> None:
    where = f"{write.resource_type}/{write.id}"
    if write.if_match is not None and (live is None or live["version"] != write.if_match):
        raise PreconditionFailed(
            error("conflict", f"{where} is not at version {write.if_match} any more (If-Match)")
        )
    if write.needs_if_match and write.if_match is None and live is not None:
        raise PreconditionRequired(
            error("required", f"{where} exists, and is changed with If-Match only: quote its ETag")
        )
    if write.must_be_new and live is not None:
        raise PreconditionFailed(error("conflict", f"{where} exists already (If-None-Match: *)"))


def _is_relabelled(write: Write, live: Document | None) -> bool:
    """Tell whether `meta` is another one than the write was made from."""
    if write.previous_meta is None or live is None:
        return False
    return bool(live["resource"]["meta"] != write.previous_meta)
