"""composite: several values of the same element, joined by `$`. https://hl7.org/fhir/R4/search.html#combining

Indexed as an array with one document for each element that the parameter is about; in it, the values of each
component under the letters a, b, c, so that a question is about the same element throughout.
"""

from collections.abc import Iterable
from dataclasses import replace

from fhir_server.search.asked import Asked, Condition, either
from fhir_server.search.escaping import split
from fhir_server.search.types import KINDS
from resources.search_parameters import Component, SearchParameter

LETTERS = "abc"


def component_parameter(composite: SearchParameter, component: Component) -> SearchParameter:
    """Return `component` as a parameter of its own, whose paths start at the element."""
    paths = tuple(dict.fromkeys(path for paths in component.paths for path in paths))
    return SearchParameter(
        component.code,
        component.type,
        component.url,
        component.expression,
        component.targets,
        (),
        paths,
        composite.resource_type,
    )


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one combination of values, or several."""
    return either([_one(asked, text) for text in split(asked.text, ",")])


def _one(asked: Asked, text: str) -> Condition:
    parts = split(text, "$")
    components = asked.parameter.components
    if len(parts) != len(components):
        raise asked.refusal(f"{len(components)} values joined by $ are needed")
    conditions = list(_conditions(asked, parts))
    return {asked.field: {"$elemMatch": conditions[0] if len(conditions) == 1 else {"$and": conditions}}}


def _conditions(asked: Asked, parts: list[str]) -> Iterable[Condition]:
    for letter, component, part in zip(LETTERS, asked.parameter.components, parts, strict=False):
        parameter = component_parameter(asked.parameter, component)
        yield KINDS[component.type].condition(replace(asked, parameter=parameter, field=letter, text=part))
