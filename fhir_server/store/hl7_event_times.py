"""When the last event happened that a part of a record says something of: what is older does not change it.

Kept beside the resources, as it says nothing of the patient, and in the transaction that changes them.
HL7 v2.5.1 §3.4.1.6 (EVN-6)
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures
from fhir_server.store.noting import Note

EVENT_TIMES = "hl7_event_times"


class EventTimes:
    """The event times of one database, by the reference of a resource (`Patient/1`)."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._times = database[EVENT_TIMES]
        self._is_prepared = False

    async def prepare(self) -> None:
        """Make the collection, which cannot be made in a transaction on all versions of MongoDB."""
        if not self._is_prepared:
            with translated_failures():
                await self._times.create_index([("at", 1)])
            self._is_prepared = True

    async def latest(self, references: Iterable[str]) -> Mapping[str, datetime]:
        """Return when the last event of each resource was, of which one was told of (aware, UTC)."""
        await self.prepare()
        with translated_failures():
            found = self._times.find({"_id": {"$in": list(references)}})
            return {one["_id"]: one["at"] async for one in found}

    def note(self, times: Mapping[str, datetime], also: Note | None = None) -> Note:
        """Return the note of the events that a transaction applies, with another note that goes with it."""
        return EventNote(self, times, also)

    async def store(self, times: Mapping[str, datetime], session: AsyncClientSession) -> None:
        """Store event times within a transaction; those that are known already and later stay."""
        if times:
            changes = [
                UpdateOne({"_id": name}, {"$max": {"at": moment}}, upsert=True)
                for name, moment in sorted(times.items())
            ]
            await self._times.bulk_write(changes, ordered=False, session=session)


class EventNote:
    """Event times stored in the transaction of what they are of (see `store.noting.Note`)."""

    def __init__(self, event_times: EventTimes, times: Mapping[str, datetime], also: Note | None) -> None:
        """Note `times`, and what `also` notes."""
        self._event_times = event_times
        self._times = times
        self._also = also

    async def store(self, session: AsyncClientSession) -> None:
        """Store both."""
        await self._event_times.store(self._times, session)
        if self._also is not None:
            await self._also.store(session)
