"""Operations as entries of batches and transactions (https://hl7.org/fhir/R4/http.html#trules)."""

from typing import Any

import httpx
import pytest

Entry = dict[str, Any]

_PATIENT = {
    "resourceType": "Patient",
    "id": "in-b",
    "name": [{"family": "Inb", "given": ["Ina"]}],
    "birthDate": "1970-01-02",
}
_OBSERVATION = {
    "resourceType": "Observation",
    "id": "in-o",
    "meta": {"tag": [{"system": "urn:in", "code": "bundle"}]},
    "status": "final",
    "code": {"coding": [{"code": "c"}]},
    "subject": {"reference": "Patient/in-b"},
}
_COMPOSITION = {
    "resourceType": "Composition",
    "id": "in-c",
    "status": "final",
    "type": {"text": "x"},
    "date": "2020",
    "title": "x",
    "subject": {"reference": "Patient/in-b"},
    "author": [{"reference": "Patient/in-b"}],
}


def _put(resource: dict[str, Any]) -> Entry:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}}


def _call(method: str, url: str, resource: dict[str, Any] | None = None) -> Entry:
    entry: Entry = {"request": {"method": method, "url": url}}
    return entry if resource is None else {**entry, "resource": resource}


_WRITES = [_put(_PATIENT), _put(_OBSERVATION), _put(_COMPOSITION)]
_READS = [
    (_call("GET", "Patient/in-b/$everything"), "Bundle"),
    (_call("GET", "Patient/$everything?_type=Observation"), "Bundle"),
    (_call("GET", "Observation/$lastn?patient=in-b&code=c"), "Bundle"),
    (_call("GET", "Composition/in-c/$document"), "Bundle"),
    (_call("GET", "Observation/in-o/$meta"), "Parameters"),
    (_call("GET", "Observation/$meta"), "Parameters"),
    (_call("GET", "$meta"), "Parameters"),
    (_call("POST", "Patient/$match", _PATIENT), "Bundle"),
    (_call("POST", "$convert", _PATIENT), "Patient"),
]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.feature("operation.in-transaction")
def test_reading_operations(client: httpx.Client, kind: str) -> None:
    """Operations that change nothing may be entries, and see what the bundle itself has stored."""
    for resource in (_OBSERVATION, _COMPOSITION, _PATIENT):
        client.delete(f"/{resource['resourceType']}/{resource['id']}")
    entries = [*(call for call, _ in _READS), *_WRITES]
    answer = client.post("", json={"resourceType": "Bundle", "type": kind, "entry": entries})
    assert answer.status_code == 200, answer.text
    answers = answer.json()["entry"]
    for found, (call, resource_type) in zip(answers, _READS, strict=False):
        assert found["response"]["status"] == "200 OK", (call, found)
        assert found["resource"]["resourceType"] == resource_type
    everything, _, latest, document, meta, tags, _, matches, _ = (
        found["resource"] for found in answers[: len(_READS)]
    )
    assert [entry["resource"]["id"] for entry in everything["entry"]] == ["in-b", "in-c", "in-o"]
    assert [entry["resource"]["id"] for entry in latest["entry"]] == ["in-o"]
    assert [entry["resource"]["id"] for entry in document["entry"]] == ["in-c", "in-b"]
    assert meta["parameter"][0]["valueMeta"]["tag"] == tags["parameter"][0]["valueMeta"]["tag"]
    if kind == "transaction":  # in a batch what is posted comes before what is put
        assert matches["entry"][0]["resource"]["id"] == "in-b"


@pytest.mark.parametrize(
    "call",
    [
        _call("POST", "Patient/in-b/$meta-add", {"resourceType": "Parameters"}),
        _call("POST", "Composition/in-c/$document?persist=true"),
        _call("GET", "Composition/in-c/$document?persist=true"),
        _call("GET", "Patient/in-b/$nonsense"),
    ],
)
def test_changing_operations_are_no_part_of_a_transaction(client: httpx.Client, call: Entry) -> None:
    """An operation that changes something fails the transaction, and nothing is stored."""
    client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": _WRITES})
    before = client.get("/Bundle?type=document").json()["total"]
    new = _put({"resourceType": "Patient", "id": "in-new"})
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [new, call]})
    assert answer.status_code == 400, answer.text
    assert "Bundle.entry[1]" in answer.text
    assert client.get("/Patient/in-new").status_code == 404
    assert client.get("/Bundle?type=document").json()["total"] == before


def test_a_document_is_stored_in_a_batch(client: httpx.Client) -> None:
    """In a batch a document may be stored, and the answer says where."""
    client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": _WRITES})
    call = _call("POST", "Composition/in-c/$document?persist=true")
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [call]}).json()
    [found] = answer["entry"]
    assert found["response"]["location"].endswith(f"/Bundle/{found['resource']['id']}")
