"""All that a database holds, as of one moment, and put back again: for backups.

Documents go and come as the bytes that MongoDB keeps, so that what is restored is what was there, whatever it
is. https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/, https://bsonspec.org/
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from fhir_server.store.collections import LOCKS
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import SnapshotGone, translated_failures
from fhir_server.store.history_window import remembering

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
# What only lives as long as a transaction.
_LEFT_OUT = frozenset({LOCKS})
_TRIES, _PAUSE_SECONDS = 10, 1.0
_KEPT_OPTIONS = ("validator", "validationLevel", "validationAction", "collation")


@dataclass(frozen=True, slots=True)
class CollectionShape:
    """A collection without its documents: its name, what MongoDB checks in it, and its indexes."""

    name: str
    options: Mapping[str, Any]
    indexes: Sequence[Mapping[str, Any]]


class Dumps:
    """The whole of one database, to be read or written."""

    def __init__(self, client: AsyncMongoClient[Document], database: Database) -> None:
        """Read and write `database` of `client`."""
        self._client = client
        self._database = database

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Snapshot"]:
        """Give the database as of one moment, until the block ends.

        MongoDB is asked to remember that moment for two days; where we may not ask, it does for five minutes
        or what it is set to. Raises SnapshotGone if collections are made all the time.
        """
        async with remembering(self._client.admin, self._database):
            for _ in range(_TRIES):
                shapes = await self._shapes()
                async with self._client.start_session(snapshot=True) as session:
                    if await self._is_whole(shapes, session):
                        yield Snapshot(self._database, shapes, session)
                        return
                await asyncio.sleep(_PAUSE_SECONDS)
        raise SnapshotGone

    async def _is_whole(self, shapes: Sequence[CollectionShape], session: AsyncClientSession) -> bool:
        """Begin the moment; tell whether all collections can be read in it, and none is missing."""
        try:
            for shape in shapes:
                await self._database[shape.name].find_one({}, {"_id": 1}, session=session)
        except OperationFailure:
            return False  # a collection or an index was made a moment ago
        return [shape.name for shape in shapes] == await self.names()

    async def names(self) -> list[str]:
        """Return the collections that a backup has, sorted."""
        with translated_failures():
            names = await self._database.list_collection_names(filter={"type": "collection"})
        return sorted(name for name in names if not name.startswith("system.") and name not in _LEFT_OUT)

    async def _shapes(self) -> list[CollectionShape]:
        found = []
        async for one in await self._database.list_collections(filter={"type": "collection"}):
            name = one["name"]
            if name.startswith("system.") or name in _LEFT_OUT:
                continue
            options = {key: one["options"][key] for key in _KEPT_OPTIONS if key in one["options"]}
            indexes = [
                {key: value for key, value in index.items() if key not in ("v", "ns")}
                async for index in await self._database[name].list_indexes()
                if index["name"] != "_id_"
            ]
            found.append(CollectionShape(name, options, indexes))
        return sorted(found, key=lambda shape: shape.name)

    async def is_empty(self) -> bool:
        """Tell whether there is not a single document."""
        with translated_failures():
            for name in await self.names():
                if await self._database[name].find_one({}, {"_id": 1}) is not None:
                    return False
        return True

    async def drop(self) -> None:
        """Remove everything."""
        with translated_failures():
            await self._client.drop_database(self._database.name)

    async def make(self, shape: CollectionShape) -> None:
        """Make a collection, without its indexes, which are faster to make when the documents are there."""
        with translated_failures():
            await self._database.drop_collection(shape.name)
            await self._database.create_collection(shape.name, **shape.options)

    async def insert(self, name: str, documents: Sequence[bytes]) -> None:
        """Insert documents as they are."""
        collection = self._database.get_collection(
            name, codec_options=_RAW, write_concern=WriteConcern("majority")
        )
        with translated_failures():
            await collection.insert_many(
                [RawBSONDocument(one) for one in documents], ordered=False, bypass_document_validation=True
            )

    async def index(self, shape: CollectionShape) -> None:
        """Make the indexes of a collection."""
        if shape.indexes:
            with translated_failures():
                await self._database.command({"createIndexes": shape.name, "indexes": list(shape.indexes)})

    async def documents(self, name: str) -> AsyncIterator[bytes]:
        """Yield the documents of a collection as they are now, by id."""
        with translated_failures():
            async for one in _documents(self._database, name, None):
                yield one


class Snapshot:
    """A database as of one moment."""

    def __init__(
        self, database: Database, shapes: Sequence[CollectionShape], session: AsyncClientSession
    ) -> None:
        """Read `database` in `session`; `shapes` are its collections."""
        self._database = database
        self._session = session
        self.shapes = shapes

    async def documents(self, name: str) -> AsyncIterator[bytes]:
        """Yield the documents of a collection, by id."""
        with translated_failures():
            async for one in _documents(self._database, name, self._session):
                yield one


async def _documents(
    database: Database, name: str, session: AsyncClientSession | None
) -> AsyncIterator[bytes]:
    collection = database.get_collection(name, codec_options=_RAW)
    async with collection.find({}, session=session).sort("_id", ASCENDING) as found:
        async for document in found:
            yield bytes(cast(RawBSONDocument, document).raw)
