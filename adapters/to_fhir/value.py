"""One value of a message as rules read it: a repetition of a field, or a component of one.

Fast, as an ORU^R01 has hundreds of them: nothing is split or unescaped before it is asked for.
Source: HL7 v2.5.1 §2.5.3
"""

from dataclasses import dataclass

from hl7.encoding_characters import EncodingCharacters
from hl7.escape import unescape
from hl7.message import Message

NULL = '""'
"""What a sender writes to have a value deleted (HL7 v2.5.1 §2.5.3.1)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How the texts of one message are read."""

    chars: EncodingCharacters
    codec: str

    @classmethod
    def of(cls, message: Message) -> "Reader":
        """Return how the texts of `message` are read."""
        return cls(message.chars, message.charset)

    def text(self, raw: str) -> str:
        """Return the text of a leaf, without spaces around it; "" for what is deleted."""
        if raw == NULL:
            return ""
        if self.chars.escape and self.chars.escape in raw:
            raw = unescape(raw, self.chars, self.codec)
        return raw.strip()


class Value:
    """A repetition of a field, whose parts are components, or a component, whose parts are subcomponents."""

    __slots__ = ("_parts", "is_component", "raw", "reader")

    def __init__(self, raw: str, reader: Reader, *, is_component: bool = False) -> None:
        self.raw = raw
        self.reader = reader
        self.is_component = is_component
        self._parts: list[str] | None = None

    def __repr__(self) -> str:
        return "<Value>"  # never what a patient's message says

    @property
    def parts(self) -> list[str]:
        """The parts as they came."""
        found = self._parts
        if found is None:
            chars = self.reader.chars
            delimiter = chars.subcomponent if self.is_component else chars.component
            found = self.raw.split(delimiter) if delimiter else [self.raw]
            self._parts = found
        return found

    def __getitem__(self, number: int) -> str:
        """Return the text of a part, counted from 1; of its first subcomponent, if it has several."""
        parts = self.parts
        if number > len(parts):
            return ""
        raw = parts[number - 1]
        if not raw:
            return ""
        delimiter = self.reader.chars.subcomponent
        if not self.is_component and delimiter and delimiter in raw:
            raw = raw.partition(delimiter)[0]
        return self.reader.text(raw)

    def part(self, number: int) -> "Value":
        """Return a component, to be read by its subcomponents."""
        parts = self.parts
        raw = parts[number - 1] if number <= len(parts) else ""
        return Value("" if raw == NULL else raw, self.reader, is_component=True)

    @property
    def text(self) -> str:
        """The whole text, delimiters within it as they stand: for ST, TX and FT."""
        return self.reader.text(self.raw)

    def has(self, *numbers: int) -> bool:
        """Tell whether any of the parts says something."""
        parts = self.parts
        return any(number <= len(parts) and parts[number - 1] not in ("", NULL) for number in numbers)
