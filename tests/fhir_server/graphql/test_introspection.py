"""The schema, as it describes itself.

"SHALL provide introspection services that correctly describe the services they offer":
https://hl7.org/fhir/R4/graphql.html#conformance
"""

from typing import Any

import pytest
from graphql import GraphQLSchema, get_introspection_query, validate_schema

from fhir_server.graphql.schema import schema
from resources.definitions import resource_types
from tests.fhir_server.graphql.conftest import Ask

_TYPE = "{ name kind ofType { name kind ofType { name } } }"


def _type(ask: Ask, name: str, selection: str) -> Any:
    return ask("", f'{{ __type(name: "{name}") {{ {selection} }} }}').json()["data"]["__type"]


@pytest.mark.feature("operation.graphql.introspection")
def test_the_types_are_listed(ask: Ask) -> None:
    """There is a type for each resource type, its connection and its input; the names are unique."""
    answer = ask("", "{ __schema { queryType { name } mutationType { name } types { name kind } } }").json()
    found = answer["data"]["__schema"]
    assert (found["queryType"], found["mutationType"]) == ({"name": "Query"}, {"name": "Mutation"})
    kinds = {type_["name"]: type_["kind"] for type_ in found["types"]}
    assert len(kinds) == len(found["types"])
    for name in resource_types():
        assert kinds[name] == kinds[f"{name}Connection"] == kinds[f"{name}Edge"] == "OBJECT"
        assert "INPUT_OBJECT" in (kinds.get(f"{name}Input"), kinds.get(f"{name}_Input"))


@pytest.mark.feature("operation.graphql.introspection")
def test_a_type_is_described(ask: Ask) -> None:
    """Its fields are those of the definitions, with their types and arguments."""
    found = _type(
        ask, "Patient", f"kind interfaces {{ name }} fields {{ name type {_TYPE} args {{ name }} }}"
    )
    assert (found["kind"], found["interfaces"]) == ("OBJECT", [{"name": "Resource"}])
    fields = {field["name"]: field for field in found["fields"]}
    assert fields["birthDate"]["type"] == {"name": "date", "kind": "SCALAR", "ofType": None}
    assert fields["_birthDate"]["type"]["name"] == "ElementBase"
    assert fields["name"]["type"]["ofType"]["name"] == "HumanName"
    assert {"use", "family", "given", "fhirpath", "_count", "_offset"} <= {
        arg["name"] for arg in fields["name"]["args"]
    }
    assert fields["birthDate"]["args"] == []
    assert "deceasedBoolean" in fields
    assert "deceased" not in fields
    assert "ConditionList" in fields
    assert "MedicationKnowledgeList" not in fields


@pytest.mark.feature("operation.graphql.introspection")
@pytest.mark.parametrize(
    ("name", "kind", "has"),
    [
        (
            "ConditionConnection",
            "OBJECT",
            {"count", "offset", "pagesize", "first", "previous", "next", "last", "edges"},
        ),
        ("ConditionEdge", "OBJECT", {"mode", "score", "resource"}),
        ("Reference", "OBJECT", {"reference", "identifier", "resource"}),
        ("ElementBase", "OBJECT", {"id", "extension"}),
        ("TimingRepeat", "OBJECT", {"boundsPeriod", "frequency", "_frequency"}),
        ("Resource", "INTERFACE", {"id", "meta", "language"}),
    ],
)
def test_other_types_are_described(ask: Ask, name: str, kind: str, has: set[str]) -> None:
    """Connections, edges, data types and elements that are defined in place have their fields."""
    found = _type(ask, name, "kind fields { name }")
    assert found["kind"] == kind
    assert has <= {field["name"] for field in found["fields"]}


@pytest.mark.feature("operation.graphql.introspection")
def test_input_types_and_scalars_are_described(ask: Ask) -> None:
    """An input type has the fields of its output type; a scalar none; an unknown type is null."""
    found = _type(ask, "PatientInput", f"kind fields {{ name }} inputFields {{ name type {_TYPE} }}")
    inputs = {field["name"]: field["type"] for field in found["inputFields"]}
    assert (found["kind"], found.get("fields")) == ("INPUT_OBJECT", None)
    assert inputs["name"]["ofType"]["name"] == "HumanNameInput"
    assert inputs["contained"]["ofType"]["name"] == "ResourceInput"
    assert _type(ask, "code", "kind") == {"kind": "SCALAR"}
    assert ask("", '{ __type(name: "Nonsense") { kind } }').json() == {"data": {"__type": None}}


@pytest.mark.feature("operation.graphql.introspection")
def test_a_resource_describes_its_own_queries(ask: Ask, records: None) -> None:
    """At one resource queries begin with its fields, and there are no mutations."""
    query = "{ id __schema { queryType { name } mutationType { name } directives { name } } }"
    found = ask("/Patient/ida", query).json()["data"]
    assert found["id"] == "ida"
    assert (found["__schema"]["queryType"], found["__schema"]["mutationType"]) == ({"name": "Patient"}, None)
    names = {directive["name"] for directive in found["__schema"]["directives"]}
    assert {"skip", "include", "flatten", "first", "singleton", "slice"} <= names


@pytest.mark.feature("operation.graphql.introspection")
def test_all_of_it_at_once_is_too_much(ask: Ask) -> None:
    """The whole schema with all arguments is too large an answer, and the error says so."""
    answer = ask("", get_introspection_query())
    assert answer.status_code in (400, 408)
    assert "too" in answer.json()["errors"][0]["message"]


def test_the_whole_schema_is_valid() -> None:
    """By the rules of GraphQL, which are not looked at while the server runs."""
    types = schema()
    assert types.mutation_type is not None
    eager = GraphQLSchema(
        types.query_type,
        types.mutation_type,
        types=[types.types[name] for name in types.types],
        directives=types.directives,
    )
    assert validate_schema(eager) == []
