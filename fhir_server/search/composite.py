"""composite: several values of the same element, joined by `$`. https://hl7.org/fhir/R4/search.html#combining

Where there is only one such element in a resource, as for `Observation.code-value-quantity`, each component
is asked of the field of the parameter that it names. Where there may be several, they are indexed as an array
of combinations: one document for each element, in it the values of each component under the letters a, b, c,
so that a question is about the same element throughout.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fhir_server.search.asked import Asked, Condition, Field, both, either
from fhir_server.search.escaping import split
from fhir_server.search.fields import fields, is_bare, is_searchable
from fhir_server.search.types import KINDS
from resources.custom_parameters import once_for_each_type
from resources.definitions import structure
from resources.fhirpath.element_paths import ElementPath, Step
from resources.search_parameters import Component, SearchParameter, indexed_parameters

LETTERS = "abcdefgh"
"""A composite has a component for each letter at most; those of R4 have three."""


@dataclass(frozen=True, slots=True)
class Combination:
    """The array of combinations that `path` holds: of the elements at `steps`, with a field per component."""

    path: str
    steps: tuple[Step, ...]
    parts: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A component that is asked of a parameter's own field.

    `choice` are the keys in the resource of which one must be there, if the field has values of others too.
    """

    field: Field
    choice: tuple[str, ...]


Place = Combination | tuple[Part, ...]
"""Where the values of a composite are found for one of the elements that it may be about."""


@once_for_each_type
def places(resource_type: str) -> Mapping[str, tuple[Place, ...]]:
    """Return where the values of each composite parameter are found, by code."""
    composites = [
        parameter
        for parameter in indexed_parameters(resource_type).values()
        if parameter.type == "composite" and is_searchable(parameter)
    ]
    # Those about fewer elements first: the others share their combinations. Custom ones share with nobody.
    composites.sort(key=lambda parameter: (parameter.is_custom, len(parameter.paths), parameter.code))
    known: dict[tuple[object, ...], Combination] = {}
    found: dict[str, tuple[Place, ...]] = {}
    for parameter in composites:
        found[parameter.code] = tuple(
            _place(parameter, index, known) for index in range(len(parameter.paths))
        )
    return found


def combinations(resource_type: str) -> tuple[Combination, ...]:
    """Return the combinations that are kept for a resource type, sorted by path."""
    found = {
        place.path: place
        for listed in places(resource_type).values()
        for place in listed
        if isinstance(place, Combination)
    }
    return tuple(place for _, place in sorted(found.items()))


def _place(parameter: SearchParameter, index: int, known: dict[tuple[object, ...], Combination]) -> Place:
    base = parameter.paths[index]
    if parameter.is_custom:
        return _combination(parameter, index)
    if base.single:
        parts = [_part(parameter, component, index) for component in parameter.components]
        if None not in parts:
            return tuple(part for part in parts if part is not None)
    same = (base.steps, tuple(component.paths[index] for component in parameter.components))
    return known.setdefault(same, _combination(parameter, index))


def _combination(parameter: SearchParameter, index: int) -> Combination:
    letters = zip(LETTERS, parameter.components, strict=False)
    return Combination(
        f"search.{parameter.code}",
        parameter.paths[index].steps,
        tuple(_letter_field(parameter, component, index, letter) for letter, component in letters),
    )


def _letter_field(parameter: SearchParameter, component: Component, index: int, letter: str) -> Field:
    paths = component.paths[index]
    as_parameter = SearchParameter(
        code=component.code,
        type=component.type,
        url=component.url,
        expression=component.expression,
        targets=component.targets,
        components=(),
        paths=paths,
        resource_type=parameter.resource_type,
    )
    return Field(letter, as_parameter, is_bare(component.type, paths))


def _part(parameter: SearchParameter, component: Component, index: int) -> Part | None:
    """Return the field of another parameter that has the component's values, if there is one."""
    base = parameter.paths[index].steps
    wanted = {replace(path, steps=base + path.steps) for path in component.paths[index]}
    for found in fields(parameter.resource_type).values():
        paths = set(found[0].parameter.paths)
        is_own = len(found) == 1 and not found[0].parameter.is_custom
        if is_own and found[0].type == component.type and wanted <= paths:
            if wanted == paths:
                return Part(found[0], ())
            if _of_one_choice(paths, parameter.resource_type):
                return Part(found[0], tuple(sorted(path.steps[0].key for path in wanted)))
    return None


def _of_one_choice(paths: set[ElementPath], resource_type: str) -> bool:
    """Tell whether all `paths` begin with types of one choice: then a resource has only one of them."""
    names = [path.removesuffix("[x]") for path in structure(resource_type).elements if path.endswith("[x]")]
    return any(all(path.steps[0].key.startswith(name) for path in paths) for name in names)


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one combination of values or several."""
    parameter = asked.field.parameter
    found = places(parameter.resource_type)[parameter.code]
    return both(
        either(
            _on_place(place, _values(asked, combination), asked)
            for combination in split(text, ",")
            for place in found
        )
        for text in asked.texts
    )


def _values(asked: Asked, text: str) -> list[str]:
    components = asked.field.parameter.components
    values = split(text, "$")
    if len(values) != len(components) or not all(values):
        raise asked.refusal("a combination is " + "$".join(component.code for component in components))
    return values


def _on_place(place: Place, values: list[str], asked: Asked) -> Condition:
    if isinstance(place, Combination):
        return {place.path: {"$elemMatch": both(_on_fields(place.parts, values, asked))}}
    there = [{f"resource.{key}": {"$exists": True}} for part in place for key in part.choice]
    conditions = [*_on_fields([part.field for part in place], values, asked)]
    return both([*conditions, either(there)] if there else conditions)


def _on_fields(parts: Iterable[Field], values: list[str], asked: Asked) -> Iterable[Condition]:
    for part, value in zip(parts, values, strict=True):
        yield KINDS[part.type].condition(replace(asked, field=part, texts=(value,)))
