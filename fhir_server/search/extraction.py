"""From a resource to its index values: every search parameter of its type in one walk.

All parameters of a type are merged into one tree of JSON keys, so that a resource is walked once and only
where it has something. https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fhir_server.search.asked import stored_bare
from fhir_server.search.composite import LETTERS, component_parameter
from fhir_server.search.types import KINDS, Values
from resources.fhirpath.element_paths import (
    AtIndex,
    Condition,
    ElementIs,
    ElementPath,
    HasExtension,
    ReferenceTo,
    Step,
)
from resources.references import parse_reference
from resources.search_parameters import Component, SearchParameter, search_parameters

# Found in the document's own fields: https://hl7.org/fhir/R4/search.html#all
DOCUMENT_FIELDS = {"_id": "_id", "_lastUpdated": "updated"}

Found = dict[str, list[Any]]
Collect = Callable[[Any, Found], None]


def search_values(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the index values of a valid resource: parameter code -> value or array of values."""
    plan = _plan(resource["resourceType"])
    found: Found = {}
    plan.root.collect(resource, found)
    bare = plan.bare
    return {
        code: values[0] if code in bare else _distinct(values) for code, values in found.items() if values
    }


def _distinct(values: list[Any]) -> list[Any]:
    if len(values) == 1:
        return values
    if isinstance(values[0], str):
        return list(dict.fromkeys(values))
    distinct: list[Any] = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct


@dataclass(slots=True)
class _Node:
    """A place in the tree: the keys that lead on, and what is collected from an element that is here."""

    branches: dict[str, list["_Branch"]] = field(default_factory=dict)
    collectors: list[Collect] = field(default_factory=list)

    def collect(self, element: Any, found: Found) -> None:
        """Add the index values of `element` and what is in it to `found`."""
        for collector in self.collectors:
            collector(element, found)
        if self.branches:
            branches = self.branches
            for key, value in element.items():
                for branch in branches.get(key, ()):
                    branch.collect(value, found)


@dataclass(slots=True)
class _Branch:
    is_array: bool
    condition: Condition | None
    node: _Node = field(default_factory=_Node)

    def collect(self, value: Any, found: Found) -> None:
        """Go on with the value of a key, or with each item of it that meets the condition."""
        if self.condition is None:
            if not self.is_array:
                self.node.collect(value, found)
                return
            for item in value:
                if item is not None:
                    self.node.collect(item, found)
            return
        for item in _selected(value if self.is_array else [value], self.condition):
            self.node.collect(item, found)


def _selected(items: list[Any], condition: Condition) -> Iterable[Any]:
    if isinstance(condition, AtIndex):
        return items[condition.index : condition.index + 1]
    return [item for item in items if item is not None and _holds(item, condition)]


def _holds(item: Any, condition: Condition) -> bool:
    if isinstance(condition, ElementIs):
        return bool(item.get(condition.key) == condition.value)
    if isinstance(condition, ReferenceTo):
        literal = parse_reference(item.get("reference", ""))
        type_name = literal.resource_type if literal else item.get("type")
        return bool(type_name == condition.type_name)
    assert isinstance(condition, HasExtension)  # noqa: S101 - AtIndex is seen to above
    return any(extension.get("url") == condition.url for extension in item.get("extension", ()))


@dataclass(frozen=True, slots=True)
class _Plan:
    root: _Node
    bare: frozenset[str]


@cache
def _plan(resource_type: str) -> _Plan:
    root = _Node()
    parameters = stored_parameters(resource_type)
    shared: dict[tuple[tuple[Step, ...], Values, str], list[str]] = {}
    for parameter in parameters:
        for index, path in enumerate(parameter.paths):
            if parameter.components:
                steps, collector = _combination(parameter, index)
                _place(root, steps).collectors.append(collector)
            elif path.presence_of:
                _place(root, path.steps).collectors.append(_presence(parameter.code, path))
            else:
                key = (path.steps, KINDS[parameter.type].values, path.type)
                shared.setdefault(key, []).append(parameter.code)
    for (steps, values, fhir_type), codes in shared.items():
        _place(root, steps).collectors.append(_collector(values, fhir_type, tuple(codes)))
    return _Plan(root, frozenset(parameter.code for parameter in parameters if stored_bare(parameter)))


def stored_parameters(resource_type: str) -> list[SearchParameter]:
    """Return the parameters whose values are kept in `search`, in the order of their codes."""
    return [
        parameter
        for code, parameter in sorted(search_parameters(resource_type).items())
        if parameter.paths and parameter.usage == "normal" and code not in DOCUMENT_FIELDS
    ]


def _place(root: _Node, steps: tuple[Step, ...]) -> _Node:
    node = root
    for step in steps:
        branches = node.branches.setdefault(step.key, [])
        for branch in branches:
            if branch.condition == step.condition:
                break
        else:
            branch = _Branch(step.is_array, step.condition)
            branches.append(branch)
        node = branch.node
    return node


def _collector(values: Values, fhir_type: str, codes: tuple[str, ...]) -> Collect:
    if len(codes) == 1:
        code = codes[0]

        def collect_one(element: Any, found: Found) -> None:
            if code in found:
                found[code] += values(element, fhir_type)
            else:
                found[code] = values(element, fhir_type)

        return collect_one

    def collect(element: Any, found: Found) -> None:
        new = values(element, fhir_type)
        for code in codes:
            found[code] = found[code] + new if code in found else new

    return collect


def _presence(code: str, path: ElementPath) -> Collect:
    def collect(element: Any, found: Found) -> None:
        is_there = any(element.get(key, False) is not False for key in path.presence_of)
        found[code] = ["true" if is_there else "false"]

    return collect


def _combination(parameter: SearchParameter, index: int) -> tuple[tuple[Step, ...], Collect]:
    """Return where and by what one composite is collected: a document with the values of each component."""
    parts = [_part(parameter, component, index) for component in parameter.components]
    steps = parameter.paths[index].steps

    def collect(element: Any, found: Found, resource: Any = None) -> None:
        # Most elements lack one of the parts; a look at their keys is much cheaper than a walk.
        if not all(part.may_be_in(element) for part in parts):
            return
        combination: dict[str, Any] = {}
        for letter, part in zip(LETTERS, parts, strict=False):
            values: Found = {}
            part.node.collect(resource if part.from_resource else element, values)
            if not values.get(letter):
                return
            combination[letter] = values[letter][0] if part.is_bare else values[letter]
        found.setdefault(parameter.code, []).append(combination)

    if not any(part.from_resource for part in parts):
        return steps, collect

    def collect_from_resource(resource: Any, found: Found) -> None:
        for element in _elements(resource, steps):
            collect(element, found, resource)

    return (), collect_from_resource


@dataclass(frozen=True, slots=True)
class _Part:
    node: _Node
    is_bare: bool
    from_resource: bool
    from_anywhere: bool
    keys: tuple[str, ...]

    def may_be_in(self, element: Any) -> bool:
        """Tell whether `element` has a key with which one of the part's paths begins."""
        return self.from_anywhere or any(key in element for key in self.keys)


def _part(parameter: SearchParameter, component: Component, index: int) -> _Part:
    letter = LETTERS[parameter.components.index(component)]
    node = _Node()
    for path in component.paths[index]:
        collector = _collector(KINDS[component.type].values, path.type, (letter,))
        _place(node, path.steps).collectors.append(collector)
    from_resource = any(path.from_resource for path in component.paths[index])
    is_bare = stored_bare(component_parameter(parameter, component))
    # A path without steps is the element itself: then whatever keys it has will do.
    from_anywhere = from_resource or not all(path.steps for path in component.paths[index])
    return _Part(node, is_bare, from_resource, from_anywhere, tuple(node.branches))


def _elements(resource: Any, steps: tuple[Step, ...]) -> list[Any]:
    node = _Node()
    elements: list[Any] = []
    _place(node, steps).collectors.append(lambda element, _found: elements.append(element))
    node.collect(resource, {})
    return elements
