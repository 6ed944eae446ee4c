"""Transactions of processes that were killed: ended by the next one that starts, those of the living left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.left_open import is_dead, process_name

_HOLDER = """
import asyncio, sys
from fhir_server.store.connection import connect

async def hold(url, name):
    client = connect(url)
    async with client.start_session() as session:
        await session.start_transaction()
        await client[name]["held"].update_one({"_id": 1}, {"$set": {"by": "me"}}, session=session)
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold(*sys.argv[1:]))
"""


@contextmanager
def _holder(url: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a transaction open, in which it writes a document."""
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, url, name], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """The store of a process that starts."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    yield store
    await store.close()


@pytest.fixture
def held(settings: Settings, mongo_client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    """A database with the document that is written."""
    database = mongo_client[settings.database]
    database["held"].replace_one({"_id": 1}, {"by": "nobody"}, upsert=True)
    return database


@pytest.mark.anyio
async def test_what_a_killed_process_holds_is_free_at_the_next_start(
    store: Store, settings: Settings, held: Database[dict[str, Any]]
) -> None:
    """Its transaction is ended, and what it wrote was never stored; that of a living one goes on."""
    url = str(settings.mongo_url)
    with _holder(url, settings.database) as process:
        await store.end_left_open()
        assert _is_open(held, process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert await store.end_left_open() >= 1
        assert not _is_open(held, process.pid)
        began = time.monotonic()
        held["held"].update_one({"_id": 1}, {"$set": {"by": "another"}})
        assert time.monotonic() - began < 50, "it waited until MongoDB itself gave the transaction up"
    assert held["held"].find_one({"_id": 1}) == {"_id": 1, "by": "another"}


def _is_open(database: Database[dict[str, Any]], process: int) -> bool:
    asked: list[dict[str, Any]] = [
        {"$currentOp": {"idleSessions": True}},
        {"$match": {"type": "idleSession"}},
    ]
    found = database.client.admin.aggregate(asked)
    return any(f" {process} " in one.get("appName", "") for one in found)


def test_who_is_dead() -> None:
    """Only processes of this place can be told to be; a number that was given anew is not the same one."""
    own = process_name()
    assert not is_dead(own)
    name, place, number, beginning = own.split(" ")
    assert is_dead(f"{name} {place} {number} {int(beginning) - 1}")
    for other in (
        f"{name} elsewhere/1 {number} {int(beginning) - 1}",
        f"another {place} {number} {int(beginning) - 1}",
        f"{name} {place} {number} 0",
        f"{name} {place} x 1",
        name,
        "",
    ):
        assert not is_dead(other), other
    assert len(own) <= 128  # the most that MongoDB takes
