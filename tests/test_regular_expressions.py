"""No regular expression of ours takes long for what a client may send: each is tried with long repetitions.

https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS
"""

import gc
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

PACKAGES = ("adapters", "conformance", "fhir_server", "hl7", "resources", "terminology")
# Numbers of characters, in steps by which an exponential pattern fails this test rather than never ending.
LENGTHS = (20, 24, 28, 32, 36, 300, 1_000, 10_000)
# Far above what a linear pattern takes, far below what another one does.
SECONDS = 0.05
_MOST_CHARACTERS = 6
_ENDS = ("\x00", "!")


def _modules() -> Iterator[str]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield name
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__"):
                yield found.name


def _ours() -> list[re.Pattern[str]]:
    """Return the patterns that exist once all our modules are imported, each once."""
    patterns: dict[str, re.Pattern[str]] = {}
    for name in _modules():
        for value in vars(importlib.import_module(name)).values():
            pattern = getattr(value, "__self__", value)  # a method such as `fullmatch` may be what is kept
            if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
                patterns[pattern.pattern] = pattern
    gc.collect()
    return [patterns[text] for text in sorted(patterns)]


def _characters(parsed: Any) -> Iterator[str]:
    """Yield characters that the parts of a parsed pattern match, in its order."""
    for operator, argument in parsed:
        kind = str(operator)
        if kind == "LITERAL":
            yield chr(argument)
        elif kind == "IN":
            yield from _of_class(argument)
        elif kind in ("ANY", "NOT_LITERAL"):
            yield "x"
        elif kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from _characters(argument[2])
        elif kind == "SUBPATTERN":
            yield from _characters(argument[3])
        elif kind == "BRANCH":
            for branch in argument[1]:
                yield from _characters(branch)
        elif kind in ("ASSERT", "ASSERT_NOT"):
            yield from _characters(argument[1])


def _of_class(members: Any) -> Iterator[str]:
    for operator, argument in members:
        kind = str(operator)
        if kind == "LITERAL":
            yield chr(argument)
        elif kind == "RANGE":
            yield chr(argument[0])
        elif kind == "CATEGORY":
            yield {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}.get(str(argument), "x")
        elif kind == "NEGATE":
            yield "x"


def _hostile(pattern: re.Pattern[str], length: int) -> Iterator[str]:
    """Yield texts that begin as the pattern wishes, go on for long, and end as it does not wish."""
    every = list(dict.fromkeys(_characters(_parser.parse(pattern.pattern, pattern.flags))))
    some = every[:_MOST_CHARACTERS]
    some_prefix = "".join(every)[:_MOST_CHARACTERS]
    pieces = [*some, *(one + other for one in some for other in some if one != other), "".join(every)]
    for piece in pieces:
        repeated = piece * (length // len(piece)) if piece else ""
        for end in _ENDS:
            yield repeated + end
            yield some_prefix + repeated + end


def _slowest(pattern: re.Pattern[str], length: int) -> tuple[float, str]:
    slowest, text_of_slowest = 0.0, ""
    for text in _hostile(pattern, length):
        started = time.thread_time()
        pattern.fullmatch(text)
        pattern.match(text)
        seconds = time.thread_time() - started
        if seconds > slowest:
            slowest, text_of_slowest = seconds, text
        if slowest > SECONDS:
            break
    return slowest, text_of_slowest


def _is_harmless(pattern: re.Pattern[str]) -> bool:
    return all(_slowest(pattern, length)[0] < SECONDS for length in LENGTHS)


@pytest.mark.parametrize("pattern", _ours(), ids=lambda pattern: pattern.pattern[:40])
def test_long_texts_are_looked_at_quickly(pattern: re.Pattern[str]) -> None:
    """Neither an exponential nor a slow polynomial pattern is among ours."""
    for length in LENGTHS:
        seconds, text = _slowest(pattern, length)
        assert seconds < SECONDS, (seconds, text[:40], text[-5:])


BAD = (r"(a+)+", r"(?:a|aa)+", r"(\s*[a-z]+)+;", r"(x*y*)*z", r"\d*\d*\d*;", r"\d+\.?\d*;")


@pytest.mark.parametrize("text", BAD)
def test_a_bad_pattern_would_be_found(text: str) -> None:
    """The examples of the literature are."""
    assert not _is_harmless(re.compile(text))


def test_there_are_patterns_to_look_at() -> None:
    """Those that are kept as a pattern, and those that are kept as its method."""
    assert len(_ours()) > 50
