"""Files as Binary resources and back (https://hl7.org/fhir/R4/binary.html#rest)."""

import base64
from typing import Any

import httpx
import pytest

from resources import json_format, xml_format

JSON, XML = "application/fhir+json", "application/fhir+xml"
PDF = b"%PDF-1.4 \x00\xff invented"
pytestmark = pytest.mark.feature("http.binary")


@pytest.fixture(autouse=True, scope="module")
def binary(client: httpx.Client) -> dict[str, Any]:
    """A file that belongs to a patient."""
    body = {
        "resourceType": "Binary",
        "id": "pdf",
        "contentType": "application/pdf",
        "securityContext": {"reference": "Patient/p"},
        "data": base64.b64encode(PDF).decode(),
    }
    client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"}).raise_for_status()
    stored: dict[str, Any] = client.put("/Binary/pdf", json=body).raise_for_status().json()
    return stored


@pytest.mark.parametrize(
    ("accept", "query", "content_type"),
    [
        (None, "", "application/pdf"),
        ("*/*", "", "application/pdf"),
        ("application/pdf", "", "application/pdf"),
        ("application/*;q=0.1", "", "application/pdf"),
        ("text/html, image/png, */*;q=0.1", "", "application/pdf"),
        (JSON, "", f"{JSON}; charset=utf-8"),
        (XML, "", f"{XML}; charset=utf-8"),
        (f"application/pdf, {JSON};q=0.1", "", f"{JSON}; charset=utf-8"),
        ("application/json", "", f"{JSON}; charset=utf-8"),
        ("application/xml, application/pdf;q=0", "", f"{XML}; charset=utf-8"),
        ("*/*", "?_format=json", f"{JSON}; charset=utf-8"),
        ("application/pdf", "?_format=xml", f"{XML}; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("path", ["/Binary/pdf", "/Binary/pdf/_history/1"])
def test_content_unless_fhir_is_named(
    client: httpx.Client, binary: dict[str, Any], path: str, accept: str | None, query: str, content_type: str
) -> None:
    """The content in its own type, unless the client names FHIR's types or takes no other."""
    request = client.build_request("GET", f"{path}{query}")
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    answer = client.send(request)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    parsers = {JSON: json_format.parse, XML: xml_format.parse}
    parse = parsers.get(content_type.partition(";")[0])
    assert answer.content == PDF if parse is None else parse(answer.content) == binary


def test_a_file_is_safe_to_hand_out(client: httpx.Client) -> None:
    """A browser saves it, guesses nothing about it and runs nothing of it; the record keeps its version."""
    answer = client.get("/Binary/pdf")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-security-context"] == "Patient/p"
    assert answer.headers["etag"] == 'W/"1"'
    assert client.get("/Binary/pdf", headers={"if-none-match": 'W/"1"'}).status_code == 304
    head = client.head("/Binary/pdf")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(PDF)))


@pytest.mark.parametrize("accept", ["image/png", "text/html"])
def test_a_client_that_takes_neither_is_refused(client: httpx.Client, accept: str) -> None:
    """406 if neither the content nor a resource is accepted."""
    assert client.get("/Binary/pdf", headers={"accept": accept}).status_code == 406


def test_what_is_not_there_is_told_in_fhir(client: httpx.Client) -> None:
    """A missing or deleted Binary is an OperationOutcome, whatever is accepted."""
    answer = client.get("/Binary/none", headers={"accept": "application/pdf"})
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


CDA = b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>"


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/pdf", PDF),
        ("text/plain; charset=utf-8", "naïve".encode()),
        ("application/xml", CDA),
        ("application/json", b'{"a": 1}'),
        ("application/json", b"{not json"),
        (JSON, b'{"resourceType":"Patient","active":true}'),
        ("text/plain", b""),
        ('multipart/related; boundary="a b"; type="text/plain"', b"--a b--"),
    ],
)
def test_a_file_comes_back_as_it_was_sent(client: httpx.Client, content_type: str, content: bytes) -> None:
    """Whatever is sent is kept byte for byte, with its type and the context that guards it."""
    headers = {"content-type": content_type, "x-security-context": "Patient/p", "accept": JSON}
    created = client.post("/Binary", content=content, headers=headers)
    assert created.status_code == 201, created.text
    assert created.json()["securityContext"] == {"reference": "Patient/p"}
    answer = client.get(f"/Binary/{created.json()['id']}")
    assert (answer.content, answer.headers["content-type"]) == (content, content_type)
    put = client.put("/Binary/put", content=content, headers=headers)
    assert put.status_code in (200, 201)
    assert client.get("/Binary/put").content == content


@pytest.mark.parametrize(("content_type", "dumps"), [(JSON, json_format.dumps), (XML, xml_format.dumps)])
def test_a_binary_resource_is_taken_as_one(
    client: httpx.Client, binary: dict[str, Any], content_type: str, dumps: Any
) -> None:
    """The special case of the text: what is sent is a Binary already."""
    answer = client.post("/Binary", content=dumps(binary), headers={"content-type": content_type})
    assert client.get(f"/Binary/{answer.json()['id']}").content == PDF


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "nonsense"}, b"x", 415),
        ({"content-type": ""}, b"x", 415),
        ({"content-type": JSON}, b"{", 400),
        ({"content-type": XML}, CDA, 400),
        ({"content-type": "text/plain", "x-security-context": "not a reference"}, b"x", 400),
        ({"content-type": "application/pdf"}, b"x" * 13_000_000, 413),
    ],
)
def test_what_cannot_be_kept_is_refused(
    client: httpx.Client, headers: dict[str, str], content: bytes, status: int
) -> None:
    """A body without a type, one that is not the FHIR that it claims to be, a file of more than 12 MB."""
    answer = client.post("/Binary", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_stored_type_cannot_add_headers(client: httpx.Client) -> None:
    """A contentType that is no media type is not repeated."""
    body = {"resourceType": "Binary", "id": "odd", "contentType": "text/html; not a parameter"}
    client.put("/Binary/odd", json=body).raise_for_status()
    answer = client.get("/Binary/odd")
    assert answer.headers["content-type"] == "application/octet-stream"


def test_others_are_not_files(client: httpx.Client) -> None:
    """Only a Binary is taken and given as a file."""
    assert (
        client.post("/Patient", content=PDF, headers={"content-type": "application/pdf"}).status_code == 415
    )
    assert client.get("/Patient/p", headers={"accept": "application/pdf"}).status_code == 406
