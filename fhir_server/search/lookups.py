"""Values of a filter that only the store can tell, looked up before MongoDB is asked.

A condition is made from the text of a search alone, without I/O. Where it needs what is stored, such as the
codes of a value set or the ids that a chain leads to, a `Lookup` stands in the place of the value.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from fhir_server.context import Context
from resources.operation_outcome import TooCostly, error

MOST_LOOKED_UP = 100_000
"""How many values all lookups of a filter give at most; the database takes no filter of more than 16 MB."""

# One search shall not take all connections to the database.
_MOST_AT_ONCE = 8


class Lookup(ABC):
    """A question whose answer takes its place in a filter; equal ones are asked once, so they are hashable.

    It may stand wherever a value of the filter may: after an operator, in a list, in `$and` as a condition.
    """

    @abstractmethod
    async def lookup(self, context: Context) -> Any:
        """Return the value for its place, in which no more lookups stand."""


async def looked_up(filter_: Any, context: Context) -> Any:
    """Return `filter_` with all lookups in it replaced by their answers.

    The filter that was given stays as it is. Raises what the lookups raise.
    """
    questions = list(dict.fromkeys(lookups_in(filter_)))
    if not questions:
        return filter_
    turns = asyncio.Semaphore(_MOST_AT_ONCE)
    room = MOST_LOOKED_UP

    async def answer(question: Lookup) -> Any:
        nonlocal room
        async with turns:
            found = await question.lookup(context) if room >= 0 else []
        room -= len(found) if isinstance(found, list) else 1
        if room < 0:
            message = f"A search may lead to {MOST_LOOKED_UP} codes and resources on its way at most"
            raise TooCostly(error("too-costly", message))
        return found

    answers = await asyncio.gather(*map(answer, questions), return_exceptions=True)
    for found in answers:
        if isinstance(found, BaseException):
            raise found
    return _replaced(filter_, dict(zip(questions, answers, strict=True)))


def needs_lookup(filter_: Any) -> bool:
    """Tell whether there are lookups in a filter."""
    return next(lookups_in(filter_), None) is not None


def lookups_in(value: Any) -> Iterator[Lookup]:
    """Yield the lookups in a filter, not those that they are made of."""
    if isinstance(value, Lookup):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from lookups_in(item)


def _replaced(value: Any, answers: dict[Lookup, Any]) -> Any:
    if isinstance(value, Lookup):
        return answers[value]
    if isinstance(value, dict):
        return {key: _replaced(item, answers) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, answers) for item in value]
    return value
