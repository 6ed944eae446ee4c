r"""The frames of MLLP as a state machine: bytes in, events out; it knows no sockets and no clock.

    frame = <VT> message <FS><CR>        0x0B ... 0x1C 0x0D

What senders do apart from that, and what comes of it: bytes between frames (line feeds, NULs, anything) are
counted as junk; VT within a frame starts anew there, as the end of the frame before was lost; FS without CR
behind it is part of the message; of a frame that is too long the first bytes are kept, and it is told at its
end. A stream gives the same events wherever it is cut, as junk is told with what comes behind it.

Source: HL7 v2 Transport Specification: MLLP, Release 1, §1 to §4
"""

from dataclasses import dataclass
from typing import TypeAlias

from hl7.errors import NotEncodable

_START, _FS, _END = b"\x0b", b"\x1c", b"\x1c\r"
# A document in OBX-5 may be large; this is what is taken of one message, unless a channel says otherwise.
MAX_BYTES = 32 * 2**20
# Enough for MSH, so that a frame that is too long can be answered.
HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Junk:
    """So many bytes that are of no frame, or of one that was begun anew before its end."""

    count: int


@dataclass(frozen=True, slots=True)
class TooLong:
    """A frame of more bytes than are taken: its first ones, and how many there were."""

    head: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The stream ended within a frame, after so many bytes of it; it is not to be processed."""

    size: int


Event: TypeAlias = Frame | Junk | TooLong | Incomplete


def frame(data: bytes) -> bytes:
    """Return the frame of a message; raise `NotEncodable` if that would end it early or begin another."""
    if _START in data or _END in data:
        raise NotEncodable("the message has bytes in it that MLLP uses for frames")
    return _START + data + _END


class Framer:
    """The frames of one connection. It holds no more than `max_bytes` and what it was given last."""

    __slots__ = ("_buffer", "_head", "_is_inside", "_junk", "_scanned", "_thrown_away", "max_bytes")

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()
        self._reset()
        self._junk = 0

    @property
    def pending(self) -> int:
        """How many bytes of a frame have come that has no end yet."""
        return self._thrown_away + len(self._buffer)

    @property
    def is_inside(self) -> bool:
        """Whether a frame has begun that has no end yet."""
        return self._is_inside

    @property
    def is_too_long(self) -> bool:
        """Whether the frame under way will be told as too long, whatever comes."""
        return self._thrown_away > 0

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come, and return what is complete."""
        self._buffer += data
        events: list[Event] = []
        while self._is_inside or self._enter():
            end = self._buffer.find(_END, self._scanned)
            end -= self._begin_anew(end)
            if end < 0:
                self._wait()
                break
            events += self._taken(end)
        return events

    def end(self) -> list[Event]:
        """Say that no more bytes will come, and return what was left."""
        pending, was_inside = self.pending, self._is_inside
        events: list[Event] = [Junk(self._junk)] if self._junk else []
        if was_inside:
            events.append(Incomplete(pending))
        self._buffer.clear()
        self._reset()
        self._junk = 0
        return events

    def _reset(self) -> None:
        self._is_inside = False
        self._scanned = self._thrown_away = 0
        self._head = b""

    def _enter(self) -> bool:
        """Throw away what stands before the next frame, and say whether one begins."""
        start = self._buffer.find(_START)
        self._is_inside = start >= 0
        count = start if self._is_inside else len(self._buffer)
        self._junk += count
        del self._buffer[: count + self._is_inside]
        return self._is_inside

    def _begin_anew(self, end: int) -> int:
        """Go to the last VT within the frame, if there is one, and return how many bytes went by that."""
        stop = end if end >= 0 else len(self._buffer)
        start = self._buffer.rfind(_START, self._scanned, stop)
        if start < 0:
            return 0
        self._junk += self._thrown_away + start + 1
        del self._buffer[: start + 1]
        self._reset()
        self._is_inside = True
        return start + 1 if end >= 0 else 0

    def _wait(self) -> None:
        """Remember how far was looked; keep the head of what is too long."""
        # A last FS may be half of an end.
        self._scanned = len(self._buffer) - self._buffer.endswith(_FS)
        if self._thrown_away + self._scanned > self.max_bytes:
            self._head += self._buffer[: min(self._scanned, HEAD_BYTES - len(self._head))]
            self._thrown_away += self._scanned
            del self._buffer[: self._scanned]
            self._scanned = 0

    def _taken(self, end: int) -> list[Event]:
        size = self._thrown_away + end
        if size <= self.max_bytes:
            taken: Event = Frame(bytes(self._buffer[:end]))
        else:
            taken = TooLong(self._head + self._buffer[: min(end, HEAD_BYTES - len(self._head))], size)
        events = [Junk(self._junk), taken] if self._junk else [taken]
        del self._buffer[: end + len(_END)]
        self._reset()
        self._junk = 0
        return events
