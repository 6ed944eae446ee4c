"""A server process for each module, whose memory, log and database are looked at afterwards."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.fhir_server.faults.refusals import CANARY
from tests.fhir_server.faults.server_process import ServerProcess, resident_bytes, running

# What a process may hold on to after a module full of bad requests, beside what it had before.
_MOST_GROWTH = 150 * 1024 * 1024


@pytest.fixture(scope="module")
def own_database(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """A database for one module."""
    name = f"faults-{uuid.uuid4().hex[:12]}"
    yield mongo_client[name]
    mongo_client.drop_database(name)


@pytest.fixture(scope="module")
def server(
    mongo_url: str, own_database: Database[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A running server with nothing in it; afterwards its log must be clean and its memory not grown much."""
    folder = tmp_path_factory.mktemp("server")
    environment = {"FHIR_MONGO_URL": mongo_url, "FHIR_DATABASE": own_database.name}
    with running(folder, environment=environment) as process:
        before = resident_bytes(process.pid)
        yield process
        assert process.process.poll() is None, "the server ended"
        assert resident_bytes(process.pid) < before + _MOST_GROWTH
    log = process.log.read_text()
    assert CANARY not in log
    assert "Traceback" not in log
    assert '"level":"error"' not in log


@pytest.fixture(scope="module")
def port(server: ServerProcess) -> int:
    """The port of the running server."""
    return server.port


@pytest.fixture
def nothing_stored(own_database: Database[dict[str, Any]]) -> Iterator[None]:
    """Fail a test after which the database has another number of documents than before."""
    before = _count(own_database)
    yield
    assert _count(own_database) == before


def _count(database: Database[dict[str, Any]]) -> int:
    names = [name for name in database.list_collection_names() if name != "locks"]
    return sum(database[name].count_documents({}) for name in names)
