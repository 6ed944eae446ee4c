"""Resource types, data types and profiles: their elements with types, cardinalities, bindings and invariants.

Source: https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from resources.definitions import archive

Kind = Literal["primitive-type", "complex-type", "resource", "logical"]
Strength = Literal["required", "extensible", "preferred", "example"]


@dataclass(frozen=True, slots=True)
class TypeReference:
    """One type that an element may have.

    `targets` are what a Reference or canonical may point to: names of types (`Resource` for any) or URLs of
    profiles; () means that nothing is said. `profiles` are the URLs of profiles that the value follows.
    """

    code: str
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """The value set (a canonical URL without a version) that an element's codes are from.

    `maximum` is the value set that no code may leave, where the binding itself is weaker than `required`.
    """

    strength: Strength
    value_set: str
    maximum: str | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant: a FHIRPath `expression` that must be true of each element that carries it."""

    key: str
    severity: Literal["error", "warning"]
    expression: str


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a profile tells the slices of an element apart; `discriminators` are (type, path) pairs."""

    discriminators: tuple[tuple[str, str], ...]
    rules: Literal["closed", "open", "openAtEnd"]
    ordered: bool


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a structure.

    `path` is relative to the type: "" for the type itself, `value[x]`, `component.code`. `maximum` None means
    any number. `content_reference` is the path of the element whose content this one shares, and then `types`
    is empty. The last five are facts of profiles; `fixed` and `pattern` are FHIR JSON values.
    """

    path: str
    minimum: int
    maximum: int | None
    types: tuple[TypeReference, ...]
    content_reference: str | None = None
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    is_modifier: bool = False
    is_summary: bool = False
    must_support: bool = False
    slice_name: str | None = None
    slicing: Slicing | None = None
    fixed: Any = None
    pattern: Any = None


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource type, a data type or a profile of one, with all its elements in the order of the snapshot.

    The keys of `elements` are the paths; in a profile they name slices too, as in `extension:race.value[x]`.
    `base` is the name of the type (or the URL of the profile) that this one specialises. `regex` is what the
    text of a primitive must match as a whole, None for other types. `context` says where an extension may be
    used, as (type, expression) pairs.
    """

    name: str
    kind: Kind
    base: str | None
    abstract: bool
    elements: Mapping[str, Element]
    regex: str | None = None
    context: tuple[tuple[str, str], ...] = ()


@cache
def resource_types() -> tuple[str, ...]:
    """Return the names of all resource types that have instances, sorted."""
    return tuple(name for name in type_names("resource") if not archive.index()["types"][name]["abstract"])


@cache
def type_names(kind: Kind) -> tuple[str, ...]:
    """Return the names of all types of a kind, abstract ones too, sorted."""
    return tuple(sorted(name for name, type_ in archive.index()["types"].items() if type_["kind"] == kind))


@cache
def profile_urls() -> tuple[str, ...]:
    """Return the canonical URLs of all profiles and extensions that the core package defines, sorted."""
    return tuple(sorted(archive.index()["profiles"]))


@cache
def structure(name: str) -> Structure:
    """Return the definition of a resource type or data type; KeyError if there is no type of that name."""
    if name not in archive.index()["types"]:
        raise KeyError(name)
    return _structure(name, archive.member(f"structures/{name}.json"))


@cache
def profile(url: str) -> Structure:
    """Return a profile or an extension by its canonical URL; KeyError if the core package defines none."""
    identifier = archive.index()["profiles"][url]
    return _structure(url, archive.member(f"profiles/{identifier}.json"))


def _structure(name: str, facts: Mapping[str, Any]) -> Structure:
    type_name: str = facts["type"]
    base = facts.get("baseDefinition")
    return Structure(
        name=name,
        kind=facts["kind"],
        base=_type_name(base) if base else None,
        abstract=facts["abstract"],
        elements={_relative(e["id"], type_name): _element(e, type_name) for e in facts["element"]},
        regex=_regex(facts["element"]) if facts["kind"] == "primitive-type" else None,
        context=tuple((place["type"], place["expression"]) for place in facts.get("context", ())),
    )


def _type_name(canonical: str) -> str:
    """Return the name of the type with the given URL, and the URL of anything else as it is."""
    name = canonical.removeprefix(archive.TYPE_URL)
    return name if name in archive.index()["types"] else canonical


def _relative(path: str, type_name: str) -> str:
    return path.removeprefix("#").removeprefix(type_name).removeprefix(".")


def _regex(elements: list[dict[str, Any]]) -> str | None:
    value_types = [element["type"][0] for element in elements if element["path"].endswith(".value")]
    return value_types[0].get("regex") if value_types else None


def _element(facts: Mapping[str, Any], type_name: str) -> Element:
    reference = facts.get("contentReference")
    return Element(
        path=_relative(facts["path"], type_name),
        minimum=facts["min"],
        maximum=None if facts["max"] == "*" else int(facts["max"]),
        types=tuple(_type_reference(type_) for type_ in facts.get("type", ())),
        content_reference=_relative(reference, type_name) if reference else None,
        binding=_binding(facts["binding"]) if "valueSet" in facts.get("binding", {}) else None,
        constraints=tuple(_constraint(**constraint) for constraint in facts.get("constraint", ())),
        is_modifier=facts.get("isModifier", False),
        is_summary=facts.get("isSummary", False),
        must_support=facts.get("mustSupport", False),
        slice_name=facts.get("sliceName"),
        slicing=_slicing(facts["slicing"]) if "slicing" in facts else None,
        fixed=_value(facts, "fixed"),
        pattern=_value(facts, "pattern"),
    )


def _type_reference(facts: Mapping[str, Any]) -> TypeReference:
    targets = tuple(_type_name(url) for url in facts.get("targetProfile", ()))
    return _shared_type_reference(facts["code"], targets, tuple(facts.get("profile", ())))


@cache
def _shared_type_reference(code: str, targets: tuple[str, ...], profiles: tuple[str, ...]) -> TypeReference:
    return TypeReference(code, targets, profiles)


def _binding(facts: Mapping[str, Any]) -> Binding:
    return Binding(facts["strength"], facts["valueSet"], facts.get("maxValueSet"))


@cache
def _constraint(key: str, severity: Literal["error", "warning"], expression: str) -> Constraint:
    # Nearly every element carries ele-1: one value for all of them.
    return Constraint(key, severity, expression)


def _slicing(facts: Mapping[str, Any]) -> Slicing:
    discriminators = tuple((part["type"], part["path"]) for part in facts.get("discriminator", ()))
    return Slicing(discriminators, facts["rules"], facts.get("ordered", False))


def _value(facts: Mapping[str, Any], prefix: str) -> Any:
    return next((value for name, value in facts.items() if name.startswith(prefix)), None)
