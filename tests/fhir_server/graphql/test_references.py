"""What a Reference points to, put in its place.

https://hl7.org/fhir/R4/graphql.html#references
"""

from typing import Any

import httpx
import pytest

from tests.fhir_server.graphql.conftest import Ask

pytestmark = pytest.mark.usefixtures("records")

_OBSERVATION = "/Observation/o2"
_USES = ("official", "nickname", "maiden")
_RESOLVED: list[tuple[str, str, Any]] = [
    (
        _OBSERVATION,
        "{ subject { resource { ... on Patient { gender } } } }",
        {"subject": {"resource": {"gender": "female"}}},
    ),
    (
        _OBSERVATION,
        "{ subject { resource(type: Patient) { gender } } }",
        {"subject": {"resource": {"gender": "female"}}},
    ),
    (
        _OBSERVATION,
        "{ subject { resource(type: [Patient, Group]) { id active } } }",
        {"subject": {"resource": {"id": "ida", "active": True}}},
    ),
    (
        _OBSERVATION,
        "{ subject { resource { id gender } } }",
        {"subject": {"resource": {"id": "ida", "gender": "female"}}},
    ),
    (
        _OBSERVATION,
        "{ subject { reference resource(type: Group) { id } } }",
        {"subject": {"reference": "Patient/ida"}},
    ),
    (
        _OBSERVATION,
        "{ subject { resource(type: Group) { quantity } resource(type: Patient) { gender } } }",
        {"subject": {"resource": {"gender": "female"}}},
    ),
    (
        _OBSERVATION,
        "{ subject { who: resource { id } resource { resourceType } } }",
        {"subject": {"who": {"id": "ida"}, "resource": {"resourceType": "Patient"}}},
    ),
    (
        _OBSERVATION,
        "{ subject { resource(type: Patient)"
        " { managingOrganization { resource(type: Organization) { name } } } }"
        " performer { resource(type: Organization) { name } } }",
        {
            "subject": {"resource": {"managingOrganization": {"resource": {"name": "The Clinic"}}}},
            "performer": [{"resource": {"name": "The Clinic"}}],
        },
    ),
    (
        "/Patient/ida",
        "{ generalPractitioner(_count: 1) { resource(type: Practitioner) { name { family } } } }",
        {"generalPractitioner": [{"resource": {"name": [{"family": "Doe"}]}}]},
    ),
    (
        "/Patient/ida",
        "{ contact { organization { resource { id } } } }",
        {"contact": [{"organization": {"resource": {"id": "office"}}}]},
    ),
    (
        "/Patient/ida",
        "{ generalPractitioner { display resource(optional: true) { id } } }",
        {"generalPractitioner": [{"resource": {"id": "doctor"}}, {"display": "gone"}]},
    ),
    (
        "/Provenance/pr",
        "{ agent { who { display resource(optional: true) { id } } } }",
        {"agent": [{"who": {"display": "nobody to be found"}}]},
    ),
    (
        "/Provenance/pr",
        "{ target { resource { resourceType id } } }",
        {
            "target": [
                {"resource": {"resourceType": "Patient", "id": "ida"}},
                {"resource": {"resourceType": "Organization", "id": "clinic"}},
            ]
        },
    ),
    (
        "/Condition/c1",
        "{ evidence { detail { resource(type: Observation) { id status meta { versionId } } } } }",
        {
            "evidence": [
                {
                    "detail": [
                        {"resource": {"id": "o1", "status": "final", "meta": {"versionId": "1"}}},
                        {"resource": {"id": "o2", "status": "final", "meta": {"versionId": "1"}}},
                    ]
                }
            ]
        },
    ),
]


@pytest.mark.feature("operation.graphql.reference")
@pytest.mark.parametrize(("address", "query", "expected"), _RESOLVED)
def test_references_are_resolved(ask: Ask, address: str, query: str, expected: Any) -> None:
    """`resource` gives the target, contained or stored, in the version that is named, if it is wanted."""
    answer = ask(address, query)
    assert answer.json() == {"data": expected}
    assert answer.status_code == 200


_UNTYPED = [
    ("performer { resource { name } }", {"performer": [{"resource": {"name": "The Clinic"}}]}),
    ("performer { resource { name { family } } }", {"performer": [{"resource": {}}]}),
    (
        "subject { resource { name { use } } }",
        {"subject": {"resource": {"name": [{"use": u} for u in _USES]}}},
    ),
    ("subject { resource { class { code } } }", {"subject": {"resource": {}}}),
]


@pytest.mark.parametrize(("query", "expected"), _UNTYPED)
def test_a_field_without_a_type_is_that_of_the_types_it_fits(ask: Ask, query: str, expected: Any) -> None:
    """`name` is that of an Organization, `name { use }` that of a Patient; one that fits none is wrong."""
    assert ask(_OBSERVATION, f"{{ {query} }}").json() == {"data": expected}
    assert ask(_OBSERVATION, "{ subject { resource { name { nonsense } } } }").status_code == 400


@pytest.mark.feature("operation.graphql.reference")
@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("/Patient/ida", "{ generalPractitioner { resource { id } } }"),
        ("/Patient/ida", "{ generalPractitioner { resource(optional: false) { id } } }"),
        ("/Provenance/pr", "{ agent { who { resource { id } } } }"),
    ],
)
def test_a_target_that_is_not_there_is_an_error(ask: Ask, address: str, query: str) -> None:
    """ "if optional is not true, the server returns an error instead of the graph output"."""
    answer = ask(address, query)
    assert (answer.status_code, answer.json()["data"]) == (422, None)
    (error,) = answer.json()["errors"]
    assert error["extensions"]["resource"]["issue"][0]["code"] == "not-found"
    assert "none" not in error["message"]


_FAR: list[tuple[str, bool]] = [
    ("{base}/Organization/clinic", True),
    ("{base}/Organization/clinic/_history/1", True),
    ("Organization/clinic/_history/7", False),
    ("http://elsewhere.example/fhir/Organization/clinic", False),
    ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", False),
    ("Organization/removed", False),
]


@pytest.mark.parametrize(("reference", "is_found"), _FAR)
def test_only_this_server_is_asked(
    client: httpx.Client, ask: Ask, base_url: str, reference: str, is_found: bool
) -> None:
    """An absolute reference to this server is resolved; other servers, lost versions, deleted ones not."""
    client.put("/Organization/removed", json={"resourceType": "Organization", "id": "removed", "name": "R"})
    client.delete("/Organization/removed")
    reference = reference.format(base=base_url)
    device = {"resourceType": "Device", "id": "d", "owner": {"reference": reference}}
    assert client.put("/Device/d", json=device).status_code in (200, 201)
    found = ask("/Device/d", "{ owner { resource(optional: true, type: Organization) { name } } }")
    assert found.json()["data"] == {"owner": {"resource": {"name": "The Clinic"}} if is_found else {}}
