"""The HTTP face: formats, methods, limits (https://hl7.org/fhir/R4/http.html#mime-type)."""

import json
import socket
from typing import Any

import httpx
import pytest

from fhir_server.routes import ROUTES
from resources import xml_format

PATIENT = b'{"resourceType":"Patient","id":"http","multipleBirthInteger":2}'


@pytest.fixture(autouse=True, scope="module")
def patient(client: httpx.Client) -> None:
    """A patient to read."""
    client.put("/Patient/http", content=PATIENT).raise_for_status()


JSON = "application/fhir+json"
XML = "application/fhir+xml"


@pytest.mark.feature("http.format.accept")
@pytest.mark.feature("http.format.parameter")
@pytest.mark.parametrize(
    ("accept", "query", "status", "format_"),
    [
        ("application/fhir+json", "", 200, JSON),
        ("application/json", "", 200, JSON),
        ("application/fhir+xml", "", 200, XML),
        ("text/xml", "", 200, XML),
        ("*/*", "", 200, JSON),
        ("application/fhir+xml;q=0.5, application/fhir+json;q=0.4", "", 200, XML),
        ("application/fhir+xml;q=0.5, */*", "", 200, JSON),
        ("application/xml;q=0.9, */*;q=0.8", "", 200, XML),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "", 200, JSON),
        ("text/html, application/fhir+xml, */*;q=0.8", "", 200, XML),
        ("text/html", "", 406, JSON),
        ("application/fhir+xml; charset=utf-8", "", 200, XML),
        ("APPLICATION/FHIR+XML", "", 200, XML),
        ("application/xml+fhir", "", 200, XML),
        ("application/fhir+xml; fhirVersion=4.0; q=0.1, application/fhir+json; q=0.2", "", 200, JSON),
        ("application/fhir+json; q=nonsense", "", 406, JSON),
        ("application/fhir+json; fhirVersion=4.0", "", 200, JSON),
        ("application/fhir+json; fhirVersion=3.0", "", 406, JSON),
        ("text/csv", "", 406, JSON),
        ("text/turtle", "", 406, JSON),
        ("application/json;q=0", "", 406, JSON),
        ("text/csv", "_format=json", 200, JSON),
        ("application/json", "_format=xml", 200, XML),
        ("application/json", "_format=text/xml", 200, XML),
        ("application/json", "_format=application/fhir%2Bxml", 200, XML),
        ("application/xml", "_format=application/fhir%2Bjson", 200, JSON),
        ("application/xml", "_format=application/fhir+json", 200, JSON),
        ("application/json", "_format=ttl", 406, JSON),
        ("application/json", "_format=html", 406, JSON),
        ("application/json", "_format=text/html", 406, JSON),
        ("application/xml", "_format=text/json", 200, JSON),
        ("application/json", "_format=XML", 200, XML),
        ("application/json", "_format=application/xml", 200, XML),
        ("application/json", "_format=application/fhir+xml", 200, XML),
        ("application/json", "_format=application/xml+fhir", 200, XML),
        ("application/json", "_format=application/fhir%2Bxml;fhirVersion=4.0", 200, XML),
        ("application/json", "_format=application/fhir+xml;fhirVersion=3.0", 406, JSON),
        ("application/xml", "_format=", 200, XML),
    ],
)
@pytest.mark.feature("http.format.json", "http.format.xml")
def test_the_answer_is_in_a_format_the_client_takes(
    client: httpx.Client, accept: str, query: str, status: int, format_: str
) -> None:
    """Accept says what may come back, by its weights; _format overrides it."""
    answer = client.get(f"/Patient/http?{query}", headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == f"{format_}; charset=utf-8"


@pytest.mark.feature("http.format.content-type")
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/fhir+json; fhirVersion=4.0.1", 200),
        ("application/fhir+json; fhirVersion=5.0", 415),
        ("application/fhir+xml", 400),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_bodies_are_read_as_what_they_are_said_to_be(
    client: httpx.Client, content_type: str, status: int
) -> None:
    """A body whose type is not JSON is refused before it is read."""
    answer = client.put("/Patient/http", content=PATIENT, headers={"content-type": content_type})
    assert answer.status_code == status


def test_compressed_bodies_are_refused(client: httpx.Client) -> None:
    """A small body that unpacks to a large one cannot happen."""
    answer = client.put("/Patient/http", content=PATIENT, headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.feature("http.format.accept")
@pytest.mark.parametrize("path", ["/Patient/none", "/Nonsense", "/Patient?nonsense=1", "/Patient?_x=%ff"])
@pytest.mark.feature("http.errors")
def test_errors_are_told_in_the_format_that_is_accepted(client: httpx.Client, path: str) -> None:
    """An OperationOutcome is a resource like any other, also where the query cannot be read."""
    answer = client.get(path, headers={"accept": XML})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == f"{XML}; charset=utf-8"
    assert xml_format.parse(answer.content)["resourceType"] == "OperationOutcome"


@pytest.mark.feature("http.pretty")
def test_pretty(client: httpx.Client) -> None:
    """_pretty=true indents."""
    pretty = client.get("/Patient/http?_pretty=true")
    assert pretty.text.startswith('{\n  "resourceType"')
    assert pretty.json() == client.get("/Patient/http").json()


@pytest.mark.feature("http.pretty")
@pytest.mark.parametrize(("value", "status"), [("false", 200), ("", 200), ("1", 400), ("True", 400)])
def test_pretty_is_true_or_false(client: httpx.Client, value: str, status: int) -> None:
    """Another value is an error that says so."""
    answer = client.get(f"/Patient/http?_pretty={value}")
    assert answer.status_code == status
    assert status == 200 or "_pretty" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.feature("http.options")
def test_options_says_what_each_address_takes(client: httpx.Client) -> None:
    """OPTIONS answers with the methods of the route table, and is none of them itself."""
    for pattern, methods in ROUTES.items():
        path = "/".join(pattern).format(type="Patient", id="1", vid="1", member="Observation", job="1")
        answer = client.options(f"/{path}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allow"] == ", ".join(methods)
    assert client.options("/Nonsense").status_code == 404


@pytest.mark.feature("http.head")
def test_head_is_everywhere_where_get_is() -> None:
    """https://hl7.org/fhir/R4/http.html#head: any GET may be asked for its headers alone."""
    assert all(("GET" in methods) == ("HEAD" in methods) for methods in ROUTES.values())


@pytest.mark.feature("http.parameters.unknown")
@pytest.mark.feature("http.prefer.handling")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/Patient/http", "/Patient/http/_history/1", "/metadata")),
        *(("GET", path) for path in ("/Patient", "/Patient/http/_history", "/_history")),
        *(("PUT", "/Patient/http"), ("POST", "/Patient"), ("DELETE", "/Patient/unknown")),
    ],
)
def test_unknown_parameters_are_refused_unless_lenience_is_asked_for(
    client: httpx.Client, method: str, path: str
) -> None:
    """On every interaction, as in a search: a misspelt parameter would change what the answer means."""
    content = PATIENT if method in ("PUT", "POST") else None
    strict = client.request(method, f"{path}?nonsense=1", content=content)
    assert (strict.status_code, strict.json()["issue"][0]["code"]) == (400, "not-supported")
    lenient = {"prefer": "handling=lenient"}
    answer = client.request(method, f"{path}?nonsense=1", content=content, headers=lenient)
    assert answer.status_code in (200, 201, 204)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/Patient/http", "GET, HEAD, PUT, PATCH, DELETE"),
        ("TRACE", "/Patient", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("DELETE", "/metadata", "GET, HEAD"),
        ("DELETE", "", "GET, HEAD, POST"),
    ],
)
def test_methods_that_an_address_does_not_take(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    """405 names the methods that are taken."""
    answer = client.request(method, path, content=PATIENT)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.feature("http.headers.request-id")
def test_every_answer_has_a_number(client: httpx.Client) -> None:
    """The number in the log is in the answer as well."""
    numbers = {client.get("/Patient/http").headers["x-request-id"] for _ in range(3)}
    assert len(numbers) == 3


@pytest.mark.feature("http.headers.request-id")
@pytest.mark.parametrize(
    ("sent", "told"), [("my-Request.1", "my-Request.1"), ("a b", None), ("x" * 65, None)]
)
def test_the_number_of_the_client_comes_back(client: httpx.Client, sent: str, told: str | None) -> None:
    """https://hl7.org/fhir/R4/http.html#custom: as X-Correlation-Id beside our own, if it is an id."""
    headers = client.get("/Patient/http", headers={"x-request-id": sent}).headers
    assert headers.get("x-correlation-id") == told
    assert headers["x-request-id"] != sent


@pytest.mark.feature("http.caching")
def test_records_stay_out_of_shared_caches(client: httpx.Client) -> None:
    """Answers are private."""
    assert "private" in client.get("/Patient/http").headers["cache-control"]


def test_health(client: httpx.Client) -> None:
    """Two addresses for those who watch the server."""
    root = str(client.base_url).replace("/fhir/", "")
    assert httpx.get(f"{root}/health/live").json() == {"status": "up"}
    assert httpx.get(f"{root}/health/ready").json() == {"status": "up", "database": "up"}


def test_addresses_outside_the_interface_answer_in_fhir_too(client: httpx.Client) -> None:
    """What the framework refuses is an OperationOutcome, and the front door leads to the interface."""
    root = str(client.base_url).replace("/fhir/", "")
    missing = httpx.get(f"{root}/nothing")
    assert (missing.status_code, missing.json()["resourceType"]) == (404, "OperationOutcome")
    assert httpx.get(root, follow_redirects=True).json()["resourceType"] == "CapabilityStatement"


@pytest.mark.feature("http.capabilities")
def test_capabilities(client: httpx.Client) -> None:
    """The statement lists all 146 types, and what can be done with each."""
    statement = client.get("/metadata").json()
    resources: list[dict[str, Any]] = statement["rest"][0]["resource"]
    assert statement["fhirVersion"] == "4.0.1"
    assert len(resources) == 146
    assert all(len(resource["interaction"]) == 9 for resource in resources)


def test_every_search_parameter_that_is_promised_is_understood(client: httpx.Client) -> None:
    """A promise is checked by asking whether the parameter is missing, which each of them can be asked."""
    for resource in client.get("/metadata").json()["rest"][0]["resource"][::7]:
        for parameter in resource["searchParam"]:
            if parameter["type"] != "composite":
                query = f"{parameter['name']}:missing=false&_count=0"
                answer = client.get(f"/{resource['type']}?{query}")
                assert answer.status_code == 200, (resource["type"], parameter["name"], answer.text)


def test_a_body_above_the_limit_is_refused_before_it_is_read(client: httpx.Client) -> None:
    """100 MB are refused by their announced length."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
        head = "POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 104857600\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_above_the_limit_is_refused(client: httpx.Client) -> None:
    """A body of unknown length is read up to the limit only."""
    chunk = b" " * 1_000_000

    def chunks() -> Any:
        for _ in range(100):
            yield chunk

    try:
        assert client.post("/Patient", content=chunks()).status_code == 413
    except httpx.WriteError:
        # The server closed the connection in the middle of the body, as it may.
        assert client.get("/Patient/http").status_code == 200


@pytest.mark.feature("http.errors")
def test_an_outcome_for_a_wrong_path_is_fhir_too(client: httpx.Client) -> None:
    """Errors are OperationOutcomes everywhere below the base."""
    for path in ("/%00", "/Patient//x", "/a/b/c/d/e", "/Patient/%2e%2e"):
        answer = client.get(path)
        assert 400 <= answer.status_code < 500
        assert json.loads(answer.content)["resourceType"] == "OperationOutcome"
