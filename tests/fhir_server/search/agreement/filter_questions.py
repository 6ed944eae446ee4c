"""Filters, drawn from what the resources of a world have. https://hl7.org/fhir/R4/search_filter.html"""

import json
from collections.abc import Mapping, Sequence
from random import Random

from tests.fhir_server.search.agreement import asking, texts, values
from tests.fhir_server.search.agreement.elements import Element

_ORDERED = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "string": ("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"),
    "uri": ("eq", "ne", "co", "sw", "ew"),
    "token": ("eq", "eq", "ne"),
    "reference": ("eq", "re", "ne"),
    "number": _ORDERED,
    "quantity": _ORDERED,
    "date": (*_ORDERED, "po"),
}
_MUST_BE_QUOTED = ' "()[]\\'


def test_of(random: Random, code: str, kind: str, found: Sequence[Element]) -> str:
    """Draw a comparison of a parameter, "" if there is nothing to compare with."""
    if random.choice((True, *[False] * 7)):
        return f"{code} pr {random.choice(('true', 'false'))}"
    operator, element = random.choice(OPERATORS[kind]), random.choice(found)
    value = _value(random, kind, operator, element)
    if value is None:
        return ""
    is_quoted = not value or any(mark in value for mark in _MUST_BE_QUOTED) or random.choice((True, False))
    return f"{code} {operator} {json.dumps(value) if is_quoted else value}"


def _value(random: Random, kind: str, operator: str, element: Element) -> str | None:
    if kind == "string":
        parts = [part for part in texts.parts(element) if texts.folded(part)]
        part = random.choice(parts)[: random.choice((1, 3, 100))] if parts else ""
        return part if texts.folded(part) else None
    if kind == "uri":
        return str(element.value)[: random.choice((12, 30, 200))]
    if kind == "token" and operator == "ne":
        if element.type not in ("Coding", "CodeableConcept", "Identifier"):
            return None
        drawn = values.token(random, element)
        return None if drawn is None or drawn.endswith("|") else drawn
    drawn = values.DRAW[kind](random, element)
    if kind == "reference" and drawn is not None and "_history" in drawn:
        return None
    if kind in ("date", "number", "quantity") and drawn is not None:
        return asking.prefixed(drawn)[1]
    return drawn


def joined(random: Random, tests: Sequence[str]) -> str:
    """Draw how comparisons are joined."""
    text = ""
    for test in tests:
        one = f"not ({test})" if random.choice((True, False, False, False)) else test
        text = f"{text} {random.choice(('and', 'or'))} {one}" if text else one
        if " and " in text and random.choice((True, False, False)):
            text = f"({text})"
    return text
