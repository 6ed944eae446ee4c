"""What mutations take: for each type of resources and elements an input type with the same fields.

"The parameters are input types that are resources that exactly match the output types":
https://hl7.org/fhir/R4/graphql.html#mutations
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLScalarType,
    GraphQLString,
)

from fhir_server.graphql.fields import elements, has_twin
from fhir_server.graphql.names import RESOURCE, shape_named, type_name
from fhir_server.graphql.scalars import scalar
from resources.definitions import resource_types
from resources.fhirpath.nodes import Shape, type_shape

_INPUT = "Input"
# Where the name is that of an element: `TaskInput` is the type of Task.input.
_OTHER_INPUT = "_Input"


def input_name(name: str) -> str:
    """Return the name of the input type for what the schema calls `name`."""
    return name + (_OTHER_INPUT if shape_named(name + _INPUT) else _INPUT)


def _resource(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("resourceType") not in resource_types():
        raise GraphQLError("It is a resource with its resourceType")
    return value


ANY_RESOURCE = GraphQLScalarType(input_name(RESOURCE), coerce_input_value=_resource)
"""A resource of any type, as JSON: GraphQL has no input type that is one of several."""


def input_type(name: str, types: Mapping[str, GraphQLNamedType]) -> GraphQLInputObjectType | None:
    """Return the input type of that name, its fields being of `types`; None if there is none."""
    for ending in (_OTHER_INPUT, _INPUT):
        output = name.removesuffix(ending)
        shape = shape_named(output) if output != name else None
        if shape is not None and input_name(output) == name:
            return GraphQLInputObjectType(name, partial(_fields, shape, types))
    return None


def _fields(shape: Shape, types: Mapping[str, GraphQLNamedType]) -> dict[str, GraphQLInputField]:
    fields: dict[str, GraphQLInputField] = {}
    if shape.type in resource_types():
        fields["resourceType"] = GraphQLInputField(GraphQLString)
    for key, child, is_list in elements(shape):
        type_ = scalar(child.type) if child.is_primitive else types[input_name(type_name(child))]
        fields[key] = _field(type_, is_list=is_list)
        if child.is_primitive and has_twin(shape, key):
            twin = types[input_name(type_name(type_shape("Element")))]
            fields[f"_{key}"] = _field(twin, is_list=is_list)
    return fields


def _field(type_: Any, *, is_list: bool) -> GraphQLInputField:
    wanted: GraphQLInputType = GraphQLList(type_) if is_list else type_
    return GraphQLInputField(wanted)
