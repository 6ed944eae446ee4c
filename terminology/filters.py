"""The filters of a value set: which codes of a code system have a property that the filter asks for.

https://hl7.org/fhir/R4/valueset-filter-operator.html, https://hl7.org/fhir/R4/valueset.html#compositions
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import re2

from resources.definitions import Concept
from terminology.code_systems import CodeSystem
from terminology.errors import NotExpandableError

Test = Callable[[str], bool]
"""Tells of a code of the system whether the filter lets it pass."""

_LONGEST_PATTERN = 1_000
_MOST_MEMORY = 1 << 20


def test_of(system: CodeSystem, condition: Mapping[str, Any]) -> Test:
    """Return the test of one `filter`; raise NotExpandableError if it cannot be carried out on the system."""
    property_, operator, value = (condition.get(name, "") for name in ("property", "op", "value"))
    if property_ in ("concept", "code") and operator in _HIERARCHY:
        own = system.own_code(value)
        if own is None:
            message = f"a filter names a code that {system.url} does not have"
            raise NotExpandableError("not-found", message)
        members = _HIERARCHY[operator](system, own)
        return members.__contains__ if operator != "is-not-a" else lambda code: code not in members
    if property_ not in ("concept", "code", "display") and property_ not in system.properties:
        message = f"a filter asks for a property that {system.url} does not have"
        raise NotExpandableError("not-supported", message)
    meets = _on_values(operator, value)
    return lambda code: meets(list(_values(code, system.concepts[code], property_, system)))


_HIERARCHY: Mapping[str, Callable[[CodeSystem, str], frozenset[str]]] = {
    "is-a": lambda system, code: system.descendants(code) | {code},
    "descendent-of": lambda system, code: system.descendants(code),
    "is-not-a": lambda system, code: system.descendants(code) | {code},
    "generalizes": lambda system, code: system.ancestors(code) | {code},
}


def _on_values(operator: str, value: str) -> Callable[[list[str]], bool]:
    """Return what tells of the values of a concept's property whether they are as the filter asks."""
    listed = frozenset(part.strip() for part in value.split(","))
    match operator:
        case "=":
            return lambda values: value in values
        case "in":
            return lambda values: not listed.isdisjoint(values)
        case "not-in":
            return lambda values: listed.isdisjoint(values)
        case "exists":
            return lambda values: bool(values) == (value == "true")
        case "regex":
            pattern = _pattern(value)
            return lambda values: any(pattern.fullmatch(found) for found in values)
    raise NotExpandableError("not-supported", f"a filter by {operator} is not for such a property")


def _pattern(text: str) -> Any:
    """Return a regular expression that takes time in proportion to what it looks at, whoever wrote it."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    try:
        if len(text) > _LONGEST_PATTERN:
            raise re2.error
        return re2.compile(text, options)
    except re2.error:
        raise NotExpandableError("not-supported", "a filter has no regular expression of RE2") from None


def _values(code: str, concept: Concept, property_: str, system: CodeSystem) -> Iterable[str]:
    match property_:
        case "concept" | "code":
            yield code
        case "display":
            yield concept.display
        case "parent":
            yield from concept.parents
        case "child":
            yield from system.children.get(code, ())
        case _:
            for name, value in concept.properties:
                if name == property_ and value is not None:
                    yield str(value).lower() if isinstance(value, bool) else str(value)
