"""history of a resource, a type and the system (https://hl7.org/fhir/R4/http.html#history)."""

from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def story(client: httpx.Client) -> list[str]:
    """Ten changes to two patients and a group; returns their addresses, newest first."""
    addresses = []
    for resource_type, resource_id, rounds in (
        ("Patient", "h1", 4),
        ("Group", "h2", 1),
        ("Patient", "h3", 2),
    ):
        extra = {"type": "person", "actual": True} if resource_type == "Group" else {}
        body = {"resourceType": resource_type, "id": resource_id, **extra}
        for number in range(1, rounds + 1):
            client.put(f"/{resource_type}/{resource_id}", json=body).raise_for_status()
            addresses.append(f"{resource_type}/{resource_id}/{number}")
    client.delete("/Patient/h1").raise_for_status()
    client.put("/Patient/h1", json={"resourceType": "Patient", "id": "h1"}).raise_for_status()
    return ["Patient/h1/6", "Patient/h1/5", *reversed(addresses)]


def addresses(bundle: dict[str, Any]) -> list[str]:
    """Return `Type/id/version` of each entry of a history."""
    found = []
    for entry in bundle.get("entry", []):
        version = entry["response"]["etag"].split('"')[1]
        found.append("/".join([*entry["fullUrl"].split("/")[-2:], version]))
    return found


def walk(client: httpx.Client, url: str) -> list[str]:
    """Return the addresses on all pages, following the links."""
    found: list[str] = []
    while url:
        bundle = client.get(url).raise_for_status().json()
        found += addresses(bundle)
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("path", "prefix"), [("/Patient/h1", "Patient/h1/"), ("/Patient", "Patient/"), ("", "")]
)
def test_all_pages_together_are_the_whole_story(
    client: httpx.Client, story: list[str], path: str, prefix: str, count: int
) -> None:
    """Newest first, each version once, whatever the size of a page."""
    expected = [address for address in story if address.startswith(prefix)]
    assert walk(client, f"{path}/_history?_count={count}") == expected


def test_entries_say_how_each_version_came(client: httpx.Client, story: list[str]) -> None:
    """Each entry has the request that made the version; a deletion has no resource."""
    entries = client.get("/Patient/h1/_history").json()["entry"]
    assert [entry["request"]["method"] for entry in entries] == ["PUT", "DELETE", "PUT", "PUT", "PUT", "PUT"]
    assert ["resource" in entry for entry in entries] == [True, False, True, True, True, True]
    assert entries[1]["response"]["status"].startswith("204")
    assert entries[-1]["response"]["status"].startswith("201")


def test_a_created_resource_was_posted(client: httpx.Client) -> None:
    """The history of a create names POST and the type."""
    location = client.post("/Basic", json={"resourceType": "Basic", "code": {"text": "x"}}).headers[
        "location"
    ]
    entry = client.get(location.rpartition("/")[0]).json()["entry"][0]
    assert entry["request"] == {"method": "POST", "url": "Basic"}


def test_since_leaves_out_what_is_older(client: httpx.Client, story: list[str]) -> None:
    """https://hl7.org/fhir/R4/http.html#history: only versions at or after the given instant."""
    third = client.get("/Patient/h1/_history/3").json()["meta"]["lastUpdated"]
    assert walk(client, f"/Patient/h1/_history?_since={third}") == [f"Patient/h1/{n}" for n in (6, 5, 4, 3)]


@pytest.mark.parametrize("query", ["_count=x", "_count=-1", "_since=yesterday", "_page=zzz", "nonsense=1"])
def test_bad_parameters_are_refused(client: httpx.Client, story: list[str], query: str) -> None:
    """What is not understood is an error."""
    assert client.get(f"/Patient/_history?{query}").status_code == 400


def test_unknown_parameters_are_ignored_if_asked_to(client: httpx.Client, story: list[str]) -> None:
    """Prefer: handling=lenient leaves out what is unknown."""
    answer = client.get("/Patient/_history?nonsense=1", headers={"prefer": "handling=lenient"})
    assert answer.status_code == 200
    assert "nonsense" not in answer.json()["link"][0]["url"]


def test_no_history_of_what_never_was(client: httpx.Client) -> None:
    """An id that was never used has no history."""
    assert client.get("/Patient/never/_history").status_code == 404
