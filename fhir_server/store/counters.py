"""Numbers that are given out once: each caller gets the next one, and none is ever given again.

They are drawn outside of transactions, so that nobody waits for anybody; one whose transaction fails leaves a
gap. https://www.mongodb.com/docs/manual/reference/method/db.collection.findAndModify/
"""

from pymongo import ReturnDocument

from fhir_server.store.connection import Database

COUNTERS = "counters"


async def next_number(database: Database, name: str, first: int = 1, count: int = 1) -> int:
    """Return the first of the next `count` numbers called `name`, which begin with `first`."""
    # In a session of its own: the numbers stay given, whatever becomes of a transaction.
    async with database.client.start_session() as session:
        document = await database[COUNTERS].find_one_and_update(
            {"_id": name},
            {"$inc": {"given": count}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
    assert document is not None  # noqa: S101 - made if it was not there
    return int(document["given"]) - count + first
