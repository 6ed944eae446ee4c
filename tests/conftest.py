"""Fixtures for all tests: a real MongoDB, a database of one's own in it, and the shared data sets.

FHIR_TEST_MONGO_URL names a MongoDB to use; without it one is started, as the server does it.
"""

import inspect
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

REPOSITORY = Path(__file__).parents[1]

# No test depends on how fast the machine is: a client that says nothing else waits longer than httpx's five
# seconds, which the first write into a new database may take where all cores are busy.
inspect.signature(httpx.get).parameters["timeout"].default.read = 120.0


def pytest_xdist_auto_num_workers() -> int:
    """Run in one process more than there are cores, as some tests wait for what others do."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """The address of a MongoDB replica set that lives as long as the test run."""
    given = os.environ.get("FHIR_TEST_MONGO_URL")
    # Imported here, so that tests of pure code need no server's code.
    from fhir_server.settings import Settings
    from fhir_server.store.embedded import running_mongo

    with (
        tempfile.TemporaryDirectory(prefix="fhir-test-") as folder,
        running_mongo(Settings(mongo_url=given, data_dir=Path(folder))) as mongo,
    ):
        yield mongo.url


@pytest.fixture(scope="session")
def mongo_client(mongo_url: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of the driver's blocking kind, for tests that look at what was stored."""
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
        yield client


@pytest.fixture
def database(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """An empty database with a name of its own, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    yield mongo_client[name]
    mongo_client.drop_database(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the repository; tests that need it are skipped without it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"there are no shared data sets at {folder}")
    return folder
