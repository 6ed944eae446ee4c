"""What an answer takes over from the message that it answers, read from a message or from bytes that are
none.

Everything is kept as it came, delimiters and escapes included, since the answer has the same ones.
"""

import re
from dataclasses import dataclass

from hl7 import encoding_characters
from hl7.charset import LATIN_1
from hl7.encoding_characters import EncodingCharacters
from hl7.errors import HL7Error, Location, UnparseableMessage
from hl7.message import Message
from hl7.parser import parse, separator_of, start_of

# Far more than any MSH; what is behind it is not looked at.
_LONGEST_HEADER = 8192


@dataclass(frozen=True, slots=True)
class Received:
    """MSH of a message: `fields` by their numbers, `charset_field` is MSH-18 if it was understood."""

    fields: tuple[str, ...]
    chars: EncodingCharacters
    codec: str
    charset_field: str

    def field(self, number: int) -> str:
        """Return a field of MSH as it came."""
        return self.fields[number] if number < len(self.fields) else ""

    @property
    def trigger_event(self) -> str:
        """MSH-9.2 as it came."""
        parts = self.field(9).split(self.chars.component)
        return parts[1] if len(parts) > 1 else ""

    @property
    def version(self) -> tuple[int, ...]:
        """MSH-12.1 as numbers, such as (2, 5, 1); those of 2.5.1 if it is no version."""
        found = re.match(r"\s*([0-9]{1,2})\.([0-9]{1,2})(?:\.([0-9]{1,2}))?", self.field(12))
        return tuple(int(part) for part in found.groups() if part) if found else (2, 5, 1)

    @property
    def has_structures(self) -> bool:
        """Whether MSH-9 says the structure: from version 2.4 on (2.3.1 for messages, not for ACK)."""
        return self.version >= (2, 4)

    @property
    def has_error_segments(self) -> bool:
        """Whether ERR says all of an error: from version 2.5 on."""
        return self.version >= (2, 5)


def received(message: Message | bytes) -> Received:
    """Return what an answer needs; raise `UnparseableMessage` if no MSH-10 can be found."""
    if isinstance(message, Message):
        return _checked(_of_message(message))
    try:
        return _checked(_of_message(parse(message)))
    except HL7Error:
        return _checked(_of_bytes(message))


def _of_message(message: Message) -> Received:
    msh = message.segments[0]
    return Received(tuple(msh.raw_fields), message.chars.completed(), message.charset, msh[18].raw)


def _of_bytes(data: bytes) -> Received:
    """Read the header of what cannot be parsed: bytes beyond ASCII go back as they came, and name no set."""
    body = data[start_of(data) :][:_LONGEST_HEADER]
    line = body.split(separator_of(body))[0].decode(LATIN_1)
    if line[:3] != "MSH" or not ("!" <= line[3:4] <= "~") or line[3].isalnum():
        raise UnparseableMessage("there is no MSH to answer to", location=Location("MSH"))
    try:
        chars = encoding_characters.read(body)
    except HL7Error:
        chars = EncodingCharacters(line[3], "", "", "", "").completed()
    fields = line.split(chars.field)
    fields.insert(1, chars.field)
    # What was written with other delimiters than those of the answer would be read wrongly, control
    # characters too.
    fields = [field if field.isprintable() else "" for field in fields]
    return Received(tuple(fields), chars.completed(), LATIN_1, "")


def _checked(found: Received) -> Received:
    if not found.field(10):
        raise UnparseableMessage("there is no MSH-10 to answer to", location=Location("MSH", 1, 10))
    return found
