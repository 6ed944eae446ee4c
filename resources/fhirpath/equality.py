"""When two items or collections are equal (`=`), and when they are equivalent (`~`).

Source: http://hl7.org/fhirpath/N1/#equality, https://hl7.org/fhir/R4/fhirpath.html#changes
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from resources.fhirpath.items import Collection, Item, evaluated
from resources.fhirpath.nodes import Node, all_children, children
from resources.fhirpath.quantities import Quantity, are_comparable, canonical, in_unit_of
from resources.fhirpath.temporal import Temporal, compare, in_utc
from resources.fhirpath.work import Work

_WHITE_SPACE = re.compile(r"\s")
_MEANS = {"year": "a", "month": "mo"}
"""The calendar units that are equivalent, but not equal, to a unit of UCUM."""


def key(item: Item, work: Work) -> Hashable:
    """Return a value that is the same for all items that are equal to this one, and for no others."""
    work.spend(1)
    item = evaluated(item)
    match item:
        case bool():
            return "boolean", item
        case int() | Decimal():
            return "number", item
        case Quantity():
            return ("number", item.value) if item.unit == "1" else canonical(item)
        case Temporal():
            return item.type == "Time", item.offset is None, in_utc(item).fields
        case Node():
            return item.type, frozenset(_grouped_keys(item, work))
    return item


def _grouped_keys(node: Node, work: Work) -> Iterator[tuple[str, Hashable]]:
    """Yield the keys of an element's children by name: there is no order of names, but one of items."""
    for name, items in _grouped(node, work).items():
        yield name, tuple(key(item, work) for item in items)
        extensions = [
            frozenset(_grouped_keys(item, work)) for item in items if isinstance(item, Node) and item.twin
        ]
        if extensions:
            yield f"_{name}", tuple(extensions)


def distinct(items: Iterable[Item], work: Work) -> Collection:
    """Return the items without those that are equal to an earlier one."""
    found: dict[Hashable, Item] = {}
    for item in items:
        found.setdefault(key(item, work), item)
    return list(found.values())


def keys(items: Iterable[Item], work: Work) -> set[Hashable]:
    """Return the keys of all items, to look others up in."""
    return {key(item, work) for item in items}


def equal(left: Collection, right: Collection, work: Work) -> bool | None:
    """Return whether two collections are equal, in this order; None if one is empty or that is unknown."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    found = [_equal_items(one, other, work) for one, other in zip(left, right, strict=True)]
    if False in found:
        return False
    return None if None in found else True


def _equal_items(left: Item, right: Item, work: Work) -> bool | None:
    left, right = evaluated(left), evaluated(right)
    if (
        isinstance(left, Temporal)
        and isinstance(right, Temporal)
        and (left.type == "Time") == (right.type == "Time")
    ):
        order = compare(left, right)
        return None if order is None else order == 0
    if isinstance(left, Quantity) and isinstance(right, Quantity) and not are_comparable(left, right):
        return None
    return key(left, work) == key(right, work)


def equivalent(left: Collection, right: Collection, work: Work) -> bool:
    """Return whether two collections have equivalent items, in any order."""
    if len(left) != len(right):
        return False
    unmatched = list(right)
    for item in left:
        work.spend(len(unmatched))
        match = next((n for n, other in enumerate(unmatched) if _equivalent_items(item, other, work)), None)
        if match is None:
            return False
        del unmatched[match]
    return True


def _equivalent_items(left: Item, right: Item, work: Work) -> bool:
    left, right = evaluated(left), evaluated(right)
    match left, right:
        case str(), str():
            return _normalized(left) == _normalized(right)
        case bool(), _:
            return left is right
        case (int() | Decimal(), int() | Decimal()) if not isinstance(right, bool):
            return _rounded_alike(Decimal(left), Decimal(right))
        case Quantity(), Quantity():
            return _equivalent_quantities(left, right)
        case Temporal(), Temporal():
            return _equal_items(left, right, work) is True
        case Node(), Node():
            return _equivalent_elements(left, right, work)
    return key(left, work) == key(right, work)


def _normalized(text: str) -> str:
    return _WHITE_SPACE.sub(" ", text).casefold()


def _rounded_alike(left: Decimal, right: Decimal) -> bool:
    """Compare at the precision of the less precise number, its zeros at the end not counted."""
    step = Decimal(1).scaleb(-min(_decimal_places(left), _decimal_places(right)))
    try:
        return left.quantize(step, ROUND_HALF_UP) == right.quantize(step, ROUND_HALF_UP)
    except InvalidOperation:  # more digits than a decimal holds
        return left == right


def _decimal_places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _equivalent_quantities(left: Quantity, right: Quantity) -> bool:
    if left.is_calendar != right.is_calendar:
        left, right = _in_ucum(left), _in_ucum(right)
    larger, smaller = (left, right) if _factor(left) >= _factor(right) else (right, left)
    converted = in_unit_of(smaller, larger)
    return converted is not None and _rounded_alike(converted.value, larger.value)


def _in_ucum(item: Quantity) -> Quantity:
    unit = _MEANS.get(item.unit) if item.is_calendar else None
    return Quantity(item.value, unit) if unit else item


def _factor(item: Quantity) -> Decimal:
    return canonical(replace(item, value=Decimal(1)))[0]


def _equivalent_elements(left: Node, right: Node, work: Work) -> bool:
    if left.type != right.type:
        return False
    if left.type == "CodeableConcept":
        return any(
            _equivalent_elements(one, other, work)
            for one in children(left, "coding")
            for other in children(right, "coding")
        )
    ones, others = _grouped(left, work), _grouped(right, work)
    names = ("code", "system") if left.type == "Coding" else sorted((ones.keys() | others.keys()) - {"id"})
    return all(equivalent(ones[name], others[name], work) for name in names)


def _grouped(node: Node, work: Work) -> defaultdict[str, Collection]:
    """Return the children of an element by their JSON keys."""
    grouped: defaultdict[str, Collection] = defaultdict(list)
    for child in all_children(node):
        work.spend(1)
        grouped[child.key].append(child)
    return grouped
