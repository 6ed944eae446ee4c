"""Read a message. Nothing is lost: the bytes are kept, and segments that nobody knows are read like others.

A segment ends with CR. Senders put LF behind it, or in its place: an LF that starts a segment is left out,
and where there is no CR at all, LF ends a segment. Elsewhere an LF is part of a text.

Source: HL7 v2.5.1 §2.5 and §2.6; LF by §2.7 of this project's own rules, as standards do not allow it
"""

from hl7 import charset as character_sets
from hl7 import encoding_characters
from hl7.encoding_characters import EncodingCharacters
from hl7.errors import HL7Error, Location, UnparseableMessage
from hl7.message import Message
from hl7.segment import Segment

_BOM = b"\xef\xbb\xbf"
# What may stand before MSH and between segments without saying anything.
_BLANK = " \t\n\x00\x1a"
_BLANK_BYTES = b" \t\r\n\x00"


def parse(data: bytes, charset: str | None = None) -> Message:
    """Return the message that `data` is; `charset` is known better than what MSH-18 says.

    Raises `UnparseableMessage` if it does not start with MSH, if the delimiters are not to be understood, or
    if there is a second MSH, or if the bytes are no text; `UnsupportedCharset` if it is not known how to
    read it.
    """
    start = start_of(data)
    chars = encoding_characters.read(data[start : start + 16])
    if data[start : start + 3] != b"MSH":
        raise UnparseableMessage("a batch, where a message is expected", location=Location("MSH"))
    body = data[start:] if start else data
    text, codec, warnings = character_sets.decode(body, charset, declared_charset(body, chars))
    return Message(data, chars, codec, _segments(text, chars, codec), warnings)


def start_of(data: bytes) -> int:
    """Return where the first segment starts: behind blank lines and a byte order mark."""
    start = 0
    if data.startswith(_BOM):
        start = len(_BOM)
    while data[start : start + 1] and data[start] in _BLANK_BYTES:
        start += 1
    return start


def separator_of(data: bytes) -> bytes:
    """Return what ends the segments: CR, or LF if there is no CR."""
    return b"\r" if b"\r" in data else b"\n"


def declared_charset(body: bytes, chars: EncodingCharacters) -> str:
    """Return the first character set of MSH-18, read from bytes, as there is no text yet; "" if none."""
    end = body.find(separator_of(body))
    fields = body[: None if end < 0 else end].split(chars.field.encode())
    value = fields[17] if len(fields) > 17 else b""
    if chars.repetition:
        value = value.partition(chars.repetition.encode())[0]
    declared = value.decode("latin-1").strip()
    return "" if declared == '""' else declared


def _segments(text: str, chars: EncodingCharacters, codec: str) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    counts: dict[str, int] = {}
    for line, raw in enumerate(text.split("\r" if "\r" in text else "\n")):
        if raw[:1] in _BLANK:  # "" is in every string
            raw = raw.removeprefix("\n")
            if not raw.strip(_BLANK):
                continue
        segment = Segment(raw, chars, codec, 1, len(segments), line)
        count = counts.get(segment.name, 0) + 1
        counts[segment.name] = segment.sequence = count
        segments.append(segment)
    if counts.get("MSH", 0) > 1:
        raise _second_header()
    return tuple(segments)


def _second_header() -> HL7Error:
    return UnparseableMessage("a second MSH within a message", location=Location("MSH", 2))
