"""create and conditional create (https://hl7.org/fhir/R4/http.html#create)."""

import asyncio
import json

import httpx
import pytest

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": "1"}], "active": True}


@pytest.mark.feature("http.create", "http.headers")
def test_the_server_gives_id_version_and_time(client: httpx.Client) -> None:
    """What is created has a new id, version 1, and says so in headers and body."""
    answer = client.post("/Patient", json={**PATIENT, "id": "ignored", "meta": {"versionId": "7"}})
    body = answer.json()
    assert answer.status_code == 201
    assert body["id"] != "ignored"
    assert body["meta"]["versionId"] == "1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"{client.base_url}Patient/{body['id']}/_history/1"
    assert "last-modified" in answer.headers


@pytest.mark.parametrize(
    ("preference", "expected"),
    [("minimal", None), ("representation", "Patient"), ("OperationOutcome", "OperationOutcome")],
)
@pytest.mark.feature("http.prefer.return")
def test_prefer_return_chooses_the_body(client: httpx.Client, preference: str, expected: str | None) -> None:
    """https://hl7.org/fhir/R4/http.html#return: minimal has no body, the others have what they say."""
    answer = client.post("/Patient", json=PATIENT, headers={"prefer": f"return={preference}"})
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else None) == expected


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"[]", 400, "structure"),
        (b"{", 400, "structure"),
        (b'{"resourceType":"Observation"}', 400, "structure"),
        (b'{"resourceType":"Patient","nonsense":1}', 400, "structure"),
        (b'{"resourceType":"Patient","gender":"bogus"}', 422, "code-invalid"),
    ],
)
@pytest.mark.feature("http.create", "http.errors")
def test_what_is_not_a_valid_patient_is_refused(
    client: httpx.Client, content: bytes, status: int, code: str
) -> None:
    """A bad body is answered with the reason, and nothing is stored."""
    before = client.get("/Patient/_history").json().get("entry", [])
    answer = client.post("/Patient", content=content)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["code"] == code
    assert client.get("/Patient/_history").json().get("entry", []) == before


@pytest.mark.feature("http.headers.provenance")
@pytest.mark.parametrize(
    ("method", "path", "version"),
    [
        ("POST", "/Patient", 1),
        ("PUT", "/Patient/told", 1),
        ("PUT", "/Patient/told", 2),
        ("DELETE", "/Patient/told", 3),
    ],
)
def test_a_provenance_in_a_header(client: httpx.Client, method: str, path: str, version: int) -> None:
    """https://hl7.org/fhir/R4/provenance.html#header: it is stored with what is written, as its target."""
    sent = {
        "resourceType": "Provenance",
        "recorded": "2026-11-27T10:00:00Z",
        "agent": [{"who": {"display": f"{method} {version}"}}],
    }
    header = {"x-provenance": json.dumps(sent)}
    assert client.get("/Patient", headers=header).status_code == 200
    person = PATIENT if method == "POST" else {**PATIENT, "id": "told"}
    answer = client.request(method, path, json=person, headers=header)
    address = path[1:] if method != "POST" else f"Patient/{answer.json()['id']}"
    found = client.get(f"/Provenance?target={address}&_sort=-_lastUpdated").json()["entry"][0]["resource"]
    assert found["agent"] == sent["agent"]
    assert found["target"] == [{"reference": f"{address}/_history/{version}"}]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("header", ["x", '{"resourceType": "Provenance"}', '{"resourceType": "Patient"}'])
def test_what_is_no_provenance_in_a_header(client: httpx.Client, header: str, method: str) -> None:
    """It is refused, and nothing is written."""
    before = client.get("/Patient/_history").json()["total"]
    path = "/Patient" if method == "POST" else "/Patient/p"
    answer = client.request(method, path, json=PATIENT, headers={"x-provenance": header})
    assert answer.status_code in (400, 422)
    assert client.get("/Patient/_history").json()["total"] == before


@pytest.mark.feature("http.conditional.create")
def test_conditional_create_makes_one_and_finds_it_again(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/http.html#ccreate: no match creates, one match is answered with 200."""
    person = {**PATIENT, "identifier": [{"system": "urn:test", "value": "conditional"}]}
    headers = {"if-none-exist": "identifier=urn:test|conditional"}
    first = client.post("/Patient", json=person, headers=headers)
    second = client.post("/Patient", json=person, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()


def test_conditional_create_refuses_several_matches(client: httpx.Client) -> None:
    """Several matches are a failed precondition."""
    person = {**PATIENT, "identifier": [{"system": "urn:test", "value": "twice"}]}
    client.post("/Patient", json=person)
    client.post("/Patient", json=person)
    answer = client.post("/Patient", json=person, headers={"if-none-exist": "identifier=urn:test|twice"})
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "multiple-matches"


@pytest.mark.parametrize(
    "criteria", ["", "nonsense=1", "identifier=%ff", "_count=1", "_format=json", "identifier="]
)
@pytest.mark.feature("http.conditional.create")
def test_conditional_create_refuses_bad_criteria(client: httpx.Client, criteria: str) -> None:
    """A condition that is not understood must never count as 'no match'."""
    answer = client.post("/Patient", json=PATIENT, headers={"if-none-exist": criteria})
    assert answer.status_code == 400


@pytest.mark.feature("http.conditional.concurrent")
def test_64_simultaneous_conditional_creates_make_one_resource(base_url: str) -> None:
    """Nobody slips between the search and the create."""
    person = {**PATIENT, "identifier": [{"system": "urn:test", "value": "race"}]}
    headers = {"content-type": "application/fhir+json", "if-none-exist": "identifier=urn:test|race"}

    async def race() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(headers=headers, timeout=60, limits=limits) as http:
            return await asyncio.gather(*(http.post(f"{base_url}/Patient", json=person) for _ in range(64)))

    answers = asyncio.run(race())
    assert sorted(answer.status_code for answer in answers) == [200] * 63 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
