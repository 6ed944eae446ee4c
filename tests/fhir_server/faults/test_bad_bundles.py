"""Batches and transactions with anything in any place: refused as a whole, or entry by entry, nothing stored.

https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html
"""

import json
from typing import Any

import pytest

from tests.fhir_server.faults.raw_http import Answer, send_json
from tests.fhir_server.faults.refusals import CANARY

pytestmark = pytest.mark.usefixtures("nothing_stored")

JsonValue = Any

VALUES: tuple[JsonValue, ...] = (
    None,
    True,
    5,
    -0.5,
    CANARY,
    "",
    [],
    {},
    [[]],
    [None],
    [5],
    [{}],
    {"a": None},
    {"resourceType": "Patient"},
)
KINDS = ("batch", "transaction")

# Everything but the Bundle's type that has another meaning than its JSON type says.
ELEMENTS = ("entry", "id", "meta", "identifier", "total", "timestamp", "link", "signature", "language")
ENTRY_ELEMENTS = ("request", "fullUrl", "search", "response", "link", "extension", "id", "modifierExtension")
REQUEST_ELEMENTS = (
    "method",
    "url",
    "ifMatch",
    "ifNoneMatch",
    "ifNoneExist",
    "ifModifiedSince",
    "_method",
    "_url",
    "_ifNoneExist",
    "extension",
)

PATIENT = {"resourceType": "Patient", "active": True}
GOOD = {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}


def bundle(kind: str, entry: JsonValue) -> dict[str, JsonValue]:
    """Return a Bundle whose `entry` is anything."""
    return {"resourceType": "Bundle", "type": kind, "entry": entry}


def post(port: int, body: JsonValue) -> Answer:
    """Post a Bundle, and check what holds for every answer."""
    answer = send_json(port, "POST", "/fhir", json.dumps(body).encode())
    assert answer is not None
    assert answer.status < 500, (answer.status, body)
    assert CANARY.encode() not in answer.body, answer.body[:500]
    return answer


def refused(port: int, body: JsonValue) -> None:
    """Check that a Bundle is refused as a whole."""
    answer = post(port, body)
    assert answer.status in (400, 404, 405, 409, 412, 422), (answer.status, body)
    assert answer.is_outcome


def refused_each(port: int, body: JsonValue) -> None:
    """Check that a batch is refused as a whole, or each of its entries for itself."""
    answer = post(port, body)
    if answer.status != 200:
        assert answer.is_outcome
        return
    for entry in answer.resource["entry"]:
        assert 400 <= int(entry["response"]["status"][:3]) < 500, (entry, body)
        assert entry["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("value", VALUES, ids=json.dumps)
@pytest.mark.parametrize("kind", [*KINDS, *VALUES, "collection", "searchset", "history"], ids=json.dumps)
def test_an_entry_is_an_array_of_entries(port: int, kind: JsonValue, value: JsonValue) -> None:
    """`entry` may be anything, and so may its items and the Bundle's type."""
    for entry in (value, [value], [value, value], [GOOD, value], [value, GOOD]):
        refused(port, bundle(kind, entry))


@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_elements_of_the_bundle_have_their_types(port: int, kind: str, name: str) -> None:
    """A Bundle with a mistake in itself is not carried out."""
    for value in VALUES:
        if (name, value) in (("id", CANARY), ("total", 5)):
            continue
        refused(port, {**bundle(kind, [GOOD]), name: value})


@pytest.mark.parametrize("name", ENTRY_ELEMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_elements_of_an_entry_have_their_types(port: int, kind: str, name: str) -> None:
    """An entry with a mistake in itself stops the whole Bundle."""
    for value in VALUES:
        if value == CANARY and name in ("id", "fullUrl"):
            continue
        refused(port, bundle(kind, [{**GOOD, name: value}]))


@pytest.mark.parametrize("name", REQUEST_ELEMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_elements_of_a_request_have_their_types(port: int, kind: str, name: str) -> None:
    """So does one in its request: values of any kind where methods, URLs and conditions should be."""
    for value in VALUES:
        if value == CANARY and name in ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist"):
            continue  # the last is told which parameter it is that is unknown
        request = {"method": "POST", "url": "Patient", name: value}
        refused_each(port, bundle(kind, [{"resource": PATIENT, "request": request}]))


@pytest.mark.parametrize("name", ["method", "url"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_says_why_it_says_nothing_is_refused(port: int, kind: str, name: str) -> None:
    """A required element may be an extension instead of a value: valid FHIR, but no request."""
    request: dict[str, JsonValue] = {"method": "POST", "url": "Patient"}
    del request[name]
    request[f"_{name}"] = {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}
    refused(port, bundle(kind, [{"resource": PATIENT, "request": request}]))


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "HEAD", "DELETE", "PATCH"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_is_a_resource(port: int, kind: str, method: str) -> None:
    """Anything may stand where the resource should be."""
    url = "Patient" if method == "POST" else "Patient/bad"
    for value in VALUES:
        entry = {"resource": value, "request": {"method": method, "url": url}}
        if method == "DELETE" or value == PATIENT:
            continue
        if method == "POST" and value == {"resourceType": "Patient"}:
            continue  # the smallest valid Patient
        refused_each(port, bundle(kind, [entry]))


RESOURCE_TYPES: tuple[JsonValue, ...] = (
    None,
    1,
    [],
    {},
    ["Patient"],
    "patient",
    "{type}",
    "Resource",
    "HumanName",
    CANARY,
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_has_the_type_in_its_url(port: int, kind: str) -> None:
    """Whatever stands in resourceType, only the type of the URL will do."""
    for resource_type in RESOURCE_TYPES:
        for method, url in (("POST", "Patient"), ("PUT", "Patient/bad")):
            entry = {
                "resource": {"resourceType": resource_type, "id": "bad"},
                "request": {"method": method, "url": url},
            }
            refused_each(port, bundle(kind, [entry]))


URLS = (
    "?",
    "/",
    "//",
    "#",
    "Patient/",
    "Patient/bad/_history",
    "Patient/bad/_history/1",
    "Patient/bad/_history/1/2",
    "Patient/%00",
    "Patient/%2F",
    "Patient%2Fbad",
    "Patient/..%2F..",
    "Patient/%ff%fe",
    "Patient/%",
    "Patient/bad%20id",
    "../Patient/bad",
    "{type}/bad",
    "{type}/{id}",
    "{type}",
    "Patient/{id}",
    f"Patient/{'a' * 65}",
    f"Patient/{'a' * 100_000}",
    "/" * 100_000,
    f"{CANARY}/bad",
    "http://[",
    "http://[::1",
    "http://[::1]:99999999/fhir/Patient/bad",
    "http://elsewhere.example/fhir/Patient/bad",
    "//elsewhere.example/Patient/bad",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "urn:uuid:8f5f4a6c-1111-4b0e-9d6a-000000000001",
    "Patient/bad?x=%ff",
    "Patient/bad?" + "&" * 10_000,
    "Patient/bad?" + "a=b&" * 5_000,
    "Patient?identifier",
    "metadata",
    "_history",
    "$validate",
    "Patient/$everything",
    "Patient/bad/$everything",
    "Größe/bad",
    "Patient/\U0001f600",
    "Patient/²",
)


@pytest.mark.parametrize("url", URLS, ids=lambda url: url[:40])
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_url_is_one_of_this_server(port: int, kind: str, method: str, url: str) -> None:
    """Whatever stands in the URL, nothing is written where it does not lead."""
    entry = {"resource": {"resourceType": "Observation"}, "request": {"method": method, "url": url}}
    refused_each(port, bundle(kind, [entry]))


@pytest.mark.parametrize("url", URLS, ids=lambda url: url[:40])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH"])
def test_no_url_makes_an_entry_fail_badly(port: int, method: str, url: str) -> None:
    """Reads and deletions of strange addresses find nothing, delete nothing, and say so."""
    for kind in KINDS:
        post(port, bundle(kind, [{"request": {"method": method, "url": url}}]))


CONDITIONS = (
    "",
    "?",
    "&",
    "=",
    "x",
    "identifier=",
    "identifier=a|b|c",
    "nonsense=1",
    "_id=%ff",
    "_id=\x00",
    "%00=1",
    "birthdate=yesterday",
    "_sort=nonsense",
    "_count=-1",
    "_count=" + "9" * 100,
    "identifier:nonsense=a",
    "name=" + "," * 100,
    "&".join(["identifier=a"] * 2_000),
    "$where=1",
    "identifier[$ne]=1",
)


@pytest.mark.parametrize("criteria", CONDITIONS, ids=lambda criteria: repr(criteria[:40]))
def test_conditions_that_are_not_searches_are_refused(port: int, criteria: str) -> None:
    """A conditional create whose condition cannot be understood is not carried out."""
    for kind in KINDS:
        request = {"method": "POST", "url": "Patient", "ifNoneExist": criteria}
        refused_each(port, bundle(kind, [{"resource": PATIENT, "request": request}]))
    reference = {
        "resourceType": "Basic",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient?{criteria}"},
    }
    for kind in KINDS:
        request = {"method": "POST", "url": "Basic"}
        refused_each(port, bundle(kind, [{"resource": reference, "request": request}]))


VERSIONS = (
    "",
    " ",
    "*",
    '"',
    "W/",
    'W/"',
    'W/""',
    'W/"0"',
    'W/"-1"',
    'W/"1e3"',
    "²",
    f'W/"{"9" * 60}"',
    "x" * 10_000,
)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: repr(version[:20]))
def test_versions_that_never_were_are_refused(port: int, version: str) -> None:
    """An update or deletion with a condition that cannot hold is not carried out."""
    for kind in KINDS:
        for method in ("PUT", "DELETE"):
            request = {"method": method, "url": "Patient/bad", "ifMatch": version}
            entry = {"resource": {**PATIENT, "id": "bad"}, "request": request}
            refused_each(port, bundle(kind, [entry]))
