"""A system that receives HL7 v2 messages over MLLP, and answers as a test tells it to.

Well, badly, late, never.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hl7.ack import acknowledge
from hl7.errors import HL7Error
from hl7.framing import Frame, Framer, frame
from hl7.message import Message
from hl7.parser import parse

Answer = Callable[[Message, socket.socket], None]
"""Answers a message on the connection that it came on, or does not."""


def ack(message: Message, code: str = "AA", *errors: str) -> bytes:
    """Return an acknowledgment with errors of table 0357."""
    told = [HL7Error("it does not fit", code=one) for one in errors]
    return acknowledge(message, code, told, now=datetime.now(UTC), control_id=f"A{time.monotonic_ns()}"[:20])


def saying(code: str, *errors: str) -> Answer:
    """Return what answers every message so."""
    return lambda message, connection: connection.sendall(frame(ack(message, code, *errors)))


def never(_message: Message, _connection: socket.socket) -> None:
    """Answer nothing."""


def hanging_up(_message: Message, connection: socket.socket) -> None:
    """Close the connection without an answer."""
    connection.shutdown(socket.SHUT_RDWR)


def garbage(_message: Message, connection: socket.socket) -> None:
    """Answer with what is no acknowledgment."""
    connection.sendall(frame(b"thank you") + frame(b"MSH|^~\\&|X\rMSA|OK\r") + b"\x00\n")


def in_pieces(message: Message, connection: socket.socket) -> None:
    """Answer well, but byte by byte, with noise before it."""
    for byte in b"\n\x00" + frame(ack(message)) + b"\n":
        connection.sendall(bytes([byte]))
        time.sleep(0.0005)


def for_another(message: Message, connection: socket.socket) -> None:
    """Answer well, but another message than the one that was sent."""
    data = ack(message).replace(message.header.control_id.encode(), b"SOMETHING-ELSE")
    connection.sendall(frame(data))


@dataclass
class Receiver:
    """Receives on a port of this machine.

    `script` answers message by message, and then its last answer for ever.
    """

    script: Sequence[Answer] = (saying("AA"),)
    port: int = 0
    received: list[Message] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    connections: int = 0
    context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.context is not None:
                try:
                    connection = self.context.wrap_socket(connection, server_side=True)
                except OSError:
                    continue
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        framer = Framer()
        try:
            while data := connection.recv(65_536):
                for event in framer.feed(data):
                    if isinstance(event, Frame):
                        self._take(event.data, connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _take(self, data: bytes, connection: socket.socket) -> None:
        message = parse(data)
        with self._lock:
            place = min(len(self.received), len(self.script) - 1)
            self.received.append(message)
            self.moments.append(time.monotonic())
            answer = self.script[place]
        answer(message, connection)

    @property
    def control_ids(self) -> list[str]:
        """MSH-10 of all that came, in its order."""
        return [one.header.control_id for one in self.received]

    @property
    def events(self) -> list[str]:
        """What came, such as `ADT^A01`."""
        return [f"{one.header.message_code}^{one.header.trigger_event}" for one in self.received]

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Message]:
        """Return what came, when it is as much; fail if it is less after some time."""
        until = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < until, (
                f"{len(self.received)} messages came, and not {count}: {self.events}"
            )
            time.sleep(0.01)
        return self.received

    def close(self) -> None:
        """Receive no more."""
        # A thread that waits in accept keeps the port otherwise.
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
