"""Escape sequences in the leaves of a message: after a message is split, and before it is joined.

What stands for formatting becomes the plain text that comes nearest. What is not known, and an escape
character that opens nothing, stay as they are. `unescape(escape(x)) == x` for every text that the character
set has.

Source: HL7 v2.5.1 §2.7
"""

import re
from functools import lru_cache

from hl7.encoding_characters import EncodingCharacters
from hl7.errors import NotEncodable

# §2.7.6: commands that end a line; those that leave room; others change how it looks only.
_ENDS_A_LINE = frozenset({"br", "ce"})
_COMMANDS = "br|ce|sp|sk|in|ti|fi|nf"
# No command leaves more room than this, whatever its number.
_MOST_ROOM, _DIGITS = 100, 4
# §2.7.2: single-byte sets, named by the bytes after ESC of ISO 2022, that are designated to the upper half.
_UPPER_HALVES = {
    "2D41": "iso8859-1", "2D42": "iso8859-2", "2D43": "iso8859-3", "2D44": "iso8859-4", "2D4C": "iso8859-5",
    "2D47": "iso8859-6", "2D46": "iso8859-7", "2D48": "iso8859-8", "2D4D": "iso8859-9", "2949": "shift_jis",
}  # fmt: skip
# §2.7.2: sets of the lower half, which a codec of ISO 2022 reads behind the same escape sequence.
_LOWER_HALVES = {
    "2842": "iso2022_jp_2", "284A": "iso2022_jp_2", "2849": "iso2022_jp_ext",
    "2440": "iso2022_jp_2", "2442": "iso2022_jp_2", "242844": "iso2022_jp_2",
    "242843": "iso2022_jp_2", "2441": "iso2022_jp_2",
}  # fmt: skip


def unescape(text: str, chars: EncodingCharacters, codec: str) -> str:
    """Return what a leaf says, `codec` being that of the message."""
    if not chars.escape or chars.escape not in text:
        return text
    if f"{chars.escape}C" in text or f"{chars.escape}M" in text:
        return _with_other_sets(text, chars, codec)
    return _unescaped(text, chars, codec)


def escape(text: str, chars: EncodingCharacters, codec: str) -> str:
    """Return the leaf that says `text`.

    Line feeds become `.br`, other control characters but the tab hexadecimal. Raises `NotEncodable` if the
    character set lacks one of the characters, or if there is no escape character and one is needed.
    """
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        raise NotEncodable("the message's character set lacks a character of this text") from None
    special, names = _specials(chars)
    if special.search(text) is None:
        return text
    if not chars.escape:
        raise NotEncodable(
            "a delimiter or control character in a text, and the message has no escape character"
        )
    return special.sub(lambda found: _sequence(found[0], names, chars.escape), text)


def _sequence(character: str, names: dict[str, str], mark: str) -> str:
    return f"{mark}{names.get(character) or f'X{ord(character):02X}'}{mark}"


@lru_cache(maxsize=64)
def _specials(chars: EncodingCharacters) -> tuple[re.Pattern[str], dict[str, str]]:
    names = {
        chars.field: "F",
        chars.component: "S",
        chars.subcomponent: "T",
        chars.repetition: "R",
        chars.escape: "E",
        chars.truncation or "": "P",
        "\n": ".br",
    }
    names.pop("", None)
    delimiters = "".join(re.escape(character) for character in names)
    return re.compile(rf"[\x00-\x08\x0b-\x1f\x7f{delimiters}]"), names


@lru_cache(maxsize=64)
def _pattern(mark: str) -> re.Pattern[str]:
    """Find what has a meaning; hexadecimal ones in a row are one, as they may be one character."""
    mark = re.escape(mark)
    return re.compile(
        rf"(?P<hex>(?:{mark}X(?:[0-9A-Fa-f]{{2}})+{mark})+)"
        rf"|{mark}(?:(?P<one>[FSTREPHN])"
        rf"|\.(?P<command>(?i:{_COMMANDS}))(?P<room>[+-]?[0-9]*)"
        rf"|(?P<set>[CM](?:[0-9A-Fa-f]{{2}}){{2,3}})"
        rf"|(?P<local>Z[^{mark}]*)){mark}"
    )


def _unescaped(text: str, chars: EncodingCharacters, codec: str) -> str:
    return _pattern(chars.escape).sub(lambda found: _meaning(found, chars, codec), text)


def _meaning(found: re.Match[str], chars: EncodingCharacters, codec: str) -> str:
    if found["one"]:
        return _one(found["one"], chars, found[0])
    if found["hex"]:
        digits = re.sub(f"{re.escape(chars.escape)}X?", "", found["hex"])
        try:
            return bytes.fromhex(digits).decode(codec)
        except UnicodeDecodeError:
            return found[0]
    if found["command"]:
        return _formatted(found["command"].lower(), found["room"])
    return found[0]


def _one(letter: str, chars: EncodingCharacters, verbatim: str) -> str:
    meanings = {
        "F": chars.field,
        "S": chars.component,
        "T": chars.subcomponent,
        "R": chars.repetition,
        "E": chars.escape,
        "P": chars.truncation,
    }
    # Highlighting (H, N) is of no concern to plain text.
    return (meanings[letter] or verbatim) if letter in meanings else ""


def _formatted(command: str, room: str) -> str:
    if command in _ENDS_A_LINE:
        return "\n"
    count = min(int(room[:_DIGITS]), _MOST_ROOM) if room.isdigit() else 1
    return {"sp": "\n", "sk": " "}.get(command, "") * count


def _with_other_sets(text: str, chars: EncodingCharacters, codec: str) -> str:
    """Unescape part by part, each in the set that was named last; one that is not of it stays as it is."""
    result: list[str] = []
    start, named, verbatim = 0, "", ""
    for found in _pattern(chars.escape).finditer(text):
        if found["set"]:
            result.append(_part(text[start : found.start()], named, verbatim, chars, codec))
            start, named, verbatim = found.end(), found["set"][1:].upper(), found[0]
    result.append(_part(text[start:], named, verbatim, chars, codec))
    return "".join(result)


def _part(text: str, named: str, verbatim: str, chars: EncodingCharacters, codec: str) -> str:
    """Return what a part says; `named` is its set, and `verbatim` how that was written."""
    plain = _unescaped(text, chars, codec)
    try:
        if named in _LOWER_HALVES:
            return (b"\x1b" + bytes.fromhex(named) + plain.encode(codec)).decode(_LOWER_HALVES[named])
        if named in _UPPER_HALVES:
            return plain.encode(codec).decode(_UPPER_HALVES[named])
    except UnicodeError:
        pass
    return verbatim + plain
