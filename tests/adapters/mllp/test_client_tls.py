"""Sending over TLS: both sides show a certificate, and one that nobody vouches for is not talked to."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.destinations import Destination
from adapters.mllp.client import Answered, MllpClient, NoAnswer, NotConnected
from hl7.ack import Ack
from hl7.message import Message
from tests.adapters.receiver import Receiver
from tests.fhir_server.transport.certificates import write_certificate

_MESSAGE = b"MSH|^~\\&|FHIR|H|LIS|L|20260301||ADT^A08^ADT_A01|T1|P|2.5.1\rPID|1||4711\r"


async def _unexpected(_message: Message, _ack: Ack) -> None:
    raise AssertionError


def _send(destination: Destination) -> Answered:
    async def run() -> Answered:
        client = MllpClient(destination, _unexpected)
        try:
            return await client.send(_MESSAGE, "T1")
        finally:
            await client.close()

    return asyncio.run(run())


def _receiver(folder: Path) -> tuple[Receiver, Path, tuple[Path, Path]]:
    """Return a receiver that wants our certificate, its own one, and ours."""
    for name in ("theirs", "ours"):
        (folder / name).mkdir()
    theirs, their_key = write_certificate(folder / "theirs", "localhost")
    ours, our_key = write_certificate(folder / "ours", "fhir")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs, their_key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours)
    return Receiver(context=context), theirs, (ours, our_key)


def test_both_sides_show_a_certificate(tmp_path: Path) -> None:
    """A message goes if each trusts the other, and to nobody else."""
    there, theirs, (ours, our_key) = _receiver(tmp_path)
    lab = Destination(
        "lab",
        host="localhost",
        port=there.port,
        messages=("ADT",),
        tls=True,
        certificate_authorities=theirs,
        certificate=ours,
        key=our_key,
        answer_seconds=5.0,
    )
    try:
        assert _send(lab).ack.is_positive
        with pytest.raises(NotConnected, match="not trusted"):
            _send(replace(lab, certificate_authorities=None))
        with pytest.raises(NotConnected, match="not trusted"):
            _send(replace(lab, server_name="lab.example.org"))
        with pytest.raises((NotConnected, NoAnswer)):
            _send(replace(lab, certificate=None, key=None))
        assert len(there.received) == 1
    finally:
        there.close()
