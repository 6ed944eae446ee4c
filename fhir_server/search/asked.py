"""One search parameter as a client asked for it, and where in a document its values are kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter

Condition = dict[str, Any]
"""A MongoDB filter on documents."""

NOTHING: Condition = {"_id": {"$in": []}}
"""The condition that no document meets."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one element of a resource gives index values.

    `read` returns the value of an element, or None if it has none; a list of values where it may have
    `several`.
    """

    read: Callable[[Any], Any]
    several: bool = False


def as_it_is(element: Any) -> Any:
    """Return the element itself: the `read` of elements that are their own index value."""
    return element


def kind(parameter: SearchParameter) -> str:
    """Return what the values of a parameter compare by: its type, or its usage (`phonetic`, `nearby`)."""
    return parameter.type if parameter.usage == "normal" else parameter.usage


@dataclass(frozen=True, slots=True)
class Field:
    """Where the values of a search parameter are kept: `path` is from the document, or from a combination.

    A bare field holds one value at most, without an array around it. Indexes on such fields can be combined,
    can be sorted by, and keep two bounds of one value together.
    """

    path: str
    parameter: SearchParameter
    is_bare: bool

    @property
    def type(self) -> str:
        """What the values compare by: `token`, `date` and so on."""
        return kind(self.parameter)


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter's values as asked for, against the index values in `field`.

    `texts` are the values of a parameter that is given once or several times: a resource meets all of them,
    and of each one part between commas. `base_url` is the address of this server, without a slash at the
    end; `now` is the present (aware, UTC); `modifier` is what stands after a colon, such as the type of a
    reference. `code` is the parameter that the client named, where the field is one of another parameter.
    """

    field: Field
    texts: tuple[str, ...]
    base_url: str
    now: datetime
    modifier: str | None = None
    code: str = ""

    def refusal(self, what_is_right: str) -> InvalidSearch:
        """Return the error that says what a value of this parameter looks like."""
        return InvalidSearch(error("value", f"{self.code or self.field.parameter.code}: {what_is_right}"))

    def on_values(self, test: Condition) -> Condition:
        """Return the condition that one of the field's values meets all of `test`, such as two bounds."""
        if self.field.is_bare or len(test) == 1:
            return {self.field.path: test}
        return {self.field.path: {"$elemMatch": test}}


def starting_with(prefix: str) -> Condition:
    """Return the test that a string starts with `prefix`, as a range that an index can be asked for."""
    return {"$gte": prefix, "$lt": prefix + "\U0010ffff"}


def one_of(path: str, values: Iterable[Any]) -> Condition:
    """Return the condition that a field holds one of `values`."""
    wanted = list(dict.fromkeys(values))
    return {path: wanted[0] if len(wanted) == 1 else {"$in": wanted}}


def either(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that one of `conditions` holds; of none no document does."""
    listed = list(conditions)
    if not listed:
        return NOTHING
    return listed[0] if len(listed) == 1 else {"$or": listed}


def both(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that all of `conditions` hold, as one flat filter where their fields differ."""
    merged: Condition = {}
    rest: list[Condition] = []
    for condition in conditions:
        if condition.keys() & merged.keys():
            rest.append(condition)
        else:
            merged |= condition
    if not rest:
        return merged
    # What is in the filter's own $and belongs to one of `conditions`; it must not be replaced.
    return {"$and": [merged, *rest]} if "$and" in merged else merged | {"$and": rest}


def conjuncts(filter_: Condition) -> list[Condition]:
    """Return conditions that hold together if and only if `filter_` holds."""
    found: list[Condition] = []
    for path, test in filter_.items():
        if path == "$and":
            found += [inner for part in test for inner in conjuncts(part)]
        else:
            found.append({path: test})
    return found
