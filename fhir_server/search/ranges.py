"""Searches for a range of dates in the order of these dates, so that a page takes no more than is on it.

In the order of creation MongoDB would have to read all that is in the range before it knows the first of
them, or walk past all that is not in it.
https://hl7.org/fhir/R4/search.html#date
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from fhir_server.search.asked import Condition, conjuncts
from fhir_server.search.date import is_end_of
from fhir_server.search.parameters import Query
from fhir_server.search.sorting import SortKey

Edge = tuple[datetime, bool]
"""Where a range begins or ends: at a moment, or (true) just after it."""

_START, _END = (datetime.min.replace(tzinfo=UTC), False), (datetime.max.replace(tzinfo=UTC), True)
_LOWER, _UPPER = {"$gte": False, "$gt": True}, {"$lt": False, "$lte": True}


def in_order_of_range(query: Query) -> Query:
    """Return `query` in the order of the dates of which it asks for a range, if it asks for nothing else.

    It is returned as it is if it says in which order.
    """
    if query.results.sort or query.container:
        return query
    for path in {path for part in _alternatives(query.filter) for path in part if not path.startswith("$")}:
        key = SortKey((path,), descending=False, is_bare=True)
        if parts(query.filter, key) is not None:
            return replace(query, results=replace(query.results, sort=(key,)))
    return query


def parts(condition: Condition, key: SortKey) -> tuple[Condition, ...] | None:
    """Return conditions that together are `condition`, all that meets one of them before what meets the next.

    That is in ascending order of the key. None if the condition is not about ranges of it alone. There are
    several as a period may begin before a range and reach into it, which its end tells.
    """
    if not key.is_bare:
        return None
    ranges: list[tuple[Edge, Edge, Condition]] = []
    for alternative in _alternatives(condition):
        limits = _limits(alternative, key.paths[0])
        if limits is None:
            return None
        ranges.append((*limits, alternative))
    ranges.sort(key=lambda one: one[:2])
    met = [one for one in ranges if one[0] < one[1]] or ranges[:1]
    if any(before[1] > after[0] for before, after in pairwise(met)):
        return None
    return tuple(alternative for _, _, alternative in met)


def _alternatives(condition: Condition) -> Sequence[Condition]:
    listed: Sequence[Condition] = condition["$or"] if condition.keys() == {"$or"} else [condition]
    return listed


def _limits(condition: Condition, path: str) -> tuple[Edge, Edge] | None:
    """Return the edges of the values at `path` that meet the condition, None if it speaks of others too."""
    start, end = _START, _END
    is_bounded = False
    for part in conjuncts(condition):
        [(tested, test)] = part.items()
        if tested != path:
            if not is_end_of(tested, path):
                return None
            continue
        if not isinstance(test, dict) or not test.keys() <= _LOWER.keys() | _UPPER.keys():
            return None
        is_bounded = True
        for operator, moment in test.items():
            if not isinstance(moment, datetime):
                return None
            if operator in _LOWER:
                start = max(start, (moment, _LOWER[operator]))
            else:
                end = min(end, (moment, _UPPER[operator]))
    return (start, end) if is_bounded else None
