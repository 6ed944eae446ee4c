"""DocumentReference/$docref of records with many documents.

https://hl7.org/fhir/us/core/OperationDefinition-docref.html
"""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings

Resource = dict[str, Any]
_PAGE = 5


@pytest.fixture(scope="module")
def settings(mongo_url: str) -> Iterator[Settings]:
    """A server with small pages."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(
        mongo_url=mongo_url,
        database=name,
        log_level="error",
        auth="off",
        workflows_off="all",
        default_page_size=_PAGE,
        max_page_size=_PAGE,
    )
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


def _document(patient: str, number: int, date: str | None, **more: Any) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "id": f"{patient}-{number}",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "type": {"coding": [{"system": "urn:t", "code": f"t{number}"}]},
        "content": [{"attachment": {"url": "urn:x"}}],
        **({"date": date} if date else {}),
        **more,
    }


def _stored(client: httpx.Client, *resources: Resource) -> None:
    for one in resources:
        assert client.put(f"/{one['resourceType']}/{one['id']}", json=one).status_code in (200, 201)


def _asked(client: httpx.Client, patient: str, **params: str) -> tuple[set[str], list[str], int | None]:
    """Return the ids that are found, the codes of the issues, and the total."""
    answer = client.get("/DocumentReference/$docref", params={"patient": patient, **params})
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    ids = {one["resource"]["id"] for one in entries if one["search"]["mode"] == "match"}
    issues = [one["resource"]["issue"] for one in entries if one["search"]["mode"] == "outcome"]
    return ids, [issue["code"] for listed in issues for issue in listed], answer.json().get("total")


def test_what_is_of_the_dates_is_found_however_much_is_newer(client: httpx.Client) -> None:
    """The dates are a part of the search, and not of a look at its first page."""
    _stored(client, {"resourceType": "Patient", "id": "old"})
    _stored(client, *(_document("old", number, f"2026-01-{number + 1:02}T10:00:00Z") for number in range(12)))
    assert _asked(client, "old", start="2026-01-02", end="2026-01-03") == ({"old-1", "old-2"}, [], 2)
    assert _asked(client, "old", end="2026-01-01") == ({"old-0"}, [], 1)
    assert _asked(client, "old", start="2026-01-12T10:00:00Z") == ({"old-11"}, [], 1)
    bad = client.get("/DocumentReference/$docref", params={"patient": "old", "start": "yesterday"})
    assert bad.status_code == 400


def test_an_answer_that_is_cut_says_so(client: httpx.Client) -> None:
    """With dates and without, and has no total then, as nobody knows it; one that is whole says nothing."""
    _stored(client, {"resourceType": "Patient", "id": "many"})
    _stored(client, *(_document("many", number, f"2026-02-{number + 1:02}T10:00:00Z") for number in range(8)))
    newest = {f"many-{number}" for number in range(3, 8)}
    assert _asked(client, "many", start="2026-02-01") == (newest, ["incomplete"], None)
    assert _asked(client, "many") == (newest, ["incomplete"], None)
    assert _asked(client, "many", start="2026-02-04") == (newest, [], 5)
    assert _asked(client, "many", type="urn:t|t1") == ({"many-1"}, [], 1)


def test_the_dates_are_those_of_the_care_where_they_are_known(client: httpx.Client) -> None:
    """A report of last year's stay is not of this year, though it was written in it."""
    _stored(client, {"resourceType": "Patient", "id": "care"})
    stay = {"context": {"period": {"start": "2025-03-01", "end": "2025-03-09"}}}
    _stored(
        client,
        _document("care", 1, "2026-03-01T10:00:00Z", **stay),
        _document("care", 2, "2026-03-01T10:00:00Z"),
        _document("care", 3, None),
    )
    assert _asked(client, "care", start="2026-01-01")[0] == {"care-2"}
    assert _asked(client, "care", start="2025-03-09", end="2025-12-31")[0] == {"care-1"}
    assert _asked(client, "care", start="2025-03-10", end="2025-12-31")[0] == set()
