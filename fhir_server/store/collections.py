"""Collections and their indexes, made when the first resource of a type is about to be stored.

Making all of them at once would cost every new hospital some 2,500 index files that it may never use.
"""

import asyncio

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.search.indexes import index_specifications
from fhir_server.store.documents import HISTORY, Document

LOCKS = "locks"
# A lock document only has to outlive the transaction that wrote it.
_LOCK_LIFETIME_SECONDS = 3_600


class Collections:
    """Knows which collections are ready; one instance a process, safe beside those of other processes."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Start without knowing any; `database` is where they are made."""
        self._database = database
        self._ready: set[str] = set()
        self._making = asyncio.Lock()

    async def prepare(self, resource_types: set[str]) -> None:
        """Make sure that the collections of `resource_types` and the common ones have their indexes."""
        if resource_types <= self._ready:
            return
        async with self._making:
            if not self._ready:
                await self._prepare_common()
            for resource_type in sorted(resource_types - self._ready):
                await self._database[resource_type].create_indexes(_models(resource_type))
                self._ready.add(resource_type)

    async def _prepare_common(self) -> None:
        await self._database[HISTORY].create_indexes(
            [
                IndexModel(
                    [("type", ASCENDING), ("id", ASCENDING), ("version", DESCENDING)], name="instance"
                ),
                IndexModel([("type", ASCENDING), ("updated", DESCENDING), ("seq", DESCENDING)], name="type"),
                IndexModel([("updated", DESCENDING), ("seq", DESCENDING)], name="system"),
            ]
        )
        await self._database[LOCKS].create_indexes(
            [IndexModel([("at", ASCENDING)], name="at", expireAfterSeconds=_LOCK_LIFETIME_SECONDS)]
        )

    async def stored_types(self) -> list[str]:
        """Return the resource types of which something is or was stored."""
        names = await self._database.list_collection_names()
        return sorted(name for name in names if name[0].isupper())


def _models(resource_type: str) -> list[IndexModel]:
    models = []
    for specification in index_specifications(resource_type):
        options = {"partialFilterExpression": specification.partial} if specification.partial else {}
        unique = [name for name, _ in specification.keys] == ["seq"]
        models.append(IndexModel(list(specification.keys), name=specification.name, unique=unique, **options))
    return models
