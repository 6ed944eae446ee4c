"""Functions that ask whether there is something in a collection, and what.

Source: http://hl7.org/fhirpath/N1/#existence
"""

from collections.abc import Mapping

from resources.fhirpath.equality import distinct, keys
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.items import Collection, evaluated, single_boolean, wrong_type
from resources.fhirpath.scope import Evaluate, Scope


def _empty(_: Scope, items: Collection) -> Collection:
    return [not items]


def _exists(scope: Scope, items: Collection, *criteria: Evaluate) -> Collection:
    return [bool(where(scope, items, *criteria) if criteria else items)]


def where(scope: Scope, items: Collection, criteria: Evaluate) -> Collection:
    """Return the items for which the criteria are true."""
    return [item for index, item in enumerate(items) if _holds(scope.on(item, index), criteria)]


def _holds(scope: Scope, criteria: Evaluate) -> bool:
    return single_boolean(criteria(scope), "a criterion") is True


def _all(scope: Scope, items: Collection, criteria: Evaluate) -> Collection:
    return [all(_holds(scope.on(item, index), criteria) for index, item in enumerate(items))]


def _not(_: Scope, items: Collection) -> Collection:
    value = single_boolean(items, "not()")
    return [] if value is None else [not value]


def _booleans(items: Collection) -> list[bool]:
    values = []
    for item in items:
        value = evaluated(item)
        if not isinstance(value, bool):
            raise wrong_type(value, "this function", "Booleans")
        values.append(value)
    return values


def _all_true(_: Scope, items: Collection) -> Collection:
    return [all(_booleans(items))]


def _any_true(_: Scope, items: Collection) -> Collection:
    return [any(_booleans(items))]


def _all_false(_: Scope, items: Collection) -> Collection:
    return [not any(_booleans(items))]


def _any_false(_: Scope, items: Collection) -> Collection:
    return [not all(_booleans(items))]


def _subset_of(scope: Scope, items: Collection, other: Collection) -> Collection:
    return [keys(items, scope.run.work) <= keys(other, scope.run.work)]


def _superset_of(scope: Scope, items: Collection, other: Collection) -> Collection:
    return _subset_of(scope, other, items)


def _count(_: Scope, items: Collection) -> Collection:
    return [len(items)]


def _distinct(scope: Scope, items: Collection) -> Collection:
    return distinct(items, scope.run.work)


def _is_distinct(scope: Scope, items: Collection) -> Collection:
    return [len(keys(items, scope.run.work)) == len(items)]


EXISTENCE: Mapping[str, Function] = {
    "empty": Function(_empty),
    "exists": Function(_exists, 0, 1, takes="expressions"),
    "all": Function(_all, 1, 1, takes="expressions"),
    "not": Function(_not),
    "allTrue": Function(_all_true),
    "anyTrue": Function(_any_true),
    "allFalse": Function(_all_false),
    "anyFalse": Function(_any_false),
    "subsetOf": Function(_subset_of, 1, 1),
    "supersetOf": Function(_superset_of, 1, 1),
    "count": Function(_count),
    "distinct": Function(_distinct),
    "isDistinct": Function(_is_distinct),
}
