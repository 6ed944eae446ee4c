"""What legacy systems send, with made-up people, and how: raw sockets as they use them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from hl7.framing import Frame, Framer, frame
from hl7.message import Message
from hl7.parser import parse

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def adt(
    control_id: str = "1",
    *,
    person: str = "1001",
    event: str = "A08",
    name: str = "Muster^Mara",
    accept: str = "",
    application: str = "",
    processing: str = "P",
    version: str = "2.5.1",
    sender: str = "ADT|GENHOSP",
    more: Sequence[str] = (),
) -> bytes:
    """Return a message about an invented person."""
    header = (
        f"MSH|^~\\&|{sender}|FHIR|HOSPITAL|20260301120000||ADT^{event}^ADT_A01|{control_id}|{processing}"
        f"|{version}|||{accept}|{application}||UNICODE UTF-8"
    )
    segments = [
        header,
        f"EVN|{event}|20260301120000",
        f"PID|1||{person}^^^GENHOSP^MR||{name}||19800101|F",
        "PV1|1|I|W1^101^1^GENHOSP||||||||||||||||V1^^^GENHOSP^VN",
        *more,
    ]
    return ("\r".join(segments) + "\r").encode()


def read(answer: bytes | None) -> Message:
    """Return an answer, which there must be."""
    assert answer is not None
    return parse(answer)


def code(answer: bytes | None) -> str:
    """Return MSA-1 of an answer."""
    msa = read(answer).first("MSA")
    assert msa is not None
    return msa.get(1)


def error_codes(answer: bytes | None) -> list[str]:
    """Return ERR-3 of an answer, of table 0357."""
    return [err.get(3) for err in read(answer).all("ERR")]


class Sender:
    """A system that is connected by MLLP."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._framer = Framer()
        self._waiting: list[bytes] = []

    def send(self, *messages: bytes) -> None:
        """Send messages, each in a frame, in one go."""
        self.socket.sendall(b"".join(frame(one) for one in messages))

    def answer(self) -> bytes:
        """Return the next answer; raise EOFError if the connection is closed."""
        while not self._waiting:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self._waiting += [event.data for event in self._framer.feed(data) if isinstance(event, Frame)]
        return self._waiting.pop(0)

    def ask(self, message: bytes) -> bytes:
        """Send a message, and return the answer."""
        self.send(message)
        return self.answer()

    def is_closed(self) -> bool:
        """Wait until the other side closes the connection; tell whether it did."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@contextmanager
def connected(port: int) -> Iterator[Sender]:
    """Give a connection to a port of this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        yield Sender(connection)
