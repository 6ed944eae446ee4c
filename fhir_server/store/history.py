"""Reading histories: all versions of a resource, of a type or of everything, newest first.

Every condition here is answered by one of the indexes that `collections.py` makes for `history`, or by the
one on `_lastUpdated` of a type's own collection. https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import DESCENDING

from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, Document, Version, version_of_live, version_of_past

# A history that MongoDB cannot answer in this time is given up, so that it does not starve the others.
_LONGEST_MS = 30_000
_WITHOUT_INDEX_VALUES = {"search": 0}
_Condition = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """Where a page of history ended: versions at or after this one (newest first) were already given."""

    updated: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The versions that a List names of one resource type: all of the resources `ids`, and `versions`."""

    ids: frozenset[str] = frozenset()
    versions: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class HistoryScope:
    """Whose history is asked for: one resource, one type, or (with neither) the whole system.

    `since` leaves out what was stored before it; `at` is a first moment and the first one after it, and asks
    for what was current at some time in between; `listed` is by resource type, None if no List was named.
    """

    resource_type: str | None = None
    id: str | None = None
    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    listed: Mapping[str, Listed] | None = None


async def history(
    database: Database,
    stored_types: Sequence[str],
    scope: HistoryScope,
    after: HistoryPosition | None,
    limit: int,
) -> list[Version]:
    """Return up to `limit` versions in `scope`, newest first, from where a page ended (`after`) on."""
    types = _types(scope, stored_types)
    times = _times(scope, after)
    # Live versions first: one that is replaced meanwhile is then seen twice, never not at all.
    live_pages = await asyncio.gather(
        *(_page(database, name, _all([*times, *_live(scope, name)]), limit) for name in types)
    )
    versions = {
        (version.updated, version.sequence): version
        for name, page in zip(types, live_pages, strict=True)
        for version in (version_of_live(name, document) for document in page)
    }
    for document in await _page(database, HISTORY, past_condition(scope, after), limit):
        versions.setdefault((document["updated"], document["seq"]), version_of_past(document))
    return [versions[key] for key in sorted(versions, reverse=True)[:limit]]


def past_condition(scope: HistoryScope, after: HistoryPosition | None) -> _Condition:
    """Return the filter on the documents of `history` for what comes after a page."""
    return _all([*_times(scope, after), *_past(scope)])


async def count_history(database: Database, stored_types: Sequence[str], scope: HistoryScope) -> int:
    """Return the number of versions in `scope`."""
    times = _times(scope, None)
    counts = await asyncio.gather(
        database[HISTORY].count_documents(past_condition(scope, None), maxTimeMS=_LONGEST_MS),
        *(
            database[name].count_documents(_all([*times, *_live(scope, name)]), maxTimeMS=_LONGEST_MS)
            for name in _types(scope, stored_types)
        ),
    )
    return sum(counts)


def _types(scope: HistoryScope, stored_types: Sequence[str]) -> list[str]:
    types = [scope.resource_type] if scope.resource_type else stored_types
    return [name for name in types if scope.listed is None or name in scope.listed]


def _all(conditions: Sequence[_Condition]) -> _Condition:
    return {"$and": list(conditions)} if conditions else {}


def _times(scope: HistoryScope, after: HistoryPosition | None) -> list[_Condition]:
    """Return what `scope` says of the time at which a version was stored."""
    conditions: list[_Condition] = []
    if scope.since is not None:
        conditions.append({"updated": {"$gte": scope.since}})
    if scope.at is not None:
        conditions.append({"updated": {"$lt": scope.at[1]}})
    if after is not None:
        conditions.append({"updated": {"$lte": after.updated}})
        conditions.append({"$or": [{"updated": {"$lt": after.updated}}, {"seq": {"$lt": after.sequence}}]})
    return conditions


def _live(scope: HistoryScope, resource_type: str) -> list[_Condition]:
    conditions: list[_Condition] = [{"_id": scope.id}] if scope.id else []
    if scope.listed is not None:
        listed = scope.listed[resource_type]
        single = [{"_id": name, "version": number} for name, number in sorted(listed.versions)]
        conditions.append({"$or": [{"_id": {"$in": sorted(listed.ids)}}, *single]})
    return conditions


def _past(scope: HistoryScope) -> list[_Condition]:
    conditions: list[_Condition] = []
    if scope.resource_type:
        conditions.append({"type": scope.resource_type})
    if scope.id:
        conditions.append({"id": scope.id})
    if scope.at is not None:
        conditions.append({"until": {"$gt": scope.at[0]}})
    if scope.listed is not None:
        single = [
            f"{name}/{resource_id}/_history/{number}"
            for name, listed in scope.listed.items()
            for resource_id, number in listed.versions
        ]
        whole = [
            {"type": name, "id": {"$in": sorted(listed.ids)}}
            for name, listed in scope.listed.items()
            if listed.ids
        ]
        conditions.append({"$or": [{"_id": {"$in": sorted(single)}}, *whole]})
    return conditions


async def _page(database: Database, name: str, condition: _Condition, limit: int) -> list[Document]:
    cursor = database[name].find(condition, _WITHOUT_INDEX_VALUES, max_time_ms=_LONGEST_MS)
    return await cursor.sort([("updated", DESCENDING), ("seq", DESCENDING)]).limit(limit).to_list()
