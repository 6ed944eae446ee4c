"""The only room that speaks to MongoDB: what is stored, how it is found again, and how it is kept whole."""

from fhir_server.store.commit import Absence, AbsenceBroken
from fhir_server.store.documents import Version, Write, Written, instant
from fhir_server.store.reading import HistoryPosition, HistoryScope
from fhir_server.store.store import Store, open_store

__all__ = [
    "Absence",
    "AbsenceBroken",
    "HistoryPosition",
    "HistoryScope",
    "Store",
    "Version",
    "Write",
    "Written",
    "instant",
    "open_store",
]
