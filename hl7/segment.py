"""Segments, and what is in them: fields, repetitions, components, subcomponents.

Everything is counted from 1, and what is not there is empty, as messages of other versions have fewer
fields. A segment is split when something of it is asked for. Texts are unescaped; `raw` is as it came. A
value of two quotes (`""`, delete what you have) has an empty text and `is_null`.

Source: HL7 v2.5.1 §2.5
"""

from collections.abc import Iterator, Sequence

from hl7.encoding_characters import HEADERS, EncodingCharacters
from hl7.escape import unescape

NULL = '""'
_COUNTED_FROM_1 = "the parts of a message are counted from 1"


class _Part:
    """A piece of a message, as it came, with what is needed to read it."""

    __slots__ = ("chars", "codec", "raw")

    def __init__(self, raw: str, chars: EncodingCharacters, codec: str) -> None:
        self.raw = raw
        self.chars = chars
        self.codec = codec

    def __bool__(self) -> bool:
        """Whether anything is there, `""` included."""
        return bool(self.raw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # never what a patient's message says

    @property
    def is_null(self) -> bool:
        """Whether it is `""`: the receiver shall delete what it has."""
        return self.raw == NULL

    @property
    def text(self) -> str:
        """The whole unescaped text, delimiters in it as they stand; "" if it is null."""
        return "" if self.raw == NULL else unescape(self.raw, self.chars, self.codec)

    def _split(self, delimiter: str) -> list[str]:
        return self.raw.split(delimiter) if delimiter else [self.raw]


class Component(_Part):
    """A component; `component[1]` is the text of its first subcomponent."""

    __slots__ = ()

    def __getitem__(self, number: int) -> str:
        return _get(self.subcomponents, number)

    def __iter__(self) -> Iterator[str]:
        return iter(self.subcomponents)

    @property
    def subcomponents(self) -> tuple[str, ...]:
        """The texts of all subcomponents; one at least."""
        return tuple(
            "" if raw == NULL else unescape(raw, self.chars, self.codec)
            for raw in self._split(self.chars.subcomponent)
        )


class Repetition(_Part):
    """One of the values of a field; `repetition[1]` is its first component."""

    __slots__ = ()

    def __getitem__(self, number: int) -> Component:
        parts = self._split(self.chars.component)
        return Component(_get(parts, number), self.chars, self.codec)

    def __iter__(self) -> Iterator[Component]:
        return iter(self.components)

    @property
    def components(self) -> tuple[Component, ...]:
        """All components; one at least."""
        return tuple(Component(raw, self.chars, self.codec) for raw in self._split(self.chars.component))


class Field(_Part):
    """A field; `field[1]` is the first component of its first repetition."""

    __slots__ = ()

    def __getitem__(self, number: int) -> Component:
        return self.repetition(1)[number]

    def __iter__(self) -> Iterator[Repetition]:
        return iter(self.repetitions)

    def repetition(self, number: int) -> Repetition:
        """Return one of the repetitions, an empty one if there are fewer."""
        parts = self._split(self.chars.repetition)
        return Repetition(_get(parts, number), self.chars, self.codec)

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """All repetitions, empty ones between others too; none if the field is empty."""
        if not self.raw:
            return ()
        return tuple(Repetition(raw, self.chars, self.codec) for raw in self._split(self.chars.repetition))


class Segment:
    """A segment; `segment[3]` is its third field; in MSH, FHS and BHS the delimiter is the first.

    `sequence` counts from 1 among the segments of that name, `position` from 0 in the message, and `line`
    from 0 in what the message was split into, empty lines included.
    """

    __slots__ = ("_raw_fields", "chars", "codec", "line", "name", "position", "raw", "sequence")

    def __init__(
        self,
        raw: str,
        chars: EncodingCharacters,
        codec: str,
        sequence: int = 1,
        position: int = 0,
        line: int = 0,
    ) -> None:
        self.name = raw[:3] if raw[3:4] in {chars.field, ""} else raw.partition(chars.field)[0]
        self.raw = raw
        self.sequence = sequence
        self.position = position
        self.line = line
        self.chars = chars
        self.codec = codec
        self._raw_fields: list[str] | None = None

    def __repr__(self) -> str:
        return f"<Segment {self.name[:3]} {self.sequence}>"

    def __getitem__(self, number: int) -> Field:
        return self._field(number, _get(self.raw_fields[1:], number))

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @property
    def raw_fields(self) -> list[str]:
        """The fields as they came, behind the name, so that `raw_fields[3]` is the third."""
        fields = self._raw_fields
        if fields is None:
            fields = self.raw.split(self.chars.field)
            if self.name in HEADERS:
                fields.insert(1, self.chars.field)
            self._raw_fields = fields
        return fields

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields that came, the first field first."""
        return tuple(self._field(number, raw) for number, raw in enumerate(self.raw_fields[1:], 1))

    def get(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        """Return a text from the depth of the segment, "" if there is none or if it is null.

        The same as `self[field].repetition(repetition)[component][subcomponent]`, and faster.
        """
        if field < 1:
            raise IndexError(_COUNTED_FROM_1)
        fields = self._raw_fields or self.raw_fields
        try:
            raw = fields[field]
        except IndexError:
            return ""
        if not raw or raw == NULL:
            return ""
        if field < 3 and self.name in HEADERS:
            return raw if component == subcomponent == repetition == 1 else ""
        chars = self.chars
        for delimiter, number in (
            (chars.repetition, repetition),
            (chars.component, component),
            (chars.subcomponent, subcomponent),
        ):
            if delimiter and delimiter in raw:
                parts = raw.split(delimiter, number)
                if number > len(parts):
                    return ""
                raw = parts[number - 1]
            elif number != 1:
                return ""
        if raw == NULL:
            return ""
        return unescape(raw, chars, self.codec) if chars.escape in raw else raw

    def _field(self, number: int, raw: str) -> Field:
        chars = self.chars
        if number < 3 and self.name in HEADERS:
            chars = EncodingCharacters(chars.field, "", "", "", "")
        return Field(raw, chars, self.codec)


def _get(parts: Sequence[str], number: int) -> str:
    """Return the part of that number, "" if there are fewer."""
    if number < 1:
        raise IndexError(_COUNTED_FROM_1)
    return parts[number - 1] if number <= len(parts) else ""
