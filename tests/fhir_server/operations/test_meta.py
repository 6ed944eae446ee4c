"""$meta, $meta-add and $meta-delete (https://hl7.org/fhir/R4/resource-operations.html)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from resources.validation import validate

Meta = dict[str, Any]

TAG = {"system": "urn:tags", "code": "A", "display": "An A"}
OTHER = {"system": "urn:tags", "code": "b"}
SECRET = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PROFILE = "http://example.org/StructureDefinition/one"


def _given(meta: Meta) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def _meta(answer: httpx.Response) -> Meta:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["resourceType"] == "Parameters"
    assert validate(body) == []
    [parameter] = body["parameter"]
    assert parameter["name"] == "return"
    meta: Meta = parameter["valueMeta"]
    return meta


def _put(client: httpx.Client, resource_id: str, **elements: Any) -> None:
    answer = client.put(
        f"/Basic/{resource_id}", json={"resourceType": "Basic", "id": resource_id, **_CODE, **elements}
    )
    assert answer.status_code in (200, 201), answer.text


_CODE = {"code": {"text": "something"}}


def _found(client: httpx.Client, search: str) -> set[str]:
    return {entry["resource"]["id"] for entry in client.get(f"/Basic?{search}").json().get("entry", [])}


@pytest.mark.feature("operation.meta-add")
def test_labels_are_added_in_place(client: httpx.Client) -> None:
    """The version and lastUpdated stay, the labels are found by a search, and nothing is there twice."""
    _put(client, "m1", meta={"tag": [TAG]})
    before = client.get("/Basic/m1").json()["meta"]
    answer = client.post(
        "/Basic/m1/$meta-add",
        json=_given(
            {"tag": [{**TAG, "display": "Other words"}, OTHER], "security": [SECRET], "profile": [PROFILE]}
        ),
    )
    after = _meta(answer)
    assert answer.headers["etag"] == 'W/"1"'
    assert after == {**before, "tag": [TAG, OTHER], "security": [SECRET], "profile": [PROFILE]}
    assert client.get("/Basic/m1").json()["meta"] == after
    assert len(client.get("/Basic/m1/_history").json()["entry"]) == 1
    for search in ("_tag=urn:tags|b", f"_security={SECRET['system']}|R", f"_profile={PROFILE}", "_tag=a"):
        assert _found(client, search) == {"m1"}, search


@pytest.mark.feature("operation.meta-delete")
def test_labels_are_taken_away_in_place(client: httpx.Client) -> None:
    """Labels that are not there are no error; a search does not find by one that was taken away."""
    _put(client, "m2", meta={"tag": [{"system": "urn:m2", "code": "x"}, OTHER], "profile": [PROFILE + "2"]})
    unwanted = {"tag": [{"system": "urn:m2", "code": "x", "version": "7"}, TAG], "profile": [PROFILE + "2"]}
    after = _meta(client.post("/Basic/m2/$meta-delete", json=_given(unwanted)))
    assert after == {"versionId": "1", "lastUpdated": after["lastUpdated"], "tag": [OTHER]}
    assert _found(client, "_tag=urn:m2|x") == set()
    assert _found(client, f"_profile={PROFILE}2") == set()


@pytest.mark.feature("operation.meta")
def test_meta_of_a_resource_and_of_a_version(client: httpx.Client) -> None:
    """$meta answers what the resource itself has, by GET and by POST, for earlier versions too."""
    _put(client, "m3", meta={"tag": [TAG]})
    _put(client, "m3", meta={"tag": [OTHER]})
    assert _meta(client.get("/Basic/m3/$meta")) == client.get("/Basic/m3").json()["meta"]
    assert _meta(client.post("/Basic/m3/$meta")) == client.get("/Basic/m3").json()["meta"]
    first = client.get("/Basic/m3/_history/1").json()["meta"]
    assert _meta(client.get("/Basic/m3/_history/1/$meta")) == first


def test_an_earlier_version_is_changed_alone(client: httpx.Client) -> None:
    """On a historical version the labels change there, and the current version keeps its own."""
    _put(client, "m4", meta={"tag": [TAG]})
    _put(client, "m4")
    _meta(client.post("/Basic/m4/_history/1/$meta-add", json=_given({"security": [SECRET]})))
    _meta(client.post("/Basic/m4/_history/1/$meta-delete", json=_given({"tag": [TAG]})))
    assert client.get("/Basic/m4/_history/1").json()["meta"]["security"] == [SECRET]
    assert "tag" not in client.get("/Basic/m4/_history/1").json()["meta"]
    assert "security" not in client.get("/Basic/m4").json()["meta"]
    assert _meta(client.post("/Basic/m4/_history/2/$meta-add", json=_given({"tag": [OTHER]})))["tag"] == [
        OTHER
    ]
    assert "m4" in _found(client, "_tag=urn:tags|b")


def test_extensions_of_profiles_stay_with_them(client: httpx.Client) -> None:
    """The twin of an array of primitives keeps its places when a profile goes or comes."""
    extension = {"extension": [{"url": "urn:why", "valueString": "because"}]}
    _put(client, "m5", meta={"profile": ["urn:p:1", "urn:p:2"], "_profile": [None, extension]})
    after = _meta(client.post("/Basic/m5/$meta-delete", json=_given({"profile": ["urn:p:1"]})))
    assert (after["profile"], after["_profile"]) == (["urn:p:2"], [extension])
    after = _meta(client.post("/Basic/m5/$meta-add", json=_given({"profile": ["urn:p:3"]})))
    assert (after["profile"], after["_profile"]) == (["urn:p:2", "urn:p:3"], [extension, None])
    assert client.put("/Basic/m5", json=client.get("/Basic/m5").json()).status_code == 200


def test_labels_of_a_type_and_of_the_system(client: httpx.Client) -> None:
    """Each label in use is listed once, as it is written; types that have none give an empty Meta."""
    for number in range(30):
        label = {"system": "urn:Many", "code": f"C{number % 7}", "display": f"{number}"}
        client.post("/Flag", json={**_FLAG, "meta": {"tag": [label, OTHER], "profile": ["urn:q|1"]}})
    client.post("/Flag", json=_FLAG)
    meta = _meta(client.get("/Flag/$meta"))
    assert [(tag["system"], tag["code"]) for tag in meta["tag"]] == [
        *(("urn:Many", f"C{number}") for number in range(7)),
        ("urn:tags", "b"),
    ]
    assert meta["profile"] == ["urn:q|1"]
    assert "security" not in meta
    assert {"C0", "b"} <= {tag["code"] for tag in _meta(client.get("/$meta"))["tag"]}
    assert client.get("/Substance/$meta").json() == {"resourceType": "Parameters"}


_FLAG = {
    "resourceType": "Flag",
    "status": "active",
    "code": {"text": "x"},
    "subject": {"display": "somebody"},
}


def test_writers_at_the_same_time_lose_nothing(client: httpx.Client) -> None:
    """Labels that are added while others are added, and while new versions are stored, are all there."""
    _put(client, "m6")

    def add(number: int) -> None:
        _meta(
            client.post(
                "/Basic/m6/$meta-add", json=_given({"tag": [{"system": "urn:n", "code": str(number)}]})
            )
        )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(30)))
    tags = client.get("/Basic/m6").json()["meta"]["tag"]
    assert {tag["code"] for tag in tags} == {str(number) for number in range(30)}
    assert _found(client, "_tag=urn:n|17") == {"m6"}


@pytest.mark.parametrize(
    ("address", "body", "status", "text"),
    [
        ("/Basic/m7/$meta-add", _given({"tag": [OTHER]}), 404, "There is no Basic/m7"),
        ("/Basic/m8/$meta-add", _given({"tag": [OTHER]}), 410, "deleted"),
        ("/Basic/m8/_history/2/$meta-delete", _given({"tag": [OTHER]}), 410, "deleted"),
        ("/Basic/m8/_history/9/$meta-add", _given({"tag": [OTHER]}), 404, "no such version"),
        ("/Basic/m8/_history/x/$meta-add", _given({"tag": [OTHER]}), 404, "no such version"),
        ("/Basic/m7/$meta-add", None, 400, "parameter meta is missing"),
        ("/Basic/m7/$meta-add?meta=1", None, 400, "meta is a Meta"),
        ("/Basic/m7/$meta-add", {"resourceType": "Parameters", "parameter": 3}, 400, "Parameters.parameter"),
        ("/Basic/m7/$meta-add", _given({"nonsense": 1}), 400, "nonsense"),
        (
            "/Basic/m7/$meta-add",
            {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueCoding": OTHER}]},
            400,
            "meta is a Meta",
        ),
        ("/Basic/m7/$meta-add", {"resourceType": "Basic", "code": {"text": "x"}}, 400, "Parameters resource"),
        ("/Basic/m8/_history/1/$meta-add?other=1", _given({"tag": [OTHER]}), 400, "'other'"),
    ],
)
def test_what_is_wrong_is_said(
    client: httpx.Client, address: str, body: dict[str, Any] | None, status: int, text: str
) -> None:
    """Missing and malformed inputs, and versions that are not there, are refused with what is wrong."""
    client.put("/Basic/m8", json={"resourceType": "Basic", "id": "m8", **_CODE})
    client.delete("/Basic/m8")
    answer = client.post(address) if body is None else client.post(address, json=body)
    assert answer.status_code == status, answer.text
    assert text in answer.text


def test_a_lenient_client_may_send_more(client: httpx.Client) -> None:
    """With handling=lenient parameters that are not known are left out."""
    _put(client, "m9", meta={"tag": [TAG]})
    assert client.get("/Basic/m9/$meta?other=1").status_code == 400
    answer = client.get("/Basic/m9/$meta?other=1", headers={"prefer": "handling=lenient"})
    assert _meta(answer)["tag"] == [TAG]


@pytest.mark.feature("operation.in-batch")
def test_operations_in_a_batch(client: httpx.Client) -> None:
    """An entry may be an operation, by GET and by POST; its answer carries what it returned."""
    _put(client, "m10", meta={"tag": [TAG]})
    entries = [
        {"request": {"method": "POST", "url": "Basic/m10/$meta-add"}, "resource": _given({"tag": [OTHER]})},
        {"request": {"method": "GET", "url": "Basic/m10/$meta"}},
        {"request": {"method": "GET", "url": "Basic/m10/$meta-add"}},
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    statuses = [entry["response"]["status"][:3] for entry in answer["entry"]]
    assert statuses == ["200", "200", "405"]
    for entry in answer["entry"][:2]:
        assert entry["resource"]["parameter"][0]["valueMeta"]["tag"] == [TAG, OTHER]
