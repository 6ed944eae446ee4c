"""The MLLP server: connections that stay for days, each of whose frames is a message and is answered.

Frames that come one behind the other are answered in their order, several of them under way at a time; a
sender that sends more than that, or does not read its answers, is not read from. What is no frame is counted
and thrown away. HL7 v2 Transport Specification: MLLP, Release 1
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from adapters.channels import Channels, Listener, Peer
from adapters.inbound import Inbound, Taken
from adapters.observing import Observer
from hl7.errors import HL7Error
from hl7.framing import Event, Frame, Framer, Incomplete, Junk, TooLong, frame

_READ_BYTES = 64 * 1024
_MOST_UNANSWERED = 64
# A message of this size is kept before the next one is read.
_LARGE_BYTES = 256 * 1024
# What has begun goes on, or the sender is gone.
_FRAME_SECONDS = 60.0
_WRITE_SECONDS = 30.0
_MOST_CONNECTIONS = 1_000
# Of one that sends nothing but nonsense nothing else will come.
_MOST_JUNK = 1024 * 1024


class MllpServer:
    """Serves one listener, from the first connection to `stop`."""

    def __init__(self, listener: Listener, channels: Channels, inbound: Inbound, observer: Observer) -> None:
        """Hand what comes on `listener` to `inbound`, for `channels`."""
        self._listener = listener
        self._channels = channels
        self._inbound = inbound
        self._observer = observer
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._is_ending = False
        self.changed: Callable[[], None] = lambda: None
        """Called when a connection begins or ends."""

        self._log = structlog.get_logger("fhir_server.hl7v2")

    def __len__(self) -> int:
        """Return how many connections there are."""
        return len(self._connections)

    async def open(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        """Begin with a connection that was accepted; with `context` it is encrypted."""
        _keep_alive(connection)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ_BYTES)
        options: dict[str, Any] = {} if context is None else {"ssl": context, "ssl_handshake_timeout": 10.0}
        await loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(reader, self._begin), connection, **options
        )

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer, self._listener.name)
        if self._is_ending or len(self._connections) >= _MOST_CONNECTIONS or not self._channels.admits(peer):
            self._log.warning("a connection was refused", listener=self._listener.name, address=peer.address)
            writer.transport.abort()
            return
        self._log.info("a connection begins", listener=self._listener.name, address=peer.address)
        connection = _Connection(reader, writer, peer, self._listener, self._channels, self._inbound)
        task = asyncio.create_task(self._serve(connection))
        self._connections[connection] = task
        task.add_done_callback(lambda _: self._ended(connection))
        self.changed()

    def _ended(self, connection: "_Connection") -> None:
        self._connections.pop(connection, None)
        self.changed()

    async def _serve(self, connection: "_Connection") -> None:
        reason = "failed"
        try:
            reason = await connection.serve(self._observer)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            reason = "broken off"
        except Exception:
            self._log.exception("a connection failed", listener=self._listener.name)
        finally:
            address = connection.peer.address
            self._log.info("a connection ends", listener=self._listener.name, address=address, reason=reason)

    async def stop(self, seconds: float) -> None:
        """Read no more, answer what was read if that is soon, and close all connections."""
        self._is_ending = True
        for connection in tuple(self._connections):
            connection.end()
        tasks = set(self._connections.values())
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=seconds)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)


class _Connection:
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: Peer,
        listener: Listener,
        channels: Channels,
        inbound: Inbound,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.peer = peer
        self._listener = listener
        self._channels = channels
        self._inbound = inbound
        self._framer = Framer(listener.max_bytes)
        self._unanswered: asyncio.Queue[asyncio.Task[Taken] | None] = asyncio.Queue(_MOST_UNANSWERED)
        self._later: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()
        self._junk = 0
        self._open = 0

    def end(self) -> None:
        """Read no more."""
        self._end.set()

    async def serve(self, observer: Observer) -> str:
        """Read and answer until one side has enough; return why that was."""
        answering = asyncio.create_task(self._answer())
        reading = asyncio.create_task(self._read(observer))
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                await answering
                return "it cannot be answered"
            reason = await reading
            last = asyncio.create_task(self._unanswered.put(None))
            await asyncio.wait({last, answering}, return_when=asyncio.FIRST_COMPLETED)
            await answering
            if self._later:
                await asyncio.wait(set(self._later))
            return reason
        finally:
            await self._close({reading, answering, *self._later})

    async def _close(self, tasks: "set[asyncio.Task[Any]]") -> None:
        await _ended(tasks)
        left = [one for one in _emptied(self._unanswered) if one is not None]
        if left:  # what was read is kept, although nobody can be told
            await asyncio.wait(left)
        with contextlib.suppress(OSError):
            self._writer.close()
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()

    async def _read(self, observer: Observer) -> str:
        ending = asyncio.create_task(self._end.wait())
        try:
            while True:
                data = await self._some(ending)
                if isinstance(data, str):
                    return data
                for event in self._framer.feed(data) if data else self._framer.end():
                    await self._take(event, observer)
                if not data:
                    return "the other side closed it"
                if self._junk > _MOST_JUNK:
                    return "nothing but junk came"
        finally:
            await _ended({ending})

    async def _some(self, ending: "asyncio.Task[bool]") -> bytes | str:
        """Return bytes that came, b"" at their end, or why none are waited for any more."""
        reading = asyncio.create_task(self._reader.read(_READ_BYTES))
        try:
            while True:
                seconds = _FRAME_SECONDS if self._framer.is_inside else self._listener.idle_seconds
                done, _ = await asyncio.wait(
                    {reading, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if reading in done:
                    return reading.result()
                if ending in done:
                    return "this server ends"
                if not self._open and not self._later:
                    return "nothing came"
        finally:
            await _ended({reading})

    async def _take(self, event: Event, observer: Observer) -> None:
        if isinstance(event, Junk | Incomplete):
            count = event.count if isinstance(event, Junk) else event.size
            self._junk += count
            observer.junk(count)
            return
        self._junk = 0
        if isinstance(event, TooLong):
            most = self._listener.max_bytes
            task = asyncio.create_task(self._inbound.too_long(event.head, event.size, self.peer, most))
        else:
            assert isinstance(event, Frame)  # noqa: S101 - for the types
            task = asyncio.create_task(self._inbound.take(event.data, self.peer, self._channels))
        self._open += 1
        await self._unanswered.put(task)
        if isinstance(event, Frame) and len(event.data) > _LARGE_BYTES:
            await asyncio.wait({task})

    async def _answer(self) -> None:
        """Send answers in the order of the frames, until there is one that cannot be answered."""
        while (task := await self._unanswered.get()) is not None:
            taken = await task
            if taken.is_unanswerable:
                return
            if taken.accept is not None:
                await self._send(taken.accept)
            if taken.is_in_turn:
                answer = await taken.application()
                if answer is not None:
                    await self._send(answer)
            else:
                later = asyncio.create_task(self._answer_later(taken))
                self._later.add(later)
                later.add_done_callback(self._later.discard)
            self._open -= 1

    async def _answer_later(self, taken: Taken) -> None:
        """Send an application acknowledgment of enhanced mode, a message of its own, when it is there."""
        answer = await taken.application()
        if answer is not None:
            with contextlib.suppress(OSError):
                await self._send(answer)

    async def _send(self, answer: bytes) -> None:
        try:
            framed = frame(answer)
        except HL7Error:
            raise ConnectionAbortedError from None  # MSH-10 has bytes that end a frame
        # In one piece: there are receivers that take each packet for an answer.
        self._writer.write(framed)
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._writer.drain()


def _emptied(queue: "asyncio.Queue[asyncio.Task[Taken] | None]") -> list["asyncio.Task[Taken] | None"]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def _ended(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _keep_alive(connection: socket.socket) -> None:
    """Have the system find out that the other side is gone (https://man7.org/linux/man-pages/man7/tcp.7.html)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _peer(writer: asyncio.StreamWriter, listener: str) -> Peer:
    address = writer.get_extra_info("peername")
    certificate = writer.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return Peer(str(address[0]) if address else "", names[-1] if names else None, listener=listener)
