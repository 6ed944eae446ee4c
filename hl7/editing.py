"""Correct one place of a message, and leave each other byte as it was."""

from hl7.encoding_characters import HEADERS, EncodingCharacters
from hl7.errors import DATA_TYPE, SEGMENT_SEQUENCE, HL7Error, Location, NotEncodable
from hl7.escape import escape
from hl7.message import Message
from hl7.parser import parse, separator_of, start_of
from hl7.segment import Segment

# A place further out is a slip of the hand, and would be filled up to with delimiters.
_FURTHEST = 1000


def with_field(message: Message, location: Location, text: str, *, raw: bool) -> Message:
    """Return a message that has `text` at a place; see `Message.with_field`."""
    segment = _segment(message, location)
    chars = message.chars
    new = text if raw else escape(text, chars, message.charset)
    levels = _levels(location, chars)
    if raw and any(character in new for character in "\r\n" + "".join(_above(levels, chars))):
        raise HL7Error("a delimiter that would end the place itself", code=DATA_TYPE, location=location)
    fields = list(segment.raw_fields)
    number = location.field or 0
    fields += [""] * (number + 1 - len(fields))
    fields[number] = _replaced(fields[number], levels[1:], new)
    if segment.name in HEADERS:
        del fields[1]
    try:
        line = chars.field.join(fields).encode(message.charset)
    except UnicodeEncodeError:
        raise NotEncodable("the message's character set lacks a character of this text") from None
    return _with_line(message, segment, line, location)


def _segment(message: Message, location: Location) -> Segment:
    found = message.all(location.segment)
    if not 1 <= location.sequence <= len(found):
        raise HL7Error("there is no such segment", code=SEGMENT_SEQUENCE, location=location)
    numbers = (location.field, location.repetition, location.component, location.subcomponent)
    if location.field is None or any(
        number is not None and not 1 <= number <= _FURTHEST for number in numbers
    ):
        raise HL7Error("this is no place in a message", code=DATA_TYPE, location=location)
    if location.segment in HEADERS and location.field < 3:
        raise HL7Error("the delimiters of a message are not changed", code=DATA_TYPE, location=location)
    return found[location.sequence - 1]


def _levels(location: Location, chars: EncodingCharacters) -> list[tuple[str, int]]:
    """Return delimiter and number from the field down to where the place is."""
    deep = location.is_deeper_than_a_field
    levels = [(chars.field, location.field or 0)]
    if deep or location.repetition is not None:
        levels.append((chars.repetition, location.repetition or 1))
    if deep:
        levels.append((chars.component, location.component or 1))
    if location.subcomponent is not None:
        levels.append((chars.subcomponent, location.subcomponent))
    return levels


def _above(levels: list[tuple[str, int]], chars: EncodingCharacters) -> list[str]:
    """Return the delimiters that text at this depth cannot have unescaped."""
    order = [chars.field, chars.repetition, chars.component, chars.subcomponent]
    return [delimiter for delimiter in order[: len(levels)] if delimiter]


def _replaced(raw: str, levels: list[tuple[str, int]], new: str) -> str:
    if not levels:
        return new
    (delimiter, number), *deeper = levels
    parts = raw.split(delimiter) if delimiter else [raw]
    if number > len(parts):
        if not delimiter:
            raise NotEncodable("the message has no delimiter for this place")
        parts += [""] * (number - len(parts))
    parts[number - 1] = _replaced(parts[number - 1], deeper, new)
    return delimiter.join(parts)


def _with_line(message: Message, segment: Segment, line: bytes, location: Location) -> Message:
    start = start_of(message.data)
    body = message.data[start:]
    separator = separator_of(body)
    lines = body.split(separator)
    lines[segment.line] = b"\n" * lines[segment.line].startswith(b"\n") + line
    is_charset = (location.segment, location.field) == ("MSH", 18)
    return parse(message.data[:start] + separator.join(lines), None if is_charset else message.charset)
