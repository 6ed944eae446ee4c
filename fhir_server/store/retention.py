"""What is old enough to be removed for good: versions in `history`, looked at one by one before they go."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, Document
from fhir_server.store.failures import translated_failures


@dataclass(frozen=True, slots=True)
class OldVersion:
    """A version that is not the current one: its place, and the resource (None for a deletion)."""

    key: str
    resource_type: str
    id: str
    resource: dict[str, Any] | None


class Retention:
    """The versions of one database that may be removed."""

    def __init__(self, database: Database) -> None:
        """Look into `database`."""
        self._database = database

    async def previous_versions(self, resource_type: str, before: datetime) -> AsyncIterator[OldVersion]:
        """Yield the versions that were replaced before a moment; those of a resource that is there."""
        wanted = {"type": resource_type, "until": {"$lt": before}, "method": {"$ne": "DELETE"}}
        async for document in self._found(wanted):
            if await self._is_live(resource_type, document["id"]):
                yield _version(document)

    async def deleted_resources(self, resource_type: str, before: datetime) -> AsyncIterator[OldVersion]:
        """Yield all versions of the resources that were deleted before a moment, and are not there again."""
        wanted = {"type": resource_type, "updated": {"$lt": before}, "method": "DELETE"}
        seen: set[str] = set()
        async for deletion in self._found(wanted):
            if deletion["id"] in seen or await self._is_live(resource_type, deletion["id"]):
                continue
            seen.add(deletion["id"])
            versions = [one async for one in self._found({"type": resource_type, "id": deletion["id"]})]
            if all(one["updated"] < before for one in versions):
                for one in versions:
                    yield _version(one)

    async def remove(self, versions: Sequence[OldVersion]) -> int:
        """Remove versions for good; return how many there were."""
        with translated_failures():
            keys = [one.key for one in versions]
            return (await self._database[HISTORY].delete_many({"_id": {"$in": keys}})).deleted_count

    async def _found(self, wanted: Document) -> AsyncIterator[Document]:
        with translated_failures():
            async for document in self._database[HISTORY].find(wanted).sort("_id", 1):
                yield document

    async def _is_live(self, resource_type: str, resource_id: str) -> bool:
        with translated_failures():
            return await self._database[resource_type].find_one({"_id": resource_id}, {"_id": 1}) is not None


def _version(document: Document) -> OldVersion:
    return OldVersion(document["_id"], document["type"], document["id"], document.get("resource"))
