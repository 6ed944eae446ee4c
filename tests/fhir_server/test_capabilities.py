"""Each claim of the CapabilityStatement, exercised over HTTP; the claims are read from the statement itself.

A run takes a part of them, drawn anew by FHIR_TEST_CLAIMS=<a number>; FHIR_TEST_CLAIMS=all takes all.
https://hl7.org/fhir/R4/capabilitystatement.html
"""

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import httpx
import pytest

from fhir_server.routes import ROUTES
from fhir_server.settings import Settings
from resources import json_format, xml_format
from resources.definitions import operation_definitions, resource_types
from resources.search_parameters import search_parameters
from resources.validation import validate
from tests.fhir_server.conftest import running_server
from tests.fhir_server.minimal import minimal

Statement = dict[str, Any]
Claim = TypeVar("Claim")
pytestmark = pytest.mark.feature("http.capabilities")

_CLAIMS = os.environ.get("FHIR_TEST_CLAIMS", "1")
JSON, XML = "application/fhir+json", "application/fhir+xml"
FORMATS = {JSON: json_format, XML: xml_format}


def drawn(claims: Sequence[Claim], most: int) -> list[Claim]:
    """Return the claims that this run exercises."""
    if _CLAIMS == "all" or len(claims) <= most:
        return list(claims)
    return random.Random(int(_CLAIMS)).sample(list(claims), most)


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings that allow all that can be allowed."""
    return settings.model_copy(update={"expunge": "on", "conditional_delete": "multiple"})


@pytest.fixture(scope="module")
def statement(client: httpx.Client) -> Statement:
    """What the server claims."""
    found: Statement = client.get("/metadata").raise_for_status().json()
    return found


@pytest.fixture(scope="module")
def rest(statement: Statement) -> Statement:
    """What it claims of the RESTful interface."""
    [rest] = statement["rest"]
    assert rest["mode"] == "server"
    return dict(rest)


@pytest.fixture(scope="module")
def resources(rest: Statement) -> dict[str, Statement]:
    """What it claims of each resource type."""
    return {resource["type"]: resource for resource in rest["resource"]}


@pytest.fixture(params=[JSON, XML])
def speaker(request: pytest.FixtureRequest, base_url: str) -> Iterator[httpx.Client]:
    """A client that sends and takes one of the formats."""
    headers = {"content-type": request.param, "accept": request.param}
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as http:
        yield http


def said(http: httpx.Client, answer: httpx.Response) -> Any:
    """Return the resource in an answer, which must be in the format that the client takes."""
    assert answer.headers["content-type"] == f"{http.headers['accept']}; charset=utf-8"
    return FORMATS[http.headers["accept"]].parse(answer.content)


def written(http: httpx.Client, resource: Any) -> bytes:
    """Return a resource as the client sends it."""
    content: bytes = FORMATS[http.headers["content-type"]].dumps(resource)
    return content


def test_the_statement_is_valid_and_complete(statement: Statement, resources: dict[str, Statement]) -> None:
    """It is a resource like any other, and has all 146 types."""
    assert validate(statement) == []
    assert statement["fhirVersion"] == "4.0.1"
    assert list(resources) == list(resource_types())


def test_what_the_route_table_offers_is_claimed(rest: Statement, resources: dict[str, Statement]) -> None:
    """Nothing that can be done is left out."""
    offered = {route.code for methods in ROUTES.values() for route in methods.values()}
    in_types = {one["code"] for one in resources["Patient"]["interaction"]}
    in_system = {one["code"] for one in rest["interaction"]}
    assert {"read", "vread", "create", "update", "patch", "delete", "search-type"} & offered <= in_types
    assert {"history-instance", "history-type"} <= in_types
    assert {"search-system"} & offered <= in_system
    assert {"batch", "transaction", "history-system"} <= in_system
    assert resources["Patient"]["conditionalUpdate"] is ("conditional-update" in offered)
    assert ("compartment" in rest) is ("search-compartment" in offered)


@pytest.mark.workflow("1-26")
def test_the_mode_is_full(client: httpx.Client, statement: Statement) -> None:
    """https://hl7.org/fhir/R4/http.html#capabilities: other modes are refused, not answered as if full."""
    assert client.get("/metadata?mode=full").json() == statement
    for mode in ("normative", "terminology", "nonsense"):
        assert client.get(f"/metadata?mode={mode}").status_code == 400


def test_each_interaction_of_a_type(speaker: httpx.Client, resources: dict[str, Statement]) -> None:
    """Create, read, vread, update, patch, histories, search and delete of each type, in both formats."""
    for name in drawn(list(resources), 6):
        claimed = [one["code"] for one in resources[name]["interaction"]]
        done = list(_each_interaction(speaker, name, resources[name]))
        assert sorted(done) == sorted(claimed), name


def _each_interaction(http: httpx.Client, name: str, claims: Statement) -> Iterator[str]:
    resource = minimal(name)
    created = http.post(f"/{name}", content=written(http, resource))
    assert created.status_code == 201, (name, created.text)
    stored = said(http, created)
    path = f"/{name}/{stored['id']}"
    yield "create"
    assert said(http, http.get(path)) == stored
    yield "read"
    assert http.get(path, headers={"if-none-match": 'W/"1"'}).status_code == 304
    assert claims["conditionalRead"] == "full-support"
    updated = http.put(path, content=written(http, {**resource, "id": stored["id"], "language": "en"}))
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"'), name
    yield "update"
    assert claims["readHistory"]
    assert said(http, http.get(f"{path}/_history/1")) == stored
    yield "vread"
    patch = b'[{"op": "replace", "path": "/language", "value": "de"}]'
    patched = http.patch(path, content=patch, headers={"content-type": "application/json-patch+json"})
    assert said(http, patched)["language"] == "de"
    yield "patch"
    for code, address in (("history-instance", f"{path}/_history"), ("history-type", f"/{name}/_history")):
        history = said(http, http.get(f"{address}?_count=3"))
        numbers = [entry["resource"]["meta"]["versionId"] for entry in history["entry"]]
        assert numbers[:3] == ["3", "2", "1"], (name, code)
        yield code
    found = said(http, http.get(f"/{name}?_id={stored['id']}"))
    assert [entry["resource"]["id"] for entry in found["entry"]] == [stored["id"]]
    yield "search-type"
    assert http.delete(path).status_code == 204
    gone = http.get(path)
    assert (gone.status_code, said(http, gone)["resourceType"]) == (410, "OperationOutcome")
    yield "delete"


def test_each_condition_of_a_type(client: httpx.Client, resources: dict[str, Statement]) -> None:
    """Conditional create, update and delete, and update as create, where they are claimed."""
    for name in drawn(list(resources), 6):
        claims = resources[name]
        tagged = {**minimal(name), "meta": {"tag": [{"system": "urn:claims", "code": name}]}}
        condition = f"_tag=urn:claims|{name}"
        statuses = [
            client.post(f"/{name}", json=tagged, headers={"if-none-exist": condition}).status_code
            for _ in range(2)
        ]
        assert (statuses == [201, 200]) is claims["conditionalCreate"], name
        assert (client.put(f"/{name}?{condition}", json=tagged).status_code == 200) is claims[
            "conditionalUpdate"
        ]
        created = client.put(f"/{name}/as-create", json={**tagged, "id": "as-create"})
        assert (created.status_code == 201) is claims["updateCreate"], name
        assert (claims["versioning"], claims["conditionalDelete"]) == ("versioned", "multiple")
        assert client.delete(f"/{name}?{condition}").status_code == 204
        assert client.get(f"/{name}?{condition}&_summary=count").json()["total"] == 0, name


def test_conditional_delete_is_claimed_as_it_is_set(settings: Settings) -> None:
    """What depends on the settings is told by them."""
    careful = settings.model_copy(update={"conditional_delete": "single", "expunge": "off"})
    with running_server(careful) as url:
        [rest] = httpx.get(f"{url}/metadata").json()["rest"]
        assert {resource["conditionalDelete"] for resource in rest["resource"]} == {"single"}
        assert "expunge" not in {operation["name"] for operation in rest["operation"]}


_VALUES = {
    "date": "ge2020-01-01",
    "number": "1",
    "quantity": "5.4|http://unitsofmeasure.org|mg",
    "reference": "a",
    "string": "a",
    "token": "a",
    "uri": "urn:a",
}
_SPECIAL = {
    "_filter": "_id eq a",
    "_list": "claims",
    "near": "42.3|-83.7|10|km",
    "_text": "a",
    "_content": "a",
}


def _value(name: str, code: str) -> str:
    parameter = search_parameters(name)[code]
    if code in _SPECIAL:
        return _SPECIAL[code]
    if parameter.type == "composite":
        return "$".join(_VALUES[part.type].removeprefix("ge") for part in parameter.components)
    return _VALUES[parameter.type]


@pytest.fixture(scope="module")
def _list(client: httpx.Client) -> None:
    body = {**minimal("List"), "id": "claims", "status": "current", "mode": "working"}
    client.put("/List/claims", json=body).raise_for_status()


@pytest.mark.usefixtures("_list")
def test_each_search_parameter(client: httpx.Client, resources: dict[str, Statement]) -> None:
    """A search by a well-formed value is answered; a parameter that is not understood would be refused."""
    claims = [(name, one) for name, resource in resources.items() for one in resource["searchParam"]]
    for name, parameter in drawn(claims, 120):
        query = {parameter["name"]: _value(name, parameter["name"]), "_count": "1"}
        answer = client.get(f"/{name}", params=query)
        assert answer.status_code == 200, (name, parameter, answer.text)
        assert parameter["name"] in answer.json()["link"][0]["url"], (name, parameter)


@pytest.mark.usefixtures("_list")
def test_each_search_parameter_of_all_types(client: httpx.Client, rest: Statement) -> None:
    """The parameters that all types have are taken by a search over several of them."""
    if "searchParam" not in rest:
        assert ("GET" not in ROUTES[()]) or ROUTES[()]["GET"].code != "search-system"
        return
    for parameter in rest["searchParam"]:
        code = parameter["name"]
        query = {"_type": "Patient,Basic", code: _value("Patient", code), "_count": "1"}
        answer = client.get("", params=query)
        assert answer.status_code == 200, (code, answer.text)


def test_each_include(client: httpx.Client, resources: dict[str, Statement]) -> None:
    """Each include and each reverse include is taken by a search of its type."""
    claims = [
        (name, parameter, value)
        for name, resource in resources.items()
        for element, parameter in (("searchInclude", "_include"), ("searchRevInclude", "_revinclude"))
        for value in resource.get(element, ())
    ]
    for name, parameter, value in drawn(claims, 100):
        answer = client.get(f"/{name}", params={parameter: value, "_count": "1"})
        assert answer.status_code == 200, (name, parameter, value, answer.text)


def test_each_compartment(client: httpx.Client, rest: Statement) -> None:
    """Each compartment can be searched: by one type, and by all."""
    for url in rest.get("compartment", ()):
        code = url.rpartition("/")[2]
        name = code[0].upper() + code[1:]
        for member in ("Observation", "*"):
            answer = client.get(f"/{name}/a/{member}?_count=1")
            assert answer.status_code == 200, (url, member, answer.text)


@pytest.mark.workflow("1-26")
def test_each_interaction_of_the_system(speaker: httpx.Client, rest: Statement) -> None:
    """Batch, transaction, search and history of the whole, in both formats."""
    requests = [{"request": {"method": "GET", "url": "Patient?_count=1"}}]
    done = []
    for kind in ("batch", "transaction"):
        body = {"resourceType": "Bundle", "type": kind, "entry": requests}
        answer = speaker.post("", content=written(speaker, body))
        assert said(speaker, answer)["type"] == f"{kind}-response"
        done.append(kind)
    assert said(speaker, speaker.get("/_history?_count=1"))["type"] == "history"
    done.append("history-system")
    search = speaker.get("?_type=Patient&_count=1")
    if search.status_code == 200:
        assert said(speaker, search)["type"] == "searchset"
        done.append("search-system")
    assert sorted(done) == sorted(one["code"] for one in rest["interaction"])


def test_each_operation(client: httpx.Client, rest: Statement, resources: dict[str, Statement]) -> None:
    """Each is there on its level, and is carried out or says what it lacks; its definition can be read."""
    of_r4 = {definition["url"] for definition in operation_definitions()}
    claims = [("", operation) for operation in rest["operation"]]
    claims += [
        (f"/{name}", operation) for name, resource in resources.items() for operation in resource["operation"]
    ]
    definitions = {operation["definition"] for _, operation in claims}
    # Those of other guides of HL7 (US Core, SDC) are theirs to publish.
    for url in {url for url in definitions - of_r4 if not url.startswith("http://hl7.org/fhir/")}:
        definition = client.get(url).raise_for_status().json()
        assert validate(definition) == []
        assert definition["url"] == url
    for level, operation in drawn(claims, 60):
        code = operation["name"]
        places = [level] if not level else [level, f"{level}/none", f"{level}/none/_history/1"]
        taken = [place for place in places if client.options(f"{place}/${code}").status_code == 204]
        assert taken, (level, code)
        for place in taken:
            answer = client.post(f"{place}/${code}", json={"resourceType": "Parameters"})
            assert answer.status_code < 500, (place, code, answer.text)
            assert answer.status_code != 405, (place, code)


def test_each_format(client: httpx.Client, statement: Statement) -> None:
    """Each format is one that can be asked for, by header and by parameter, for answers and for errors."""
    for name in statement["format"]:
        [media_type] = [media_type for media_type in FORMATS if name in media_type]
        for path, resource_type in (("/Patient", "Bundle"), ("/Patient/none", "OperationOutcome")):
            answer = client.get(path, headers={"accept": "text/csv"}, params={"_format": name})
            assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
            assert FORMATS[media_type].parse(answer.content)["resourceType"] == resource_type


_PATCHES = {
    "application/json-patch+json": b'[{"op": "add", "path": "/active", "value": true}]',
    "application/xml-patch+xml": b'<diff xmlns:f="http://hl7.org/fhir"><add sel="f:Patient">'
    b'<active xmlns="http://hl7.org/fhir" value="true"/></add></diff>',
}
_FHIRPATH_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "add"},
                {"name": "path", "valueString": "Patient"},
                {"name": "name", "valueString": "active"},
                {"name": "value", "valueBoolean": True},
            ],
        }
    ],
}


def test_each_patch_format(client: httpx.Client, statement: Statement) -> None:
    """Each media type of patches changes a resource."""
    for media_type in statement["patchFormat"]:
        client.put("/Patient/patch", json={"resourceType": "Patient", "id": "patch"}).raise_for_status()
        content = _PATCHES.get(media_type)
        if content is None:
            content = FORMATS[media_type].dumps(_FHIRPATH_PATCH)
        answer = client.patch("/Patient/patch", content=content, headers={"content-type": media_type})
        assert answer.status_code == 200, (media_type, answer.text)
        assert answer.json()["active"] is True
