"""Removing versions for good: earlier ones, single ones, and all of resources that are deleted.

Within a resource the oldest version goes first and the deletion last, so that what a bounded removal leaves
is still whole. The operation is `fhir_server/operations/expunge.py`.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pymongo import ASCENDING, AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, Document

# Deletions that are looked at together, whether their resources are there again.
_AT_ONCE = 500
_IDENTITY = {"_id": 1, "type": 1, "id": 1, "version": 1}
_BY_TYPE = [("type", ASCENDING), ("updated", ASCENDING)]


@dataclass(frozen=True, slots=True)
class Expunging:
    """What is to be removed: of one resource, of a type, or (with neither) of all.

    `deleted` stands for all versions of the resources that are deleted, `previous` for those versions that
    are not the newest, `version` for a single one of these. At most `limit` versions are removed.
    """

    resource_type: str | None = None
    id: str | None = None
    version: int | None = None
    deleted: bool = False
    previous: bool = False
    limit: int = 1_000

    @property
    def scope(self) -> dict[str, Any]:
        """The condition on the documents of `history`."""
        wanted = {"type": self.resource_type, "id": self.id, "version": self.version}
        return {name: value for name, value in wanted.items() if value is not None}


async def expunge(client: AsyncMongoClient[Document], database: Database, wanted: Expunging) -> int:
    """Remove what is `wanted`, in one transaction; return the number of versions that are gone."""
    async with client.start_session() as session, await session.start_transaction():
        return await _Removal(database, session, wanted).carry_out()


class _Removal:
    """One removal on its way; lives as long as its transaction."""

    def __init__(self, database: Database, session: AsyncClientSession, wanted: Expunging) -> None:
        self._database = database
        self._history = database[HISTORY]
        self._session = session
        self._wanted = wanted
        self._room = wanted.limit
        self._removed = 0

    async def carry_out(self) -> int:
        """Remove what is wanted; return how many versions that were."""
        wanted = self._wanted
        if wanted.deleted:
            async for deletion in self._deletions(are_current=True):
                await self._remove_all({"type": deletion["type"], "id": deletion["id"]})
        if wanted.previous or wanted.version is not None:
            await self._remove_all(wanted.scope | {"method": {"$ne": "DELETE"}})
            async for deletion in self._deletions(are_current=False):
                await self._remove_all({"_id": deletion["_id"]})
        return self._removed

    async def _remove_all(self, condition: dict[str, Any]) -> None:
        """Remove what meets `condition`, the oldest first, as far as there is room."""
        if not self._room:
            return
        order = [("version", ASCENDING)] if "id" in condition else _BY_TYPE
        found = self._history.find(condition, {"_id": 1}, session=self._session)
        ids = [document["_id"] async for document in found.sort(order).limit(self._room)]
        if ids:
            await self._history.delete_many({"_id": {"$in": ids}}, session=self._session)
            self._removed += len(ids)
            self._room -= len(ids)

    async def _deletions(self, *, are_current: bool) -> AsyncIterator[Document]:
        """Yield the deletions in scope that are the newest version of their resources, or that are not."""
        found = self._history.find(
            self._wanted.scope | {"method": "DELETE"}, _IDENTITY, session=self._session
        ).sort(_BY_TYPE)
        batch: list[Document] = []
        async for document in found:
            batch.append(document)
            if len(batch) == _AT_ONCE:
                for deletion in await self._those(batch, are_current=are_current):
                    yield deletion
                batch = []
            if not self._room:
                return
        for deletion in await self._those(batch, are_current=are_current):
            yield deletion

    async def _those(self, deletions: Sequence[Document], *, are_current: bool) -> list[Document]:
        newest: dict[tuple[str, str], int] = {}
        for resource_type, group in groupby(deletions, key=lambda found: str(found["type"])):
            ids = [deletion["id"] for deletion in group]
            newest |= await self._newest(resource_type, ids)
        return [
            deletion
            for deletion in deletions
            if (newest.get((deletion["type"], deletion["id"]), 0) <= deletion["version"]) == are_current
        ]

    async def _newest(self, resource_type: str, ids: list[str]) -> dict[tuple[str, str], int]:
        """Return the numbers of the newest versions, live ones and deletions, of resources of a type."""
        past = self._history.find(
            {"type": resource_type, "id": {"$in": ids}, "method": "DELETE"}, _IDENTITY, session=self._session
        )
        newest: dict[tuple[str, str], int] = {}
        async for document in past.sort("version", ASCENDING):
            newest[resource_type, document["id"]] = document["version"]
        live = self._database[resource_type].find(
            {"_id": {"$in": ids}}, {"version": 1}, session=self._session
        )
        async for document in live:
            newest[resource_type, document["_id"]] = document["version"]
        return newest
