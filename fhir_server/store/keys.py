"""Secrets of this server that all its processes share, kept in the database and made when first needed."""

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document

KEYS = "keys"


async def shared_key(database: Database, name: str, candidate: str, session: AsyncClientSession) -> str:
    """Return the key called `name`: `candidate` if there is none yet, and that one for everyone from then on.

    Of several processes that come at once one sets it, since `_id` is unique; the others read what it set.
    """
    for _ in range(2):
        try:
            document: Document | None = await database[KEYS].find_one_and_update(
                {"_id": name},
                {"$setOnInsert": {"key": candidate}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
        except DuplicateKeyError:
            continue  # another process set it between MongoDB's look and its insert
        if document is not None:
            return str(document["key"])
    found = await database[KEYS].find_one({"_id": name}, session=session) or {}
    return str(found["key"])
