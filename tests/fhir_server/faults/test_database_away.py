"""Without MongoDB: 503, and when to try again; the server itself stays up, and recovers by itself.

https://hl7.org/fhir/R4/http.html#Status-Codes, https://www.rfc-editor.org/rfc/rfc9110#status.503
"""

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.fhir_server.faults.forwarder import Forwarder
from tests.fhir_server.faults.raw_http import FHIR_JSON, Answer, Connection, ask, request_bytes
from tests.fhir_server.faults.server_process import START_SECONDS, free_port, launch

# The driver looks for the database for 3 seconds; a busy machine may take its time on top.
_ANSWER_SECONDS = 30.0
# A transaction that was cut off is kept by MongoDB for up to a minute; whoever writes the same meanwhile is
# told to try again.
_RECOVERY_SECONDS = 100.0

PATIENT = {"resourceType": "Patient", "id": "away", "active": True}
ENTRY = {"request": {"method": "PUT", "url": "Patient/away"}, "resource": PATIENT}
TRANSACTION = {"resourceType": "Bundle", "type": "transaction", "entry": [ENTRY]}
CONDITIONAL = {"If-None-Exist": "identifier=urn:x|1"}

Asked = tuple[str, str, dict[str, str], Any]

NEEDS_DATABASE: dict[str, Asked] = {
    "read": ("GET", "/fhir/Patient/away", {}, None),
    "vread": ("GET", "/fhir/Patient/away/_history/1", {}, None),
    "instance history": ("GET", "/fhir/Patient/away/_history", {}, None),
    "type history": ("GET", "/fhir/Patient/_history", {}, None),
    "system history": ("GET", "/fhir/_history", {}, None),
    "search": ("GET", "/fhir/Patient?identifier=urn:x|1", {}, None),
    "count": ("GET", "/fhir/Patient?_summary=count", {}, None),
    "search by several keys": ("GET", "/fhir/Patient?_sort=family,birthdate", {}, None),
    "update": ("PUT", "/fhir/Patient/away", {}, PATIENT),
    "create": ("POST", "/fhir/Patient", {}, PATIENT),
    "conditional create": ("POST", "/fhir/Patient", CONDITIONAL, PATIENT),
    "delete": ("DELETE", "/fhir/Patient/away", {}, None),
    "transaction": ("POST", "/fhir", {}, TRANSACTION),
}


@contextmanager
def running_server(folder: Path, mongo_url: str, database: str) -> Iterator[int]:
    """Give the port of a server that answers, though its MongoDB need not be there."""
    port = free_port()
    process = launch(folder, port=port, environment={"FHIR_MONGO_URL": mongo_url, "FHIR_DATABASE": database})
    assert process.stdout is not None
    try:
        _wait_until_live(port)
        yield port
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    log = (folder / "server.log").read_text()
    assert "Traceback" not in log


def _wait_until_live(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            answer = ask(port, "GET", "/health/live")
        except ConnectionRefusedError:
            answer = None
        if answer is not None:
            return
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def forwarder(mongo_url: str) -> Iterator[Forwarder]:
    """The way to MongoDB, closed at first."""
    with Forwarder(mongo_url) as made:
        yield made


@pytest.fixture(scope="module")
def own_database(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """The name of a database."""
    name = f"faults-{uuid.uuid4().hex[:12]}"
    yield name
    mongo_client.drop_database(name)


@pytest.fixture(scope="module")
def port(
    forwarder: Forwarder,
    own_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """The port of a server that was started without its MongoDB; whether it was there since, tests say."""
    with running_server(tmp_path_factory.mktemp("away"), forwarder.url, own_database) as found:
        yield found


def send(port: int, asked: Asked) -> Answer:
    """Ask, and wait no longer than a client would."""
    method, target, headers, body = asked
    content = b"" if body is None else json.dumps(body).encode()
    lines = [*headers.items(), *([("Content-Type", FHIR_JSON)] if content else [])]
    with Connection(port, _ANSWER_SECONDS) as connection:
        connection.send([request_bytes(method, target, lines, content)])
        answer = connection.answer(method)
    assert answer is not None
    return answer


def check_unavailable(answer: Answer) -> None:
    """Check that the answer says: not now, but soon."""
    assert answer.status == 503, answer
    assert answer.is_outcome
    assert answer.resource["issue"][0]["code"] == "transient"
    assert int(answer.headers["retry-after"]) > 0


def check_recovers(port: int) -> None:
    """Check that the server gets well by itself: a write, and a read of it."""
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while (answer := send(port, NEEDS_DATABASE["update"])).status in (409, 503):
        assert time.monotonic() < deadline, "the server does not recover"
        time.sleep(0.1)
    assert answer.status in (200, 201)
    for name, asked in NEEDS_DATABASE.items():
        if name != "delete":
            assert send(port, asked).status in (200, 201), name
    ready = ask(port, "GET", "/health/ready")
    assert ready is not None
    assert ready.status == 200


def check_parts_that_need_no_database(port: int) -> None:
    """Check what can be answered all the same."""
    live, ready = ask(port, "GET", "/health/live"), ask(port, "GET", "/health/ready")
    metadata = ask(port, "GET", "/fhir/metadata")
    assert live is not None
    assert live.status == 200
    assert ready is not None
    assert ready.status == 503
    assert int(ready.headers["retry-after"]) > 0
    assert metadata is not None
    assert metadata.status == 200
    unknown = ask(port, "GET", "/fhir/Nonsense/1")
    assert unknown is not None
    assert unknown.status == 404


def check_all_unavailable(port: int) -> None:
    """Check, all at once, interactions that need the database, and a batch.

    The batch is refused as a whole if it is not known any more which search parameters there are; else its
    entries fail one by one.
    """
    batch: Asked = ("POST", "/fhir", {}, {**TRANSACTION, "type": "batch"})
    with ThreadPoolExecutor(len(NEEDS_DATABASE) + 1) as threads:
        answer_of_batch = threads.submit(send, port, batch)
        for answer in threads.map(send, repeat(port), NEEDS_DATABASE.values()):
            check_unavailable(answer)
    answer = answer_of_batch.result()
    if answer.status == 503:
        check_unavailable(answer)
    else:
        assert answer.resource["entry"][0]["response"]["status"].startswith("503")


def test_a_database_that_comes_and_goes(port: int, forwarder: Forwarder) -> None:
    """The server starts without it, says what is missing, and works whenever MongoDB is there."""
    for _ in range(2):
        check_parts_that_need_no_database(port)
        check_all_unavailable(port)
        forwarder.open()
        check_recovers(port)
        forwarder.close()


def test_a_database_that_falls_silent(port: int, forwarder: Forwarder) -> None:
    """A cable that is cut closes no connection: the driver finds out, and so does who waits."""
    forwarder.open()
    check_recovers(port)
    forwarder.be_silent()
    check_all_unavailable(port)
    check_parts_that_need_no_database(port)
    forwarder.close()


def test_an_unknown_outcome_is_not_told_as_a_refusal(port: int, forwarder: Forwarder) -> None:
    """A write that was under way when the database went may be stored or not; it is never refused."""
    forwarder.open()
    check_recovers(port)
    body = json.dumps(PATIENT).encode()
    with Connection(port, _ANSWER_SECONDS) as connection:
        for _ in range(4):
            request = request_bytes("PUT", "/fhir/Patient/away", [("Content-Type", FHIR_JSON)], body)
            connection.send([request])
            forwarder.close()
            answer = connection.answer()
            assert answer is not None
            assert answer.status in (200, 503)
            forwarder.open()
    check_recovers(port)
    forwarder.close()
