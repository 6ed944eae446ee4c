"""Functions that walk the tree of elements, and that tell types and the time.

Source: http://hl7.org/fhirpath/N1/#tree-navigation, http://hl7.org/fhirpath/N1/#utility-functions,
http://hl7.org/fhirpath/N1/#types, http://hl7.org/fhirpath/N1/#reflection
"""

from collections.abc import Mapping

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.functions.collections import as_type
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.items import Collection, Item, evaluated, has_type, system_type
from resources.fhirpath.nodes import Node, all_children
from resources.fhirpath.quantities import Quantity, are_comparable
from resources.fhirpath.scope import Evaluate, Scope
from resources.fhirpath.temporal import Temporal, from_datetime
from resources.fhirpath.type_specifiers import TypeInfo, TypeSpecifier, fhir_type_info, system_type_info


def _children(scope: Scope, items: Collection) -> Collection:
    found = [child for item in items if isinstance(item, Node) for child in _all_children(item)]
    scope.run.work.spend(len(found))
    return found


def _all_children(node: Node) -> Collection:
    """Return the child elements, and the value of a primitive: it is a child of its own."""
    found: Collection = [*all_children(node)]
    if node.is_primitive and node.value is not None:
        value = evaluated(node)
        if value is not node:
            found.append(value)
    return found


def _descendants(scope: Scope, items: Collection) -> Collection:
    """Return all elements below, each before its own children."""
    found: Collection = []
    pending = list(reversed(_children(scope, items)))
    while pending:
        item = pending.pop()
        found.append(item)
        pending += reversed(_children(scope, [item]))
    return found


def is_type(items: Collection, specifier: TypeSpecifier) -> Collection:
    """Tell whether the single item is of a type; FhirPathEvaluationError if there are several items."""
    _refuse_several(items, "is")
    return [has_type(item, specifier) for item in items]


def single_as_type(items: Collection, specifier: TypeSpecifier) -> Collection:
    """Return the single item if it is of a type; FhirPathEvaluationError if there are several items."""
    _refuse_several(items, "as")
    return [found for item in items if (found := as_type(item, specifier)) is not None]


def _refuse_several(items: Collection, what: str) -> None:
    if len(items) > 1:
        raise FhirPathEvaluationError(f"'{what}' takes a single item, not {len(items)}")


def _is(_: Scope, items: Collection, specifier: TypeSpecifier) -> Collection:
    return is_type(items, specifier)


def _as(_: Scope, items: Collection, specifier: TypeSpecifier) -> Collection:
    return single_as_type(items, specifier)


def _type(_: Scope, items: Collection) -> Collection:
    return [_type_info(item) for item in items]


def _type_info(item: Item) -> TypeInfo:
    return fhir_type_info(item.type) if isinstance(item, Node) else system_type_info(system_type(item))


def _trace(_: Scope, items: Collection, _name: Evaluate, _projection: Evaluate | None = None) -> Collection:
    """Return the input. Nothing is logged: what an expression looks at are patients' data."""
    return items


def _now(scope: Scope, _: Collection) -> Collection:
    return [from_datetime(scope.run.now)]


def _today(scope: Scope, _: Collection) -> Collection:
    return [Temporal("Date", from_datetime(scope.run.now).day)]


def _time_of_day(scope: Scope, _: Collection) -> Collection:
    now = from_datetime(scope.run.now)
    return [Temporal("Time", (), now.clock, now.second)]


def _comparable(_: Scope, items: Collection, other: Collection) -> Collection:
    values = [evaluated(item) for collection in (items[:2], other[:2]) for item in collection]
    if len(values) != 2 or not items:
        return []
    left, right = values
    return [are_comparable(left, right)] if isinstance(left, Quantity) and isinstance(right, Quantity) else []


NAVIGATION: Mapping[str, Function] = {
    "children": Function(_children),
    "descendants": Function(_descendants),
    "is": Function(_is, 1, 1, takes="type"),
    "as": Function(_as, 1, 1, takes="type"),
    "type": Function(_type),
    "trace": Function(_trace, 1, 2, takes="expressions"),
    "now": Function(_now),
    "today": Function(_today),
    "timeOfDay": Function(_time_of_day),
    "comparable": Function(_comparable, 1, 1),
}
