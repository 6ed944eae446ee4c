"""Reading single resources, versions and histories.

https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import DESCENDING

from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, Document, Version, version_of_live, version_of_past

_WITHOUT_INDEX_VALUES = {"search": 0}


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """Where a page of history ended: versions at or after this one (newest first) were already given."""

    updated: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class HistoryScope:
    """Whose history is asked for: one resource, one type, or (with neither) the whole system."""

    resource_type: str | None = None
    id: str | None = None
    since: datetime | None = None


async def read(database: Database, resource_type: str, resource_id: str) -> Version | None:
    """Return the newest version, which may be a deletion, or None if there never was such a resource."""
    document = await database[resource_type].find_one({"_id": resource_id}, _WITHOUT_INDEX_VALUES)
    if document is not None:
        return version_of_live(resource_type, document)
    past = await database[HISTORY].find_one(
        {"type": resource_type, "id": resource_id}, sort=[("version", DESCENDING)]
    )
    if past is None:
        return None
    if past["method"] == "DELETE":
        return version_of_past(past)
    # A new version was stored between the two looks: the resource is live again.
    return await read(database, resource_type, resource_id)


async def read_version(
    database: Database, resource_type: str, resource_id: str, number: int
) -> Version | None:
    """Return one version, which may be a deletion, or None if there is none of that number."""
    live = await database[resource_type].find_one(
        {"_id": resource_id, "version": number}, _WITHOUT_INDEX_VALUES
    )
    if live is not None:
        return version_of_live(resource_type, live)
    past = await database[HISTORY].find_one({"_id": f"{resource_type}/{resource_id}/_history/{number}"})
    return version_of_past(past) if past else None


async def history(
    database: Database,
    stored_types: Sequence[str],
    scope: HistoryScope,
    after: HistoryPosition | None,
    limit: int,
) -> list[Version]:
    """Return up to `limit` versions in `scope`, newest first, from where a page ended (`after`) on."""
    types = [scope.resource_type] if scope.resource_type else stored_types
    condition = _condition(scope, after)
    # Live versions first: one that is replaced meanwhile is then seen twice, never not at all.
    live_pages = await asyncio.gather(
        *(_page(database, name, condition | _identity(scope, "_id"), limit) for name in types)
    )
    past_condition = condition | _identity(scope, "id")
    if scope.resource_type:
        past_condition["type"] = scope.resource_type
    versions = {
        (version.updated, version.sequence): version
        for name, page in zip(types, live_pages, strict=True)
        for version in (version_of_live(name, document) for document in page)
    }
    for document in await _page(database, HISTORY, past_condition, limit):
        versions.setdefault((document["updated"], document["seq"]), version_of_past(document))
    return [versions[key] for key in sorted(versions, reverse=True)[:limit]]


def _identity(scope: HistoryScope, field: str) -> dict[str, Any]:
    return {field: scope.id} if scope.id else {}


def _condition(scope: HistoryScope, after: HistoryPosition | None) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    if scope.since is not None:
        condition["updated"] = {"$gte": scope.since}
    if after is not None:
        bounds = condition.setdefault("updated", {})
        bounds["$lte"] = after.updated
        condition["$or"] = [{"updated": {"$lt": after.updated}}, {"seq": {"$lt": after.sequence}}]
    return condition


async def _page(database: Database, name: str, condition: dict[str, Any], limit: int) -> list[Document]:
    cursor = database[name].find(condition, _WITHOUT_INDEX_VALUES)
    return await cursor.sort([("updated", DESCENDING), ("seq", DESCENDING)]).limit(limit).to_list()
