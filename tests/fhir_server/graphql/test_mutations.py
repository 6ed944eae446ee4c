"""Create, update and delete by GraphQL.

https://hl7.org/fhir/R4/graphql.html#mutations
"""

from typing import Any

import httpx
import pytest

from tests.fhir_server.graphql.conftest import Ask

_CREATE = "mutation M($p: PatientInput!) { PatientCreate(res: $p) { id resourceType name { family } } }"
_PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "chosen-by-client",
    "name": [
        {
            "family": "Neu",
            "given": [None, "A"],
            "_given": [{"extension": [{"url": "urn:x", "valueDecimal": 1.50}]}, None],
        }
    ],
    "multipleBirthInteger": 2,
    "contained": [{"resourceType": "Practitioner", "id": "p", "active": True}],
    "generalPractitioner": [{"reference": "#p"}],
    "active": None,
}


@pytest.mark.feature("operation.graphql.mutation")
def test_create_from_a_variable(client: httpx.Client, ask: Ask) -> None:
    """The resource is stored under an id of the server's, as REST would do it, null meaning nothing."""
    answer = ask("", _CREATE, p=_PATIENT)
    assert answer.status_code == 200, answer.text
    created = answer.json()["data"]["PatientCreate"]
    assert created["name"] == [{"family": "Neu"}]
    assert created["id"] != "chosen-by-client"
    stored = client.get(f"/Patient/{created['id']}").json()
    expected = {name: value for name, value in _PATIENT.items() if value is not None}
    assert {**stored, "id": None, "meta": None} == {**expected, "id": None, "meta": None}


@pytest.mark.feature("operation.graphql.mutation")
def test_create_update_and_delete_with_literals(client: httpx.Client, ask: Ask) -> None:
    """Codes stand without quotes, decimals keep their digits, one value is a list of one; in order."""
    query = """mutation {
        ObservationUpdate(id: "by-graphql", res: {
            status: final, code: {text: "pulse"}, valueQuantity: {value: 1.50, unit: "bpm"},
            category: {coding: {code: vital}}
        }) { id meta { versionId } valueQuantity { value } category { coding { code } } }
        again: ObservationUpdate(id: "by-graphql", res: {status: amended, code: {text: "pulse"}})
            { status meta { versionId } subject { resource(optional: true) { id } } }
        ObservationDelete(id: "by-graphql") { information { issue { severity } } }
        __typename
    }"""
    answer = ask("", query)
    assert answer.json() == {
        "data": {
            "ObservationUpdate": {
                "id": "by-graphql",
                "meta": {"versionId": "1"},
                "valueQuantity": {"value": 1.5},
                "category": [{"coding": [{"code": "vital"}]}],
            },
            "again": {"status": "amended", "meta": {"versionId": "2"}},
            "ObservationDelete": {"information": {"issue": [{"severity": "information"}]}},
            "__typename": "Mutation",
        }
    }
    assert '"value":1.50' in answer.text
    assert client.get("/Observation/by-graphql").status_code == 410


@pytest.mark.feature("operation.graphql.mutation")
def test_a_deletion_need_not_be_told_of(client: httpx.Client, ask: Ask) -> None:
    """ "[no return]": the selection of a deletion may be empty."""
    client.put("/Patient/gone", json={"resourceType": "Patient", "id": "gone"})
    assert ask("", "mutation { PatientDelete(id: gone) { } }").json() == {"data": {"PatientDelete": {}}}
    assert client.get("/Patient/gone").status_code == 410


_REFUSED: list[tuple[str, int]] = [
    ("mutation { PatientCreate(res: {gender: nonsense}) { id } }", 422),
    ("mutation { PatientCreate(res: {birthDate: soon}) { id } }", 400),
    ("mutation { PatientCreate(res: {nonsense: 1}) { id } }", 400),
    ("mutation { PatientCreate(res: {active: 1}) { id } }", 400),
    ('mutation { PatientCreate(res: {resourceType: "Group"}) { id } }', 400),
    ("mutation { PatientCreate { id } }", 400),
    ('mutation { PatientCreate(res: {id: "a b", active: true}) { id } }', 200),
    ('mutation { PatientCreate(res: {language: "de\\u0000"}) { id } }', 400),
    ("mutation { PatientCreate(res: {contained: [{id: x}]}) { id } }", 400),
    ('mutation { PatientUpdate(id: "a", res: {id: "b"}) { id } }', 400),
    ('mutation { PatientUpdate(id: "a b", res: {active: true}) { id } }', 400),
    ('mutation { PatientDelete(id: "a b") { } }', 400),
    ("mutation { ObservationCreate(res: {status: final}) { id } }", 422),
    ("mutation { BasicCreate(res: {code: {text: 1e999999}}) { id } }", 400),
    ("mutation { ObservationCreate(res: {valueQuantity: {value: 1e999999}}) { id } }", 400),
]


@pytest.mark.feature("operation.graphql.mutation")
@pytest.mark.parametrize(("query", "status"), _REFUSED)
def test_what_rest_refuses_is_refused_here(ask: Ask, query: str, status: int) -> None:
    """ "If these operations fail, an http error is returned"."""
    answer = ask("", query)
    assert answer.status_code == status, answer.text
    assert ("errors" in answer.json()) is (status != 200)


@pytest.mark.feature("operation.graphql.mutation")
def test_after_a_failure_nothing_more_is_done(client: httpx.Client, ask: Ask) -> None:
    """What stood before the failure is stored, what stood after it is not, and the answer is the error."""
    one = 'a: PatientUpdate(id: "before", res: {active: true}) { id }'
    two = 'b: PatientUpdate(id: "x", res: {birthDate: soon}) { id }'
    three = 'c: PatientUpdate(id: "after", res: {active: true}) { id }'
    answer = ask("", f"mutation {{ {one} {two} {three} }}")
    assert (answer.status_code, answer.json()["data"]) == (400, None)
    assert client.get("/Patient/before").status_code == 200
    assert client.get("/Patient/after").status_code == 404


@pytest.mark.feature("operation.graphql.mutation")
def test_mutations_are_posted_and_about_the_system(client: httpx.Client, ask: Ask) -> None:
    """A GET changes nothing, and at one resource there are only queries."""
    mutation = 'mutation { PatientUpdate(id: "got", res: {active: true}) { id } }'
    refused = client.get("/$graphql", params={"query": mutation})
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert client.get("/Patient/got").status_code == 404
    assert ask("", mutation).status_code == 200
    assert ask("/Patient/got", mutation).status_code == 400


def test_prefer_does_not_empty_the_answer(client: httpx.Client) -> None:
    """`Prefer: return=minimal` is about what REST answers; a mutation gives what it selects."""
    query = 'mutation { PatientUpdate(id: "preferred", res: {active: true}) { active } }'
    answer = client.post("/$graphql", json={"query": query}, headers={"prefer": "return=minimal"})
    assert answer.json() == {"data": {"PatientUpdate": {"active": True}}}
