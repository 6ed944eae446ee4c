"""What is sent for one document (https://hl7.org/fhir/R4/bundle.html)."""

import json
from typing import Any

import pytest

from fhir_server.loader.documents import submissions
from fhir_server.loader.submission import Submission
from resources.operation_outcome import InvalidContent

PATIENT = {"resourceType": "Patient", "id": "p1"}
NAMELESS = {"resourceType": "Patient"}
OUTCOME = {"resourceType": "OperationOutcome", "issue": []}


def sent(document: dict[str, Any]) -> list[Submission]:
    """Return the submissions of `document`."""
    found = list(submissions("file.json", json.dumps(document).encode(), 1000))
    assert all(isinstance(one, Submission) for one in found)
    return [one for one in found if isinstance(one, Submission)]


def bundle(bundle_type: str, *entries: dict[str, Any]) -> dict[str, Any]:
    """Return a Bundle."""
    return {"resourceType": "Bundle", "type": bundle_type, "entry": list(entries)}


@pytest.mark.parametrize(
    ("resource", "method", "path"),
    [
        (PATIENT, "PUT", "Patient/p1"),
        (NAMELESS, "POST", "Patient"),
        ({"resourceType": "Patient", "id": "../x y"}, "PUT", "Patient/..%2Fx%20y"),
        ({"resourceType": "Patient", "id": ""}, "POST", "Patient"),
    ],
)
def test_a_resource_is_put_under_its_id_or_posted(resource: dict[str, Any], method: str, path: str) -> None:
    """https://hl7.org/fhir/R4/http.html#upsert: an id makes a PUT, no id a POST."""
    (one,) = sent(resource)
    assert (one.method, one.path, json.loads(one.body)) == (method, path, resource)
    assert one.repeatable == (method == "PUT")


@pytest.mark.parametrize("bundle_type", ["batch", "transaction"])
def test_batches_and_transactions_are_sent_as_they_are(bundle_type: str) -> None:
    """Not a byte of a batch or transaction changes, digits and spaces included."""
    body = (
        b'{ "resourceType":"Bundle", "type":"%s",\n"entry":[{"resource":{"resourceType":"Basic", "x":1.00}}]}'
    )
    body %= bundle_type.encode()
    (one,) = submissions("file.json", body)
    assert isinstance(one, Submission)
    assert (one.method, one.path, one.body) == ("POST", "", body)
    assert one.divisible == (bundle_type == "batch")


@pytest.mark.parametrize("bundle_type", ["collection", "searchset", "document", "message"])
def test_other_bundles_become_a_batch(bundle_type: str) -> None:
    """The content of a Bundle that asks for nothing is put under the ids, or posted."""
    (one,) = sent(bundle(bundle_type, {"resource": PATIENT}, {"resource": NAMELESS}))
    content = json.loads(one.body)
    assert content["type"] == "batch"
    assert [entry["request"] for entry in content["entry"]] == [
        {"method": "PUT", "url": "Patient/p1"},
        {"method": "POST", "url": "Patient"},
    ]
    assert [entry["resource"] for entry in content["entry"]] == [PATIENT, NAMELESS]


def test_links_inside_a_bundle_need_a_transaction() -> None:
    """`urn:uuid` links are only resolved by a transaction, so that is what such a Bundle becomes."""
    link = "urn:uuid:6b0b0b0e-0000-4000-8000-000000000001"
    observation = {"resourceType": "Observation", "subject": {"reference": link}}
    (one,) = sent(bundle("collection", {"fullUrl": link, "resource": NAMELESS}, {"resource": observation}))
    content = json.loads(one.body)
    assert content["type"] == "transaction"
    assert content["entry"][0]["fullUrl"] == link
    assert not one.divisible


def test_a_large_collection_becomes_several_batches() -> None:
    """A batch has a bounded number of entries; the sizes of all add up to no more than the file's."""
    patients = [{"resource": {"resourceType": "Patient", "id": f"p{n}"}} for n in range(250)]
    parts = sent(bundle("collection", *patients))
    assert [len(part.entries) for part in parts] == [100, 100, 50]
    assert parts[-1].entries[-1].label == "entry[249] Patient/p249"
    assert sum(part.size for part in parts) == 1000


def test_outcomes_of_a_search_are_no_content() -> None:
    """https://hl7.org/fhir/R4/search.html#outcome: an outcome entry is about the search."""
    entries: list[dict[str, Any]] = [
        {"resource": PATIENT},
        {"resource": OUTCOME, "search": {"mode": "outcome"}},
        {"fullUrl": "x"},
    ]
    (one,) = sent(bundle("searchset", *entries))
    assert [entry.resource_type for entry in one.entries] == ["Patient"]


def test_only_the_newest_version_of_a_history_is_loaded() -> None:
    """A history is sorted newest first; what was deleted last stays away."""
    older = PATIENT | {"active": False}
    deleted = {"request": {"method": "DELETE", "url": "Patient/gone"}}
    (one,) = sent(
        bundle(
            "history",
            deleted,
            {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p1"}},
            {"resource": older, "request": {"method": "PUT", "url": "Patient/p1"}},
            {"resource": PATIENT | {"id": "gone"}, "request": {"method": "PUT", "url": "Patient/gone"}},
        )
    )
    assert [entry["resource"] for entry in json.loads(one.body)["entry"]] == [PATIENT]


@pytest.mark.parametrize(
    ("requests", "repeatable"),
    [
        ([{"method": "PUT", "url": "Patient/1"}, {"method": "DELETE", "url": "Patient/2"}], True),
        ([{"method": "POST", "url": "Patient", "ifNoneExist": "identifier=1"}], True),
        ([{"method": "PUT", "url": "Patient/1"}, {"method": "POST", "url": "Patient"}], False),
        ([{"method": "PATCH", "url": "Patient/1"}], False),
        ([None], False),
    ],
)
def test_what_may_be_sent_twice(requests: list[Any], repeatable: bool) -> None:
    """A transaction may be repeated if each of its requests has the effect of once."""
    (one,) = sent(bundle("transaction", *({"request": request} for request in requests)))
    assert one.repeatable == repeatable


def test_entries_are_named_for_people() -> None:
    """An entry is found again by its place, its type, and its fullUrl or URL."""
    (one,) = sent(
        bundle(
            "transaction",
            {"fullUrl": "urn:uuid:1", "resource": NAMELESS, "request": {"method": "POST", "url": "Patient"}},
            {"request": {"method": "DELETE", "url": "Observation?code=1"}},
        )
    )
    assert [entry.label for entry in one.entries] == [
        "entry[0] Patient urn:uuid:1",
        "entry[1] Observation Observation?code=1",
    ]
    assert [entry.resource_type for entry in one.entries] == ["Patient", "Observation"]


def test_an_empty_bundle_is_no_work() -> None:
    """A collection without entries sends nothing."""
    assert sent({"resourceType": "Bundle", "type": "collection"}) == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b"{}",
        b'{"resourceType": 1}',
        b'{"resourceType": ""}',
        b'{"a": 1, "a": 2}',
        b'{"resourceType": "Bundle", "type": "batch", "entry": [1]}',
        b'{"resourceType": "Bundle", "type": "collection", "entry": {}}',
    ],
)
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    """Anything but a resource is an error, before anything is sent."""
    with pytest.raises(InvalidContent):
        list(submissions("file.json", body))
