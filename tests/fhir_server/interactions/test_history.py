"""history of a resource, a type and the system (https://hl7.org/fhir/R4/http.html#history)."""

from datetime import datetime, timedelta
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


@pytest.mark.feature("http.history.instance")
@pytest.mark.feature("http.history.paging")
@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("path", "prefix"), [("/Patient/h1", "Patient/h1/"), ("/Patient", "Patient/"), ("", "")]
)
@pytest.mark.feature("http.history.instance")
def test_all_pages_together_are_the_whole_story(
    client: httpx.Client, story: list[str], path: str, prefix: str, count: int
) -> None:
    """Newest first, each version once, whatever the size of a page."""
    expected = [address for address in story if address.startswith(prefix)]
    assert walk(client, f"{path}/_history?_count={count}") == expected


@pytest.mark.feature("http.history.deleted")
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


@pytest.mark.feature("http.history.since")
def test_since_leaves_out_what_is_older(client: httpx.Client, story: list[str]) -> None:
    """https://hl7.org/fhir/R4/http.html#history: only versions at or after the given instant."""
    third = client.get("/Patient/h1/_history/3").json()["meta"]["lastUpdated"]
    assert walk(client, f"/Patient/h1/_history?_since={third}") == [f"Patient/h1/{n}" for n in (6, 5, 4, 3)]


@pytest.fixture(scope="module")
def times(client: httpx.Client, story: list[str]) -> dict[str, str]:
    """When each version of `story` was stored, by its address."""
    entries = client.get("/_history?_count=50").json()["entry"]
    return {
        address: entry["response"]["lastModified"]
        for address, entry in zip(addresses({"entry": entries}), entries, strict=True)
    }


@pytest.mark.feature("http.history.at")
@pytest.mark.parametrize("path", ["/Patient/h1", "/Patient", ""])
@pytest.mark.parametrize("version", range(1, 7))
@pytest.mark.parametrize("count", [1, 50])
def test_at_a_moment_gives_what_was_current_then(
    client: httpx.Client, story: list[str], times: dict[str, str], path: str, version: int, count: int
) -> None:
    """https://hl7.org/fhir/R4/http.html#history: the version stored at a moment is current from then on."""
    moment = times[f"Patient/h1/{version}"]
    newest: dict[str, str] = {}
    for address in reversed(story):
        if times[address] <= moment:
            newest[address.rpartition("/")[0]] = address
    expected = [address for address in newest.values() if address.startswith(path.removeprefix("/"))]
    found = walk(client, f"{path}/_history?_at={moment}&_count={count}")
    assert found == sorted(expected, key=story.index)


@pytest.mark.feature("http.history.at")
def test_at_ends_where_the_period_ends(client: httpx.Client, story: list[str], times: dict[str, str]) -> None:
    """A version is not current in the millisecond before it was stored."""
    stored = datetime.fromisoformat(times["Patient/h1/3"])
    before = (stored - timedelta(milliseconds=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert walk(client, f"/Patient/h1/_history?_at={before}") == ["Patient/h1/2"]


@pytest.mark.feature("http.history.at")
@pytest.mark.parametrize("digits", [4, 7, 10, 16])
def test_at_takes_periods_of_any_precision(
    client: httpx.Client, story: list[str], times: dict[str, str], digits: int
) -> None:
    """All that was current at some time in the period, and the deletion that happened in it."""
    period = times["Patient/h1/1"][:digits] + ("Z" if digits > 10 else "")
    # The minute may have ended between two of the changes.
    expected = [
        address
        for address in story
        if address.startswith("Patient/") and times[address][:digits] == period.rstrip("Z")
    ]
    assert walk(client, f"/Patient/_history?_at={period}") == expected


@pytest.mark.feature("http.history.at")
def test_what_was_deleted_before_is_not_current(
    client: httpx.Client, story: list[str], times: dict[str, str]
) -> None:
    """After a deletion nothing is current; before the first version nothing was."""
    client.put("/Group/gone", json={"resourceType": "Group", "id": "gone", "type": "person", "actual": True})
    client.delete("/Group/gone").raise_for_status()
    assert walk(client, "/Group/gone/_history?_at=2300") == []
    assert walk(client, "/Group/gone/_history?_at=1999-12") == []
    this_year = times["Patient/h1/1"][:4]
    assert walk(client, f"/Group/gone/_history?_at={this_year}") == ["Group/gone/2", "Group/gone/1"]


@pytest.mark.feature("http.history.list")
@pytest.mark.parametrize("reference", ["l1", "List/l1"])
def test_list_leaves_out_what_it_does_not_name(
    client: httpx.Client, story: list[str], reference: str
) -> None:
    """A List may name a version, or a resource with all of its versions; others are left out."""
    references = ["Patient/h1/_history/2", "Patient/h1/_history/6", "Patient/h3", "Group/never", "urn:uuid:1"]
    entries = [{"item": {"reference": text}} for text in references] + [{"item": {"display": "no reference"}}]
    body = {"resourceType": "List", "id": "l1", "status": "current", "mode": "working", "entry": entries}
    client.put("/List/l1", json=body).raise_for_status()
    expected = ["Patient/h1/6", "Patient/h3/2", "Patient/h3/1", "Patient/h1/2"]
    assert walk(client, f"/_history?_list={reference}&_count=2") == expected
    assert walk(client, f"/Patient/_history?_list={reference}") == expected
    assert walk(client, f"/Patient/h3/_history?_list={reference}") == expected[1:3]
    assert walk(client, f"/Group/_history?_list={reference}") == []


@pytest.mark.parametrize(
    ("path", "total"),
    [
        ("/Patient/h1/_history", 6),
        ("/Patient/h1/_history?_count=2", 6),
        ("/Patient/h1/_history?_count=0", 6),
        ("/Patient/_history?_count=0", 8),
        ("/Patient/_history?_count=50", 8),
        ("/Patient/_history?_count=3", None),
    ],
)
def test_the_total_is_told_where_it_costs_little(
    client: httpx.Client, story: list[str], path: str, total: int | None
) -> None:
    """Always of one resource, and of what fits on a page; _count=0 asks for nothing else."""
    bundle = client.get(path).json()
    assert bundle.get("total") == total
    if "_count=0" in path:
        assert "entry" not in bundle


@pytest.mark.parametrize(
    "query",
    [
        *("_count=x", "_count=-1", "_since=yesterday", "_page=zzz", "nonsense=1", "_sort=_lastUpdated"),
        *("_at=ge2020", "_at=2020-13", "_at=2020&_at=2021", "_list=a/b", "_list=never"),
        "_list=$current-medications",
    ],
)
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


def next_page(client: httpx.Client, url: str) -> str:
    """Return the link to the page after the one at `url`."""
    links = {link["relation"]: link["url"] for link in client.get(url).json()["link"]}
    return str(links["next"])


@pytest.mark.feature("http.history.paging")
def test_a_link_says_nothing_and_cannot_be_changed(client: httpx.Client, story: list[str]) -> None:
    """It holds the whole question, sealed: another address, another text or another parameter is refused."""
    link = next_page(client, "/Patient/_history?_count=2&_since=2020-01-01")
    assert "2020" not in link
    page = link.rpartition("_page=")[2]
    assert len(addresses(client.get(link).json())) == 2
    for changed in (page[:-1], page + "A", page[5:], "A" + page):
        assert client.get(f"/Patient/_history?_page={changed}").status_code == 400
    assert client.get(f"/_history?_page={page}").status_code == 400
    assert client.get(f"/Patient/_history?_page={page}&_count=5").status_code == 400


@pytest.mark.feature("http.history.paging")
def test_pages_stay_as_they_are_while_others_write(client: httpx.Client, story: list[str]) -> None:
    """What is written meanwhile is newer, and so on no later page."""
    first = client.get("/Patient/_history?_count=3").json()
    client.put("/Patient/h3", json={"resourceType": "Patient", "id": "h3"}).raise_for_status()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    found = addresses(first) + walk(client, following)
    assert found == [address for address in story if address.startswith("Patient/")]
    client.delete("/Patient/h3").raise_for_status()


@pytest.mark.feature("http.history.paging")
def test_links_keep_the_form_of_the_answer(client: httpx.Client, story: list[str]) -> None:
    """A format that was asked for in the address is that of the next page too."""
    assert next_page(client, "/Patient/_history?_count=2&_format=json").endswith("&_format=json")
