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

from resources.custom_parameters import custom_parameters, once_for_each_type
from resources.definitions import resource_types, search_parameter_definitions, structure
from resources.fhirpath.element_paths import ElementPath, component_paths, element_paths
from resources.own_parameters import own_parameters

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
class Allowed:
    """What a custom parameter's definition allows to be asked; None where it does not say."""

    modifiers: tuple[str, ...] | None = None
    comparators: tuple[str, ...] | None = None
    chain: tuple[str, ...] | None = None
    multiple_or: bool = True
    multiple_and: bool = True


ANYTHING = Allowed()


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
    is_custom: bool = False
    allowed: Allowed = ANYTHING


@once_for_each_type
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Return the parameters of a resource type that can be asked, by code, sorted.

    Those that all resources have are among them, and those of the hospital's own for which all resources are
    indexed. Raises `KeyError` if there is no such resource type.
    """
    custom = [
        custom_parameter(added.facts, resource_type)
        for added in custom_parameters().of(resource_type)
        if resource_type in added.ready
    ]
    return _with(defined_parameters(resource_type), custom)


@once_for_each_type
def indexed_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Return the parameters whose values are kept, by code, sorted: also those that wait to be asked."""
    custom = [custom_parameter(added.facts, resource_type) for added in custom_parameters().of(resource_type)]
    return _with(defined_parameters(resource_type), custom)


def is_waiting(resource_type: str, code: str) -> bool:
    """Tell whether `code` is a custom parameter for which not all resources are indexed yet."""
    return any(
        added.facts["code"] == code and resource_type not in added.ready
        for added in custom_parameters().of(resource_type)
    )


def _with(
    defined: Mapping[str, SearchParameter], custom: Iterable[SearchParameter]
) -> Mapping[str, SearchParameter]:
    added = {parameter.code: parameter for parameter in custom}
    return dict(sorted({**defined, **added}.items())) if added else defined


@cache
def defined_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Return the parameters that R4, or this server itself, defines for a resource type, by code, sorted.

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
    defined = {facts["url"]: facts for facts in search_parameter_definitions()}
    return {url: facts for url, facts in defined.items() if url not in _EXAMPLES} | dict(own_parameters())


def definition_of(url: str) -> Mapping[str, Any] | None:
    """Return the facts of the parameter that R4 defines at `url`, None if there is none."""
    return _definitions().get(url)


def custom_parameter(facts: Mapping[str, Any], resource_type: str) -> SearchParameter:
    """Return the parameter that a SearchParameter resource defines for a resource type.

    `facts` is the resource with `facts` of the parameter in each of its components. Raises
    `NotStaticError` if the definitions do not tell where its values are, and `FhirPathSyntaxError`.
    """
    return _search_parameter(facts, resource_type, is_custom=True)


def _search_parameter(
    facts: Mapping[str, Any], resource_type: str, *, is_custom: bool = False
) -> SearchParameter:
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
        is_custom=is_custom,
        allowed=_allowed(facts) if is_custom else ANYTHING,
    )


def _allowed(facts: Mapping[str, Any]) -> Allowed:
    def listed(name: str) -> tuple[str, ...] | None:
        return tuple(facts[name]) if name in facts else None

    return Allowed(
        listed("modifier"),
        listed("comparator"),
        listed("chain"),
        facts.get("multipleOr", True),
        facts.get("multipleAnd", True),
    )


def _searchable(paths: Iterable[ElementPath], parameter_type: ParameterType) -> tuple[ElementPath, ...]:
    types = SEARCHABLE_TYPES.get(parameter_type)
    return tuple(path for path in paths if types is None or path.type in types)


def _targets(facts: Mapping[str, Any], paths: Iterable[ElementPath]) -> tuple[str, ...]:
    """Return the targets that both the definition and the elements of this resource type allow, sorted."""
    if facts["type"] != "reference":
        return ()
    defined = set(facts.get("target", ())) - {"Resource", "DomainResource"}
    allowed = {target for path in paths for target in path.targets or ("Resource",)}
    if "Resource" in allowed:
        return tuple(sorted(defined))
    return tuple(sorted(defined & allowed or defined or allowed))


def _components(facts: Mapping[str, Any]) -> Iterable[tuple[Mapping[str, Any], str]]:
    """Return the facts of the parameter and the expression of each component."""
    parts = facts.get("component", ())
    expressions = [part["expression"] for part in parts]
    if facts["url"] == _RELATIONSHIP:
        expressions.reverse()
    known = (part.get("facts") or _definitions()[part["definition"]] for part in parts)
    return zip(known, expressions, strict=True)


def _component(
    part: tuple[Mapping[str, Any], str], composite: Mapping[str, Any], resource_type: str
) -> Component:
    facts, expression = part
    paths = tuple(
        _searchable(relative, facts["type"])
        for relative in component_paths(composite["expression"], expression, resource_type)
    )
    return Component(
        code=facts["code"],
        type=facts["type"],
        url=facts["url"],
        expression=expression,
        targets=_targets(facts, (path for relative in paths for path in relative)),
        paths=paths,
    )
