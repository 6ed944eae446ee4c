"""JSON objects and arrays: known properties, cardinalities, choices of type, the `_name` twins of primitives.

The check of an object dispatches on the properties that are there, not on all that could be, and learns what
to do with a property when it meets it for the first time. So only what is used is ever compiled, and a type
may contain itself.

Source: https://hl7.org/fhir/R4/json.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resources.validation.findings import Check, Findings, Scope, joined, one
from resources.validation.json_values import not_an_array, not_an_object

DEEPEST = 90
"""Levels of JSON objects and arrays that a resource may have.

The specification sets no limit. MongoDB takes documents of 100 levels, some of which the store adds; the
deepest official example, QuestionnaireResponse-ussg-fht-answers, has 21.
"""

REPEATED = 1
"""The mark in the bit mask of an object's properties that says: an element seems to be there twice."""

FIRST_FREE_BIT = 2
"""The lowest bit that an element may have in the mask."""

Property = tuple[Check, int]
"""The check of a property's value, and the bit of its element in the mask, 0 if nobody needs to count it."""

Rule = Callable[[dict[str, Any]], Findings | None]
"""A rule about an object as a whole; it bears values of any kind, since it runs beside the other checks."""


class Properties(dict[str, Property]):
    """The properties of one kind of object that were met so far; `find` is asked about each new one."""

    def __init__(self, find: Callable[[str], Property | None]) -> None:
        """Start empty; `find` returns None for a property that this kind of object does not have."""
        self._find = find

    def __missing__(self, name: str) -> Property:
        found = self._find(name)
        if found is None:  # not kept: the names that a client makes up would fill the memory
            return _unknown, 0
        self[name] = found
        return found


def _unknown(_value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
    return one("structure", "FHIR knows no such property here")


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """What one kind of JSON object is: a resource, a data type, a backbone element.

    `step` gives the FHIRPath step of a property. `required` has the bits of all elements that must be there;
    `count` is the rule to run if they are not all there, or if one may be there twice. `rule` is run in any
    case. An object with nothing but an `id` is as good as empty (ele-1) unless `id_suffices`.
    """

    properties: Properties
    step: Callable[[str], str]
    required: int
    count: Rule
    rule: Rule | None
    id_suffices: bool


def object_check(kind: ObjectKind) -> Check:
    """Return the check of one kind of JSON object."""
    properties, step, count, rule = kind.properties, kind.step, kind.count, kind.rule
    required, expected_mask, id_suffices = kind.required, kind.required | REPEATED, kind.id_suffices

    def check(value: Any, _parent: dict[str, Any], scope: Scope) -> Findings | None:
        if type(value) is not dict or not value:
            return not_an_object(value)
        if scope.depth >= DEEPEST:
            return one("too-long", f"The resource is nested too deeply: {DEEPEST} levels are the most")
        scope.depth += 1
        found = None
        seen = 0
        for name, item in value.items():
            check_item, bit = properties[name]
            if bit:
                if seen & bit:
                    seen |= REPEATED
                seen |= bit
            wrong = check_item(item, value, scope)
            if wrong is not None:
                found = joined(found, wrong, step(name))
        scope.depth -= 1
        if seen & expected_mask != required:
            found = joined(found, count(value))
        if rule is not None:
            found = joined(found, rule(value))
        if len(value) == 1 and not id_suffices and "id" in value:
            found = joined(found, one("invalid", "ele-1: An element must have more than an id"))
        return found

    return check


def array_check(item_check: Check) -> Check:
    """Return the check of a JSON array whose items are objects."""

    def check(values: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        if type(values) is not list or not values:
            return not_an_array(values)
        scope.depth += 1
        found = None
        for index, item in enumerate(values):
            wrong = item_check(item, parent, scope)
            if wrong is not None:
                found = joined(found, wrong, f"[{index}]")
        scope.depth -= 1
        return found

    return check


def primitive_array_check(name: str, item_check: Check) -> Check:
    """Return the check of the array of primitives in property `name`.

    null may stand for an item that has an id or extensions, in the array `_name`, but no value:
    https://hl7.org/fhir/R4/json.html#primitive
    """
    twin_name = f"_{name}"

    def check(values: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        if type(values) is not list or not values:
            return not_an_array(values)
        found = None
        for index, item in enumerate(values):
            if item is None and _has_twin(parent.get(twin_name), index):
                continue
            wrong = item_check(item, parent, scope)
            if wrong is not None:
                found = joined(found, wrong, f"[{index}]")
        return found

    return check


def _has_twin(twins: Any, index: int) -> bool:
    return type(twins) is list and index < len(twins) and type(twins[index]) is dict


def twin_check(name: str, element_check: Check) -> Check:
    """Return the check of property `_name`, which has the id and extensions of the primitive in `name`."""

    def check(twin: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        found = element_check(twin, parent, scope)
        if found is None and name not in parent and "extension" not in twin:
            return one("invalid", "ele-1: An element must have more than an id")
        return found

    return check


def twin_array_check(name: str, element_check: Check) -> Check:
    """Return the check of the array `_name`, with the ids and extensions of the primitives in `name`."""

    def check(twins: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        if type(twins) is not list or not twins:
            return not_an_array(twins)
        values = parent.get(name, [None] * len(twins))
        if type(values) is not list:
            return None  # the array `name` itself is wrong, and that is told where it is
        if len(values) != len(twins):
            return one("structure", f"The arrays {name} and _{name} must have the same number of items")
        scope.depth += 1
        found = None
        for index, (twin, value) in enumerate(zip(twins, values, strict=True)):
            found = joined(found, _check_twin(twin, value, element_check, parent, scope), f"[{index}]")
        scope.depth -= 1
        return found

    def _check_twin(
        twin: Any, value: Any, element_check: Check, parent: dict[str, Any], scope: Scope
    ) -> Findings | None:
        if twin is None:
            # if both are null, the array `name` tells, unless it is not there
            return (
                None if name in parent else one("invalid", "An item must have a value, an id or extensions")
            )
        found = element_check(twin, parent, scope)
        if found is None and value is None and "extension" not in twin:
            return one("invalid", "ele-1: An element must have more than an id")
        return found

    return check
