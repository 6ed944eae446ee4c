"""Functions that filter, project, cut and combine collections.

Source: http://hl7.org/fhirpath/N1/#filtering-and-projection, http://hl7.org/fhirpath/N1/#subsetting,
http://hl7.org/fhirpath/N1/#combining, http://hl7.org/fhirpath/N1/#aggregates
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cmp_to_key

from resources.fhirpath.equality import distinct, key, keys
from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.functions.existence import where
from resources.fhirpath.items import Collection, Item, evaluated, has_type, single, single_integer
from resources.fhirpath.nodes import Node
from resources.fhirpath.operators import order, union
from resources.fhirpath.scope import Evaluate, Scope
from resources.fhirpath.type_specifiers import TypeSpecifier


def _select(scope: Scope, items: Collection, projection: Evaluate) -> Collection:
    found: Collection = []
    for index, item in enumerate(items):
        found += projection(scope.on(item, index))
    return found


def _repeat(scope: Scope, items: Collection, projection: Evaluate) -> Collection:
    """Project again and again, what comes out too, until there is nothing new."""
    found: Collection = []
    seen = set()
    pending = items
    while pending:
        new: Collection = []
        for item in _select(scope, pending, projection):
            identity = key(item, scope.run.work)
            if identity not in seen:
                seen.add(identity)
                new.append(item)
        found += new
        pending = new
    return found


def _single(_: Scope, items: Collection) -> Collection:
    if len(items) > 1:
        raise FhirPathEvaluationError(f"single() found {len(items)} items")
    return items


def _first(_: Scope, items: Collection) -> Collection:
    return items[:1]


def _last(_: Scope, items: Collection) -> Collection:
    return items[-1:]


def _tail(_: Scope, items: Collection) -> Collection:
    return items[1:]


def _skip(_: Scope, items: Collection, number: Collection) -> Collection:
    count = single_integer(number, "skip()")
    return [] if count is None else items[max(count, 0) :]


def _take(_: Scope, items: Collection, number: Collection) -> Collection:
    count = single_integer(number, "take()")
    return [] if count is None else items[: max(count, 0)]


def _intersect(scope: Scope, items: Collection, other: Collection) -> Collection:
    others = keys(other, scope.run.work)
    return [item for item in distinct(items, scope.run.work) if key(item, scope.run.work) in others]


def _exclude(scope: Scope, items: Collection, other: Collection) -> Collection:
    others = keys(other, scope.run.work)
    return [item for item in items if key(item, scope.run.work) not in others]


def _union(scope: Scope, items: Collection, other: Collection) -> Collection:
    return union(items, other, scope.run.work)


def _combine(_: Scope, items: Collection, other: Collection) -> Collection:
    return [*items, *other]


def _aggregate(scope: Scope, items: Collection, aggregator: Evaluate, *init: Evaluate) -> Collection:
    total = init[0](scope) if init else []
    for index, item in enumerate(items):
        total = aggregator(replace(scope.on(item, index), total=total))
    return total


def _sort(scope: Scope, items: Collection, *sort_keys: tuple[Evaluate, bool]) -> Collection:
    """Sort by the keys, each with whether it is descending; what has no key counts as the greatest."""
    rows = [
        (item, [_sort_value(scope.on(item, n), by) for by, _ in sort_keys]) for n, item in enumerate(items)
    ]
    descending = [is_descending for _, is_descending in sort_keys]
    scope.run.work.spend(len(rows) * max(len(rows), 2).bit_length())

    def compare(one: tuple[Item, list[Item | None]], other: tuple[Item, list[Item | None]]) -> int:
        for left, right, is_descending in zip(one[1], other[1], descending, strict=True):
            found = _key_order(left, right)
            if found:
                return -found if is_descending else found
        return 0

    return [item for item, _ in sorted(rows, key=cmp_to_key(compare))]


def _sort_value(scope: Scope, by: Evaluate) -> Item | None:
    return single(by(scope), "a sort key")


def _key_order(left: Item | None, right: Item | None) -> int:
    if left is None or right is None:
        return (left is None) - (right is None)
    return order(left, right) or 0


def of_type(_: Scope, items: Collection, specifier: TypeSpecifier) -> Collection:
    """Return the items of a type.

    Of FHIR's primitive types only the very same counts (https://hl7.org/fhir/R4/fhirpath.html#functions), but
    their values are of the types of System.
    """
    return [found for item in items if (found := as_type(item, specifier)) is not None]


def as_type(item: Item, specifier: TypeSpecifier) -> Item | None:
    """Return an item as one of a type, None if it is of another one."""
    if isinstance(item, Node) and item.is_primitive and specifier.fhir is not None:
        return item if item.type == specifier.fhir else None
    if has_type(item, specifier):
        return item
    value = evaluated(item)
    return value if value is not item and has_type(value, specifier) else None


COLLECTIONS: Mapping[str, Function] = {
    "where": Function(where, 1, 1, takes="expressions"),
    "select": Function(_select, 1, 1, takes="expressions"),
    "repeat": Function(_repeat, 1, 1, takes="expressions"),
    "ofType": Function(of_type, 1, 1, takes="type"),
    "single": Function(_single),
    "first": Function(_first),
    "last": Function(_last),
    "tail": Function(_tail),
    "skip": Function(_skip, 1, 1),
    "take": Function(_take, 1, 1),
    "intersect": Function(_intersect, 1, 1),
    "exclude": Function(_exclude, 1, 1),
    "union": Function(_union, 1, 1),
    "combine": Function(_combine, 1, 1),
    "aggregate": Function(_aggregate, 1, 2, takes="expressions"),
    "sort": Function(_sort, 0, 8, takes="sort keys"),
}
