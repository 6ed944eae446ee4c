"""The database refuses index values that lack a custom parameter.

https://www.mongodb.com/docs/manual/core/schema-validation/
"""

import asyncio
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from fhir_server.reindexing import worker
from fhir_server.settings import Settings
from fhir_server.store.connection import connect
from fhir_server.store.connection import database as opened
from fhir_server.store.fence import is_stale, set_fence
from tests.fhir_server.conftest import running_server
from tests.fhir_server.reindexing.adding import PATIENCE_SECONDS, add, definition, found, reindex


async def _refusals(url: str, name: str) -> list[bool]:
    """Return for each way of writing whether an old stamp was refused as one."""
    client = connect(url)
    database = opened(client, name)
    patients = database["Patient"]
    await set_fence(database, "Patient", 3)
    await patients.insert_one({"_id": "new", "indexed": 3})
    refused: list[bool] = []

    async def attempt(write: Any) -> None:
        try:
            await write
        except PyMongoError as failure:
            refused.append(is_stale(failure))
        else:
            refused.append(False)

    await attempt(patients.insert_one({"_id": "none"}))
    await attempt(patients.insert_one({"_id": "old", "indexed": 2}))
    await attempt(patients.insert_many([{"_id": "both", "indexed": 3}, {"_id": "mixed", "indexed": 2}]))
    await attempt(patients.replace_one({"_id": "new"}, {"indexed": 2}))
    await attempt(patients.update_one({"_id": "new"}, {"$set": {"indexed": 1}}))
    await client.close()
    return refused


def test_old_index_values_are_refused(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    """By insert, by replacement and by update; whether the collection was there or not."""
    assert asyncio.run(_refusals(mongo_url, database.name)) == [True] * 5
    assert {document["_id"] for document in database["Patient"].find()} == {"new", "both"}


async def _write_after_a_fence(url: str, name: str) -> bool:
    """Return whether a transaction that began before the fence could store old index values after it."""
    client = connect(url)
    database = opened(client, name)
    await database["Patient"].insert_one({"_id": "before"})
    await database["Basic"].insert_one({"_id": "other"})
    async with client.start_session() as session:
        await session.start_transaction()
        # From here on it has its snapshot.
        await database["Basic"].find_one(
            {"_id": "other"}, session=session
        )  # from here on it has its snapshot
        await set_fence(database, "Patient", 5)
        is_stored = True
        try:
            await database["Patient"].insert_one({"_id": "late", "indexed": 4}, session=session)
            await session.commit_transaction()
        except PyMongoError:
            is_stored = False
    await client.close()
    return is_stored


def test_a_transaction_that_began_before_the_fence_is_refused_too(
    mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    """Its snapshot is from before, but what it writes is looked at as of now."""
    assert not asyncio.run(_write_after_a_fence(mongo_url, database.name))
    assert database["Patient"].find_one({"_id": "late"}) is None


def test_what_is_left_of_a_parameter_goes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some time the values and the index of a deleted parameter are removed; nothing else changes."""
    monkeypatch.setattr(worker, "REMOVAL_GRACE", timedelta(0))
    headers = {"content-type": "application/fhir+json"}
    with (
        running_server(settings) as url,
        httpx.Client(base_url=url, headers=headers, timeout=30) as client,
        MongoClient[dict[str, Any]](settings.mongo_url) as mongo,
    ):
        patients = mongo[settings.database]["Patient"]
        for number in range(3):
            body = {"resourceType": "Patient", "id": f"p{number}", "active": True}
            assert client.put(f"/Patient/p{number}", json=body).status_code == 201
        [added, _] = add(client, definition("gone", "Patient.active"), definition("stays", "Patient.id"))
        reindex(client)
        assert len(found(client, "gone=true")) == patients.count_documents({"search.gone": "true"}) == 3
        before = client.get("/Patient/p1").json()
        assert client.delete(f"/SearchParameter/{added}").status_code == 204
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "gone" in patients.index_information() or patients.count_documents({"search.gone": "true"}):
            assert time.monotonic() < deadline
        assert "stays" in patients.index_information()
        assert found(client, "stays=p1") == ["p1"]
        assert client.get("/Patient/p1").json() == before
