"""Sends messages over MLLP, one at a time on a connection, and waits for the acknowledgment of each.

An acknowledgment belongs to the message whose MSH-10 it names in MSA-2, and to no other. After a time without
one the connection is closed, so that one that comes late cannot be taken for that of the message after it.

HL7 v2 Transport Specification: MLLP, Release 1; HL7 v2.5.1 §2.9
"""

import asyncio
import contextlib
import socket
import ssl
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.destinations import Destination
from adapters.mllp.encryption import CannotEncrypt
from hl7.ack import Ack, acknowledge, read_ack, wanted
from hl7.errors import HL7Error
from hl7.framing import Frame, Framer, frame
from hl7.message import Message
from hl7.parser import parse

_CHUNK_BYTES = 65_536
# An answer to an order repeats the order; nothing that answers is larger than this.
_MOST_BYTES = 8 * 1024 * 1024
# How slow a line may be on which a message is still on its way.
_LEAST_BYTES_PER_SECOND = 16 * 1024
_CLOSING_SECONDS = 2.0


class NotConnected(Exception):
    """There is no connection, so that the message was not sent; the text says why, in a few words."""


class NoAnswer(Exception):
    """The message was sent, at least in part, and there is no answer to it; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The acknowledgment of a message, and the whole message that it stands in."""

    ack: Ack
    message: Message


Unexpected = Callable[[Message, Ack], Awaitable[None]]
"""Takes an acknowledgment that nobody waits for at the moment, such as that of the application after a CA."""


def client_context(destination: Destination) -> ssl.SSLContext | None:
    """Return what connections to a destination are encrypted by, None if they are not.

    Raise CannotEncrypt.
    """
    if not destination.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=destination.certificate_authorities)
    except (OSError, ssl.SSLError):
        path = destination.certificate_authorities
        raise CannotEncrypt(f"destination {destination.name}: {path} has no certificates in PEM") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if destination.certificate is not None:
        try:
            # A key with a password would make OpenSSL ask for it at the terminal.
            context.load_cert_chain(destination.certificate, destination.key, password=lambda: b"")
        except (OSError, ssl.SSLError):
            raise CannotEncrypt(
                f"destination {destination.name}: {destination.certificate} and {destination.key} are not a "
                "certificate and its key without a password, both in PEM"
            ) from None
    return context


class MllpClient:
    """One connection to a destination, made when it is needed, and made again after it broke."""

    def __init__(self, destination: Destination, unexpected: Unexpected) -> None:
        """Send to `destination`; what comes and answers nothing that is under way goes to `unexpected`."""
        self._destination = destination
        self._unexpected = unexpected
        self._context = client_context(destination)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: tuple[str, asyncio.Future[Answered]] | None = None

    async def send(self, data: bytes, control_id: str) -> Answered:
        """Send a message whose MSH-10 is `control_id`, and return its acknowledgment.

        Raises NotConnected, NoAnswer, and NotEncodable for a message that MLLP has no frame for.
        """
        framed = frame(data)
        writer = await self._connected()
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting = control_id, answer
        try:
            writer.write(framed)
            seconds = self._destination.connect_seconds + len(framed) / _LEAST_BYTES_PER_SECOND
            async with asyncio.timeout(seconds):
                await writer.drain()
            async with asyncio.timeout(self._destination.answer_seconds):
                return await answer
        except TimeoutError:
            await self.close()
            raise NoAnswer("no answer in time") from None
        except (OSError, ssl.SSLError) as failure:
            await self.close()
            raise NoAnswer(f"the connection broke ({type(failure).__name__})") from None
        except BaseException:
            await self.close()
            raise
        finally:
            self._waiting = None
            if answer.done() and not answer.cancelled():
                answer.exception()  # it was seen

    async def _connected(self) -> asyncio.StreamWriter:
        if self._writer is not None and self._reading is not None and not self._reading.done():
            return self._writer
        await self.close()
        where = self._destination
        try:
            async with asyncio.timeout(where.connect_seconds):
                reader, writer = await asyncio.open_connection(
                    where.host,
                    where.port,
                    ssl=self._context,
                    server_hostname=(where.server_name or where.host) if self._context else None,
                )
        except TimeoutError:
            raise NotConnected("no connection in time") from None
        except ssl.SSLCertVerificationError:
            raise NotConnected("the certificate of the other side is not trusted") from None
        except (OSError, ssl.SSLError) as failure:
            raise NotConnected(f"no connection ({type(failure).__name__})") from None
        _keep_alive(writer)
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader))
        return writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Read what comes until the connection ends; whoever waits for an answer is told of that then."""
        framer = Framer(_MOST_BYTES)
        reason = "the connection was closed"
        try:
            while data := await reader.read(_CHUNK_BYTES):
                for event in framer.feed(data):
                    if isinstance(event, Frame):
                        await self._take(event.data)
        except (OSError, ssl.SSLError) as failure:
            reason = f"the connection broke ({type(failure).__name__})"
        finally:
            if self._waiting is not None and not self._waiting[1].done():
                self._waiting[1].set_exception(NoAnswer(reason))

    async def _take(self, data: bytes) -> None:
        """Give an answer to whom it is for.

        Garbage is no answer, and one to another message is not one either.
        """
        try:
            message = parse(data)
            ack = read_ack(message)
        except HL7Error:
            return
        if self._waiting is not None and self._waiting[0] == ack.control_id and not self._waiting[1].done():
            self._waiting[1].set_result(Answered(ack, message))
            return
        await self._unexpected(message, ack)
        self._accept(message)

    def _accept(self, message: Message) -> None:
        """Send the accept acknowledgment that an answer of the enhanced mode may ask for.

        HL7 v2.5.1 §2.9.3
        """
        if self._writer is None or wanted(message.header)[0] not in ("AL", "SU"):
            return
        control_id = uuid.uuid4().hex[:20]
        with contextlib.suppress(HL7Error, OSError):
            self._writer.write(
                frame(acknowledge(message, "CA", now=datetime.now(UTC), control_id=control_id))
            )

    async def close(self) -> None:
        """Close the connection, if there is one."""
        writer, self._writer = self._writer, None
        reading, self._reading = self._reading, None
        if reading is not None and reading is not asyncio.current_task():
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await writer.wait_closed()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Have the system notice that the other side is gone, also while nothing is sent."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
