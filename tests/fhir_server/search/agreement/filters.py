"""`_filter`: a whole condition in one text, read by descent and evaluated as sets of ids.

https://hl7.org/fhir/R4/search_filter.html
"""

import json
import re
from collections.abc import Iterator

from tests.fhir_server.search.agreement import dates, definitions, elements, links, texts
from tests.fhir_server.search.agreement.elements import Element
from tests.fhir_server.search.agreement.evaluator import MEETS, World, knows

_LEXEME = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]]+)')


def matching(world: World, resource_type: str, text: str) -> frozenset[str]:
    """Return the ids of the resources of a type that meet a filter."""
    lexemes = _LEXEME.findall(text)
    met = _Reading(world, lexemes).alternatives(resource_type)
    assert not lexemes, lexemes
    return met


class _Reading:
    """A filter that is being read: `lexemes` are those that are still to come."""

    def __init__(self, world: World, lexemes: list[str]) -> None:
        self.world = world
        self.lexemes = lexemes

    def alternatives(self, resource_type: str) -> frozenset[str]:
        """Read what `or` joins; `and` binds closer."""
        met = self.conditions(resource_type)
        while self.lexemes and self.lexemes[0] == "or":
            del self.lexemes[0]
            met |= self.conditions(resource_type)
        return met

    def conditions(self, resource_type: str) -> frozenset[str]:
        """Read what `and` joins."""
        met = self.one(resource_type)
        while self.lexemes and self.lexemes[0] == "and":
            del self.lexemes[0]
            met &= self.one(resource_type)
        return met

    def one(self, resource_type: str) -> frozenset[str]:
        """Read a comparison, or what stands in parentheses."""
        first = self.lexemes.pop(0)
        if first == "not":
            everything = frozenset(one["id"] for one in self.world.of_type(resource_type))
            return everything - self.one(resource_type)
        if first == "(":
            met = self.alternatives(resource_type)
            assert self.lexemes.pop(0) == ")"
            return met
        operator, value = self.lexemes.pop(0), self.lexemes.pop(0)
        plain = json.loads(value) if value.startswith('"') else value
        return frozenset(_compared(self.world, resource_type, first, operator, plain))


def _compared(world: World, resource_type: str, path: str, operator: str, value: str) -> Iterator[str]:
    code, _, rest = path.partition(".")
    for one in world.of_type(resource_type):
        if not rest:
            if _meets(world, one, code, operator, value):
                yield one["id"]
            continue
        for target, resource_id in world.targets(one, code):
            if knows(target, rest) and resource_id in _compared_set(world, target, rest, operator, value):
                yield one["id"]


def _compared_set(world: World, resource_type: str, path: str, operator: str, value: str) -> set[str]:
    return set(_compared(world, resource_type, path, operator, value))


def _meets(world: World, resource: elements.Resource, code: str, operator: str, value: str) -> bool:
    parameter = definitions.parameters(resource["resourceType"])[code]
    found = world.elements(resource, code)
    if operator == "pr":
        return bool(found) == (value == "true")
    return any(_element_meets(world, parameter, element, operator, value) for element in found)


def _element_meets(
    world: World, parameter: definitions.Parameter, element: Element, operator: str, value: str
) -> bool:
    if operator == "re":
        return links.meets(element, value, world.asked(parameter, ""))
    if operator == "po":
        span, wanted = dates.span(element.type, element.value), dates.span_of_date(value)
        return span is not None and span[0] < wanted[1] and wanted[0] < span[1]
    if parameter.type in ("date", "number", "quantity"):
        return MEETS[parameter.type](element, operator + value, world.asked(parameter, ""))
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("$", "\\$")
    if parameter.type == "string":
        return any(
            _text_is(texts.folded(part), operator, texts.folded(value)) for part in texts.parts(element)
        )
    met = MEETS[parameter.type](element, escaped, world.asked(parameter, ""))
    return met if operator == "eq" else not met


def _text_is(part: str, operator: str, wanted: str) -> bool:
    return {
        "eq": part == wanted,
        "ne": part != wanted,
        "co": wanted in part,
        "sw": part.startswith(wanted),
        "ew": part.endswith(wanted),
        "gt": part > wanted,
        "lt": part < wanted,
        "ge": part >= wanted,
        "le": part <= wanted,
    }[operator]
