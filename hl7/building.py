"""Write a message from plain text: each leaf is escaped, and nothing else needs to be known of delimiters.

A field is a text, a list of components, or `Repetitions`; a component is a text or a list of subcomponents.

    build([["MSH", "", "", "LAB"], ["PID", 1, "", Repetitions(["4711", "", "", "HOSP", "MR"])]])

Source: HL7 v2.5.1 §2.6
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hl7.encoding_characters import DEFAULT, HEADERS, EncodingCharacters
from hl7.escape import escape
from hl7.segment import NULL

Leaf: TypeAlias = str | int | None
Component: TypeAlias = "Leaf | Raw | Sequence[Leaf | Raw]"
Repetition: TypeAlias = "Leaf | Raw | Sequence[Component]"


@dataclass(frozen=True, slots=True)
class Raw:
    """A piece that has its delimiters and escapes already, as it came in a message with the same."""

    text: str


class Repetitions(tuple[Repetition, ...]):
    """The values of a field that repeats: `Repetitions(first, second)`."""

    __slots__ = ()

    def __new__(cls, *values: Repetition) -> "Repetitions":
        """Take the values one by one."""
        return super().__new__(cls, values)


FieldValue: TypeAlias = "Repetition | Repetitions"


def build(
    segments: Sequence[Sequence[FieldValue]], chars: EncodingCharacters = DEFAULT, codec: str = "utf-8"
) -> bytes:
    """Return the message, each segment ended by CR.

    The first of a segment is its name; MSH-1 and MSH-2 are written from `chars`, whatever stands in their
    place. Empty ends are left out. The text `""` is written as it is, and means `delete`. Raises
    `NotEncodable` for a text that delimiters or character set cannot express.
    """
    text = "".join(f"{segment_text(segment, chars, codec)}\r" for segment in segments)
    return text.encode(codec)


def segment_text(segment: Sequence[FieldValue], chars: EncodingCharacters, codec: str) -> str:
    """Return one segment without its end."""
    name, *fields = segment
    texts = [_field(field, chars, codec) for field in fields]
    if name in HEADERS:
        texts[:2] = [chars.msh_2]
    while texts and not texts[-1]:
        texts.pop()
    return chars.field.join([str(name), *texts])


def _field(value: FieldValue, chars: EncodingCharacters, codec: str) -> str:
    if isinstance(value, Repetitions):
        return _joined([_repetition(each, chars, codec) for each in value], chars.repetition)
    return _repetition(value, chars, codec)


def _repetition(value: Repetition, chars: EncodingCharacters, codec: str) -> str:
    if isinstance(value, str | int | Raw) or value is None:
        return _leaf(value, chars, codec)
    return _joined([_component(each, chars, codec) for each in value], chars.component)


def _component(value: Component, chars: EncodingCharacters, codec: str) -> str:
    if isinstance(value, str | int | Raw) or value is None:
        return _leaf(value, chars, codec)
    return _joined([_leaf(each, chars, codec) for each in value], chars.subcomponent)


def _leaf(value: Leaf | Raw, chars: EncodingCharacters, codec: str) -> str:
    if isinstance(value, Raw):
        return value.text
    text = "" if value is None else str(value)
    return text if text == NULL else escape(text, chars, codec)


def _joined(texts: list[str], delimiter: str) -> str:
    while texts and not texts[-1]:
        texts.pop()
    return delimiter.join(texts)
