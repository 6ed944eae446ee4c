"""The fields of the types: one for each JSON property, and those that FHIR adds to find other resources.

https://hl7.org/fhir/R4/graphql.html#fields, https://hl7.org/fhir/R4/graphql.html#additional
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from graphql import GraphQLArgument, GraphQLField, GraphQLOutputType

from resources.definitions import resource_types, structure
from resources.fhirpath.nodes import Shape, members, type_shape
from resources.search_parameters import defined_parameters

Kind = Literal[
    "element",  # a property of the object
    "type",  # the resource type of the object
    "target",  # what the Reference points to
    "read",  # a resource by its id
    "list",  # the matches of a search
    "connection",  # a page of the matches of a search
    "plain",  # a property of an object that is not FHIR's, such as a connection
    "match",  # a resource that a search found
    "create",
    "update",
    "delete",
]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a field comes from.

    `key` is the JSON property; `shape` says what an element is; `is_list` whether there may be several.
    `resource_type` is what is read, searched or written.
    """

    kind: Kind
    key: str = ""
    shape: Shape | None = None
    is_list: bool = False
    resource_type: str = ""


class Field(GraphQLField):
    """A field that knows its source, and whose arguments are made when somebody looks at them."""

    def __init__(
        self,
        type_: GraphQLOutputType,
        source: Source,
        arguments: Callable[[], Mapping[str, GraphQLArgument]] | None = None,
    ) -> None:
        """Make a field of `type_`; `arguments` makes what it takes."""
        super().__init__(type_)
        self.source = source
        if arguments is not None:
            self._arguments = arguments
            del self.args  # the property below takes its place, until it is first asked for

    @cached_property
    def args(self) -> dict[str, GraphQLArgument]:  # type: ignore[override]
        """The arguments by name."""
        return dict(self._arguments())


def source_of(field: GraphQLField) -> Source | None:
    """Return the source of a field, None for those of introspection."""
    return field.source if isinstance(field, Field) else None


def elements(shape: Shape) -> Iterator[tuple[str, Shape, bool]]:
    """Yield the elements that a shape has: JSON property, shape, and whether there may be several."""
    definition = structure(shape.structure).elements
    prefix = f"{shape.path}." if shape.path else ""
    for name, member in members(shape).items():
        element = definition.get(f"{prefix}{name}") or definition[f"{prefix}{name}[x]"]
        for key, child in member.items():
            yield key, child, element.maximum != 1


@cache
def property_names(resource_type: str) -> frozenset[str]:
    """Return the JSON properties of a resource type, without those that begin with an underscore."""
    return frozenset(key for key, _, _ in elements(type_shape(resource_type)))


def has_twin(shape: Shape, key: str) -> bool:
    """Tell whether a primitive element may have extensions: ids, and the url of an Extension, may not."""
    return key != "id" and (shape.type, key) != ("Extension", "url")


@cache
def referrers(resource_type: str) -> tuple[str, ...]:
    """Return the types that have a search parameter for references to `resource_type`."""
    return tuple(name for name in resource_types() if resource_type in _searchable_targets(name))


@cache
def _searchable_targets(resource_type: str) -> frozenset[str]:
    found: set[str] = set()
    for parameter in defined_parameters(resource_type).values():
        if parameter.type == "reference" and parameter.paths:
            found.update(parameter.targets or resource_types())
    return frozenset(found)


Arguments = Mapping[str, Any]
"""The values of a field's arguments, by name."""
