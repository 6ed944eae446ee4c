"""Random and mutated bytes: nothing but an HL7Error comes of them, and nothing takes long."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.ack import acknowledge, code_of, read_ack, wanted
from hl7.batch import split
from hl7.datatypes import fhir_time, number, structured_numeric, timestamp
from hl7.errors import HL7Error
from hl7.order_answers import acknowledge_orders, is_order, orders
from hl7.parser import parse
from hl7.structure import grouped
from hl7.validation import violations
from tests.hl7.messages import ADT_A01, MSH_A01, ORU_R01, message

_NOW = datetime(2024, 5, 6, tzinfo=UTC)
_MESSAGES = [
    ADT_A01,
    ORU_R01,
    ADT_A01.replace(b"|2.5.1", b"|2.3"),
    ORU_R01.replace(b"ORU^R01^ORU_R01", b"OML^O21"),
    message(
        MSH_A01 + "||||||8859/1", "MSA|AE|1", "ERR|PID^1^3^101&Required&HL70357", "ERR||PID^1|101|E|||text"
    ),
]
_PIECES = [
    b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\x0b", b"\x1c", b"\0", b"\xff", b"\xc3", b'""', b"MSH|",
    b"\\X", b"\\M2442\\", b"\\C2D41\\", b"\\.sp99999\\", b"99999999", b"\\F\\", b"ORC|", b"OBR|", b"+",
]  # fmt: skip


def _use(data: bytes) -> None:
    """Do with a message all that is done with any."""
    read = parse(data)
    assert read.to_bytes() == data
    wanted(read.header)
    for segment in read.segments:
        for field in segment.fields:
            assert field.text is not None
            for repetition in field.repetitions:
                for component in repetition:
                    assert all(text is not None for text in component)
                _quietly(structured_numeric, repetition)
            for reader in (timestamp, fhir_time, number):
                _quietly(reader, field.text)
    errors = violations(read, ["PID-3.4"]) + violations(read, strict=True)
    answer = acknowledge(read, code_of(errors), errors, now=_NOW, control_id="1")
    assert read_ack(parse(answer)).code in {"AA", "AE", "AR"}
    grouped(read)
    if is_order(read):
        acknowledge_orders(read, "AA", ["OK"] * len(orders(read)), now=_NOW, control_id="1")


def _quietly(reader: Callable[..., object], value: object) -> None:
    try:
        reader(value)
    except HL7Error:
        return


def _try(data: bytes) -> None:
    _quietly(_use, data)
    _quietly(split, data)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    """What is no message at all."""
    _try(data)


@settings(max_examples=300, deadline=None)
@given(start=st.binary(max_size=10), tail=st.binary(max_size=300))
def test_random_bytes_behind_a_header(start: bytes, tail: bytes) -> None:
    """What begins as a message does, with any delimiters."""
    _try(b"MSH" + start + b"|A|B|C|D|2024||ADT^A01|1|P|2.5\r" + tail)


@settings(max_examples=500, deadline=None)
@given(
    data=st.sampled_from(_MESSAGES),
    changes=st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 12), st.sampled_from(_PIECES) | st.binary(max_size=4)),
        min_size=1,
        max_size=8,
    ),
)
def test_mutated_messages(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    """What was a message, before bytes of it were lost, doubled and changed."""
    for place, length, piece in changes:
        data = data[:place] + piece + data[place + length :]
    _try(data)


@pytest.mark.parametrize(
    "field",
    [
        b"\\X" + b"41" * 50_000, b"\\X41\\" * 25_000, b"\\" * 100_000, b"\\Z" * 50_000,
        b"\\.sp" + b"9" * 50_000,
        b"\\M2442\\" * 12_000, b"&" * 100_000, b"^" * 100_000, b"~" * 50_000, b"9" * 100_000, b"|" * 50_000,
        b"\\E\\" * 25_000, b"\\.br\\" * 20_000, b"\n" * 100_000, b"\rZZZ" * 25_000, b"\rNTE|1" * 12_000,
        b"\rOBX|1|NM|A||5" * 5_000,
    ],
    ids=lambda field: field[:8].decode("latin-1"),
)  # fmt: skip
def test_large_messages_take_linear_time(field: bytes) -> None:
    """No field, however it is made, keeps a reader busy."""
    started = time.thread_time()
    _try(message(MSH_A01) + b"PID|1||" + field + b"|||" + field + b"\rOBX|1|NM|A||" + field + b"\r")
    assert time.thread_time() - started < 30
