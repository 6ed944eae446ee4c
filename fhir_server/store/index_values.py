"""The index values of what is stored already: extracted anew beside everybody who writes meanwhile.

Nothing of a resource changes by that: no version comes of it, and `meta` stays as it is.
See `docs/decisions/0018-custom-search-parameters.md`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import OperationFailure

from fhir_server.search.extraction import EXTRACTION_REVISION
from fhir_server.search.indexes import IndexSpecification
from fhir_server.search.registration import made_ready
from fhir_server.store.collections import make_indexes, models
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document, index_stamp
from fhir_server.store.failures import translated_failures
from fhir_server.store.fence import set_fence
from fhir_server.store.registry import REGISTRY, Registry
from resources.custom_parameters import CustomParameters

_WANTED = {"version": 1, "seq": 1, "updated": 1, "resource": 1, "search": 1}
_NO_INDEX = 27
_EXTRACTION = "extraction"

Extract = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of some resources: `seen` of them, of which some were `changed`; the id of the last one.

    `last_id` is None if there were none any more.
    """

    seen: int
    changed: int
    last_id: str | None


class IndexValues:
    """Reads and replaces index values in one database."""

    def __init__(self, database: Database, registry: Registry) -> None:
        """Work in `database`, whose custom parameters are in `registry`."""
        self._database = database
        self._registry = registry
        self._meta = database[REGISTRY]

    async def custom_parameters(self) -> CustomParameters:
        """Return the custom parameters as they are now."""
        with translated_failures():
            return await self._registry.refresh()

    async def set_fence(self, resource_type: str, stamp: int) -> None:
        """Refuse index values of the type that were extracted before the revision `stamp`."""
        with translated_failures():
            await set_fence(self._database, resource_type, stamp)

    async def make_indexes(self, resource_type: str, indexes: Iterable[IndexSpecification]) -> None:
        """Make those of `indexes` that are not there yet, while others go on writing."""
        with translated_failures():
            await make_indexes(self._database, resource_type, models(indexes))

    async def count(self, resource_type: str) -> int:
        """Return about how many resources of a type there are."""
        with translated_failures():
            return await self._database[resource_type].estimated_document_count()

    async def extract_anew(
        self, resource_type: str, after: str | None, limit: int, extract: Extract, stamp: int
    ) -> Batch:
        """Extract the index values of up to `limit` resources with ids above `after`.

        They are stored where they differ, if the resource is still what was read.
        """
        updates: list[UpdateOne] = []
        seen, last_id = 0, None
        where = {} if after is None else {"_id": {"$gt": after}}
        with translated_failures():
            found = self._database[resource_type].find(where, _WANTED).sort("_id", 1).limit(limit)
            async for document in found:
                seen, last_id = seen + 1, document["_id"]
                search = extract(document["resource"])
                if search != document["search"]:
                    updates.append(UpdateOne(_unchanged(document), _set(search, stamp)))
            if updates:
                await self._database[resource_type].bulk_write(updates, ordered=False)
        return Batch(seen, len(updates), last_id)

    async def make_ready(self, resource_type: str, stamp: int) -> None:
        """Let the parameters of a type be asked whose definitions are as of the revision `stamp` or older."""
        with translated_failures():
            while True:
                before = await self._registry.refresh()
                after = made_ready(before, resource_type, stamp)
                if after is before or await self._registry.replace(before, after):
                    return

    async def outdated_types(self) -> list[str]:
        """Return the types of whose resources the index values are of another version of the server."""
        with translated_failures():
            found = await self._meta.find_one({"_id": _EXTRACTION})
            names = await self._database.list_collection_names()
            stored = [
                name
                for name in sorted(names)
                if name[0].isupper() and await self._database[name].estimated_document_count()
            ]
            by_type, general = (found["types"], found["revision"]) if found else ({}, 0)
            outdated = [name for name in stored if by_type.get(name, general) != EXTRACTION_REVISION]
            if not outdated and (general != EXTRACTION_REVISION or by_type):
                wholly: Document = {"revision": EXTRACTION_REVISION, "types": {}}
                await self._meta.update_one({"_id": _EXTRACTION}, {"$set": wholly}, upsert=True)
            return outdated

    async def note_extracted(self, resource_type: str) -> None:
        """Remember that all index values of a type are of this version of the server."""
        with translated_failures():
            update = {"$set": {f"types.{resource_type}": EXTRACTION_REVISION}}
            await self._meta.update_one({"_id": _EXTRACTION}, update)

    async def drop_leftover_indexes(self, resource_type: str) -> None:
        """Drop the indexes of parameters of a type that are gone: there may be no room for them."""
        with translated_failures():
            for entry in await self._registry.removed(datetime.now(UTC)):
                if entry["type"] == resource_type and not await self._is_back(entry):
                    await self._drop_indexes(resource_type, entry["code"])

    async def forget_removed(self, resource_type: str, before: datetime) -> None:
        """Forget parameters of a type that went `before` all its index values were extracted anew."""
        with translated_failures():
            for entry in await self._registry.removed(before):
                if entry["type"] == resource_type:
                    await self._registry.forget_removed(entry)

    async def _is_back(self, entry: Mapping[str, Any]) -> bool:
        custom = (await self._registry.refresh()).of(entry["type"])
        return any(one.facts["code"] == entry["code"] for one in custom)

    async def has_removed(self, grace: timedelta) -> bool:
        """Tell whether something is left of parameters that went longer than `grace` ago."""
        with translated_failures():
            return bool(await self._registry.removed(datetime.now(UTC) - grace))

    async def remove_some(self, grace: timedelta, limit: int) -> bool:
        """Remove values of a parameter that went longer than `grace` ago; False if there are none.

        At most `limit` resources are changed. The index goes with the last of the values.
        """
        with translated_failures():
            removed = await self._registry.removed(datetime.now(UTC) - grace)
            if not removed:
                return False
            entry = removed[0]
            parameters = await self._registry.refresh()
            resource_type, code = entry["type"], entry["code"]
            is_back = await self._is_back(entry)
            if is_back or not await self._unset(resource_type, code, parameters.stamp(resource_type), limit):
                if not is_back:
                    await self._drop_indexes(resource_type, code)
                await self._registry.forget_removed(entry)
            return True

    async def _unset(self, resource_type: str, code: str, stamp: int, limit: int) -> int:
        collection, field = self._database[resource_type], f"search.{code}"
        # If the parameter comes back meanwhile, its new values are of a later revision, and stay.
        having = {field: {"$exists": True}, "$or": [{"indexed": {"$lte": stamp}}, {"indexed": None}]}
        found = await collection.find(having, {"_id": 1}).limit(limit).to_list()
        if found:
            ids = {"_id": {"$in": [document["_id"] for document in found]}}
            # The fence is for those who add values; here some go.
            await collection.update_many(
                ids | having, {"$unset": {field: ""}}, bypass_document_validation=True
            )
        return len(found)

    async def _drop_indexes(self, resource_type: str, code: str) -> None:
        for name in (code, f"{code}.until", f"{code}.range"):
            try:
                await self._database[resource_type].drop_index(name)
            except OperationFailure as failure:
                if failure.code != _NO_INDEX:
                    raise


def _unchanged(document: Document) -> Document:
    """Return the filter for a document that is what was read; $meta-add changes `meta` in place."""
    identity = {name: document[name] for name in ("_id", "version", "seq", "updated")}
    return identity | {"resource.meta": document["resource"]["meta"]}


def _set(search: dict[str, Any], stamp: int) -> Document:
    return {"$set": {"search": search, **index_stamp(stamp)}}
