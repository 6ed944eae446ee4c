"""Dynamic values: elements of a request, or of an action, that expressions fill in.

The path is that of the Simple FHIRPath Profile, without functions.
https://hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.action.dynamicValue.path
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from resources.fhirpath import Node
from resources.fhirpath.items import Collection, Item, as_json, evaluated
from resources.fhirpath.nodes import Member, Shape, members, resource_type_names
from resources.fhirpath.quantities import Quantity
from resources.fhirpath.temporal import Temporal
from resources.fhirpath.type_specifiers import is_a
from resources.patch.places import copied
from resources.patch.values import repeats

_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[([0-9]{1,3})\])?")
_KEPT = frozenset({"resourceType", "id", "meta", "contained", "status", "intent", "subject", "for"})
_KEPT |= {"instantiatesCanonical", "resource", "action"}
_TEXTS = frozenset({"string", "markdown", "code", "id", "uri", "url", "canonical"})
_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt", "decimal"})
_TIMES = {"Date": ("date", "dateTime"), "DateTime": ("dateTime", "instant"), "Time": ("time",)}


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    index: int | None


def put(target: dict[str, Any], shape: Shape, path: str, found: Collection) -> None:
    """Let an element of `target` be what was found; where that is nothing, it stays as it is.

    A list becomes what was found, if the path does not name one of its elements. Raises ValueError, with
    what is wrong, for a path that leads nowhere, and for values that do not fit.
    """
    *above, last = _steps(path)
    if above and above[0].name == shape.type:
        above = above[1:]
    if (above or [last])[0].name in _KEPT:
        raise ValueError("this element is not for an expression to say")
    if not found:
        return
    for step in above:
        target, shape = _into(target, shape, step)
    _set(target, shape, last, found)


def _steps(path: str) -> list[_Step]:
    found = [_STEP.fullmatch(part) for part in path.split(".")]
    steps = [_Step(one[1], int(one[2]) if one[2] else None) for one in found if one is not None]
    if len(steps) != len(found):
        raise ValueError("a path has names and numbers in brackets, and nothing else")
    return steps


def _element(shape: Shape, name: str) -> tuple[str, Member]:
    """Return a child by its name, or by that of one of its types (`occurrenceDateTime`)."""
    known = members(shape)
    if name in known:
        return name, known[name]
    for base, keys in known.items():
        if name in keys:
            return base, {name: keys[name]}
    raise ValueError("the path names an element that is not there")


def _into(container: dict[str, Any], shape: Shape, step: _Step) -> tuple[dict[str, Any], Shape]:
    """Return the element that a step leads to, which is made if need be."""
    base, keys = _element(shape, step.name)
    key = next((one for one in keys if one in container), next(iter(keys)))
    child = keys[key]
    if child.is_primitive or (len(keys) > 1 and key not in container):
        raise ValueError("the path leads through an element that is of no one type, or has no parts")
    if not repeats(shape, base):
        return container.setdefault(key, {}), child
    listed = container.setdefault(key, [])
    if step.index is None and len(listed) > 1:
        raise ValueError("the path does not say which one of several elements is meant")
    index = step.index or 0
    _check_index(listed, index)
    if index == len(listed):
        listed.append({})
    return listed[index], child


def _set(container: dict[str, Any], shape: Shape, step: _Step, found: Collection) -> None:
    base, keys = _element(shape, step.name)
    fitted = [_fitted(keys, item) for item in found]
    may_repeat = repeats(shape, base)
    if len({key for key, _ in fitted}) > 1 or (
        len(fitted) > 1 and (step.index is not None or not may_repeat)
    ):
        raise ValueError("the expression gives several values for one element")
    key, value = fitted[0]
    if may_repeat and step.index is not None:
        listed = container.setdefault(key, [])
        _check_index(listed, step.index)
        listed[step.index : step.index + 1] = [value]
        return
    for other in members(shape)[base]:
        container.pop(other, None)
        container.pop(f"_{other}", None)
    container[key] = [one for _, one in fitted] if may_repeat else value


def _check_index(listed: list[Any], index: int) -> None:
    if index > len(listed):
        raise ValueError("the path leaves a gap in a list")


def _fitted(keys: Member, item: Item) -> tuple[str, Any]:
    for key, shape in keys.items():
        value = _as_type(item, shape.type)
        if value is not None:
            return key, value
    raise ValueError("the expression gives a value of another type than the element has")


def _as_type(item: Item, wanted: str) -> Any:
    """Return an item as the JSON of an element of a type; None if it does not fit."""
    if isinstance(item, Node):
        if item.value is not None and is_a(item.type, wanted):
            return copied(item.value)
        if wanted == "Reference" and item.type in resource_type_names() and isinstance(item.value, Mapping):
            return {"reference": f"{item.type}/{item.value.get('id')}"}
        item = evaluated(item)
    fits = (
        (isinstance(item, bool) and wanted == "boolean")
        or (isinstance(item, str) and wanted in _TEXTS)
        or (isinstance(item, int) and not isinstance(item, bool) and wanted in _NUMBERS)
        or (isinstance(item, Decimal) and wanted == "decimal")
        or (isinstance(item, Temporal) and wanted in _TIMES[item.type])
        or (isinstance(item, Quantity) and is_a(wanted, "Quantity"))
    )
    return as_json(item) if fits else None
