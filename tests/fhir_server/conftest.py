"""A real server on a real MongoDB, one database for each test module."""

import asyncio
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from pymongo import MongoClient

from fhir_server.app import NewApply, create_app
from fhir_server.settings import Settings
from fhir_server.smart.access.admission import Authenticate
from fhir_server.smart.oauth.accounts import Accounts

FHIR_JSON = "application/fhir+json"


@contextmanager
def running_server(
    settings: Settings,
    authenticate: Authenticate | None = None,
    accounts: Accounts | None = None,
    new_apply: NewApply | None = None,
) -> Iterator[str]:
    """Serve the application on a free port of the loopback interface; give the base URL."""
    # Named as TCP, since asyncio only then sends without waiting (TCP_NODELAY): 40 ms a request otherwise.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    application = create_app(settings, authenticate, accounts, new_apply)
    config = uvicorn.Config(application, log_config=None, access_log=False, loop="asyncio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            threading.Event().wait(0.01)
        yield base_url
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


@pytest.fixture(scope="module")
def settings(mongo_url: str) -> Iterator[Settings]:
    """Settings for a database of the module's own, which is dropped afterwards; requests need no token.

    The rules of the hospital's work are off: these tests are about FHIR, with resources in any state.
    """
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off="all")
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture(scope="module")
def base_url(settings: Settings) -> Iterator[str]:
    """The address of a running server."""
    with running_server(settings) as url:
        yield url


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[httpx.Client]:
    """An HTTP client of that server, which sends FHIR JSON."""
    headers = {"content-type": FHIR_JSON}
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as http:
        yield http
