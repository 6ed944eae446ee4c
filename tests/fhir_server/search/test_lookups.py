"""Values of a filter that are looked up before MongoDB is asked."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from fhir_server.context import Context
from fhir_server.search.lookups import Lookup, looked_up
from resources.operation_outcome import TooCostly, error

_CONTEXT = cast("Context", None)


@dataclass(frozen=True)
class _Answer(Lookup):
    """A lookup whose answer is known, and which writes down that it was asked."""

    answer: Any

    async def lookup(self, context: Context) -> Any:
        """Return the answer."""
        assert context is _CONTEXT
        _asked.append(self.answer)
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(self.answer)


_asked: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    _asked.clear()


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({}, {}),
        ({"a": {"$in": ["b"]}}, {"a": {"$in": ["b"]}}),
        ({"a": {"$in": _Answer("bc")}}, {"a": {"$in": ["b", "c"]}}),
        ({"$or": [{"a": {"$nin": _Answer("b")}}, {"c": 1}]}, {"$or": [{"a": {"$nin": ["b"]}}, {"c": 1}]}),
        ({"$and": [_Answer("b"), {"c": _Answer("d")}]}, {"$and": [["b"], {"c": ["d"]}]}),
    ],
)
def test_answers_take_the_place_of_lookups(filter_: dict[str, Any], expected: dict[str, Any]) -> None:
    """An answer stands where its question stood, and all else stays as it was."""
    assert asyncio.run(looked_up(filter_, _CONTEXT)) == expected


def test_equal_lookups_are_asked_once() -> None:
    """Two equal questions cost one answer."""
    filter_ = {"$or": [{"a": _Answer("x")}, {"b": _Answer("x")}, {"c": _Answer("y")}]}
    assert asyncio.run(looked_up(filter_, _CONTEXT)) == {"$or": [{"a": ["x"]}, {"b": ["x"]}, {"c": ["y"]}]}
    assert sorted(_asked) == ["x", "y"]


def test_the_values_of_all_lookups_are_bounded() -> None:
    """Answers that together would make a filter too large for the database are refused."""
    filter_ = {"$or": [{"a": _Answer("x" * 60_000)}, {"b": _Answer("y" * 60_000)}]}
    with pytest.raises(TooCostly, match="100000"):
        asyncio.run(looked_up(filter_, _CONTEXT))


def test_an_error_of_a_lookup_is_the_error_of_the_search() -> None:
    """What one lookup raises reaches the caller, after the others have ended."""
    failure = TooCostly(error("too-costly", "too many"))
    with pytest.raises(TooCostly):
        asyncio.run(looked_up({"a": _Answer(failure), "b": _Answer("x")}, _CONTEXT))
    assert "x" in _asked
