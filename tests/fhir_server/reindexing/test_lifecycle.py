"""From a definition to a parameter that can be asked, and back: https://hl7.org/fhir/R4/searchparameter.html."""

from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.store.registry import REGISTRY
from tests.fhir_server.conftest import running_server
from tests.fhir_server.reindexing.adding import (
    ACME,
    Json,
    add,
    begin,
    definition,
    facts,
    found,
    reindex,
    wait,
)

MEDIA = {"content-type": "application/fhir+json"}


def _nickname(resource_id: str, nickname: str, **elements: Any) -> Json:
    extension = {"url": f"{ACME}/nickname", "valueString": nickname}
    return {"resourceType": "Patient", "id": resource_id, "extension": [extension], **elements}


def _put(client: httpx.Client, *resources: Json) -> None:
    for resource in resources:
        answer = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text


def _refusal(client: httpx.Client, search: str) -> str:
    answer = client.get(search)
    assert answer.status_code == 400, answer.text
    text: str = answer.json()["issue"][0]["diagnostics"]
    return text


NICKNAME = definition("nickname", f"Patient.extension('{ACME}/nickname').value", type="string")


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    _put(client, _nickname("a", "Al"), _nickname("b", "Bo"), {"resourceType": "Patient", "id": "c"})


@pytest.fixture
def nickname(client: httpx.Client) -> Any:
    """The id of a parameter that waits; it is deleted afterwards."""
    [added] = add(client, NICKNAME)
    yield added
    assert client.delete(f"/SearchParameter/{added}").status_code == 204


@pytest.mark.parametrize(
    "search",
    [
        "/Patient?nickname=Al",
        "/Patient?nickname:missing=true",
        "/Patient?_sort=nickname",
        "/Patient?_sort=_id,-nickname",
        "/Observation?patient.nickname=Al",
        "/Organization?_has:Patient:organization:nickname=Al",
        "/Patient?_filter=nickname eq Al",
    ],
)
@pytest.mark.usefixtures("nickname")
@pytest.mark.feature("search.custom.not-ready")
def test_before_it_is_indexed_it_is_refused(client: httpx.Client, search: str) -> None:
    """A search by it says what to do, and a lenient client is told so too: an answer would be wrong."""
    for prefer in ("", "handling=lenient"):
        answer = client.get(search, headers={"prefer": prefer})
        assert answer.status_code == 400, answer.text
        assert "$reindex" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.feature("search.custom.not-ready")
def test_the_capability_statement_does_not_promise_it(client: httpx.Client, nickname: str) -> None:
    """What cannot be asked yet is not told as if it could."""
    statement = client.get("/metadata").json()
    assert NICKNAME["url"] not in str(statement["rest"])
    reindex(client, f"/SearchParameter/{nickname}/$reindex")
    assert NICKNAME["url"] in str(client.get("/metadata").json()["rest"])


@pytest.mark.parametrize("by", ["nothing", "type", "url", "id"])
@pytest.mark.feature("operation.reindex")
def test_what_can_be_reindexed(client: httpx.Client, nickname: str, by: str) -> None:
    """All that waits, the types that are named, or those of one parameter."""
    query = {"type": {"type": "Patient"}, "url": {"url": str(NICKNAME["url"])}}.get(by, {})
    path = f"/SearchParameter/{nickname}/$reindex" if by == "id" else "/$reindex"
    state = reindex(client, path, **query)
    types = {part["name"]: part.get("valueCode") for part in state["type"]["part"]}
    assert types["name"] == "Patient"
    assert found(client, "nickname=al") == ["a"]


@pytest.mark.feature("operation.reindex")
def test_nothing_of_a_resource_changes(client: httpx.Client, nickname: str) -> None:
    """No new version, `meta` as before: index values are no part of the resource."""
    before = client.get("/Patient/a").json()
    reindex(client)
    assert client.get("/Patient/a").json() == before
    assert client.get("/Patient/a/_history").json()["total"] == 1
    assert nickname


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "retired"}, "has no search parameter 'nickname'"),
        ({"status": "draft"}, "has no search parameter 'nickname'"),
        ({"code": "alias"}, "has no search parameter 'nickname'"),
        ({"expression": "Patient.name.given"}, "is not indexed yet"),
        ({"type": "token"}, "is not indexed yet"),
    ],
)
@pytest.mark.feature("search.custom.change")
def test_what_is_another_parameter_is_refused_at_once(
    client: httpx.Client, nickname: str, change: Json, expected: str
) -> None:
    """One that is retired is unknown, one that means something else waits to be indexed again."""
    reindex(client)
    assert found(client, "nickname=al") == ["a"]
    _put(client, {**NICKNAME, "id": nickname, **change})
    assert expected in _refusal(client, "/Patient?nickname=al")


@pytest.mark.feature("search.custom.change")
def test_a_new_description_is_no_other_parameter(client: httpx.Client, nickname: str) -> None:
    """Elements that do not count for the values may change."""
    reindex(client)
    _put(client, {**NICKNAME, "id": nickname, "description": "What friends say"})
    assert found(client, "nickname=bo") == ["b"]


@pytest.mark.feature("search.custom.change")
def test_after_a_change_and_a_reindexing_the_new_meaning_counts(client: httpx.Client, nickname: str) -> None:
    """Values of the old expression are gone, also where the new one gives none."""
    reindex(client)
    _put(client, _nickname("d", "Di", name=[{"given": ["Diana"]}]))
    _put(client, {**NICKNAME, "id": nickname, "expression": "Patient.name.given"})
    reindex(client)
    assert (found(client, "nickname=diana"), found(client, "nickname=di")) == (["d"], ["d"])
    assert found(client, "nickname=bo") == []
    client.delete("/Patient/d")


@pytest.mark.feature("search.custom.change")
def test_of_another_type_it_gets_another_index(client: httpx.Client, nickname: str) -> None:
    """The same code may come back as a date."""
    reindex(client)
    _put(client, {**NICKNAME, "id": nickname, "type": "date", "expression": "Patient.birthDate"})
    _put(client, {"resourceType": "Patient", "id": "e", "birthDate": "1999-01-01"})
    reindex(client)
    assert found(client, "nickname=lt2000") == ["e"]
    client.delete("/Patient/e")


@pytest.mark.feature("search.custom.change")
def test_a_patch_or_a_bundle_does_the_same(client: httpx.Client, nickname: str) -> None:
    """Whatever way a definition is written, it counts: by a patch, in a batch or transaction."""
    reindex(client)
    operations = [{"op": "replace", "path": "/status", "value": "retired"}]
    headers = {"content-type": "application/json-patch+json"}
    answer = client.patch(f"/SearchParameter/{nickname}", json=operations, headers=headers)
    assert answer.status_code == 200, answer.text
    assert "has no search parameter" in _refusal(client, "/Patient?nickname=al")
    entry = {
        "resource": {**NICKNAME, "id": nickname},
        "request": {"method": "PUT", "url": f"SearchParameter/{nickname}"},
    }
    for kind in ("transaction", "batch"):
        answer = client.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
        assert answer.status_code == 200, answer.text
        assert "is not indexed yet" in _refusal(client, "/Patient?nickname=al")


def test_a_deleted_and_recreated_resource_is_found_by_what_it_is(client: httpx.Client, nickname: str) -> None:
    """Whatever happens to a resource before and after, it is found by its current version."""
    _put(client, _nickname("f", "Flo"))
    client.delete("/Patient/f")
    reindex(client)
    assert found(client, "nickname=flo") == []
    _put(client, _nickname("f", "Fay"))
    assert (found(client, "nickname=flo"), found(client, "nickname=fay")) == ([], ["f"])
    client.delete("/Patient/f")
    assert nickname


@pytest.mark.feature("operation.reindex-cancel")
def test_a_cancelled_one_makes_nothing_ready(client: httpx.Client, settings: Settings) -> None:
    """Until another one is complete, the parameter is refused."""
    slow = settings.model_copy(update={"reindex_batch_size": 1, "reindex_load_percent": 1})
    with running_server(slow) as url, httpx.Client(base_url=url, headers=MEDIA, timeout=30) as other:
        [added] = add(other, NICKNAME)
        job = begin(other).partition("job=")[2]
        state = facts(other.post(f"/$reindex-cancel?job={job}"))
        assert state["status"] == "cancelled"
        assert wait(other, f"/$reindex-status?job={job}")["status"] == "cancelled"
        assert "is not indexed yet" in _refusal(other, "/Patient?nickname=al")
    assert client.delete(f"/SearchParameter/{added}").status_code == 204


@pytest.mark.feature("operation.reindex-status")
def test_the_last_ones_are_listed(client: httpx.Client) -> None:
    """Without a job the state of the last ones is told, the newest first."""
    state = reindex(client, type="Patient")
    listed = client.get("/$reindex-status").json()["parameter"]
    newest = {part["name"]: part for part in listed[0]["part"]}
    assert newest["job"]["valueId"] == state["job"]
    assert len(listed) <= 20


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("POST", "/$reindex?type=Patients", 400),
        ("POST", "/$reindex?type=Patient&url=http://acme.example.org", 400),
        ("POST", "/$reindex?url=http://acme.example.org/none", 404),
        ("POST", "/$reindex?nonsense=1", 400),
        ("POST", "/SearchParameter/none/$reindex", 404),
        ("GET", "/$reindex", 405),
        ("GET", "/$reindex-status?job=none", 404),
        ("GET", "/$reindex-cancel?job=none", 405),
        ("POST", "/$reindex-cancel", 400),
        ("POST", "/$reindex-cancel?job=none", 404),
    ],
)
@pytest.mark.feature("operation.reindex")
def test_wrong_calls(client: httpx.Client, method: str, address: str, status: int) -> None:
    """What is not understood is refused with an OperationOutcome."""
    answer = client.request(method, address)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


ALLOWED = definition(
    "restricted",
    f"Patient.extension('{ACME}/nickname').value.as(string) | Patient.birthDate",
    type="date",
    comparator=["ge"],
    modifier=["missing"],
    multipleOr=False,
    multipleAnd=False,
)


@pytest.mark.parametrize(
    ("search", "is_allowed"),
    [
        ("restricted=2020", True),
        ("restricted=ge2020", True),
        ("restricted=lt2020", False),
        ("restricted=2020,2021", False),
        ("restricted=2020&restricted=2021", False),
        ("restricted:missing=true", True),
        ("guardian=Patient/a", True),
        ("guardian:Patient=a", False),
        ("guardian.active=true", True),
        ("guardian.name=x", False),
    ],
)
@pytest.mark.feature("search.custom.restrictions")
def test_what_a_definition_allows(client: httpx.Client, search: str, is_allowed: bool) -> None:
    """Modifiers, comparators, chains and several values are taken as far as the definition says."""
    if "restricted" not in str(client.get("/metadata").json()):
        guardian = definition(
            "guardian",
            f"Patient.extension('{ACME}/guardian').value.as(Reference)",
            type="reference",
            target=["Patient"],
            modifier=["missing"],
            chain=["active"],
        )
        add(client, ALLOWED, guardian)
        reindex(client)
    answer = client.get(f"/Patient?{search}")
    assert answer.status_code == (200 if is_allowed else 400), answer.text


def test_an_upgrade_tells_that_a_reindexing_is_needed(client: httpx.Client, settings: Settings) -> None:
    """Where index values are of another version of the server, readiness says so, until they are not."""
    from pymongo import MongoClient

    with MongoClient[Json](settings.mongo_url) as mongo:
        registry = mongo[settings.database][REGISTRY]
        registry.update_one({"_id": "extraction"}, {"$set": {"revision": 0, "types": {}}}, upsert=True)
    with running_server(settings) as url, httpx.Client(base_url=url, headers=MEDIA, timeout=30) as other:
        health = url.replace("/fhir", "/health/ready")
        while "reindex" not in (told := httpx.get(health).json()):
            pass
        assert "Patient" in told["reindex"]
        reindex(other)
        while "reindex" in httpx.get(health).json():
            pass
