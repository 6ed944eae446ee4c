"""The ways of looking at one store: as of a moment, for a caller, on record, with rules, with more patience.

Each gives another view of the same store; nothing is copied but where it looks and what it is asked to heed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

from pymongo import AsyncMongoClient

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.explanations import Explanation
from fhir_server.store.failures import translated_failures
from fhir_server.store.guarding import Guard
from fhir_server.store.ruling import Rules
from fhir_server.store.searching import Searching
from fhir_server.store.snapshots import is_in_transaction, moment_of, session_as_of
from fhir_server.store.witnessing import Witness
from resources.operation_outcome import TooBusy, error

# How long a search that no index serves waits for one of the others of this kind to be done.
_PATIENCE_SECONDS = 1.0


class StoreView:
    """What views of a store differ in; `Store` is the whole."""

    _client: AsyncMongoClient[Document]
    _database: Database
    _searching: Searching
    _scans: asyncio.Semaphore
    _guard: Guard | None
    _witness: Witness | None
    _rules: Rules | None

    @asynccontextmanager
    async def as_of(self, moment: int | None) -> AsyncIterator[Self]:
        """Give the store as it was at `moment`, to search in; for None as it is now, until the block ends.

        What is asked of it raises SnapshotGone if MongoDB does not know any more how things were then. Within
        a transaction it is the store as the transaction sees it.
        """
        if is_in_transaction():
            yield self
            return
        async with session_as_of(self._client, moment) as session:
            yield self._seen(session=session)

    @asynccontextmanager
    async def scanning(self) -> AsyncIterator[Self]:
        """Give the store for a search that no index serves: for a shorter time, and to a few at once.

        Raises TooBusy if as many as may are going on already.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._scans.acquire()
        except TimeoutError:
            message = (
                "As many searches without an index as may are going on now; try again later, or ask for less,"
                " for example of one patient, with one code or by a date"
            )
            raise TooBusy(error("throttled", message)) from None
        try:
            yield self._seen(longest_ms=self._searching.longest_scan_ms)
        finally:
            self._scans.release()

    def unhurried(self, seconds: float) -> Self:
        """Return the store for a search that nobody waits for, which may take `seconds` in any case."""
        longest = round(seconds * 1000)
        return self._seen(longest_ms=longest, longest_scan_ms=longest)

    def explaining(self) -> tuple[Self, list[Explanation]]:
        """Return the store to search in, and a list in which it explains what was asked of it."""
        explanations: list[Explanation] = []
        return self._seen(explanations=explanations), explanations

    def guarded(self, guard: Guard) -> Self:
        """Return the store as the caller sees it for whom `guard` has the rules: nothing else is in it."""
        return self._with(_guard=guard)

    def unguarded(self) -> Self:
        """Return the store as the server itself sees it, for what it does in its own name.

        Whoever asks for it has seen to it that the caller may have that done.
        """
        return self._with(_guard=None)

    def witnessed(self, witness: Witness) -> Self:
        """Return the store in which each transaction stores what `witness` says of it as well."""
        return self._with(_witness=witness)

    def ruled(self, rules: Rules) -> Self:
        """Return the store in which each transaction keeps `rules`, and stores what follows from them."""
        return self._with(_rules=rules)

    @property
    def rules(self) -> Rules | None:
        """The rules that each transaction keeps, if there are any."""
        return self._rules

    @property
    def is_guarded(self) -> bool:
        """Whether access rules stand between the store and whoever asks."""
        return self._guard is not None

    def _seen(self, **changes: Any) -> Self:
        return self._with(_searching=replace(self._searching, **changes))

    def _with(self, **changes: Any) -> Self:
        """Return another view of the same store; a fifth of the time that `copy.copy` takes."""
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__, **changes)
        return view

    async def fix_moment(self) -> None:
        """Decide what moment a store given by `as_of` shows, before several questions are asked at once."""
        if self._searching.session is not None and self.moment is None:
            with translated_failures():
                await self._database["Basic"].find_one({"_id": ""}, session=self._searching.session)

    @property
    def moment(self) -> int | None:
        """The moment that is shown, as a number; None for the present, and before the first question."""
        session = self._searching.session
        return None if session is None else moment_of(session)
