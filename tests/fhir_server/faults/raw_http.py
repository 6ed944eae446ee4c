"""HTTP/1.1 byte by byte: requests that no HTTP library would send, and the answers to them.

https://www.rfc-editor.org/rfc/rfc9112
"""

import json
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

FHIR_JSON = "application/fhir+json"
SECONDS = 20.0
_CONTINUE = 100
_WITHOUT_BODY = frozenset({_CONTINUE, 204, 304})

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the headers with names in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def resource(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def is_outcome(self) -> bool:
        """Tell whether the body is an OperationOutcome with at least one issue, and is said to be FHIR."""
        if not self.headers.get("content-type", "").startswith(FHIR_JSON):
            return False
        resource = self.resource
        return resource["resourceType"] == "OperationOutcome" and bool(resource["issue"])


def request_bytes(
    method: str,
    target: str | bytes,
    headers: Headers = (),
    body: bytes = b"",
    *,
    host: str | None = "localhost",
) -> bytes:
    """Return a request with exactly these headers, and a Host and a Content-Length if they are not given."""
    given = {name.lower() for name, _ in headers}
    lines = [] if host is None or "host" in given else [("Host", host)]
    lines += headers
    if body and not {"content-length", "transfer-encoding"} & given:
        lines.append(("Content-Length", str(len(body))))
    target = target.encode() if isinstance(target, str) else target
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in lines)
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body


class Connection:
    """One TCP connection to a server, for one request after the other; a context manager."""

    def __init__(self, port: int, seconds: float = SECONDS) -> None:
        """Connect to `port` of this machine; give up waiting for an answer after `seconds`."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._incoming = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._incoming.close()
        self._socket.close()

    def send(self, pieces: Iterable[bytes]) -> None:
        """Send as much of `pieces` as the server takes: it may answer, and hang up, before the end."""
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                self._socket.sendall(piece)

    def end(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer | None:
        """Return the next answer (to a request with `method`); None if the server hung up without one."""
        try:
            answer = _read(self._incoming, method)
            while answer is not None and answer.status == _CONTINUE:
                answer = _read(self._incoming, method)
        except ConnectionResetError:
            return None
        return answer


def _read(incoming: BinaryIO, method: str) -> Answer | None:
    status_line = incoming.readline()
    if not status_line:
        return None
    assert status_line.startswith(b"HTTP/1.1 "), status_line
    status = int(status_line.split()[1])
    headers: dict[str, str] = {}
    while line := incoming.readline().rstrip(b"\r\n"):
        name, _, value = line.decode("latin-1").partition(":")
        assert name.lower() not in headers, f"two headers {name}"
        headers[name.lower()] = value.strip()
    assert "transfer-encoding" not in headers
    if method == "HEAD" or status in _WITHOUT_BODY:
        return Answer(status, headers, b"")
    length = headers.get("content-length")
    body = incoming.read(int(length)) if length is not None else incoming.read()
    assert length is None or len(body) == int(length), "the answer was cut off"
    return Answer(status, headers, body)


def ask(
    port: int,
    method: str,
    target: str | bytes,
    headers: Headers = (),
    body: bytes = b"",
    *,
    host: str | None = "localhost",
) -> Answer | None:
    """Send one request on a connection of its own, and return the answer; None if there was none."""
    with Connection(port) as connection:
        connection.send([request_bytes(method, target, headers, body, host=host)])
        return connection.answer(method)


def send_json(port: int, method: str, target: str, body: bytes, *headers: tuple[str, str]) -> Answer | None:
    """Send `body` as FHIR JSON."""
    return ask(port, method, target, [("Content-Type", FHIR_JSON), *headers], body)
