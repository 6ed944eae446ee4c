"""HL7's test cases for GraphQL: on its example resources each query gives the output that HL7 publishes.

https://github.com/FHIR/fhir-test-cases; the queries are our own.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

_STORED = {
    "Patient/example": "patient-example.xml",
    "Patient/xds": "patient-example-xds.xml",
    "Observation/example": "observation-example.xml",
    "Condition/example": "condition-example.xml",
}
# HL7's output is about a List that its test cases do not hold.
_LONG = {
    "resourceType": "List",
    "id": "long",
    "status": "current",
    "mode": "working",
    "entry": [{"item": {"reference": f"Patient/{i}"}} for i in range(1, 11)],
}
_PATIENT, _OBSERVATION, _SYSTEM = "/Patient/example", "/Observation/example", ""
_CODE = "code { coding { system code } }"
_VARIABLE = "query Q($wanted: Boolean = true) { identifier @include(if: $wanted) { system value } active %s }"
_NAME = "name { text given family }"

_CASES = [
    ("simple", _PATIENT, "{ identifier { system value } active name { text given family } }"),
    (
        "filter-fhirpath",
        _PATIENT,
        '{ identifier { system value } active name(fhirpath: "family.exists()") { text given family } }',
    ),
    ("polymorphic", _OBSERVATION, "{ subject { reference } valueQuantity { value unit } }"),
    ("reference", _OBSERVATION, f"{{ id subject {{ reference resource {{ active }} }} {_CODE} }}"),
    (
        "reference-type-in",
        _OBSERVATION,
        f"{{ id subject {{ reference resource(type: Patient) {{ active }} }} {_CODE} }}",
    ),
    (
        "reference-type-out",
        _OBSERVATION,
        f"{{ id subject {{ reference resource(type: Device) {{ status }} }} {_CODE} }}",
    ),
    (
        "reference-fragment-type",
        _OBSERVATION,
        "{ id subject { reference resource { ... on Patient { active } ... on Group { name } } }"
        f" {_CODE} }}",
    ),
    ("reference-reverse", _PATIENT, "{ id ConditionList(_reference: patient) { id } }"),
    ("list-sub", "/List/long", "{ entry(_count: 5) { item { reference } } }"),
    ("directive-skip", _PATIENT, f"{{ identifier @skip(if: true) {{ system }} active {_NAME} }}"),
    ("directive-include", _PATIENT, f"{{ identifier @include(if: true) {{ system value }} active {_NAME} }}"),
    ("directive-variable", _PATIENT, _VARIABLE % _NAME),
    (
        "flatten",
        _PATIENT,
        "{ identifier @flatten { system value } active name @flatten { text given family } }",
    ),
    (
        "flatten-first",
        _PATIENT,
        "{ identifier @flatten { system value } active name @flatten { given @first family } }",
    ),
    (
        "flatten-singleton1",
        _PATIENT,
        "{ identifier @flatten { system @singleton value @singleton } active"
        " name @flatten { given family } }",
    ),
    (
        "flatten-singleton3",
        _PATIENT,
        "{ identifier @flatten { system @singleton value @singleton } active"
        " name @first @flatten { given family @singleton } }",
    ),
    (
        "flatten-slice1",
        _PATIENT,
        "{ identifier @flatten { system value } active"
        ' name @flatten @slice(path: "use") { given family @singleton } }',
    ),
    (
        "flatten-slice2",
        _PATIENT,
        "{ identifier @flatten { system value } active"
        ' name @flatten @slice(path: "$index") { given family @singleton } }',
    ),
    ("search-single", _SYSTEM, "{ Patient(id: example) { id active } }"),
    ("search-simple", _SYSTEM, '{ PatientList(_id: [example, "xds"], _sort: "_id") { id active } }'),
]


@pytest.fixture(scope="module")
def cases(client: httpx.Client, shared_data: Path) -> Path:
    """The folder of the outputs, with the resources that they are about stored."""
    folder = shared_data / "fhir-test-cases" / "r4" / "examples"
    for address, name in _STORED.items():
        content = (folder / name).read_bytes()
        answer = client.put(address, content=content, headers={"content-type": "application/fhir+xml"})
        assert answer.status_code == 201, answer.text
    assert client.put("/List/long", json=_LONG).status_code == 201
    return folder


@pytest.mark.feature("operation.graphql")
@pytest.mark.parametrize(("name", "address", "query"), _CASES, ids=[case[0] for case in _CASES])
def test_the_output_is_that_of_hl7(
    client: httpx.Client, cases: Path, name: str, address: str, query: str
) -> None:
    """What the query selects is, name by name and value by value, what HL7 has on file."""
    answer = client.get(f"{address}/$graphql", params={"query": query})
    assert answer.status_code == 200, answer.text
    expected: Any = json.loads((cases / f"{name}.json.out").read_text())
    assert answer.json() == {"data": expected}


def test_a_connection_has_the_fields_of_hl7s_output(client: httpx.Client, cases: Path) -> None:
    """Of a page of one HL7's output has its count, its offset, its size, its matches and the next cursor."""
    query = (
        '{ PatientConnection(_id: [example, xds], _sort: "_id", _count: 1)'
        " { count offset pagesize edges { mode score resource { id active } } next } }"
    )
    found = client.get("/$graphql", params={"query": query}).json()["data"]["PatientConnection"]
    expected = json.loads((cases / "search-full.json.out").read_text())["PatientConnection"]
    assert found.keys() == expected.keys()
    assert (found["count"], found["offset"], found["pagesize"]) == (2, 0, 1)
    edge = {"mode": "match", "resource": {"id": "example", "active": True}}
    assert found["edges"] == [edge]
    assert edge["resource"] == expected["edges"][0]["resource"]
