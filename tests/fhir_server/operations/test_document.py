"""Composition/$document (https://hl7.org/fhir/R4/composition-operation-document.html)."""

import re
from typing import Any

import httpx
import pytest

from resources.validation import validate
from tests.fhir_server.search.searching import store

Resource = dict[str, Any]


def _reference(name: str) -> Resource:
    return {"reference": name}


def _composition(resource_id: str, **elements: Any) -> Resource:
    return {
        "resourceType": "Composition",
        "id": resource_id,
        "status": "final",
        "type": {"text": "Discharge summary"},
        "date": "2020-05-03",
        "title": "Discharge summary",
        "author": [_reference("Practitioner/doc-dr")],
        **elements,
    }


def _basic(resource_id: str) -> Resource:
    return {"resourceType": "Basic", "id": resource_id, "code": {"text": resource_id}}


@pytest.fixture(scope="module")
def files(client: httpx.Client) -> httpx.Client:
    """A client of a server with a Composition and what it refers to, directly and indirectly."""
    whole = _composition(
        "whole",
        subject=_reference("Patient/doc-p"),
        attester=[{"mode": "legal", "party": _reference(f"{client.base_url}Practitioner/doc-dr")}],
        custodian=_reference("Organization/doc-org"),
        relatesTo=[{"code": "appends", "targetIdentifier": {"value": "older"}}],
        contained=[{"resourceType": "Basic", "id": "inside", "code": {"text": "x"}}],
        extension=[{"url": "urn:x", "valueReference": _reference("Basic/b-extension")}],
        section=[
            {
                "entry": [_reference("Basic/b1"), _reference("#inside"), _reference("Basic/b2/_history/1")],
                "section": [
                    {"entry": [_reference("Basic/b3"), _reference("Basic/b1"), {"display": "paper"}]}
                ],
            },
            {"entry": [_reference("Basic/b1/_history/1"), _reference("Composition/whole")]},
        ],
    )
    resources: list[Resource] = [
        {"resourceType": "Practitioner", "id": "doc-dr"},
        {"resourceType": "Organization", "id": "doc-parent"},
        {"resourceType": "Organization", "id": "doc-org", "partOf": _reference("Organization/doc-parent")},
        {
            "resourceType": "Patient",
            "id": "doc-p",
            "generalPractitioner": [_reference("Practitioner/unseen")],
        },
        *(_basic(name) for name in ("b1", "b2", "b3", "b-extension")),
        whole,
        _composition(
            "broken",
            subject=_reference("Patient/nobody"),
            custodian=_reference("http://elsewhere.example/fhir/Organization/1"),
            section=[{"entry": [_reference("Basic/b2/_history/9"), _reference("Basic/b1")]}],
        ),
    ]
    store(client, resources)
    store(client, [{**_basic("b2"), "created": "2020-05-03"}])
    return client


_CONTENT = [
    *(
        "Composition/whole",
        "Basic/b-extension",
        "Patient/doc-p",
        "Practitioner/doc-dr",
        "Organization/doc-org",
    ),
    *("Basic/b1", "Basic/b2", "Basic/b3"),
]


def _names(bundle: Resource) -> list[str]:
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle["entry"]]


@pytest.mark.workflow("0-34")
@pytest.mark.feature("operation.document")
def test_a_document(files: httpx.Client) -> None:
    """The Composition comes first, then all that it refers to, once each, and nothing further."""
    answer = files.get("/Composition/whole/$document")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert validate(bundle) == []
    assert bundle["type"] == "document"
    assert _names(bundle)[0] == "Composition/whole"
    assert sorted(_names(bundle)) == sorted(_CONTENT)
    assert bundle["identifier"]["system"] == "urn:ietf:rfc:3986"
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bundle["identifier"]["value"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", bundle["timestamp"])
    for entry, name in zip(bundle["entry"], _names(bundle), strict=True):
        assert entry["fullUrl"] == f"{files.base_url}{name}"
    b2 = next(entry["resource"] for entry in bundle["entry"] if entry["fullUrl"].endswith("/Basic/b2"))
    assert b2["meta"]["versionId"] == "1"
    assert "created" not in b2
    assert "location" not in answer.headers


@pytest.mark.parametrize("which", ["whole", "Composition/whole", "{base}Composition/whole"])
def test_by_the_id(files: httpx.Client, which: str) -> None:
    """On the type the Composition is named by its id or address, in the address or in Parameters."""
    name = which.format(base=files.base_url)
    by_get = files.get("/Composition/$document", params={"id": name})
    assert sorted(_names(by_get.json())) == sorted(_CONTENT)
    body = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueUri": name}]}
    by_post = files.post("/Composition/$document", json=body)
    assert _names(by_post.json()) == _names(by_get.json())


@pytest.mark.feature("operation.document.persist")
def test_a_document_that_is_stored(files: httpx.Client) -> None:
    """With persist the same Bundle is stored, and Location says where."""
    answer = files.post("/Composition/whole/$document?persist=true")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert answer.headers["location"] == f"{files.base_url}Bundle/{bundle['id']}"
    assert sorted(_names(bundle)) == sorted(_CONTENT)
    assert files.get(f"/Bundle/{bundle['id']}").json() == bundle
    assert files.get(f"/Bundle?identifier={bundle['identifier']['value']}").json()["total"] == 1
    for method in ("GET", "HEAD"):
        refused = files.request(method, "/Composition/whole/$document?persist=true")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert files.get("/Composition/whole/$document?persist=false").status_code == 200


def test_what_is_not_to_be_had_is_said(files: httpx.Client) -> None:
    """A reference that leads nowhere or elsewhere is an error, each with an issue of its own."""
    answer = files.get("/Composition/broken/$document")
    assert answer.status_code == 422
    issues = answer.json()["issue"]
    assert [(issue["code"], issue["diagnostics"][:45]) for issue in issues] == [
        ("not-found", "The Composition refers to Patient/nobody, whi"),
        ("not-supported", "The Composition refers to something on anothe"),
        ("not-found", "The Composition refers to Basic/b2, which is "),
    ]
    assert files.get("/Bundle?type=document").json().get("total") in (0, 1)


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        ("/Composition/none/$document", 404, "There is no Composition/none"),
        ("/Composition/$document", 400, "parameter id is missing"),
        ("/Composition/$document?id=none", 404, "There is no Composition/none"),
        ("/Composition/$document?id=http://elsewhere.example/fhir/Composition/1", 400, "parameter id"),
        ("/Composition/$document?id=Patient/1", 400, "parameter id"),
        ("/Composition/$document?id=a b", 400, "An id is"),
        ("/Composition/$document?id=whole&id=whole", 400, "parameter id"),
        ("/Composition/whole/$document?id=whole", 400, "parameter id"),
        ("/Composition/whole/$document?persist=perhaps", 400, "parameter persist"),
        ("/Composition/whole/$document?graph=http://example.org/GraphDefinition/1", 400, "parameter graph"),
        ("/Composition/whole/$document?other=1", 400, "'other'"),
    ],
)
def test_what_is_wrong_is_said(files: httpx.Client, address: str, status: int, text: str) -> None:
    """Compositions that are not there and malformed inputs are refused by name."""
    answer = files.get(address)
    assert answer.status_code == status, answer.text
    assert text in answer.text


def test_a_document_has_a_bound(files: httpx.Client) -> None:
    """A Composition that refers to more than a document may have is refused."""
    entries = [_reference(f"Basic/many-{number}") for number in range(5_001)]
    store(files, [_composition("large", section=[{"entry": entries}])])
    answer = files.get("/Composition/large/$document")
    assert answer.status_code == 422
    assert "5000 resources" in answer.text
