"""The scalar types: those of FHIR's primitive types, and those of its search parameters.

What FHIR writes as a code may stand in a query without quotes, as in `name(use: official)`.
https://hl7.org/fhir/R4/graphql.html#fields, https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    IntValueNode,
    StringValueNode,
    ValueNode,
)

from resources import json_format
from resources.operation_outcome import InvalidContent

_WORDS = (StringValueNode, EnumValueNode, IntValueNode, FloatValueNode)


def as_text(value: Any) -> str:
    """Return a JSON value that is no list or object as the text that stands for it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _input_value(value: Any) -> str:
    if not isinstance(value, (str, int, Decimal)):
        raise GraphQLError("It is a text, a number, true or false")
    return as_text(value)


def _input_literal(node: ValueNode) -> str:
    if isinstance(node, BooleanValueNode):
        return as_text(node.value)
    if not isinstance(node, _WORDS):
        raise GraphQLError("It is a text, a word, a number, true or false")
    return str(node.value)


def _scalar(name: str) -> GraphQLScalarType:
    return GraphQLScalarType(name, coerce_input_value=_input_value, coerce_input_literal=_input_literal)


def _number(value: Any) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise GraphQLError("It is a number")
    return value


def _number_literal(node: ValueNode) -> int | Decimal:
    if not isinstance(node, (IntValueNode, FloatValueNode)):
        raise GraphQLError("It is a number")
    try:
        return _number(json_format.parse(node.value.encode()))
    except InvalidContent:
        raise GraphQLError("It has more digits than a number may have") from None


def _numeric(name: str) -> GraphQLScalarType:
    return GraphQLScalarType(name, coerce_input_value=_number, coerce_input_literal=_number_literal)


_TEXTS = (
    "base64Binary canonical code date dateTime instant markdown oid time uri url uuid xhtml "
    "number token reference composite quantity special"
)
_NUMBERS = "decimal positiveInt unsignedInt"

SCALARS: Mapping[str, GraphQLScalarType] = {
    **{name: _scalar(name) for name in _TEXTS.split()},
    **{name: _numeric(name) for name in _NUMBERS.split()},
    "Boolean": GraphQLBoolean,
    "Float": GraphQLFloat,
    "ID": GraphQLID,
    "Int": GraphQLInt,
    "String": GraphQLString,
}
"""All scalar types by name. The input of FHIR's is text or a number; search parameters have text."""

_OTHER_NAMES = {"boolean": "Boolean", "integer": "Int", "string": "String", "id": "ID"}


def scalar(fhir_type: str) -> GraphQLScalarType:
    """Return the scalar type of one of FHIR's primitive types or types of search parameters."""
    return SCALARS[_OTHER_NAMES.get(fhir_type, fhir_type)]
