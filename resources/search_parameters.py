"""The search parameters of each resource type, with the elements that each one looks at.

Some of the 1,400 definitions need a decision:

- Three are examples of how a definition looks, and two of these would take a real parameter's place (`_id`,
  `Condition.subject`): they are left out.
- Where an element has a choice of types, those that the parameter's type cannot search are left out, such as
  the string "last summer" for `Procedure?date=`: https://hl7.org/fhir/R4/search.html#ptypes.
- In `DocumentReference.relationship` the expressions of the two components stand in each other's place.

Source: https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from resources.definitions import resource_types, search_parameter_definitions, structure
from resources.fhirpath.element_paths import ElementPath, component_paths, element_paths

ParameterType = Literal[
    "number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"
]

SEARCHABLE_TYPES: Mapping[ParameterType, frozenset[str]] = {
    "number": frozenset(("decimal", "integer", "positiveInt", "unsignedInt")),
    "date": frozenset(("date", "dateTime", "instant", "Period", "Timing")),
    "string": frozenset(("string", "markdown", "Address", "HumanName")),
    "token": frozenset(
        ("boolean", "code", "id", "string", "uri", "Coding", "CodeableConcept", "ContactPoint", "Identifier")
    ),
    "reference": frozenset(("Reference", "canonical", "uri", "Resource")),
    "quantity": frozenset(("Quantity", "Age", "Duration", "Money", "Range", "SampledData")),
    "uri": frozenset(("uri", "url", "canonical")),
}
"""The types of elements that a parameter of each type searches; a composite or special one takes any."""

_URL = "http://hl7.org/fhir/SearchParameter/"
_EXAMPLES = frozenset(_URL + name for name in ("example", "example-extension", "example-reference"))
_RELATIONSHIP = _URL + "DocumentReference-relationship"


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite parameter: it is searched as the parameter at `url`, of the type `type`, is.

    `paths` holds, for each path of the composite, the paths from there to the part's values; some may have
    none.
    """

    code: str
    type: ParameterType
    url: str
    expression: str
    targets: tuple[str, ...]
    paths: tuple[tuple[ElementPath, ...], ...]


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter as it serves one resource type.

    `paths` lead to the values; there are none for `_text`, `_content`, `_filter` and other parameters that
    no expression defines. `targets` are the types that a reference may point to; () if any type may be, or
    if this is no reference. `usage` is `normal` unless the values are to be compared in another way
    (`phonetic`, `nearby`).
    """

    code: str
    type: ParameterType
    url: str
    expression: str | None
    targets: tuple[str, ...]
    components: tuple[Component, ...]
    paths: tuple[ElementPath, ...]
    resource_type: str
    usage: str = "normal"


@cache
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Return the parameters of a resource type by code, sorted, with those that all resources have.

    Raises `KeyError` if there is no such resource type.
    """
    bases = _bases(resource_type)
    found = (facts for base in bases for facts in _by_base().get(base, ()))
    parameters = (_search_parameter(facts, resource_type) for facts in found)
    return {parameter.code: parameter for parameter in sorted(parameters, key=lambda found: found.code)}


def _bases(resource_type: str) -> tuple[str, ...]:
    if resource_type not in resource_types():
        raise KeyError(resource_type)
    bases, base = [resource_type], structure(resource_type).base
    while base is not None:
        bases.append(base)
        base = structure(base).base
    return tuple(bases)


@cache
def _by_base() -> Mapping[str, list[Mapping[str, Any]]]:
    by_base: dict[str, list[Mapping[str, Any]]] = {}
    for facts in _definitions().values():
        for base in facts.get("base", ()):
            by_base.setdefault(base, []).append(facts)
    return by_base


@cache
def _definitions() -> Mapping[str, Mapping[str, Any]]:
    return {facts["url"]: facts for facts in search_parameter_definitions() if facts["url"] not in _EXAMPLES}


def _search_parameter(facts: Mapping[str, Any], resource_type: str) -> SearchParameter:
    expression = facts.get("expression")
    paths = element_paths(expression, resource_type) if expression else ()
    searchable = _searchable(paths, facts["type"])
    return SearchParameter(
        code=facts["code"],
        type=facts["type"],
        url=facts["url"],
        expression=expression,
        targets=_targets(facts, searchable),
        components=tuple(_component(part, facts, resource_type) for part in _components(facts)),
        paths=searchable,
        resource_type=resource_type,
        usage=facts.get("xpathUsage", "normal"),
    )


def _searchable(paths: Iterable[ElementPath], parameter_type: ParameterType) -> tuple[ElementPath, ...]:
    types = SEARCHABLE_TYPES.get(parameter_type)
    return tuple(path for path in paths if types is None or path.type in types)


def _targets(facts: Mapping[str, Any], paths: Iterable[ElementPath]) -> tuple[str, ...]:
    """Return the targets that both the definition and the elements of this resource type allow, sorted."""
    if facts["type"] != "reference":
        return ()
    defined = set(facts.get("target", ()))
    allowed = {target for path in paths for target in path.targets or ("Resource",)}
    if "Resource" in allowed:
        return tuple(sorted(defined))
    return tuple(sorted(defined & allowed or defined or allowed))


def _components(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Return the URL and the expression of each component."""
    parts = facts.get("component", ())
    expressions = [part["expression"] for part in parts]
    if facts["url"] == _RELATIONSHIP:
        expressions.reverse()
    return zip((part["definition"] for part in parts), expressions, strict=True)


def _component(part: tuple[str, str], composite: Mapping[str, Any], resource_type: str) -> Component:
    url, expression = part
    facts = _definitions()[url]
    paths = tuple(
        _searchable(relative, facts["type"])
        for relative in component_paths(composite["expression"], expression, resource_type)
    )
    return Component(
        code=facts["code"],
        type=facts["type"],
        url=url,
        expression=expression,
        targets=_targets(facts, (path for relative in paths for path in relative)),
        paths=paths,
    )
