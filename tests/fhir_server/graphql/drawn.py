"""Queries drawn from the schema: any field, with arguments that fit or do not, aliases and directives."""

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
)
from hypothesis import strategies as st

from fhir_server.graphql.schema import MUTATION, Schema, schema

_DEEPEST = 4
_WORDS = st.sampled_from(
    ["ida", "max", "official", "final", "patient", "subject", "true", "null", "x", "Patient", "ge2020"]
)
_TEXTS = st.sampled_from(
    [
        "",
        "ida",
        "Patient/ida",
        "2020-01-01",
        "a|b",
        "$",
        "\\\\",
        ",",
        "-",
        "%",
        "given",
        "$index",
        "use",
        "-_id",
    ]
) | st.sampled_from(
    ["_id,", "$this", "(", "\\u0000", "\\uFFFF", "1e999", "{}", "birthdate ge 1970", "name.given = 'x'"]
)
_NUMBERS = st.sampled_from(["0", "1", "-1", "2", "1000000", "2147483647", "99999999999", "1.50", "1e5", "-0"])
_VALUES = st.one_of(
    _WORDS, _TEXTS.map(lambda text: f'"{text}"'), _NUMBERS, st.sampled_from(["[]", "{}", "{a: 1}"])
)
_DIRECTIVES = st.sampled_from(
    [
        *[""] * 4,
        "@first",
        "@singleton",
        "@flatten",
        "@flatten @first",
        '@slice(path: "$index")',
        '@slice(path: "use")',
        "@skip(if: false)",
        "@include(if: true)",
    ]
)


@st.composite
def queries(draw: st.DrawFn, resource_type: str | None) -> str:
    """A query about one resource of a type, or about the whole system."""
    found = schema(resource_type)
    assert found.query_type is not None
    return draw(_selection(found, found.query_type, _DEEPEST))


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A mutation of any type with values that hardly ever make a resource."""
    types = schema().types
    field_name = draw(st.sampled_from(sorted(types.object(MUTATION).fields)))
    field = types.object(MUTATION).fields[field_name]
    inner = get_named_type(field.type)
    assert isinstance(inner, GraphQLObjectType)
    inputs: Any = get_named_type(field.args["res"].type).fields if "res" in field.args else {}
    given = draw(st.lists(st.sampled_from(sorted(inputs)), max_size=3, unique=True)) if inputs else []
    resource = ", ".join(f"{name}: {draw(_VALUES)}" for name in given)
    arguments = {"res": f"{{{resource}}}", "id": draw(_VALUES)}
    written = ", ".join(f"{name}: {arguments[name]}" for name in field.args)
    return f"mutation {{ {field_name}({written}) {draw(_selection(schema(), inner, 1))} }}"


@st.composite
def _selection(draw: st.DrawFn, types: Schema, type_: GraphQLObjectType, depth: int) -> str:
    names = draw(st.lists(st.sampled_from(_known(type_)), min_size=1, max_size=3))
    fields = [draw(_field(types, name, type_.fields[name], depth)) for name in names]
    return f"{{ {' '.join([*fields, '__typename'])} }}"


def _known(type_: GraphQLObjectType) -> list[str]:
    """Return the names of the fields, those that lead to many others not too often."""
    plain = [name for name in type_.fields if not name.endswith(("List", "Connection"))]
    others = [name for name in type_.fields if name.endswith(("List", "Connection"))]
    likely = [
        name for name in others if name.startswith(("Patient", "Observation", "Condition", "Provenance"))
    ]
    return plain + others[:: max(1, len(others) // 20)] + likely * 3


@st.composite
def _field(draw: st.DrawFn, types: Schema, name: str, field: GraphQLField, depth: int) -> str:
    inner = get_named_type(field.type)
    wanted = [argument for argument in field.args if isinstance(field.args[argument].type, GraphQLNonNull)]
    if field.args:
        wanted += draw(st.lists(st.sampled_from(sorted(field.args)), max_size=2))
    arguments = ", ".join(f"{one}: {draw(_argument(field.args[one]))}" for one in dict.fromkeys(wanted))
    alias = draw(st.sampled_from(["", "", "a: ", "b: "]))
    called = f"{alias}{name}{f'({arguments})' if arguments else ''} {draw(_DIRECTIVES)}"
    if isinstance(inner, GraphQLObjectType):
        return f"{called} {draw(_selection(types, inner, depth - 1)) if depth else '{ __typename }'}"
    if inner.name == "Resource":
        patient = types.types.object("Patient")
        within = draw(_selection(types, patient, depth - 1)) if depth else "{ id }"
        return f"{called} {draw(st.sampled_from([within, f'{{ id ... on Patient {within} }}']))}"
    return called


@st.composite
def _argument(draw: st.DrawFn, argument: GraphQLArgument) -> str:
    named = get_named_type(argument.type)
    fitting = {"Int": _NUMBERS, "Boolean": st.sampled_from(["true", "false"])}.get(named.name, _VALUES)
    value = draw(st.one_of(fitting, fitting, fitting, _VALUES))
    is_list = isinstance(argument.type, GraphQLList)
    return f"[{value}, {draw(fitting)}]" if is_list and draw(st.booleans()) else value
