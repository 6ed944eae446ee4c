"""Regular expressions whose time is bounded, whatever pattern and text come together.

`matches` runs in time linear in the text: it uses the automata of pydantic's Rust core, which know no
look-around and no back-references. They cannot replace, so `replace_matches` uses Python's backtracking
engine, but only for patterns that leave it few ways to try.

Source: http://hl7.org/fhirpath/N1/#matchesregex--string--boolean
"""

import re
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.work import LONGEST_TEXT
from resources.operation_outcome import TooCostly, error

_LONGEST_PATTERN = 1000
_MOST_WORK = 20_000_000
"""Characters that replace_matches may look at, far less than a second of them."""

_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")
_TOKEN = re.compile(
    r"""
    \\.                                             # an escape
    |\[\^?\]?(?:\\.|[^\]\\])*\]                     # a class
    |(?P<refused>\)(?:[*+]|\{[^}]*\})|\(\?<?[=!])  # a group that is repeated, look-around
    |(?P<unbounded>[*+])
    |\{(?P<least>\d*)(?P<range>,(?P<most>\d*))?\}
    |(?P<either>[|?])
    """,
    re.VERBOSE | re.DOTALL,
)
_REFERENCE = re.compile(r"\$(?:(?P<number>\d)|\{(?P<name>\w+)\})")


def matches(text: str, pattern: str) -> bool:
    """Tell whether a part of the text matches; `.` stands for line ends too."""
    return _automaton(f"(?s){pattern}").isinstance_python(text)


def matches_whole(text: str, pattern: str) -> bool:
    """Tell whether the whole text matches."""
    return _automaton(rf"(?s)\A(?:{pattern})\z").isinstance_python(text)


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> SchemaValidator:
    _refuse_long(pattern)
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True))
    except SchemaError:
        raise _invalid() from None


def replace_matches(text: str, pattern: str, substitution: str) -> str:
    """Return the text with each match replaced; `$1` and `${name}` in the substitution are its groups."""
    if not pattern:
        return text
    _refuse_long(pattern)
    too_long = len(substitution) * (len(text) + 1) > LONGEST_TEXT
    if too_long or (len(text) + 1) * _most_work(pattern, len(text)) > _MOST_WORK:
        raise TooCostly(error("too-costly", "FHIRPath: this replaceMatches() could take very long"))
    try:
        compiled = re.compile(_NAMED_GROUP.sub("(?P<", pattern), re.DOTALL)
        return compiled.sub(lambda match: _filled_in(substitution, match), text)
    except (re.error, IndexError, OverflowError):
        raise _invalid() from None


def _most_work(pattern: str, length: int) -> int:
    """Return how many characters are looked at, at most, to match from one place of a text of that length.

    What a repetition covers is looked at once for each way in which everything before it matches.
    """
    work, ways = 0, 1
    for token in _TOKEN.finditer(pattern):
        if token["refused"]:
            raise _invalid()
        if token["either"]:
            ways *= 2
        elif token[0][0] in "*+{":
            least, most = _repetition(token, length)
            work += most * ways
            ways *= max(most - least, 0) + 1
        if ways > _MOST_WORK:
            break
    return work + len(pattern) * ways


def _repetition(token: re.Match[str], length: int) -> tuple[int, int]:
    if token["unbounded"] or (token["range"] and not token["most"]):
        return 0, length
    least = int(token["least"][:9] or 0)
    return least, min(int(token["most"][:9]), length) if token["range"] else least


def _filled_in(substitution: str, match: re.Match[str]) -> str:
    return _REFERENCE.sub(lambda found: match[found["name"] or int(found["number"])] or "", substitution)


def _refuse_long(pattern: str) -> None:
    if len(pattern) > _LONGEST_PATTERN:
        raise FhirPathEvaluationError(f"a regular expression has more than {_LONGEST_PATTERN} characters")


def _invalid() -> FhirPathEvaluationError:
    return FhirPathEvaluationError(
        "a regular expression is malformed, or has what is not supported: look-around, back-references, and "
        "in replaceMatches() repeated groups"
    )
