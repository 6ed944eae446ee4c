"""A plain reading of R4 search in Python: which resources of a world does a search find?

It shares no code with the server. Slow, small and literal: each rule stands where the specification has it,
and nothing is indexed. https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.fhir_server.search.agreement import dates, definitions, elements, links, numbers, texts, tokens
from tests.fhir_server.search.agreement.asking import Asked, split
from tests.fhir_server.search.agreement.elements import Element, Resource

MEETS: Mapping[str, Callable[[Element, str, Asked], bool]] = {
    "token": tokens.meets,
    "reference": links.meets,
    "string": texts.meets_string,
    "uri": texts.meets_uri,
    "number": numbers.meets_number,
    "quantity": numbers.meets_quantity,
    "date": dates.meets,
}
_NEGATIONS = {"not", "not-in"}
# What remembers all that was ever asked would grow without an end.
_MOST_REMEMBERED = 5_000


@dataclass(repr=False)
class World:
    """All resources that a server has, by type, each list in the order in which they were created.

    `value_sets` and `parents` are what is known of terminology: see `Asked`.
    """

    resources: Mapping[str, list[Resource]]
    now: datetime
    base_url: str = "http://here.example/fhir/"
    value_sets: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    parents: Mapping[tuple[str, str], str] = field(default_factory=dict)
    _elements: dict[tuple[int, str], list[Element]] = field(default_factory=dict)
    _found: dict[tuple[str, str, str], frozenset[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "World"

    def of_type(self, resource_type: str) -> list[Resource]:
        """Return the resources of a type."""
        return self.resources.get(resource_type, [])

    def get(self, resource_type: str, resource_id: str) -> Resource | None:
        """Return one resource."""
        return next((one for one in self.of_type(resource_type) if one["id"] == resource_id), None)

    def elements(self, resource: Resource, code: str) -> list[Element]:
        """Return the elements that a parameter of the resource's type is about."""
        key = (id(resource), code)
        if key not in self._elements:
            parameter = definitions.parameters(resource["resourceType"])[code]
            self._elements[key] = elements.found(resource, parameter)
        return self._elements[key]

    def matching(self, resource_type: str, name: str, text: str) -> frozenset[str]:
        """Return the ids of the resources of a type that meet one parameter with its value."""
        key = (resource_type, name, text)
        if key not in self._found:
            if len(self._found) > _MOST_REMEMBERED:
                self._found.clear()
            self._found[key] = frozenset(_matching(self, *key))
        return self._found[key]

    def asked(self, parameter: definitions.Parameter, modifier: str) -> Asked:
        """Return what is known when a parameter is asked for."""
        return Asked(modifier, self.now, self.base_url, parameter.targets, self.value_sets, self.parents)

    def targets(self, resource: Resource, code: str) -> set[tuple[str, str]]:
        """Return type and id of what a resource points to with a reference parameter."""
        found = (links.local_target(element, self.base_url) for element in self.elements(resource, code))
        return {target for target in found if target is not None}


def _matching(world: World, resource_type: str, name: str, text: str) -> Iterable[str]:
    if name == "_list":
        return _in_lists(world, resource_type, text)
    if name.startswith("_has:"):
        return _had(world, resource_type, name, text)
    if "." in name:
        return _chained(world, resource_type, name, text)
    return [one["id"] for one in world.of_type(resource_type) if meets(world, one, name, text)]


def _in_lists(world: World, resource_type: str, text: str) -> Iterable[str]:
    """Return the members of a List: https://hl7.org/fhir/R4/search.html#list."""
    for one in split(text, ","):
        found = world.get("List", one.removeprefix("List/"))
        for target, resource_id in world.targets(found, "item") if found else ():
            if target == resource_type:
                yield resource_id


def _had(world: World, resource_type: str, name: str, text: str) -> Iterable[str]:
    """Return those that others refer to: https://hl7.org/fhir/R4/search.html#has."""
    _, source, code, rest = name.split(":", 3)
    sources = world.matching(source, rest, text)
    for one in world.of_type(source):
        if one["id"] in sources:
            for target, resource_id in world.targets(one, code):
                if target == resource_type:
                    yield resource_id


def _chained(world: World, resource_type: str, name: str, text: str) -> Iterable[str]:
    """Return those that refer to something that is as asked: https://hl7.org/fhir/R4/search.html#chaining."""
    link, _, rest = name.partition(".")
    code, _, wanted_type = link.partition(":")
    for one in world.of_type(resource_type):
        for target, resource_id in world.targets(one, code):
            is_asked = wanted_type in ("", target) and knows(target, rest)
            if is_asked and resource_id in world.matching(target, rest, text):
                yield one["id"]


def knows(resource_type: str, name: str) -> bool:
    """Tell whether resources of a type have the parameter that a chain goes on with."""
    code = name.partition(".")[0].partition(":")[0]
    return code == "_has" or code in definitions.parameters(resource_type)


def meets(world: World, resource: Resource, name: str, text: str) -> bool:
    """Tell whether `resource` itself meets one parameter with its value."""
    code, _, modifier = name.partition(":")
    parameter = definitions.parameters(resource["resourceType"])[code]
    if parameter.type == "composite":
        return _meets_composite(world, resource, parameter, text)
    found = world.elements(resource, code)
    if modifier == "missing":
        return (not found) == (text == "true")
    if parameter.type == "reference" and modifier in ("above", "below"):
        return any(
            _is_part(world, element, value, modifier) for element in found for value in split(text, ",")
        )
    asked = world.asked(parameter, modifier)
    test = MEETS[parameter.type]
    if code == "url" and "|" in text and not modifier:
        return any(texts.meets_own_url(resource, value) for value in split(text, ","))
    met = any(test(element, value, asked) for element in found for value in split(text, ","))
    return not met if modifier in _NEGATIONS else met


_PART_OF = ("part-of", "partof", "parent")


def _is_part(world: World, element: Element, text: str, modifier: str) -> bool:
    """Tell whether a reference is to what `text` names, or to what is above or below it.

    https://hl7.org/fhir/R4/search.html#recursive
    """
    found = links.local_target(element, world.base_url)
    resource_type, _, resource_id = text.partition("/")
    if found is None or found[0] != resource_type:
        return False
    low, high = (found[1], resource_id) if modifier == "below" else (resource_id, found[1])
    return high in _wholes(world, resource_type, low)


def _wholes(world: World, resource_type: str, resource_id: str) -> set[str]:
    """Return the id of a resource, and of those that it is part of."""
    known, new = {resource_id}, {resource_id}
    codes = [code for code in _PART_OF if code in definitions.parameters(resource_type)]
    while new:
        resources = [one for one in (world.get(resource_type, each) for each in new) if one is not None]
        wholes = {target for one in resources for code in codes for target in world.targets(one, code)}
        new = {each for name, each in wholes if name == resource_type} - known
        known |= new
    return known


def _meets_composite(world: World, resource: Resource, parameter: definitions.Parameter, text: str) -> bool:
    """Tell whether one element has all the values: https://hl7.org/fhir/R4/search.html#combining."""
    return any(
        all(
            any(
                MEETS[part.type](element, value, world.asked(part, ""))
                for element in elements.within(base, part)
            )
            for part, value in zip(parameter.parts, split(combination, "$"), strict=True)
        )
        for base in elements.bases(resource, parameter)
        for combination in split(text, ",")
    )
