"""The schema: made from the definitions, each type when a query first needs it.

Only introspection lists all types; a query names a few, and costs what these cost (figures: docs/graphql.md).
https://hl7.org/fhir/R4/graphql.html#conformance
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from graphql import (
    DirectiveLocation,
    GraphQLAbstractType,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLField,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    introspection_types,
    specified_directives,
)
from graphql.type.schema import InterfaceImplementations

from fhir_server.graphql.arguments import list_arguments, search_arguments
from fhir_server.graphql.fields import Field, Kind, Source, elements, has_twin, referrers
from fhir_server.graphql.input_types import ANY_RESOURCE, input_name, input_type
from fhir_server.graphql.names import RESOURCE, all_shapes, shape_named, type_name
from fhir_server.graphql.scalars import SCALARS, scalar
from resources.definitions import resource_types
from resources.fhirpath.nodes import Shape, type_shape

QUERY = "Query"
MUTATION = "Mutation"
_CONNECTION = "Connection"
_EDGE = "Edge"
_DELETE = "Delete"

FLATTEN, FIRST, SINGLETON, SLICE = (
    GraphQLDirective("flatten", [DirectiveLocation.FIELD]),
    GraphQLDirective("first", [DirectiveLocation.FIELD]),
    GraphQLDirective("singleton", [DirectiveLocation.FIELD]),
    GraphQLDirective(
        "slice", [DirectiveLocation.FIELD], {"path": GraphQLArgument(GraphQLNonNull(GraphQLString))}
    ),
)
"""The directives that re-arrange the answer: https://hl7.org/fhir/R4/graphql.html#flattening."""


Arguments = Callable[[], Mapping[str, GraphQLArgument]]


class Types(Mapping[str, GraphQLNamedType]):
    """All types of the schema by name, each made when it is first asked for."""

    def __init__(self) -> None:
        """Begin with the types that are the same in any schema."""
        self._made: dict[str, GraphQLNamedType] = {**SCALARS, **introspection_types}
        self._made[RESOURCE] = GraphQLInterfaceType(RESOURCE, self._resource_fields)
        self._made[QUERY] = GraphQLObjectType(QUERY, self._query_fields)
        self._made[MUTATION] = GraphQLObjectType(MUTATION, self._mutation_fields)
        self._made[ANY_RESOURCE.name] = ANY_RESOURCE

    def __getitem__(self, name: str) -> GraphQLNamedType:
        """Return the type of that name; raise KeyError if there is none."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all types, for introspection."""
        yield from (*SCALARS, *introspection_types, RESOURCE, ANY_RESOURCE.name, QUERY, MUTATION)
        for shape in all_shapes():
            name = type_name(shape)
            yield from (name, input_name(name))
        for name in resource_types():
            yield from (name + _CONNECTION, name + _EDGE, name + _DELETE)

    def __len__(self) -> int:
        """Return the number of all types."""
        return sum(1 for _ in self)

    def object(self, name: str) -> GraphQLObjectType:
        """Return an object type that is known to be there."""
        type_ = self[name]
        if not isinstance(type_, GraphQLObjectType):
            raise KeyError(name)
        return type_

    def _make(self, name: str) -> GraphQLNamedType:
        shape = shape_named(name)
        if shape is not None:
            is_resource = name in resource_types()
            interfaces: Callable[[], list[GraphQLInterfaceType]] = self._interfaces if is_resource else list
            return GraphQLObjectType(name, partial(self._fields, shape), interfaces)
        made = input_type(name, self)
        if made is not None:
            return made
        makers = {
            _CONNECTION: self._connection_fields,
            _EDGE: self._edge_fields,
            _DELETE: self._deletion_fields,
        }
        for ending, fields in makers.items():
            resource_type = name.removesuffix(ending)
            if resource_type in resource_types() and resource_type != name:
                return GraphQLObjectType(name, partial(fields, resource_type))
        raise KeyError(name)

    def _interfaces(self) -> list[GraphQLInterfaceType]:
        resource = self[RESOURCE]
        return [resource] if isinstance(resource, GraphQLInterfaceType) else []

    def _fields(self, shape: Shape) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {}
        is_resource = shape.type in resource_types()
        if is_resource:
            fields["resourceType"] = Field(GraphQLString, Source("type"))
        for key, child, is_list in elements(shape):
            fields[key] = self._element(key, child, is_list=is_list)
            if child.is_primitive and has_twin(shape, key):
                twin = type_shape("Element")
                source = Source("element", f"_{key}", twin, is_list)
                fields[f"_{key}"] = Field(_listed(self.object(type_name(twin)), is_list=is_list), source)
        if shape.type == "Reference":
            fields["resource"] = Field(self._output(RESOURCE), Source("target"), _target_arguments)
        for name in referrers(shape.type) if is_resource else ():
            fields |= self._search_fields(name, is_reverse=True)
        return fields

    def _element(self, key: str, shape: Shape, *, is_list: bool) -> Field:
        source = Source("element", key, shape, is_list)
        if shape.is_primitive:
            return Field(_listed(scalar(shape.type), is_list=is_list), source)
        arguments = partial(list_arguments, shape, is_list=is_list)
        return Field(_listed(self._output(type_name(shape)), is_list=is_list), source, arguments)

    def _output(self, name: str) -> Any:
        return self[name]

    def _resource_fields(self) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {"resourceType": Field(GraphQLString, Source("type"))}
        for key, child, is_list in elements(type_shape(RESOURCE)):
            fields[key] = self._element(key, child, is_list=is_list)
        return fields

    def _query_fields(self) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {}
        for name in resource_types():
            fields[name] = Field(self._output(name), Source("read", resource_type=name), _id_argument)
            fields |= self._search_fields(name, is_reverse=False)
        return fields

    def _search_fields(self, name: str, *, is_reverse: bool) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {}
        matches = Source("list", shape=type_shape(name), is_list=True, resource_type=name)
        arguments = partial(search_arguments, name, is_reverse=is_reverse, has_cursor=False)
        fields[f"{name}List"] = Field(GraphQLList(self._output(name)), matches, arguments)
        page = Source("connection", resource_type=name)
        arguments = partial(search_arguments, name, is_reverse=is_reverse, has_cursor=not is_reverse)
        fields[name + _CONNECTION] = Field(self._output(name + _CONNECTION), page, arguments)
        return fields

    def _connection_fields(self, resource_type: str) -> dict[str, GraphQLField]:
        types: dict[str, GraphQLOutputType] = {
            **dict.fromkeys(("count", "offset", "pagesize"), GraphQLInt),
            **dict.fromkeys(("first", "previous", "next", "last"), SCALARS["ID"]),
            "edges": GraphQLList(self._output(resource_type + _EDGE)),
        }
        return {
            key: Field(type_, Source("plain", key, is_list=key == "edges")) for key, type_ in types.items()
        }

    def _edge_fields(self, resource_type: str) -> dict[str, GraphQLField]:
        match = Source("match", "resource", type_shape(resource_type), resource_type=resource_type)
        return {
            "mode": Field(GraphQLString, Source("plain", "mode")),
            "score": Field(SCALARS["Float"], Source("plain", "score")),
            "resource": Field(self._output(resource_type), match),
        }

    def _mutation_fields(self) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = {}
        for name in resource_types():
            resource = partial(self._resource_argument, name)
            types: Mapping[Kind, tuple[str, Arguments]] = {
                "create": (name, resource),
                "update": (name, partial(_update_arguments, resource)),
                "delete": (name + _DELETE, _id_argument),
            }
            for kind, (type_, arguments) in types.items():
                source = Source(kind, resource_type=name)
                fields[name + kind.capitalize()] = Field(self._output(type_), source, arguments)
        return fields

    def _resource_argument(self, resource_type: str) -> dict[str, GraphQLArgument]:
        type_: Any = self[input_name(resource_type)]
        return {"res": GraphQLArgument(GraphQLNonNull(type_))}

    def _deletion_fields(self, resource_type: str) -> dict[str, GraphQLField]:
        del resource_type  # one type for each, as the specification has it
        outcome = Source("element", "information", type_shape("OperationOutcome"))
        return {"information": Field(self._output("OperationOutcome"), outcome)}


def _listed(type_: Any, *, is_list: bool) -> GraphQLOutputType:
    listed: GraphQLOutputType = GraphQLList(type_) if is_list else type_
    return listed


def _target_arguments() -> dict[str, GraphQLArgument]:
    return {
        "optional": GraphQLArgument(GraphQLBoolean, default_value=False),
        "type": GraphQLArgument(GraphQLList(GraphQLNonNull(SCALARS["code"]))),
    }


def _update_arguments(resource: Arguments) -> dict[str, GraphQLArgument]:
    return {**_id_argument(), **resource()}


def _id_argument() -> dict[str, GraphQLArgument]:
    return {"id": GraphQLArgument(GraphQLNonNull(SCALARS["ID"]))}


class Schema(GraphQLSchema):
    """A schema whose types are made when they are asked for, instead of all at its start."""

    def __init__(self, types: Types, query: GraphQLObjectType, mutation: GraphQLObjectType | None) -> None:
        """Make the schema in which queries and mutations begin with the fields of these types."""
        # It is valid by the way in which it is made; to look would make all types.
        super().__init__(
            directives=(*specified_directives, FLATTEN, FIRST, SINGLETON, SLICE), assume_valid=True
        )
        self.types = types
        self.query_type = query
        self.mutation_type = mutation
        self.type_map = types  # type: ignore[assignment] # it is only read

    def get_possible_types(self, abstract_type: GraphQLAbstractType) -> list[GraphQLObjectType]:
        """Return the resource types: Resource is the only abstract type."""
        del abstract_type
        return [self.types.object(name) for name in resource_types()]

    def get_implementations(self, interface_type: GraphQLInterfaceType) -> InterfaceImplementations:
        """Return the resource types."""
        return InterfaceImplementations(objects=self.get_possible_types(interface_type), interfaces=[])

    def is_sub_type(self, abstract_type: GraphQLAbstractType, maybe_sub_type: GraphQLNamedType) -> bool:
        """Tell whether the second type is a resource type and the first the interface of these."""
        return abstract_type.name == RESOURCE and maybe_sub_type.name in resource_types()


@cache
def _types() -> Types:
    return Types()


@cache
def schema(resource_type: str | None = None) -> Schema:
    """Return the schema of the whole system, or the one for queries about one resource of a type."""
    types = _types()
    if resource_type is None:
        return Schema(types, types.object(QUERY), types.object(MUTATION))
    return Schema(types, types.object(resource_type), None)
