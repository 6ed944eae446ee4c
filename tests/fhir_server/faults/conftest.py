"""One server process for all modules, whose memory, log and database are looked at."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.fhir_server.faults.refusals import CANARY, documents
from tests.fhir_server.faults.server_process import (
    ServerProcess,
    peak_resident_bytes,
    resident_bytes,
    running,
)

# What a process may hold on to after thousands of bad requests, beside what it had before.
_MOST_GROWTH = 250 * 1024 * 1024
# What it may take for a moment: the largest body has 64 MB, and some of it is kept twice while it is read.
_HIGHEST_PEAK = 1024 * 1024 * 1024


@pytest.fixture(scope="session")
def server_database(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """The database of the server."""
    name = f"faults-{uuid.uuid4().hex[:12]}"
    yield mongo_client[name]
    mongo_client.drop_database(name)


@pytest.fixture(scope="session")
def server(
    mongo_url: str, server_database: Database[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A running server; afterwards its log must be clean and its memory not grown much."""
    folder = tmp_path_factory.mktemp("server")
    environment = {"FHIR_MONGO_URL": mongo_url, "FHIR_DATABASE": server_database.name}
    with running(folder, environment=environment) as process:
        before = resident_bytes(process.pid)
        yield process
        assert process.process.poll() is None, "the server ended"
        assert resident_bytes(process.pid) < before + _MOST_GROWTH
        assert peak_resident_bytes(process.pid) < _HIGHEST_PEAK
    log = process.log.read_text()
    assert CANARY not in log
    assert "Traceback" not in log
    assert '"level":"error"' not in log


@pytest.fixture(scope="session")
def port(server: ServerProcess) -> int:
    """The port of the running server."""
    return server.port


@pytest.fixture
def nothing_stored(server_database: Database[dict[str, Any]]) -> Iterator[None]:
    """Fail a test after which the database has another number of documents than before."""
    before = documents(server_database)
    yield
    assert documents(server_database) == before
