"""$expunge: records removed for good, in the shape of the operation that HAPI FHIR servers offer."""

from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server

pytestmark = pytest.mark.feature("operation.expunge")


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings that allow it."""
    return settings.model_copy(update={"expunge": "on"})


def given(**values: bool | int) -> dict[str, Any]:
    """Return Parameters with these values."""
    parameters = [
        {"name": name, "valueBoolean" if isinstance(value, bool) else "valueInteger": value}
        for name, value in values.items()
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def removed(client: httpx.Client, path: str, **values: bool | int) -> int:
    """Call the operation; return how many versions it says that it removed."""
    answer = client.post(f"{path}/$expunge", json=given(**values) if values else None)
    assert answer.status_code == 200, answer.text
    [parameter] = answer.json()["parameter"]
    assert parameter["name"] == "count"
    return int(parameter["valueInteger"])


def versions(client: httpx.Client, path: str) -> list[str]:
    """Return `Type/id/version` of what a history has, newest first."""
    bundle = client.get(f"{path}/_history?_count=1000").json()
    return [
        "/".join([*entry["fullUrl"].split("/")[-2:], entry["response"]["etag"].split('"')[1]])
        for entry in bundle.get("entry", [])
    ]


def store(client: httpx.Client, address: str, changes: str) -> None:
    """Write `address` once for each letter of `changes`: p puts, d deletes."""
    resource_type, resource_id = address.split("/")
    body = {"resourceType": resource_type, "id": resource_id, "code": {"text": "invented"}}
    for change in changes:
        answer = client.put(f"/{address}", json=body) if change == "p" else client.delete(f"/{address}")
        answer.raise_for_status()


@pytest.fixture(autouse=True)
def _nothing_left(client: httpx.Client) -> None:
    """Each test begins without what others stored."""
    for entry in client.get("/Basic?_count=1000").json().get("entry", []):
        client.delete(f"/Basic/{entry['resource']['id']}").raise_for_status()
    removed(client, "", expungeDeletedResources=True)


@pytest.mark.parametrize(
    ("changes", "values", "count", "left"),
    [
        ("ppp", {"expungePreviousVersions": True}, 2, ["3"]),
        ("ppdp", {"expungePreviousVersions": True}, 3, ["4"]),
        ("ppd", {"expungePreviousVersions": True}, 2, ["3"]),
        ("pdpd", {"expungePreviousVersions": True}, 3, ["4"]),
        ("pdpd", {"expungeDeletedResources": True}, 4, []),
        ("pdp", {"expungeDeletedResources": True}, 0, ["3", "2", "1"]),
        ("ppd", {"expungeDeletedResources": True, "expungePreviousVersions": True}, 3, []),
        ("pp", {"expungeEverything": True}, 3, []),
        ("ppd", {"expungeEverything": True}, 3, []),
        ("pppp", {"expungePreviousVersions": True, "limit": 2}, 2, ["4", "3"]),
        ("pppd", {"expungeDeletedResources": True, "limit": 3}, 3, ["4"]),
    ],
)
@pytest.mark.parametrize("level", ["instance", "type", "system"])
def test_what_is_removed(
    client: httpx.Client, level: str, changes: str, values: dict[str, Any], count: int, left: list[str]
) -> None:
    """Only what was named is gone; the same on each level, but for everything, which is of one resource."""
    if "expungeEverything" in values and level != "instance":
        assert client.post("/Basic/$expunge", json=given(**values)).status_code == 400
        return
    store(client, "Basic/x", changes)
    store(client, "Basic/other", "p")
    path = {"instance": "/Basic/x", "type": "/Basic", "system": ""}[level]
    assert removed(client, path, **values) == count
    assert versions(client, "/Basic/x") == [f"Basic/x/{number}" for number in left]
    assert client.get("/Basic/other").status_code == 200


def test_nothing_is_left_in_the_database(client: httpx.Client, settings: Settings) -> None:
    """No document of any collection names the resource any more, and its id can be used anew."""
    store(client, "Basic/erased", "ppdpp")
    assert removed(client, "/Basic/erased", expungeEverything=True) == 6
    with MongoClient[dict[str, Any]](str(settings.mongo_url)) as mongo:
        database = mongo[settings.database]
        for name in database.list_collection_names():
            assert not [document for document in database[name].find() if "erased" in repr(document)], name
    assert client.get("/Basic/erased").status_code == 404
    assert client.get("/Basic/erased/_history/1").status_code == 404
    store(client, "Basic/erased", "p")
    assert client.get("/Basic/erased").headers["etag"] == 'W/"1"'


def test_many_are_removed_call_by_call(client: httpx.Client) -> None:
    """A call that removed as many as its limit says that there may be more."""
    for number in range(5):
        store(client, f"Basic/many-{number}", "pd")
    counts = [removed(client, "/Basic", expungeDeletedResources=True, limit=4) for _ in range(4)]
    assert counts == [4, 4, 2, 0]


def test_a_single_version(client: httpx.Client) -> None:
    """On the address of a version it is that version alone; the newest cannot be taken out."""
    store(client, "Basic/single", "pppd")
    assert removed(client, "/Basic/single/_history/2") == 1
    assert versions(client, "/Basic/single") == [f"Basic/single/{number}" for number in (4, 3, 1)]
    for version, status in (("4", 409), ("2", 404), ("9", 404), ("x", 404)):
        assert client.post(f"/Basic/single/_history/{version}/$expunge").status_code == status


@pytest.mark.parametrize(
    ("path", "values", "status"),
    [
        ("/Basic/x", {}, 400),
        ("", {}, 400),
        ("/Basic/x", {"expungeEverything": False}, 400),
        ("/Basic", {"expungePreviousVersions": True, "limit": 0}, 400),
        ("/Basic", {"expungePreviousVersions": True, "limit": 1001}, 400),
        ("/Basic", {"expungePreviousVersions": 1}, 400),
        ("/Basic", {"nonsense": True}, 400),
        ("/Basic/never", {"expungeEverything": True}, 404),
    ],
)
def test_malformed_calls_remove_nothing(
    client: httpx.Client, path: str, values: dict[str, Any], status: int
) -> None:
    """Each must say what it is to remove."""
    assert client.post(f"{path}/$expunge", json=given(**values)).status_code == status
    assert client.get("/Basic/$expunge").status_code == 405


def test_it_is_off_unless_the_settings_allow_it(settings: Settings) -> None:
    """What cannot be undone is refused by default, on every level, with a text that names the setting."""
    assert Settings().expunge == "off"
    with running_server(settings.model_copy(update={"expunge": "off"})) as url, httpx.Client() as http:
        for path in ("", "/Basic", "/Basic/x", "/Basic/x/_history/1"):
            answer = http.post(f"{url}{path}/$expunge", json=given(expungeDeletedResources=True))
            assert answer.status_code == 405
            assert "FHIR_EXPUNGE" in answer.json()["issue"][0]["diagnostics"]
