"""What the schema tells of itself: the fields whose names begin with two underscores, and their objects.

https://spec.graphql.org/October2021/#sec-Introspection
"""

from types import SimpleNamespace
from typing import Any

from graphql import GraphQLEnumType, GraphQLList, get_named_type, get_nullable_type

from fhir_server.graphql.schema import Schema
from fhir_server.graphql.selection import Pick


def described(pick: Pick, value: Any, schema: Schema) -> tuple[list[Any], bool]:
    """Return the values of a field of introspection of the object `value`, and whether that is a list.

    Values of enumerations come as they are written. A single value may be None, which is then given as null.
    """
    resolve = pick.field.resolve
    assert resolve is not None  # noqa: S101 - all fields of introspection have one
    info: Any = SimpleNamespace(schema=schema)
    found = resolve(value, info, **pick.arguments)
    named = get_named_type(pick.field.type)
    is_list = isinstance(get_nullable_type(pick.field.type), GraphQLList) and found is not None
    values = list(found) if is_list else [found]
    if isinstance(named, GraphQLEnumType):
        values = [named.coerce_output_value(one) for one in values]
    return values, is_list
