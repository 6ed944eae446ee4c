"""Cut the text of a FHIRPath expression into tokens.

Source: http://hl7.org/fhirpath/N1/grammar.html (the lexical rules)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from resources.operation_outcome import InvalidContent, error

TokenKind = Literal[
    "dateTime", "date", "time", "number", "string", "identifier", "delimited", "variable", "symbol", "end"
]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression: `text` without quotes and escapes, `position` counted from 0."""

    kind: TokenKind
    text: str
    position: int


class FhirPathSyntaxError(InvalidContent):
    """The text is not a FHIRPath expression; `position` is where that shows, counted from 0."""

    def __init__(self, message: str, position: int) -> None:
        """Carry one issue that says what is wrong and where."""
        super().__init__(error("invalid", f"FHIRPath, at character {position + 1}: {message}"))
        self.position = position


_TIME = r"[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
_DATE = r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?"
_TOKEN = re.compile(
    rf"""
    (?P<space>\s+|//[^\r\n]*|/\*.*?\*/)
    |@(?P<dateTime>{_DATE}T(?:{_TIME}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?)
    |@T(?P<time>{_TIME})
    |@(?P<date>{_DATE})
    |(?P<number>[0-9]+(?:\.[0-9]+)?)
    |'(?P<string>(?:[^'\\]|\\.)*)'
    |`(?P<delimited>(?:[^`\\]|\\.)*)`
    |(?P<identifier>[A-Za-z_][A-Za-z0-9_]*)
    |\$(?P<variable>this|index|total)\b
    |(?P<symbol><=|>=|!=|!~|[-+*/&|<>=~.,()\[\]{{}}%])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"`": "`", "'": "'", '"': '"', "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of `text`, without spaces and comments, and one of kind `end`.

    Raises `FhirPathSyntaxError` at a character that begins no token.
    """
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FhirPathSyntaxError(f"nothing begins with {text[position]!r}", position)
        kind = cast(TokenKind | Literal["space"], match.lastgroup)
        if kind == "string" or kind == "delimited":
            yield Token(kind, _unescape(match[kind], match.start(kind)), position)
        elif kind != "space":
            yield Token(kind, match[kind], position)
        position = match.end()
    yield Token("end", "", position)


def _unescape(text: str, position: int) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] not in _ESCAPED:
            raise FhirPathSyntaxError(f"unknown escape \\{match[2]}", position + match.start())
        return _ESCAPED[match[2]]

    return _ESCAPE.sub(character, text)
