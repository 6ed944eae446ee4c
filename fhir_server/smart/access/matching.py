"""Whether a document meets a condition, told without the database: earlier versions have no values there.

This knows what conditions of access are made of: equalities, bounds, lists, elements of arrays, and their
combinations. Anything else is an error, never a guess.
https://www.mongodb.com/docs/manual/tutorial/query-arrays/
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fhir_server.search.asked import Condition

_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_TESTS = frozenset({*_BOUNDS, "$in", "$eq", "$ne", "$exists", "$elemMatch"})
_COMBINING = frozenset({"$and", "$or", "$nor"})


def meets(document: Any, condition: Condition) -> bool:
    """Tell whether `document` meets a MongoDB filter; raise ValueError for an operator that is not known."""
    return all(_meets(document, path, test) for path, test in condition.items())


def is_understood(condition: Condition) -> bool:
    """Tell whether `meets` can say of every document whether it meets the condition."""
    for path, test in condition.items():
        if path in _COMBINING:
            if not all(is_understood(part) for part in test):
                return False
        elif (path != "_id" and not path.startswith(("search.", "resource."))) or not _is_test(test):
            return False
    return True


def _is_test(test: Any) -> bool:
    if not isinstance(test, Mapping):
        return test is not None and not isinstance(test, list)
    if not any(key.startswith("$") for key in test):
        return False
    return all(name in _TESTS and (name != "$elemMatch" or _is_inner(test[name])) for name in test)


def _is_inner(wanted: Mapping[str, Any]) -> bool:
    """Tell whether what is asked of an element of an array, bounds or its own fields, is understood."""
    if any(key in _BOUNDS for key in wanted):
        return all(key in _TESTS for key in wanted)
    return all(not key.startswith("$") and _is_test(test) for key, test in wanted.items())


def _meets(document: Any, path: str, test: Any) -> bool:
    if path == "$and":
        return all(meets(document, part) for part in test)
    if path == "$or":
        return any(meets(document, part) for part in test)
    if path == "$nor":
        return not any(meets(document, part) for part in test)
    if path.startswith("$"):
        raise ValueError(f"{path} is not known here")
    values = list(_values_at(document, path.split(".")))
    if not isinstance(test, Mapping) or not any(key.startswith("$") for key in test):
        return _equals(values, test)
    return all(_passes(values, name, wanted) for name, wanted in test.items())


def _values_at(value: Any, names: list[str]) -> Iterable[Any]:
    """Yield what stands at a path: an array as itself and as its elements, as MongoDB takes it."""
    if not names:
        yield value
        if isinstance(value, list):
            yield from value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                yield from _values_at(item, names)
    elif isinstance(value, Mapping) and names[0] in value:
        yield from _values_at(value[names[0]], names[1:])


def _equals(values: list[Any], wanted: Any) -> bool:
    if wanted is None or isinstance(wanted, (dict, list)):
        # What null and whole arrays are equal to depends on where in a document they stand.
        raise ValueError("equality with such a value is not known here")
    return any(value == wanted and type(value) is type(wanted) for value in values)


def _passes(values: list[Any], name: str, wanted: Any) -> bool:
    if name == "$in":
        return any(_equals(values, one) for one in wanted)
    if name == "$eq":
        return _equals(values, wanted)
    if name == "$ne":
        return not _equals(values, wanted)
    if name == "$exists":
        return bool(values) == bool(wanted)
    if name == "$elemMatch":
        items = [item for value in values if isinstance(value, list) for item in value]
        return any(_is_match(item, wanted) for item in items)
    if name in _BOUNDS:
        return any(_is_comparable(value, wanted) and _BOUNDS[name](value, wanted) for value in values)
    raise ValueError(f"{name} is not known here")


def _is_match(item: Any, wanted: Mapping[str, Any]) -> bool:
    if any(key in _BOUNDS for key in wanted):
        return all(_passes([item], name, limit) for name, limit in wanted.items())
    return isinstance(item, Mapping) and meets(item, dict(wanted))


def _is_comparable(value: Any, limit: Any) -> bool:
    return type(value) is type(limit)
