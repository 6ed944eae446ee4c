"""The operators between two collections.

Source: http://hl7.org/fhirpath/N1/#operations
"""

from collections.abc import Callable, Mapping

from resources.fhirpath.arithmetic import ARITHMETIC, Operation, as_quantity
from resources.fhirpath.equality import distinct, equal, equivalent, key, keys
from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.items import Collection, Item, single, single_boolean, type_name
from resources.fhirpath.nodes import Node
from resources.fhirpath.quantities import Quantity, are_comparable, canonical
from resources.fhirpath.temporal import Temporal, compare
from resources.fhirpath.type_specifiers import is_a
from resources.fhirpath.work import Work


def order(left: Item, right: Item) -> int | None:
    """Return -1, 0 or 1 as `left` is less than, equal to or greater than `right`; None if that is unknown.

    Raises FhirPathEvaluationError for items of different types, and of types that have no order.
    """
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if (
        isinstance(left, Temporal)
        and isinstance(right, Temporal)
        and (left.type == "Time") == (right.type == "Time")
    ):
        return compare(left, right)
    one, other = as_quantity(left), as_quantity(right)
    if _is_quantity(left) and _is_quantity(right) and (one is None or other is None):
        return None  # FHIR's, of which one is not in UCUM
    if one is None or other is None:
        raise FhirPathEvaluationError(f"there is no order between {type_name(left)} and {type_name(right)}")
    if not are_comparable(one, other):
        return None
    first, second = canonical(one)[0], canonical(other)[0]
    return (first > second) - (first < second)


def _is_quantity(item: Item) -> bool:
    return isinstance(item, Quantity) or (isinstance(item, Node) and is_a(item.type, "Quantity"))


def _comparing(symbol: str, accepts: Callable[[int], bool]) -> Operation:
    def operation(left: Collection, right: Collection, _: Work) -> Collection:
        one, other = single(left, f"'{symbol}'"), single(right, f"'{symbol}'")
        found = None if one is None or other is None else order(one, other)
        return [] if found is None else [accepts(found)]

    return operation


def _equal(left: Collection, right: Collection, work: Work) -> Collection:
    return _maybe(equal(left, right, work))


def _not_equal(left: Collection, right: Collection, work: Work) -> Collection:
    found = equal(left, right, work)
    return [] if found is None else [not found]


def _equivalent(left: Collection, right: Collection, work: Work) -> Collection:
    return [equivalent(left, right, work)]


def _not_equivalent(left: Collection, right: Collection, work: Work) -> Collection:
    return [not equivalent(left, right, work)]


def union(left: Collection, right: Collection, work: Work) -> Collection:
    """Return the items of both collections, those that are equal only once."""
    return distinct([*left, *right], work)


def _in(left: Collection, right: Collection, work: Work) -> Collection:
    if len(left) > 1:
        raise FhirPathEvaluationError(f"membership is asked of a single item, not of {len(left)}")
    return [key(left[0], work) in keys(right, work)] if left else []


def _contains(left: Collection, right: Collection, work: Work) -> Collection:
    return _in(right, left, work)


def _logical(symbol: str, decide: Callable[[bool | None, bool | None], bool | None]) -> Operation:
    def operation(left: Collection, right: Collection, _: Work) -> Collection:
        return _maybe(decide(single_boolean(left, f"'{symbol}'"), single_boolean(right, f"'{symbol}'")))

    return operation


def _maybe(value: bool | None) -> Collection:
    return [] if value is None else [value]


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: bool | None, right: bool | None) -> bool | None:
    if left or right:
        return True
    return None if left is None or right is None else False


def _xor(left: bool | None, right: bool | None) -> bool | None:
    return None if left is None or right is None else left is not right


def _implies(left: bool | None, right: bool | None) -> bool | None:
    return _or(None if left is None else not left, right)


OPERATORS: Mapping[str, Operation] = {
    **ARITHMETIC,
    "=": _equal,
    "!=": _not_equal,
    "~": _equivalent,
    "!~": _not_equivalent,
    "<": _comparing("<", lambda found: found < 0),
    "<=": _comparing("<=", lambda found: found <= 0),
    ">": _comparing(">", lambda found: found > 0),
    ">=": _comparing(">=", lambda found: found >= 0),
    "|": union,
    "in": _in,
    "contains": _contains,
    "and": _logical("and", _and),
    "or": _logical("or", _or),
    "xor": _logical("xor", _xor),
    "implies": _logical("implies", _implies),
}
