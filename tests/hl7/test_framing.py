"""The frames of MLLP, and what senders make of them."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.errors import NotEncodable
from hl7.framing import Event, Frame, Framer, Incomplete, Junk, TooLong, frame

_STREAMS = st.lists(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"a", b"\n", b"\0", b"MSH|", b"longer than that"]),
    max_size=40,
).map(b"".join)


def _events(pieces: list[bytes], max_bytes: int = 8) -> list[Event]:
    framer = Framer(max_bytes)
    events = [event for piece in pieces for event in framer.feed(piece)]
    return events + framer.end()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", []),
        (b"\x0bA\x1c\r", [Frame(b"A")]),
        (b"\x0bA\x1c\r\x0bB\x1c\r", [Frame(b"A"), Frame(b"B")]),
        (b"\x0b\x1c\r", [Frame(b"")]),
        (b"\x0bA\x1c\r\n\0\x0bB\x1c\r\n", [Frame(b"A"), Junk(2), Frame(b"B"), Junk(1)]),
        (b"GET / HTTP/1.1\r\n", [Junk(16)]),
        (b"\x0bA\r\x0bB\x1c\r", [Junk(3), Frame(b"B")]),
        (b"\x0bA\x1cB\r\x1c\r", [Frame(b"A\x1cB\r")]),
        (b"\x0bA\x1c\x1c\r", [Frame(b"A\x1c")]),
        (b"\x0bA", [Incomplete(1)]),
        (b"\x0bA\x1c", [Incomplete(2)]),
        (b"\n\x0b", [Junk(1), Incomplete(0)]),
        (b"\x0b12345678\x1c\r", [Frame(b"12345678")]),
        (b"\x0b123456789\x1c\r\x0bA\x1c\r", [TooLong(b"123456789", 9), Frame(b"A")]),
        (b"\x0b123456789ABC\x0bA\x1c\r", [Junk(13), Frame(b"A")]),
        (b"\x0b123456789", [Incomplete(9)]),
    ],
)
@pytest.mark.failure_story("line-feed-after-frame", "nul-between-frames", "split-frame")
def test_frames(stream: bytes, expected: list[Event]) -> None:
    """Each stream gives its events in one piece and byte by byte (elixir-mllp#11, #62; connect#249, #510)."""
    assert _events([stream]) == expected
    assert _events([stream[at : at + 1] for at in range(len(stream))]) == expected


@settings(deadline=None)
@given(stream=_STREAMS, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_a_stream_cut_anywhere_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    """Where the network cuts a stream is nothing that a sender says."""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert _events(pieces) == _events([stream]) == _events([bytes([byte]) for byte in stream])


@settings(deadline=None)
@given(
    messages=st.lists(
        st.binary(max_size=30).filter(lambda data: b"\x0b" not in data and b"\x1c\r" not in data)
    )
)
def test_frames_give_their_messages(messages: list[bytes]) -> None:
    """What is framed comes out as it was."""
    messages = [message for message in messages if not message.endswith(b"\x1c")]
    stream = b"".join(frame(message) for message in messages)
    assert _events([stream], 100) == [Frame(message) for message in messages]


@pytest.mark.parametrize("data", [b"A\x0bB", b"A\x1c\rB"])
def test_messages_that_cannot_be_framed(data: bytes) -> None:
    """They would be read as others, and are not sent."""
    with pytest.raises(NotEncodable):
        frame(data)


def test_state() -> None:
    """Who watches a connection sees what is under way."""
    framer = Framer(8)
    assert (framer.is_inside, framer.pending, framer.is_too_long) == (False, 0, False)
    framer.feed(b"\x0bABC")
    assert (framer.is_inside, framer.pending, framer.is_too_long) == (True, 3, False)
    framer.feed(b"D" * 20)
    assert (framer.is_inside, framer.pending, framer.is_too_long) == (True, 23, True)


def _seconds(megabytes: int) -> float:
    piece = b"x" * 4096
    framer = Framer()
    start = time.thread_time()
    framer.feed(b"\x0b")
    for _ in range(megabytes * 256):
        framer.feed(piece)
    (event,) = framer.feed(b"\x1c\r")
    assert isinstance(event, Frame)
    assert len(event.data) == megabytes * 2**20
    return time.thread_time() - start


def test_large_frames_take_linear_time() -> None:
    """A document of 30 MB in pieces of 4 KiB is looked at once, not once a piece."""
    assert _seconds(30) < 5


def test_frames_that_are_too_long_take_no_memory() -> None:
    """What comes behind the limit is thrown away as it comes."""
    framer = Framer(10_000)
    framer.feed(b"\x0bMSH|")
    for _ in range(1000):
        assert framer.feed(b"x" * 10_000) == []
        assert len(framer._buffer) <= 20_000
    (event,) = framer.feed(b"\x1c\r")
    assert isinstance(event, TooLong)
    assert event.head.startswith(b"MSH|xx")
    assert event.size == 10_000_004
