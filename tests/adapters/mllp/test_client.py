"""Sending over MLLP: each message gets its own acknowledgment, or none."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from adapters.destinations import Destination
from adapters.mllp.client import Answered, MllpClient, NoAnswer, NotConnected, client_context
from adapters.mllp.encryption import CannotEncrypt
from hl7.ack import Ack
from hl7.errors import NotEncodable
from hl7.framing import frame
from hl7.message import Message
from tests.adapters import receiver
from tests.adapters.receiver import Answer, Receiver, saying

Result = TypeVar("Result")


def _message(control_id: str, text: str = "x") -> bytes:
    return f"MSH|^~\\&|FHIR|H|LIS|L|20260301||ADT^A08^ADT_A01|{control_id}|P|2.5.1\rPID|1||{text}\r".encode()


def _with_client(
    script: Sequence[Answer],
    work: Callable[[MllpClient, Receiver, list[Ack]], Awaitable[Result]],
    seconds: float = 0.4,
) -> Result:
    """Let `work` send to a receiver that follows `script`; it finds in the list what nobody waited for."""
    there = Receiver(script)
    others: list[Ack] = []

    async def unexpected(_message: Message, ack: Ack) -> None:
        others.append(ack)

    async def run() -> Result:
        destination = Destination(
            "lab",
            host="127.0.0.1",
            port=there.port,
            messages=("ADT",),
            answer_seconds=seconds,
            connect_seconds=2.0,
        )
        client = MllpClient(destination, unexpected)
        try:
            return await work(client, there, others)
        finally:
            await client.close()

    try:
        return asyncio.run(run())
    finally:
        there.close()


def test_a_message_is_answered() -> None:
    """Several messages go over one connection, one after the other, each with its own answer."""

    async def work(client: MllpClient, there: Receiver, _others: list[Ack]) -> None:
        for number in range(5):
            got = await client.send(_message(f"M{number}"), f"M{number}")
            assert (got.ack.code, got.ack.control_id) == ("AA", f"M{number}")
        assert there.connections == 1

    _with_client([saying("AA")], work, seconds=5.0)


@pytest.mark.failure_story("nul-between-frames", "partial-ack")
def test_an_answer_in_pieces_with_noise_is_one() -> None:
    """An acknowledgment that comes byte by byte between line feeds and NULs is read (connect#249)."""

    async def work(client: MllpClient, _there: Receiver, _others: list[Ack]) -> Answered:
        return await client.send(_message("P1"), "P1")

    assert _with_client([receiver.in_pieces], work, seconds=5.0).ack.is_positive


@pytest.mark.failure_story("partial-send")
def test_a_large_message_and_a_large_answer_go_through() -> None:
    """A message of 8 MiB, larger than all buffers, arrives as it is (python-hl7#17, #41)."""

    async def work(client: MllpClient, there: Receiver, _others: list[Ack]) -> None:
        data = _message("L1", "y" * 8 * 2**20)
        assert (await client.send(data, "L1")).ack.is_positive
        assert there.received[0].data == data

    _with_client([saying("AA")], work, seconds=20.0)


@pytest.mark.failure_story("garbage-ack")
def test_garbage_is_no_acknowledgment() -> None:
    """What is no acknowledgment never counts as one (connect#2986)."""

    async def work(client: MllpClient, _there: Receiver, _others: list[Ack]) -> None:
        with pytest.raises(NoAnswer):
            await client.send(_message("G1"), "G1")

    _with_client([receiver.garbage], work)


@pytest.mark.failure_story("late-ack")
def test_an_acknowledgment_of_another_message_is_none_of_this_one() -> None:
    """MSA-2 decides, and nothing else."""

    async def work(client: MllpClient, _there: Receiver, others: list[Ack]) -> None:
        with pytest.raises(NoAnswer):
            await client.send(_message("M1"), "M1")
        assert [one.control_id for one in others] == ["SOMETHING-ELSE"]

    _with_client([receiver.for_another], work)


@pytest.mark.failure_story("late-ack")
def test_a_late_acknowledgment_is_not_that_of_the_next_message() -> None:
    """One that comes after the time is up belongs to no message that is sent later (connect#1441, #2070)."""

    def late(message: Message, connection: socket.socket) -> None:
        timer = threading.Timer(0.6, lambda: _quietly(message, connection))
        timer.daemon = True
        timer.start()

    def _quietly(message: Message, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(frame(receiver.ack(message)))

    async def work(client: MllpClient, there: Receiver, _others: list[Ack]) -> None:
        with pytest.raises(NoAnswer):
            await client.send(_message("M1"), "M1")
        # The second one is refused: the late AA of the first must not be taken for its answer.
        got = await client.send(_message("M2"), "M2")
        assert (got.ack.code, got.ack.control_id) == ("AE", "M2")
        await asyncio.sleep(0.4)
        assert there.connections == 2

    _with_client([late, saying("AE", "101")], work, seconds=0.4)


def test_a_connection_that_closes_is_made_again() -> None:
    """Without an answer it is told so, and the next message has a connection of its own."""

    async def work(client: MllpClient, there: Receiver, _others: list[Ack]) -> None:
        with pytest.raises(NoAnswer, match="closed"):
            await client.send(_message("M1"), "M1")
        assert (await client.send(_message("M1"), "M1")).ack.is_positive
        assert there.control_ids == ["M1", "M1"]

    _with_client([receiver.hanging_up, saying("AA")], work, seconds=5.0)


def test_without_a_listener_nothing_is_sent() -> None:
    """A destination that is not there is something else than one that does not answer."""
    there = Receiver()
    there.close()

    async def unexpected(_message: Message, _ack: Ack) -> None:
        raise AssertionError

    async def run() -> None:
        client = MllpClient(
            Destination("lab", host="127.0.0.1", port=there.port, messages=("ADT",)), unexpected
        )
        with pytest.raises(NotConnected):
            await client.send(_message("M1"), "M1")

    asyncio.run(run())


@pytest.mark.failure_story("late-nack-swallowed")
def test_in_enhanced_mode_the_first_answer_is_the_accept_acknowledgment() -> None:
    """That of the application comes later on the same connection, and is handed on (medplum#7115)."""

    def both(message: Message, connection: socket.socket) -> None:
        data = frame(receiver.ack(message, "CA")) + frame(receiver.ack(message, "AE", "204"))
        connection.sendall(data)

    async def work(client: MllpClient, _there: Receiver, others: list[Ack]) -> None:
        assert (await client.send(_message("E1"), "E1")).ack.code == "CA"
        for _ in range(100):
            if others:
                break
            await asyncio.sleep(0.02)
        assert [(one.code, one.control_id) for one in others] == [("AE", "E1")]

    _with_client([both], work, seconds=5.0)


def test_what_would_end_a_frame_early_is_not_sent() -> None:
    """A message with the end of a frame in it is refused before anything is sent."""

    async def work(client: MllpClient, there: Receiver, _others: list[Ack]) -> None:
        with pytest.raises(NotEncodable):
            await client.send(_message("M1", "a\x1c\rb"), "M1")
        assert there.received == []

    _with_client([saying("AA")], work)


def test_certificates_that_are_none_are_told_at_once(tmp_path: Path) -> None:
    """A file that is no certificate is found before the first message."""
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    destination = Destination("lab", host="h", port=1, tls=True, certificate_authorities=path)
    with pytest.raises(CannotEncrypt, match="lab"):
        client_context(destination)
    context = client_context(Destination("lab", host="h", port=1, tls=True))
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
