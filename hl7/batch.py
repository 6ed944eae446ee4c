"""Files of several messages: `[FHS] {[BHS] {MSH ...} [BTS]} [FTS]`.

Headers and trailers may be missing, and a file of nothing but messages is common. Each message keeps its
bytes; wrong counts are told and change nothing about the messages.

Source: HL7 v2.5.1 §2.10.3 (batch protocol), §2.15.2 and §2.15.3 (BHS, BTS), §2.15.6 and §2.15.7 (FHS, FTS)
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hl7 import encoding_characters
from hl7.building import FieldValue, Raw, build
from hl7.charset import LATIN_1, UTF_8
from hl7.errors import DATA_TYPE, SEGMENT_SEQUENCE, HL7Error, Location, UnparseableMessage
from hl7.message import Segment
from hl7.parser import separator_of, start_of

_KINDS = frozenset({b"FHS", b"BHS", b"MSH", b"BTS", b"FTS"})
_BLANK = b" \t\r\n\x00\x0b\x1a\x1c"
_COUNT = re.compile(r"[0-9]{1,9}")


@dataclass(slots=True)
class Batch:
    """The messages between BHS and BTS; both are None where a file has neither."""

    header: Segment | None = None
    trailer: Segment | None = None
    messages: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class BatchFile:
    """What a file holds; `errors` say what is wrong about headers, trailers and counts."""

    header: Segment | None = None
    trailer: Segment | None = None
    batches: list[Batch] = field(default_factory=list)
    errors: list[HL7Error] = field(default_factory=list)

    @property
    def messages(self) -> list[bytes]:
        """All messages in their order, each with the bytes that it has in the file."""
        return [message for batch in self.batches for message in batch.messages]


def split(data: bytes) -> BatchFile:
    """Return the messages of a file; a single message is a file of one.

    Raises `UnparseableMessage` if the file does not start with FHS, BHS or MSH.
    """
    pieces = list(_pieces(data))
    if not pieces:
        raise UnparseableMessage("neither a batch nor a message", location=Location("MSH"))
    found = BatchFile()
    for kind, piece in pieces:
        _take(found, kind, piece)
    _check(found)
    return found


def _pieces(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each header, trailer and message with its kind; the bytes of a message go to the next of them."""
    separator = separator_of(data)
    kind, start, at = b"", 0, start_of(data)
    while at < len(data):
        end = data.find(separator, at)
        end = len(data) if end < 0 else end + len(separator)
        place = at + data.startswith(b"\n", at)
        name = data[place : place + 3]
        if name in _KINDS and _ends_a_name(data[place + 3 : place + 4]):
            if kind:
                yield kind, data[start:place]
            kind, start = name, place
        elif not kind and data[at:end].strip(_BLANK):
            raise UnparseableMessage("neither a batch nor a message", location=Location("MSH"))
        at = end
    if kind:
        yield kind, data[start:]


def _ends_a_name(character: bytes) -> bool:
    return not character.isalnum() and character not in {b" ", b"-"}


def _take(found: BatchFile, kind: bytes, piece: bytes) -> None:
    if kind == b"MSH":
        if not found.batches or found.batches[-1].trailer is not None:
            found.batches.append(Batch())
        found.batches[-1].messages.append(piece)
        return
    segment = _segment(piece, found)
    if kind == b"BHS":
        found.batches.append(Batch(segment))
    elif kind == b"BTS":
        if not found.batches:
            found.batches.append(Batch())
        found.batches[-1].trailer = segment
    elif kind == b"FHS":
        found.header = segment
    else:
        found.trailer = segment


def _segment(piece: bytes, found: BatchFile) -> Segment:
    """Return a header or trailer; trailers have the delimiters of the header that was last."""
    line = re.split(rb"[\r\n]", piece, maxsplit=1)[0]
    last = (found.batches[-1].header if found.batches else None) or found.header
    chars = last.chars if last else encoding_characters.DEFAULT
    try:
        chars = encoding_characters.read(line) if line[:3] in {b"FHS", b"BHS"} else chars
    except HL7Error as error:
        found.errors.append(error)
    try:
        return Segment(line.decode(UTF_8), chars, UTF_8)
    except UnicodeDecodeError:
        return Segment(line.decode(LATIN_1), chars, LATIN_1)


def _check(found: BatchFile) -> None:
    for number, batch in enumerate(found.batches, 1):
        if batch.trailer is not None:
            _count(found, batch.trailer, number, len(batch.messages), "messages")
        elif batch.header is not None:
            found.errors.append(_missing("BTS", number))
    if found.trailer is not None:
        _count(found, found.trailer, 1, len(found.batches), "batches")
    elif found.header is not None:
        found.errors.append(_missing("FTS", 1))


def _missing(name: str, number: int) -> HL7Error:
    return HL7Error(f"no {name}", code=SEGMENT_SEQUENCE, location=Location(name, number), severity="W")


def _count(found: BatchFile, trailer: Segment, number: int, counted: int, what: str) -> None:
    """Compare a count with what is there; without one there is nothing to compare."""
    said = trailer[1].text.strip()
    place = Location(trailer.name, number, 1)
    if said and not _COUNT.fullmatch(said):
        found.errors.append(HL7Error("the count is no number", code=DATA_TYPE, location=place))
    elif said and int(said) != counted:
        text = f"the trailer says {int(said)} {what}, and there are {counted}"
        found.errors.append(HL7Error(text, code=SEGMENT_SEQUENCE, location=place))


def respond(found: BatchFile, answers: Sequence[Sequence[bytes]], *, now: datetime, control_id: str) -> bytes:
    """Return the response to a file: for each of its batches one with the answers that are given.

    An answer is an acknowledgment for one message; whoever wants negative ones only gives no others, and a
    batch without any says that all was accepted. BHS-12 is BHS-11 of the batch that is answered, and its
    errors of count are in the comments. A file without headers is answered by one. Raises `ValueError` if
    there is not one list of answers for each batch.
    """
    parts: list[bytes] = []
    has_headers = found.header is not None or any(batch.header for batch in found.batches)
    if found.header is not None:
        parts.append(_header(found.header, "FHS", now, control_id, ""))
    for number, (batch, batch_answers) in enumerate(zip(found.batches, answers, strict=True), 1):
        comment = _comment(found, "BTS", number)
        if has_headers:
            parts.append(_header(batch.header, "BHS", now, f"{control_id}-{number}", comment))
        parts += batch_answers
        if has_headers:
            parts.append(_trailer(batch.header, "BTS", len(batch_answers), comment))
    if found.header is not None:
        parts.append(_trailer(found.header, "FTS", len(found.batches), _comment(found, "FTS", 1)))
    return b"".join(parts)


def _comment(found: BatchFile, name: str, number: int) -> str:
    """Return what is wrong about a batch or the file, such as `AE 100: ...`."""
    wrong = [
        f"AE {error.code}: {error.text}"
        for error in found.errors
        if error.severity == "E" and error.location in (Location(name, number), Location(name, number, 1))
    ]
    return "; ".join(wrong)


def _header(asked: Segment | None, name: str, now: datetime, control_id: str, comment: str) -> bytes:
    """Return FHS or BHS that answers one, with the parties turned round."""
    chars = asked.chars.completed() if asked else encoding_characters.DEFAULT
    raw = {number: Raw(asked[number].raw if asked else "") for number in (3, 4, 5, 6, 11)}
    time = now.strftime("%Y%m%d%H%M%S%z")
    fields: list[FieldValue] = [name, "", "", raw[5], raw[6], raw[3], raw[4], time, "", "", comment]
    return build([[*fields, control_id, raw[11]]], chars, asked.codec if asked else UTF_8)


def _trailer(asked: Segment | None, name: str, count: int, comment: str) -> bytes:
    chars = asked.chars.completed() if asked else encoding_characters.DEFAULT
    return build([[name, count, comment]], chars, asked.codec if asked else UTF_8)
