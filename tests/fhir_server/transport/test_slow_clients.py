"""Clients that take their time, or all the connections: https://owasp.org/www-community/attacks/Denial_of_Service."""

import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.fhir_server.faults.raw_http import FHIR_JSON, Connection, ask, request_bytes
from tests.fhir_server.faults.refusals import check_refused
from tests.fhir_server.faults.server_process import ServerProcess, running

SECONDS = 0.6
MOST, MOST_OF_CLIENT = 12, 8
# A refusal comes when the clock is looked at next, on a machine that has other work too.
_LATEST = 15.0


@pytest.fixture(scope="module")
def server(
    mongo_url: str, mongo_client: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server without patience."""
    name = f"slow-{uuid.uuid4().hex[:12]}"
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": name,
        "FHIR_CLIENT_SECONDS": str(SECONDS),
        "FHIR_MAX_CONNECTIONS": str(MOST),
        "FHIR_MAX_CLIENT_CONNECTIONS": str(MOST_OF_CLIENT),
    }
    with running(tmp_path_factory.mktemp("slow"), environment=environment) as process:
        yield process
    mongo_client.drop_database(name)


@pytest.fixture
def port(server: ServerProcess) -> Iterator[int]:
    """The port of the server, which must answer others all the same."""
    yield server.port
    assert httpx.get(f"http://127.0.0.1:{server.port}/health/live").status_code == 200


def _drip(port: int, beginning: bytes, drop: bytes) -> tuple[bytes, float]:
    """Send a beginning, and drops until the server has had enough; return what it says, and when."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.05)
        connection.sendall(beginning)
        answer = b""
        while time.monotonic() < started + _LATEST:
            try:
                piece = connection.recv(65_536)
            except TimeoutError:
                if drop:
                    connection.sendall(drop)
                continue
            except ConnectionResetError:
                break
            if not piece:
                break
            answer += piece
    return answer, time.monotonic() - started


HEAD = b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
SLOW = {
    "a head, byte by byte": (b"GET /fhir/Patient?", b"a"),
    "headers, one by one": (b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n", b"X-Slow: 1\r\n"),
    "a head that stops": (b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n", b""),
    "a body, byte by byte": (HEAD + b"Content-Length: 100000\r\n\r\n{", b" "),
    "a body that stops": (HEAD + b"Content-Length: 100000\r\n\r\n{", b""),
    "chunks, one by one": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n"),
    "chunks that never begin": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b""),
}


@pytest.mark.parametrize(("beginning", "drop"), SLOW.values(), ids=SLOW.keys())
def test_who_is_too_slow_is_told_so(port: int, beginning: bytes, drop: bytes) -> None:
    """408 and an OperationOutcome, and the connection is closed: one cannot hold it with a byte a second."""
    answer, seconds = _drip(port, beginning, drop)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"timeout"' in answer
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    assert SECONDS < seconds < _LATEST


@pytest.mark.parametrize("drop", [b"", b"\r\n"], ids=["nothing", "line ends"])
def test_who_never_asks_is_left_without_a_word(port: int, drop: bytes) -> None:
    """A connection without a request is closed."""
    answer, seconds = _drip(port, b"", drop)
    assert seconds < _LATEST
    assert not answer or drop


def test_line_ends_behind_an_answer_do_not_keep_a_connection(port: int) -> None:
    """Nor do those that are sent instead of the next request."""
    answer, seconds = _drip(port, request_bytes("GET", "/health/live"), b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert seconds < _LATEST


def test_the_rest_of_a_refused_body_does_not_keep_a_connection(port: int) -> None:
    """Who got an answer before the end of the body is not waited for any longer either."""
    head = b"POST /fhir/Nonsense HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    answer, seconds = _drip(port, head, b" ")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert seconds < _LATEST


def test_who_keeps_going_is_waited_for(port: int) -> None:
    """A body that takes longer in all, at a rate that is no attack, is read to its end."""
    body = b'{"resourceType":"Patient","id":"steady","active":true}' + b" " * 20_000
    headers = [("Content-Type", FHIR_JSON), ("Content-Length", str(len(body)))]
    with Connection(port) as connection:
        connection.send([request_bytes("PUT", "/fhir/Patient/steady", headers)])
        for index in range(0, len(body), 1_600):
            time.sleep(0.1)
            connection.send([body[index : index + 1_600]])
        answer = connection.answer()
    assert answer is not None
    assert answer.status == 201


def _is_cut(connection: socket.socket) -> bool:
    """Tell whether the other side resets a connection within some time, without reading what it sent."""
    deadline = time.monotonic() + _LATEST
    while time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            connection.sendall(b"\r\n")
        except (ConnectionResetError, BrokenPipeError):
            return True
    return False


def test_who_does_not_read_is_left(port: int) -> None:
    """Answers that nobody takes do not stay in memory."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(request_bytes("GET", "/fhir/metadata") * 60)
        time.sleep(2 * SECONDS)
        assert _is_cut(connection)


def test_connections_of_one_client_are_counted(port: int) -> None:
    """One too many gets a 429; another one can be had as soon as one is closed."""
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_OF_CLIENT)]
    try:
        for connection in held:
            connection.sendall(request_bytes("GET", "/health/live"))
            assert connection.recv(65_536)
        answer = ask(port, "GET", "/health/live")
        check_refused(answer, 429)
        assert answer is not None
        assert answer.headers["retry-after"] == "2"
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + _LATEST
    while (answer := ask(port, "GET", "/health/live")) is None or answer.status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
