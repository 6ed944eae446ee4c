"""`_filter`: a whole condition in one text, read by descent and evaluated as sets of ids.

`and` and `or` have no precedence: what stands left is joined first.
https://hl7.org/fhir/R4/search_filter.html
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fhir_server.search.agreement import dates, definitions, elements, links, texts, tokens
from tests.fhir_server.search.agreement.asking import Asked, plain, split
from tests.fhir_server.search.agreement.elements import Element
from tests.fhir_server.search.agreement.evaluator import MEETS, World, knows

_LEXEME = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]]+)')


@dataclass(frozen=True)
class Test:
    """A comparison of what `steps` lead to; each step is a name, and a filter on what it leads to."""

    steps: tuple[tuple[str, "Filter | None"], ...]
    operator: str
    value: str


@dataclass(frozen=True)
class Joined:
    """Two filters with `and` or `or` between them; `not` has its filter on the left."""

    operator: str
    left: "Filter"
    right: "Filter | None" = None


Filter = Test | Joined


def matching(world: World, resource_type: str, text: str) -> frozenset[str]:
    """Return the ids of the resources of a type that meet a filter."""
    lexemes = _LEXEME.findall(text)
    read = _joined(lexemes)
    assert not lexemes, lexemes
    return _matching(world, resource_type, read)


def _joined(lexemes: list[str]) -> Filter:
    """Read comparisons up to a closing bracket or the end, and take away what was read."""
    read = _one(lexemes)
    while lexemes and lexemes[0] in ("and", "or"):
        read = Joined(lexemes.pop(0), read, _one(lexemes))
    return read


def _one(lexemes: list[str]) -> Filter:
    first = lexemes.pop(0)
    if first == "not":
        return Joined("not", _one(lexemes))
    if first == "(":
        read = _joined(lexemes)
        assert lexemes.pop(0) == ")"
        return read
    steps: list[tuple[str, Filter | None]] = [(name, None) for name in first.split(".")]
    while lexemes[0] == "[":
        del lexemes[0]
        steps[-1] = (steps[-1][0], _joined(lexemes))
        assert lexemes.pop(0) == "]"
        steps += [(name, None) for name in lexemes.pop(0).removeprefix(".").split(".")]
    operator, value = lexemes.pop(0), lexemes.pop(0)
    return Test(tuple(steps), operator, json.loads(value) if value.startswith('"') else value)


def _matching(world: World, resource_type: str, read: Filter) -> frozenset[str]:
    if isinstance(read, Test):
        return frozenset(_compared(world, resource_type, read))
    left = _matching(world, resource_type, read.left)
    if read.right is None:
        return frozenset(one["id"] for one in world.of_type(resource_type)) - left
    right = _matching(world, resource_type, read.right)
    return left & right if read.operator == "and" else left | right


def _compared(world: World, resource_type: str, test: Test) -> Iterator[str]:
    (name, inner), *rest = test.steps
    if not rest:
        yield from (one["id"] for one in world.of_type(resource_type) if _meets(world, one, test))
        return
    code, _, wanted_type = name.partition(":")
    further = Test(tuple(rest), test.operator, test.value)
    met: dict[str, frozenset[str]] = {}
    for one in world.of_type(resource_type):
        for target, resource_id in world.targets(one, code):
            if wanted_type not in ("", target) or not knows(target, rest[0][0]):
                continue
            if target not in met:
                met[target] = frozenset(_compared(world, target, further))
                if inner is not None:
                    met[target] &= _matching(world, target, inner)
            if resource_id in met[target]:
                yield one["id"]


def _meets(world: World, resource: elements.Resource, test: Test) -> bool:
    code = test.steps[0][0]
    parameter = definitions.parameters(resource["resourceType"])[code]
    found = world.elements(resource, code)
    if test.operator == "pr":
        return bool(found) == (test.value == "true")
    return any(_element_meets(world, parameter, element, test) for element in found)


def _element_meets(world: World, parameter: definitions.Parameter, element: Element, test: Test) -> bool:
    operator, value = test.operator, test.value
    asked = world.asked(parameter, "")
    if operator == "po":
        span, wanted = dates.span(element.type, element.value), dates.span_of_date(value)
        return span is not None and span[0] < wanted[1] and wanted[0] < span[1]
    if parameter.type in ("date", "number", "quantity"):
        return MEETS[parameter.type](element, operator + value, asked)
    if parameter.type == "string":
        parts = [*texts.parts(element), *texts.later_names(element)]
        return any(_text_is(texts.folded(part), operator, texts.folded(value)) for part in parts)
    if parameter.type == "uri":
        url, _, version = element.value.partition("|")
        parts = [element.value, *([url] if version and element.type == "canonical" else [])]
        return any(_text_is(part, operator, value) for part in parts)
    if operator == "ne":
        return (
            _is_another(element, value)
            if parameter.type == "token"
            else _points_elsewhere(element, value, asked)
        )
    return MEETS[parameter.type](element, value, asked)


def _points_elsewhere(element: Element, value: str, asked: Asked) -> bool:
    written = element.value.get("reference", "#") if element.type == "Reference" else element.value
    return not written.startswith("#") and not links.meets(element, value, asked)


def _is_another(element: Element, value: str) -> bool:
    """Tell whether an element has a code that is not the one given: "an unequal value"."""
    wanted = tuple(plain(part).casefold() for part in split(value, "|"))
    for system, code in tokens.codes(element):
        if code is None and len(wanted) == 1:
            continue
        own = (code or "").casefold()
        if (
            (own,) != wanted
            if len(wanted) == 1
            else (system or "", own) != (plain(split(value, "|")[0]), wanted[1])
        ):
            return True
    return False


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
