"""A message as it was read: its bytes, its header, its segments in their order.

Source: HL7 v2.5.1 §2.5 and §2.15.9 (MSH)
"""

from dataclasses import dataclass

from hl7.encoding_characters import EncodingCharacters
from hl7.errors import HL7Error, Location
from hl7.segment import Component, Field, Repetition, Segment

__all__ = ["Component", "Field", "Header", "Message", "Repetition", "Segment", "header_of"]


@dataclass(frozen=True, slots=True)
class Header:
    """What MSH says, as it says it: nothing is derived, and what it leaves out is empty."""

    sending_application: Repetition
    sending_facility: Repetition
    receiving_application: Repetition
    receiving_facility: Repetition
    timestamp: str
    message_code: str
    trigger_event: str
    structure: str
    control_id: str
    processing_id: str
    version: str
    charsets: tuple[str, ...]
    accept_ack: str
    application_ack: str

    @property
    def is_enhanced(self) -> bool:
        """Whether the sender wants acknowledgments of the enhanced mode (HL7 v2.5.1 §2.9.3)."""
        return bool(self.accept_ack or self.application_ack)


def header_of(msh: Segment) -> Header:
    """Return what a segment MSH says."""
    message_type = msh[9].repetition(1)
    return Header(
        sending_application=msh[3].repetition(1),
        sending_facility=msh[4].repetition(1),
        receiving_application=msh[5].repetition(1),
        receiving_facility=msh[6].repetition(1),
        timestamp=msh.get(7),
        message_code=message_type[1].text,
        trigger_event=message_type[2].text,
        structure=message_type[3].text,
        control_id=msh[10].text,
        processing_id=msh.get(11),
        version=msh.get(12),
        charsets=tuple(repetition.text for repetition in msh[18].repetitions),
        accept_ack=msh.get(15),
        application_ack=msh.get(16),
    )


class Message:
    """A message; made by `hl7.parser.parse`. It is not changed, but `with_field` gives another one.

    `data` are the bytes as they came, `chars` the delimiters, `charset` is Python's name of the codec, and
    `warnings` say what was odd and still could be read.
    """

    __slots__ = ("_by_name", "_header", "chars", "charset", "data", "segments", "warnings")

    def __init__(
        self,
        data: bytes,
        chars: EncodingCharacters,
        charset: str,
        segments: tuple[Segment, ...],
        warnings: tuple[HL7Error, ...] = (),
    ) -> None:
        self.data = data
        self.chars = chars
        self.charset = charset
        self.segments = segments
        self.warnings = warnings
        self._header: Header | None = None
        self._by_name: dict[str, tuple[Segment, ...]] | None = None

    def __repr__(self) -> str:
        return f"<Message of {len(self.segments)} segments>"  # never what a patient's message says

    @property
    def header(self) -> Header:
        """What MSH says."""
        if self._header is None:
            self._header = header_of(self.segments[0])
        return self._header

    def to_bytes(self) -> bytes:
        """Return the message as it is sent: the very bytes that were read."""
        return self.data

    def all(self, name: str) -> tuple[Segment, ...]:
        """Return the segments of that name in their order."""
        if self._by_name is None:
            found: dict[str, list[Segment]] = {}
            for segment in self.segments:
                found.setdefault(segment.name, []).append(segment)
            self._by_name = {key: tuple(segments) for key, segments in found.items()}
        return self._by_name.get(name, ())

    def first(self, name: str) -> Segment | None:
        """Return the first segment of that name."""
        found = self.all(name)
        return found[0] if found else None

    def at(self, location: Location) -> str:
        """Return the text at a place, "" if there is none; without a repetition, that of the whole field."""
        found = self.all(location.segment)
        if location.sequence > len(found) or location.field is None:
            return ""
        field = found[location.sequence - 1][location.field]
        if location.repetition is None and not location.is_deeper_than_a_field:
            return field.text
        repetition = field.repetition(location.repetition or 1)
        if not location.is_deeper_than_a_field:
            return repetition.text
        component = repetition[location.component or 1]
        return component.text if location.subcomponent is None else component[location.subcomponent]

    def with_field(self, location: Location, text: str, *, raw: bool = False) -> "Message":
        """Return a message that has `text` at a place, for a correction by hand; all else is as it was.

        The text is escaped, so that delimiters in it are text; `raw` takes it with its delimiters instead.
        Raises `HL7Error` if there is no such segment, if the place is of MSH-1 or MSH-2, or if what came of
        it is no message any more.
        """
        from hl7.editing import with_field  # here, as it reads the new message: the reader needs this module

        return with_field(self, location, text, raw=raw)
