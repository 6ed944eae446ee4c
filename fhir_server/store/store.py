"""The store as the rest of the server sees it; every failure of the database leaves it as a FhirError."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from fhir_server import metrics
from fhir_server.secrets_at_rest import Keyring
from fhir_server.store import reading
from fhir_server.store.accounts import AccountStore
from fhir_server.store.agenda import Agenda
from fhir_server.store.async_jobs import AsyncJobStore
from fhir_server.store.audit.log import AUDIT_EVENT, AuditLog
from fhir_server.store.audit.unalterable import refuse_alteration, unalterable
from fhir_server.store.collections import LOCKS, Collections
from fhir_server.store.commit import Absence, Committer, Reads, Work
from fhir_server.store.connection import as_of_one_moment, connect, database
from fhir_server.store.counters import next_number
from fhir_server.store.documents import Document, SequenceNumbers, Version, Write, Written
from fhir_server.store.dumps import Dumps
from fhir_server.store.emergency_access import EmergencyAccessStore
from fhir_server.store.expunge import Expunging, expunge
from fhir_server.store.failures import translated_failures
from fhir_server.store.fence import is_stale
from fhir_server.store.guarding import Guard, as_seen, guarded, relabelling, shown
from fhir_server.store.history import HistoryPosition, HistoryScope, count_history, history
from fhir_server.store.hl7_event_times import EventTimes
from fhir_server.store.hl7_inbox import MessageInbox
from fhir_server.store.hl7_outbox import MessageOutbox
from fhir_server.store.hl7_quarantine import Quarantine
from fhir_server.store.hl7_sealing import SealedMessages
from fhir_server.store.index_values import IndexValues
from fhir_server.store.keys import shared_key
from fhir_server.store.left_open import end_left_open
from fhir_server.store.meta import Change, change_meta
from fhir_server.store.noting import Note
from fhir_server.store.oauth import OAuthStore
from fhir_server.store.registry import Registry
from fhir_server.store.reindexings import Reindexings
from fhir_server.store.retention import Retention
from fhir_server.store.ruling import Rules, reserving
from fhir_server.store.sealed_texts import SealedTexts
from fhir_server.store.searching import DEFAULT_LIMITS, Filter, Searching, SearchLimits
from fhir_server.store.several import Part
from fhir_server.store.snapshots import is_in_transaction
from fhir_server.store.stock import StockStore
from fhir_server.store.views import StoreView
from fhir_server.store.witnessing import Witness
from resources.custom_parameters import CustomParameters, using
from resources.operation_outcome import FhirError, Forbidden, error

# What a witness may say of a transaction: a collection cannot be made within one.
_TESTIMONIES = frozenset({AUDIT_EVENT, "Provenance"})
NO_KEYS = Keyring(())
"""Nothing is encrypted with a key that is not in the database."""


class Store(StoreView):
    """One process's connection to the resources; made at start, closed at the end."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        max_open_transactions: int,
        now: Callable[[], datetime],
        keeps_references: bool = False,
        limits: SearchLimits = DEFAULT_LIMITS,
        audit_keys: Keyring | None = None,
        secrets: Keyring = NO_KEYS,
        keep_messages: timedelta | None = None,
    ) -> None:
        """Connect (lazily) to database `name` at `url`; `now` is the clock that stamps versions.

        If it `keeps_references`, there are indexes by which it is known who refers to a resource. With
        `audit_keys`, which encrypt the key of the audit log, AuditEvents are sealed and cannot be changed.
        `secrets` encrypt the key of the HL7 v2 messages, which are kept for the time of `keep_messages`, or
        for ever.
        """
        self._keys: dict[str, str] = {}
        self._guard: Guard | None = None
        self._witness: Witness | None = None
        self._rules: Rules | None = None
        self._client = connect(url)
        self._database = database(self._client, name)
        self._scans = asyncio.Semaphore(limits.max_scans)
        self._searching = Searching(
            as_of_one_moment(self._database), round(limits.seconds * 1000), round(limits.scan_seconds * 1000)
        )
        self._registry = Registry(self._database)
        self._collections = Collections(self._database, self._registry, keeps_references=keeps_references)
        self.index_values = IndexValues(self._database, self._registry)
        self.async_jobs = AsyncJobStore(self._database)
        self.reindexings = Reindexings(self._database)
        self.emergency_access = EmergencyAccessStore(self._database)
        self.oauth = OAuthStore(self._database)
        self.accounts = AccountStore(self._database, self.oauth.grants)
        self.sealed_texts = SealedTexts(self._database)
        self.agenda = Agenda(self._database)
        self.stock = StockStore(self._database)
        self.dumps = Dumps(self._client, self._database)
        self.retention = Retention(self._database)
        self._add_messages(SealedMessages(self._database, secrets), now, keep_messages)
        numbers = SequenceNumbers()
        self.audit_log: AuditLog | None = None
        if audit_keys is not None:
            self.audit_log = AuditLog(
                self._database, self._collections, self._registry, numbers, audit_keys, now
            )
        where = self._client, self._database, self._registry
        beside = self.agenda, self.hl7_outbox, self.audit_log
        self._committer = Committer(*where, max_open_transactions, now, numbers, *beside)

    def _add_messages(
        self, messages: SealedMessages, now: Callable[[], datetime], keep: timedelta | None
    ) -> None:
        """Add what keeps HL7 v2 messages: those that came, those to be sent, and those for a person."""
        self.hl7_inbox = MessageInbox(self._database, messages, now, keep)
        self.hl7_outbox = MessageOutbox(self._database, messages, keep)
        self.hl7_event_times = EventTimes(self._database)
        self.hl7_quarantine = Quarantine(self._database, self.hl7_inbox, messages, now, keep)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def end_left_open(self) -> int:
        """End the transactions that dead processes of this place left open (see `store.left_open`)."""
        with translated_failures():
            return await end_left_open(self._client)

    async def ping(self) -> None:
        """Return if the database answers; raise StoreUnavailable if it does not."""
        with translated_failures():
            await self._database.command("ping")

    async def prepare_new_database(self) -> None:
        """Make the collections of the types that every hospital keeps, if the database is a new one."""
        with translated_failures():
            await self._collections.prepare_new_database()

    async def custom_parameters(self) -> CustomParameters:
        """Return the search parameters that the hospital added, as they were half a second ago or later."""
        with translated_failures():
            return await self._registry.fresh()

    async def lock(self, key: str) -> None:
        """Let no other transaction that locks `key` be open beside this one: one of them is tried again."""
        change = {"$set": {"at": datetime.now(UTC)}, "$inc": {"uses": 1}}
        # Without a write concern of its own, as that of the transaction counts.
        locks = self._database[LOCKS].with_options(write_concern=WriteConcern())
        await locks.update_one({"_id": key}, change, upsert=True)

    async def next_number(self, name: str, first: int = 1, count: int = 1) -> int:
        """Return the first of the next `count` numbers called `name` (see `store.counters`)."""
        with translated_failures():
            return await next_number(self._database, name, first, count)

    async def shared_key(self, name: str, candidate: str) -> str:
        """Return the key called `name` that all processes share, `candidate` if there was none."""
        with translated_failures():
            if name not in self._keys:
                # In a session of its own, lest a transaction that fails takes the key back.
                async with self._client.start_session() as session:
                    self._keys[name] = await shared_key(self._database, name, candidate, session)
            return self._keys[name]

    async def commit(
        self,
        writes: Sequence[Write],
        absences: Sequence[Absence] = (),
        reads: Reads | None = None,
        noting: Note | None = None,
    ) -> list[Written]:
        """Store all of `writes` and what is `noting` them, or nothing (see `Committer.commit`)."""
        try:
            return await self._commit(writes, absences, reads, noting)
        except FhirError as failure:
            metrics.refused(failure)
            raise

    async def _commit(
        self,
        writes: Sequence[Write],
        absences: Sequence[Absence],
        reads: Reads | None,
        noting: Note | None,
    ) -> list[Written]:
        with translated_failures():
            types = {write.resource_type for write in writes}
            if self.audit_log is not None:
                refuse_alteration(writes)
                await self.audit_log.prepare()
                types |= _TESTIMONIES
            if self._rules is not None:
                await self.agenda.prepare()
                await self.stock.prepare()
                types |= self._rules.types_of_consequences
                if self._rules.sends_messages:
                    await self.hl7_outbox.prepare()
            await self._collections.prepare(types)
            stored_types: list[str] = []
            if any(write.referred_as for write in writes):
                stored_types = await self._collections.stored_types()
                await self._collections.prepare(set(stored_types))
            promised = [replace(one, filter=self._visible(one.resource_type, one.filter)) for one in absences]
            seen = self._guard, self._witness, self._rules
            work = Work(writes, promised, reads, stored_types, *seen, noting)
            return await self._committer.commit(work)

    def _visible(self, resource_type: str, condition: Filter) -> dict[str, Any]:
        return guarded(self._guard, resource_type, condition)

    async def read(self, resource_type: str, resource_id: str) -> Version | None:
        """Return the newest version, which may be a deletion, or None if there never was one."""
        with translated_failures():
            version = await reading.read(self._database, resource_type, resource_id)
            return await self._as_seen(version)

    async def _as_seen(self, version: Version | None) -> Version | None:
        """Return the version as the caller may see it; a deletion, if it is of something that was seen."""
        if version is not None and version.resource is not None and self._witness is not None:
            self._witness.saw(version.resource)
        if version is None or self._guard is None:
            return version
        if version.resource is None:
            before = version.resource_type, version.id, version.number - 1
            last = await reading.read_version(self._database, *before)
            return version if last is not None and as_seen(self._guard, last) is not None else None
        return as_seen(self._guard, version)

    async def read_version(self, resource_type: str, resource_id: str, number: int) -> Version | None:
        """Return one version, which may be a deletion, or None if there is none of that number."""
        with translated_failures():
            version = await reading.read_version(self._database, resource_type, resource_id, number)
            return await self._as_seen(version)

    async def past_versions(self, keys: Sequence[tuple[str, str, int]]) -> list[Version]:
        """Return those versions that are not current ones, by type, id and number."""
        with translated_failures():
            versions = await reading.past_versions(self._database, keys)
            return [one for version in versions if (one := await self._as_seen(version)) is not None]

    async def stored_types(self) -> list[str]:
        """Return the resource types of which something is or was stored, sorted.

        The audit log is not among them: whoever wants AuditEvents asks for them by name.
        """
        with translated_failures():
            return await self._types_but_of_log()

    async def _types_but_of_log(self) -> list[str]:
        found = await self._collections.stored_types()
        return found if self.audit_log is None else [name for name in found if name != AUDIT_EVENT]

    async def change_meta(
        self, resource_type: str, resource_id: str, number: int | None, change: Change
    ) -> Version | None:
        """Change the `meta` of a version, the current one without `number`, in place (see `store.meta`)."""
        if self.audit_log is not None and resource_type == AUDIT_EVENT:
            raise unalterable()
        if self._guard is not None:
            change = relabelling(self._guard, resource_type, resource_id, change)
        if self._rules is not None:
            change = reserving(self._rules.reserved(resource_type), change)
        with translated_failures():
            try:
                version = await change_meta(self._database, resource_type, resource_id, number, change)
            except OperationFailure as failure:
                if not is_stale(failure):
                    raise
                using(await self._registry.refresh())
                version = await change_meta(self._database, resource_type, resource_id, number, change)
        if self._witness is not None and version is not None and version.resource is not None:
            self._witness.saw(version.resource)
        return version

    async def matching_ids(self, resource_type: str, condition: Filter, limit: int) -> list[str]:
        """Return the ids of up to `limit` resources whose documents match the MongoDB filter `condition`."""
        with translated_failures():
            visible = self._visible(resource_type, condition)
            return await self._searching.matching_ids(resource_type, visible, limit)

    async def matching_versions(
        self, resource_type: str, condition: Filter, limit: int
    ) -> list[tuple[str, int]]:
        """Return id and version of up to `limit` resources whose documents match the filter `condition`."""
        with translated_failures():
            visible = self._visible(resource_type, condition)
            found = await self._searching.find(resource_type, visible, (), {"version": 1}, limit)
            return [(document["_id"], document["version"]) for document in found]

    async def distinct(
        self, resource_type: str, condition: Filter, path: str, limit: int, starts: Sequence[str] = ()
    ) -> list[Any]:
        """Return up to `limit` values at `path`, each once (see `Searching.distinct`)."""
        with translated_failures():
            visible = self._visible(resource_type, condition)
            return await self._searching.distinct(resource_type, visible, path, limit, starts)

    async def find(
        self,
        resource_type: str,
        condition: Filter,
        sort: Sequence[tuple[str, int]],
        projection: dict[str, int],
        limit: int,
        index: str | None = None,
    ) -> list[Document]:
        """Return the `projection` of up to `limit` documents, in order (see `Searching.find`)."""
        with translated_failures():
            visible = self._visible(resource_type, condition)
            found = await self._searching.find(resource_type, visible, sort, projection, limit, index)
            return self._shown(found)

    async def find_parts(self, parts: Sequence[Part]) -> list[list[Document]]:
        """Return what is found of each of `parts`, of several types (see `Searching.find_parts`)."""
        with translated_failures():
            visible = [replace(one, condition=self._visible(one.collection, one.condition)) for one in parts]
            return [self._shown(found) for found in await self._searching.find_parts(visible)]

    def _shown(self, documents: list[Document]) -> list[Document]:
        """Return documents that were found, their resources as the caller may see them."""
        if self._witness is not None:
            for document in documents:
                if "resource" in document:
                    self._witness.saw(document["resource"])
        return shown(self._guard, documents)

    async def aggregate(self, resource_type: str, pipeline: list[dict[str, Any]]) -> list[Document]:
        """Return the documents that an aggregation over the resources of a type gives."""
        with translated_failures():
            visible = self._visible(resource_type, {})
            stages = [{"$match": visible}, *pipeline] if visible else pipeline
            return self._shown(await self._searching.aggregate(resource_type, stages))

    async def count(self, resource_type: str, condition: Filter) -> int:
        """Return the number of resources whose documents match the filter `condition`."""
        with translated_failures():
            return await self._searching.count(resource_type, self._visible(resource_type, condition))

    async def estimate(self, resource_type: str, condition: Filter) -> int:
        """Return about how many resources match, at little cost (see `store.estimates`)."""
        if is_in_transaction():  # where MongoDB has no estimates
            return await self.count(resource_type, condition)
        with translated_failures():
            return await self._searching.estimate(resource_type, self._visible(resource_type, condition))

    async def history(self, scope: HistoryScope, after: HistoryPosition | None, limit: int) -> list[Version]:
        """Return up to `limit` versions in `scope`, newest first, from where a page ended (`after`) on."""
        with translated_failures():
            stored_types = await self._types_but_of_log()
            if self._guard is None:
                return await history(self._database, stored_types, scope, after, limit)
            self._check_scope(scope, stored_types)
            found: list[Version] = []
            while True:
                page = await history(self._database, stored_types, scope, after, limit + 1)
                seen = [await self._as_seen(version) for version in page[:limit]]
                found += [version for version in seen if version is not None]
                if len(found) >= limit or len(page) <= limit:
                    return found[:limit]
                after = HistoryPosition(page[limit - 1].updated, page[limit - 1].sequence)

    def _check_scope(self, scope: HistoryScope, stored_types: Sequence[str]) -> None:
        """Raise Forbidden for the history of types of which the caller sees a part only.

        Earlier versions have no index values: they would have to be looked at one by one.
        """
        types = stored_types if scope.resource_type is None else [scope.resource_type]
        if scope.id is None and any(self._visible(name, {}) for name in types):
            message = "The history of all resources is for those who may see all of them; ask for that of one"
            raise Forbidden(error("forbidden", message))

    async def expunge(self, wanted: Expunging) -> int:
        """Remove versions for good, all of them or none; return how many."""
        with translated_failures():
            return await expunge(self._client, self._database, wanted)

    async def count_history(self, scope: HistoryScope) -> int | None:
        """Return the number of versions in `scope`; None where not all of them may be seen."""
        with translated_failures():
            stored_types = await self._types_but_of_log()
            if self._guard is not None and scope.id is not None:
                return None
            if self._guard is not None:
                self._check_scope(scope, stored_types)
            return await count_history(self._database, stored_types, scope)
