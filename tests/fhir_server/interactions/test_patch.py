"""patch and conditional patch (https://hl7.org/fhir/R4/http.html#patch)."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"


def operation(**parts: Any) -> dict[str, Any]:
    """Return an operation of a FHIRPath Patch; parts that are no strings are given as `value[x]`."""
    found = []
    for name, value in parts.items():
        if isinstance(value, dict):
            found.append({"name": name, **value})
        else:
            found.append({"name": name, "valueCode" if name == "type" else "valueString": value})
    return {"name": "operation", "part": found}


def fhirpath_patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return a FHIRPath Patch."""
    return {"resourceType": "Parameters", "parameter": list(operations)}


BIRTH_DATE_JSON = json.dumps([{"op": "replace", "path": "/birthDate", "value": "1990-01-02"}])
BIRTH_DATE_XML = (
    '<diff xmlns:f="http://hl7.org/fhir">'
    '<replace sel="f:Patient/f:birthDate/@value">1990-01-02</replace></diff>'
)
BIRTH_DATE_FHIRPATH = fhirpath_patch(
    operation(type="replace", path="Patient.birthDate", value={"valueDate": "1990-01-02"})
)
BIRTH_DATE_FHIRPATH_XML = (
    '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>'
    '<part><name value="type"/><valueCode value="replace"/></part>'
    '<part><name value="path"/><valueString value="Patient.birthDate"/></part>'
    '<part><name value="value"/><valueDate value="1990-01-02"/></part></parameter></Parameters>'
)


def put(client: httpx.Client, resource_id: str, **elements: Any) -> None:
    """Store version 1 of a Patient."""
    patient = {
        "resourceType": "Patient",
        "id": resource_id,
        "identifier": [{"system": "urn:p", "value": resource_id}],
        "birthDate": "1980-01-01",
        **elements,
    }
    assert client.put(f"/Patient/{resource_id}", json=patient).status_code == 201


def patch(
    client: httpx.Client, address: str, content: Any, content_type: str = JSON_PATCH, **headers: str
) -> httpx.Response:
    """Send a patch."""
    text = content if isinstance(content, str) else json.dumps(content)
    return client.patch(address, content=text, headers={"content-type": content_type, **headers})


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        pytest.param(JSON_PATCH, BIRTH_DATE_JSON, marks=pytest.mark.feature("http.patch.json")),
        pytest.param(XML_PATCH, BIRTH_DATE_XML, marks=pytest.mark.feature("http.patch.xml")),
        pytest.param(FHIR_JSON, BIRTH_DATE_FHIRPATH, marks=pytest.mark.feature("http.patch.fhirpath")),
        pytest.param(FHIR_XML, BIRTH_DATE_FHIRPATH_XML, marks=pytest.mark.feature("http.patch.fhirpath")),
        (f"{JSON_PATCH}; charset=utf-8", BIRTH_DATE_JSON),
    ],
)
def test_each_kind_of_patch_makes_a_new_version(
    client: httpx.Client, content_type: str, content: Any
) -> None:
    """The media type says which kind of patch it is; the answer is that of an update."""
    resource_id = re.sub("[^a-z]", "-", content_type)
    put(client, resource_id)
    answer = patch(client, f"/Patient/{resource_id}", content, content_type)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == 'W/"2"'
    assert answer.headers["last-modified"]
    stored = client.get(f"/Patient/{resource_id}").json()
    assert answer.json() == stored
    assert (stored["birthDate"], stored["meta"]["versionId"]) == ("1990-01-02", "2")
    assert client.get(f"/Patient/{resource_id}/_history/1").json()["birthDate"] == "1980-01-01"
    assert client.get("/Patient", params={"_id": resource_id, "birthdate": "1990-01-02"}).json()["total"] == 1


@pytest.mark.feature("http.patch.media-types")
@pytest.mark.parametrize("content_type", ["", "text/plain", "application/merge-patch+json", "*/*"])
def test_other_media_types_are_refused(client: httpx.Client, content_type: str) -> None:
    """415, and Accept-Patch says which ones are taken (https://www.rfc-editor.org/rfc/rfc5789#section-3.1)."""
    put_once(client, "media")
    answer = patch(client, "/Patient/media", BIRTH_DATE_JSON, content_type)
    assert answer.status_code == 415
    assert answer.headers["accept-patch"] == ", ".join([JSON_PATCH, XML_PATCH, FHIR_JSON, FHIR_XML])
    assert answer.json()["resourceType"] == "OperationOutcome"


def put_once(client: httpx.Client, resource_id: str) -> None:
    """Store a Patient unless an earlier case of the test did."""
    if client.get(f"/Patient/{resource_id}").status_code == 404:
        put(client, resource_id)


REFUSED: dict[str, tuple[str, Any, int]] = {
    "no JSON": (JSON_PATCH, "{", 400),
    "no JSON Patch": (JSON_PATCH, {}, 400),
    "no FHIRPath Patch": (FHIR_JSON, {"resourceType": "Patient"}, 400),
    "a list as a resource": (FHIR_JSON, [], 400),
    "no XML": (XML_PATCH, "<", 400),
    "entities": (XML_PATCH, '<!DOCTYPE d [<!ENTITY e "x">]><diff>&e;</diff>', 400),
    "a test that fails": (JSON_PATCH, [{"op": "test", "path": "/birthDate", "value": "2000"}], 422),
    "no such place": (JSON_PATCH, [{"op": "remove", "path": "/name/0"}], 422),
    "no such element": (
        FHIR_JSON,
        fhirpath_patch(operation(type="replace", path="Patient.name.family", value={"valueString": "x"})),
        422,
    ),
    "too many operations": (JSON_PATCH, [{"op": "test", "path": "/active", "value": 1}] * 1_001, 413),
    "an unknown element": (JSON_PATCH, [{"op": "add", "path": "/nonsense", "value": 1}], 400),
    "a value of another type": (JSON_PATCH, [{"op": "add", "path": "/active", "value": "yes"}], 400),
    "an unknown code": (JSON_PATCH, [{"op": "add", "path": "/gender", "value": "x"}], 422),
    "another id": (JSON_PATCH, [{"op": "replace", "path": "/id", "value": "other"}], 400),
    "no id": (JSON_PATCH, [{"op": "remove", "path": "/id"}], 400),
    "another type": (JSON_PATCH, [{"op": "replace", "path": "/resourceType", "value": "Person"}], 400),
    "no type": (JSON_PATCH, [{"op": "remove", "path": "/resourceType"}], 400),
    "another resource": (JSON_PATCH, [{"op": "replace", "path": "", "value": {"a": 1}}], 400),
    "no resource": (JSON_PATCH, [{"op": "replace", "path": "", "value": 1}], 422),
}


@pytest.mark.feature("http.patch.refused")
@pytest.mark.parametrize(("content_type", "content", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_applied_changes_nothing(
    client: httpx.Client, content_type: str, content: Any, status: int
) -> None:
    """A patch that is none, does not apply or leaves no valid resource of that id is refused."""
    put_once(client, "refused")
    answer = patch(client, "/Patient/refused", content, content_type)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert client.get("/Patient/refused").json()["meta"]["versionId"] == "1"


def test_the_server_keeps_its_own_metadata(client: httpx.Client) -> None:
    """versionId and lastUpdated that a patch brings are ignored (https://hl7.org/fhir/R4/http.html#update)."""
    put(client, "meta")
    changes = [
        {"op": "replace", "path": "/meta/versionId", "value": "77"},
        {"op": "replace", "path": "/meta/lastUpdated", "value": "2001-01-01T00:00:00Z"},
        {"op": "add", "path": "/meta/tag", "value": [{"code": "t"}]},
    ]
    meta = patch(client, "/Patient/meta", changes).json()["meta"]
    assert (meta["versionId"], meta["tag"]) == ("2", [{"code": "t"}])
    assert meta["lastUpdated"] > "2001-01-02"


@pytest.mark.feature("http.patch.version-aware")
def test_if_match(client: httpx.Client) -> None:
    """The version that is named is the only one that the patch may be applied to."""
    put(client, "match")
    stale = patch(client, "/Patient/match", BIRTH_DATE_JSON, **{"if-match": 'W/"7"'})
    assert stale.status_code == 412
    assert patch(client, "/Patient/match", BIRTH_DATE_JSON, **{"if-match": 'W/"1"'}).status_code == 200
    again = patch(client, "/Patient/match", BIRTH_DATE_JSON, **{"if-match": 'W/"1"'})
    assert again.status_code == 412
    assert client.get("/Patient/match").json()["meta"]["versionId"] == "2"


def test_nothing_to_patch(client: httpx.Client) -> None:
    """There is no patch as create: 404 for a resource that never was, 410 for a deleted one."""
    assert patch(client, "/Patient/never", BIRTH_DATE_JSON).status_code == 404
    put(client, "gone")
    client.delete("/Patient/gone")
    assert patch(client, "/Patient/gone", BIRTH_DATE_JSON).status_code == 410
    assert patch(client, "/Nonsense/1", BIRTH_DATE_JSON).status_code == 404
    assert patch(client, "/Patient/_bad", BIRTH_DATE_JSON).status_code == 404
    assert patch(client, "/Patient/b_d", BIRTH_DATE_JSON).status_code == 400


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [("minimal", None), ("representation", "Patient"), ("OperationOutcome", "OperationOutcome")],
)
def test_prefer_return(client: httpx.Client, prefer: str, expected: str | None) -> None:
    """The body is the one that is preferred (https://hl7.org/fhir/R4/http.html#return)."""
    put_once(client, "prefer")
    answer = patch(client, "/Patient/prefer", BIRTH_DATE_JSON, prefer=f"return={prefer}")
    assert answer.status_code == 200
    assert (answer.json()["resourceType"] if answer.content else None) == expected


@pytest.mark.feature("http.patch.concurrent")
def test_no_patch_is_lost(base_url: str, client: httpx.Client) -> None:
    """Of twenty at once each is applied, to what the others left."""
    put(client, "race")

    async def race() -> list[int]:
        async with httpx.AsyncClient(headers={"content-type": JSON_PATCH}, timeout=60) as http:
            calls = []
            for number in range(20):
                change = {"op": "add", "path": "/identifier/-", "value": {"value": str(number)}}
                calls.append(http.patch(f"{base_url}/Patient/race", content=json.dumps([change])))
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert asyncio.run(race()) == [200] * 20
    stored = client.get("/Patient/race").json()
    assert stored["meta"]["versionId"] == "21"
    values = {identifier["value"] for identifier in stored["identifier"]}
    assert values == {"race", *(str(number) for number in range(20))}


def test_with_if_match_one_patch_wins(base_url: str, client: httpx.Client) -> None:
    """Of ten at once that name the same version one is applied."""
    put(client, "race-match")

    async def race() -> list[int]:
        headers = {"content-type": JSON_PATCH, "if-match": 'W/"1"'}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            calls = [http.patch(f"{base_url}/Patient/race-match", content=BIRTH_DATE_JSON) for _ in range(10)]
            return sorted(answer.status_code for answer in await asyncio.gather(*calls))

    assert asyncio.run(race()) == [200] + [412] * 9


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">born 1980</div>'


@pytest.mark.feature("http.patch.narrative")
@pytest.mark.parametrize(
    ("narrative", "changes", "status", "kept"),
    [
        ("generated", {"birthDate": "1990"}, 200, False),
        ("extensions", {"birthDate": "1990"}, 200, False),
        ("empty", {"birthDate": "1990"}, 200, True),
        ("additional", {"birthDate": "1990"}, 422, True),
        ("additional", {"birthDate": "1990", "text": {"status": "additional", "div": DIV + " "}}, 200, True),
        ("generated", {"meta": {"tag": [{"code": "x"}]}}, 200, True),
        ("generated", {"birthDate": "1980-01-01"}, 200, True),
    ],
)
def test_a_narrative_never_tells_what_was_before(
    client: httpx.Client, narrative: str, changes: dict[str, Any], status: int, kept: bool
) -> None:
    """What was generated is left out; what people wrote has to be patched together with the data."""
    resource_id = f"n-{narrative}-{len(str(changes))}"
    put(client, resource_id, text={"status": narrative, "div": DIV})
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in changes.items()]
    assert patch(client, f"/Patient/{resource_id}", operations).status_code == status
    assert ("text" in client.get(f"/Patient/{resource_id}").json()) is kept


@pytest.mark.feature("http.patch.conditional")
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("identifier=urn:p|cp-1", 200),
        ("identifier=urn:p|cp-none", 404),
        ("identifier=urn:p|cp-1,urn:p|cp-2", 412),
        ("nonsense=1", 400),
        ("", 400),
        ("_format=json", 400),
        ("birthdate=yesterday", 400),
    ],
)
def test_conditional_patch(client: httpx.Client, query: str, status: int) -> None:
    """One match is patched, none is 404, several are 412, a condition that says nothing is refused."""
    for resource_id in ("cp-1", "cp-2"):
        put_once(client, resource_id)
    version = client.get("/Patient/cp-1").json()["meta"]["versionId"]
    answer = patch(client, f"/Patient?{query}", [{"op": "add", "path": "/active", "value": True}])
    assert answer.status_code == status, answer.text
    patched = client.get("/Patient/cp-1").json()["meta"]["versionId"] != version
    assert patched is (status == 200)


def test_conditional_patch_of_a_stale_version(client: httpx.Client) -> None:
    """If-Match holds for the match as well."""
    put(client, "cp-3")
    address = "/Patient?identifier=urn:p|cp-3"
    assert patch(client, address, BIRTH_DATE_JSON, **{"if-match": 'W/"4"'}).status_code == 412
    assert patch(client, address, BIRTH_DATE_JSON, **{"if-match": 'W/"1"'}).status_code == 200
