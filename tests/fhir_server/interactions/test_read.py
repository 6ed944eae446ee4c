"""read, vread and conditional read (https://hl7.org/fhir/R4/http.html#read)."""

from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def patient(client: httpx.Client) -> dict[str, Any]:
    """A patient in its second version."""
    client.put("/Patient/read", json={"resourceType": "Patient", "id": "read", "active": True})
    second = client.put("/Patient/read", json={"resourceType": "Patient", "id": "read", "active": False})
    body: dict[str, Any] = second.json()
    return body


@pytest.mark.feature("http.read", "http.headers")
@pytest.mark.feature("http.read")
def test_read_gives_the_newest_version(client: httpx.Client, patient: dict[str, Any]) -> None:
    """The body is what was stored last, the headers name its version."""
    answer = client.get("/Patient/read")
    assert answer.status_code == 200
    assert answer.json() == patient
    assert answer.headers["etag"] == 'W/"2"'
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"


@pytest.mark.feature("http.vread")
def test_vread_gives_each_version(client: httpx.Client, patient: dict[str, Any]) -> None:
    """Old versions stay readable."""
    assert client.get("/Patient/read/_history/1").json()["active"] is True
    assert client.get("/Patient/read/_history/2").json() == patient


@pytest.mark.parametrize("version", ["3", "0", "x", "99999999999", "-1"])
@pytest.mark.feature("http.vread")
def test_vread_of_no_such_version_is_404(client: httpx.Client, patient: dict[str, Any], version: str) -> None:
    """Whatever is not the number of a version is not found."""
    assert client.get(f"/Patient/read/_history/{version}").status_code == 404


@pytest.mark.feature("http.head")
def test_head_is_get_without_a_body(client: httpx.Client, patient: dict[str, Any]) -> None:
    """HEAD has the headers of GET."""
    head, get = client.head("/Patient/read"), client.get("/Patient/read")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["etag"] == get.headers["etag"]
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("if-none-match", 'W/"2"', 304),
        ("if-none-match", '"2"', 304),
        ("if-none-match", 'W/"1", W/"2"', 304),
        ("if-none-match", "*", 304),
        ("if-none-match", 'W/"1"', 200),
        ("if-none-match", "???", 400),
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT", 200),
        ("if-modified-since", "not a date", 200),
    ],
)
@pytest.mark.feature("http.conditional.read")
def test_conditional_read(
    client: httpx.Client, patient: dict[str, Any], header: str, value: str, status: int
) -> None:
    """https://hl7.org/fhir/R4/http.html#cread: 304 without a body if the client has the version."""
    answer = client.get("/Patient/read", headers={header: value})
    assert answer.status_code == status
    assert bool(answer.content) == (status != 304)


@pytest.mark.feature("http.headers")
def test_last_modified_can_be_sent_back(client: httpx.Client, patient: dict[str, Any]) -> None:
    """The date of an answer, sent as If-Modified-Since, gets 304."""
    date = client.get("/Patient/read").headers["last-modified"]
    assert client.get("/Patient/read", headers={"if-modified-since": date}).status_code == 304


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/Patient/unknown", 404, "not-found"),
        ("/Nonsense/1", 404, "not-supported"),
        ("/patient/1", 404, "not-supported"),
        ("/Patient/a_b", 400, "value"),
        (f"/Patient/{'x' * 65}", 400, "value"),
        ("/Patient/1/2", 404, "not-found"),
        ("/Patient/1/_history/1/2", 404, "not-found"),
        ("/Patient/1/$nonsense", 404, "not-supported"),
    ],
)
@pytest.mark.feature("http.read.deleted")
def test_what_is_not_there(client: httpx.Client, path: str, status: int, code: str) -> None:
    """Each wrong address is told why it is wrong."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (status, code)


@pytest.mark.feature("http.read.summary")
@pytest.mark.feature("http.read.elements")
@pytest.mark.parametrize(
    ("query", "present"),
    [
        ("", {"name", "text", "active", "contact", "gender"}),
        ("_summary=false", {"name", "text", "active", "contact", "gender"}),
        ("_summary=true", {"name", "active", "gender"}),
        ("_summary=text", {"text"}),
        ("_summary=data", {"name", "active", "contact", "gender"}),
        ("_elements=name", {"name", "active"}),
        ("_elements=gender,contact", {"gender", "active", "contact"}),
    ],
)
@pytest.mark.parametrize("path", ["/Patient/part", "/Patient/part/_history/1", "/Patient/part/_history"])
def test_a_part_of_the_resource(client: httpx.Client, path: str, query: str, present: set[str]) -> None:
    """https://hl7.org/fhir/R4/http.html#parameters: what a part has is tagged, and keeps modifiers."""
    body = {
        "resourceType": "Patient",
        "id": "part",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Invented</div>'},
        "active": True,
        "name": [{"family": "Invented"}],
        "gender": "other",
        "contact": [{"name": {"family": "Other"}}],
    }
    if client.get("/Patient/part").status_code == 404:
        client.put("/Patient/part", json=body).raise_for_status()
    found = client.get(f"{path}?{query}").json()
    found = found["entry"][0]["resource"] if found["resourceType"] == "Bundle" else found
    assert found.keys() == {"resourceType", "id", "meta"} | present
    assert ("tag" in found["meta"]) == (query not in ("", "_summary=false"))


@pytest.mark.parametrize("query", ["_summary=count", "_summary=x", "_elements=nonsense", "nonsense=1"])
@pytest.mark.parametrize(
    "path", ["/Patient/read", "/Patient/read/_history/1", "/Patient/read/_history", "/_history"]
)
def test_malformed_parts_are_refused(
    client: httpx.Client, patient: dict[str, Any], path: str, query: str
) -> None:
    """What is not understood is an error."""
    assert client.get(f"{path}?{query}").status_code == 400
