"""The only room that speaks to MongoDB: what is stored, how it is found again, and how it is kept whole."""

from fhir_server.store.async_jobs import AsyncJob, AsyncJobStore
from fhir_server.store.commit import Absence, AbsenceBroken, Reads, VersionReplaced
from fhir_server.store.documents import Target, Version, Write, Written, instant
from fhir_server.store.explanations import Explanation
from fhir_server.store.expunge import Expunging
from fhir_server.store.failures import SnapshotGone
from fhir_server.store.history import HistoryPosition, HistoryScope, Listed
from fhir_server.store.index_values import IndexValues
from fhir_server.store.opening import open_store
from fhir_server.store.reindexings import Reindexings
from fhir_server.store.store import Store

__all__ = [
    "Absence",
    "AbsenceBroken",
    "AsyncJob",
    "AsyncJobStore",
    "Explanation",
    "Expunging",
    "HistoryPosition",
    "HistoryScope",
    "IndexValues",
    "Listed",
    "Reads",
    "Reindexings",
    "SnapshotGone",
    "Store",
    "Target",
    "Version",
    "VersionReplaced",
    "Write",
    "Written",
    "instant",
    "open_store",
]
