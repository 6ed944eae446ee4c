"""transaction (https://hl7.org/fhir/R4/http.html#trules)."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.fhir_server.interactions.bundles import Entry, entry


def transaction(*entries: Entry) -> dict[str, Any]:
    """Return a transaction Bundle."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def patient(value: str, resource_id: str | None = None) -> dict[str, Any]:
    """Return a Patient with an identifier."""
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": value}]}
    return resource if resource_id is None else {**resource, "id": resource_id}


def observation(subject: str, **elements: Any) -> dict[str, Any]:
    """Return an Observation of `subject`."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **elements,
    }


UUID_1 = "urn:uuid:8f5f4a6c-1111-4b0e-9d6a-000000000001"
UUID_2 = "urn:uuid:8f5f4a6c-1111-4b0e-9d6a-000000000002"


def location_of(answer: httpx.Response, index: int) -> str:
    """Return `Type/id` from the location of an entry."""
    location: str = answer.json()["entry"][index]["response"]["location"]
    return "/".join(location.split("/")[-4:-2])


@pytest.mark.feature("http.transaction.links")
def test_links_are_rewritten_wherever_a_link_may_stand(client: httpx.Client) -> None:
    """References, attachments, uris in extensions and contained resources point at what was stored."""
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "report"},
        "subject": {"reference": UUID_1},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": UUID_1}],
        "contained": [{**observation(UUID_1), "id": "c"}],
        "result": [{"reference": UUID_2}, {"reference": "#c"}],
        "presentedForm": [{"url": UUID_2, "title": UUID_2}],
        "extension": [{"url": "http://example.org/link", "valueUri": UUID_1}],
        "_status": {
            "extension": [{"url": "http://example.org/link", "valueReference": {"reference": UUID_1}}]
        },
    }
    answer = client.post(
        "",
        json=transaction(
            entry("POST", "DiagnosticReport", report),
            entry("POST", "Observation", observation(UUID_1), UUID_2),
            entry("POST", "Patient", patient("links"), UUID_1),
        ),
    )
    assert answer.status_code == 200, answer.text
    stored = client.get("/" + location_of(answer, 0)).json()
    patient_address, observation_address = location_of(answer, 2), location_of(answer, 1)
    assert stored["subject"]["reference"] == patient_address
    assert stored["contained"][0]["subject"]["reference"] == patient_address
    assert [item["reference"] for item in stored["result"]] == [observation_address, "#c"]
    assert stored["presentedForm"][0] == {"url": observation_address, "title": UUID_2}
    assert stored["extension"][0]["valueUri"] == patient_address
    assert stored["_status"]["extension"][0]["valueReference"]["reference"] == patient_address
    assert stored["identifier"][0]["value"] == UUID_1


@pytest.mark.feature("http.transaction")
def test_answers_come_in_the_order_of_the_entries(client: httpx.Client) -> None:
    """Deletions are done first and reads last, and each answer stands where its entry stood."""
    client.put("/Patient/t-old", json=patient("old", "t-old"))
    answer = client.post(
        "",
        json=transaction(
            entry("GET", "Patient/t-new"),
            entry("PUT", "Patient/t-new", patient("new", "t-new")),
            entry("POST", "Patient", patient("posted")),
            entry("DELETE", "Patient/t-old"),
            entry("GET", "Patient/t-old/_history/1"),
        ),
    )
    statuses = [item["response"]["status"][:3] for item in answer.json()["entry"]]
    assert statuses == ["200", "201", "201", "204", "200"]
    assert answer.json()["entry"][0]["resource"]["id"] == "t-new"


FAILING: dict[str, tuple[Entry, int]] = {
    "invalid resource": (entry("POST", "Patient", {"resourceType": "Patient", "nonsense": 1}), 400),
    "broken binding": (entry("POST", "Patient", {"resourceType": "Patient", "gender": "x"}), 422),
    "stale version": (entry("PUT", "Patient/f-1", patient("f", "f-1"), ifMatch='W/"9"'), 412),
    "wrong type": (entry("POST", "Observation", patient("f")), 400),
    "unknown type": (entry("POST", "Nonsense", patient("f")), 400),
    "no resource": (entry("POST", "Patient"), 400),
    "dangling placeholder": (entry("POST", "Observation", observation(UUID_2)), 400),
    "no match": (entry("POST", "Observation", observation("Patient?identifier=urn:t|none")), 412),
    "bad search": (entry("POST", "Observation", observation("Patient?nonsense=1")), 412),
    "foreign url": (entry("PUT", "http://elsewhere.example/Patient/1", patient("f", "1")), 400),
    "update of anything": (entry("PUT", "Patient", patient("f")), 400),
    "delete of anything": (entry("DELETE", "Patient/"), 400),
    "no patch": (entry("PATCH", "Patient/f-1", patient("f")), 400),
    "an operation that changes": (
        entry("POST", "Patient/f-1/$meta-add", {"resourceType": "Parameters"}),
        400,
    ),
    "a batch": (entry("POST", "", {"resourceType": "Bundle", "type": "batch"}), 400),
    "unknown parameter": (entry("PUT", "Patient/f-1?nonsense=1", patient("f", "f-1")), 400),
    "no request": ({"resource": patient("f")}, 422),
}


@pytest.mark.parametrize(("bad", "status"), FAILING.values(), ids=FAILING.keys())
@pytest.mark.feature("http.transaction.atomic")
def test_one_failure_stores_nothing(client: httpx.Client, bad: Entry, status: int) -> None:
    """All or nothing: the good entry before and after the bad one is not stored either."""
    good = entry("PUT", "Patient/never-stored", patient("n", "never-stored"))
    other = entry("POST", "Group", {"resourceType": "Group", "type": "person", "actual": True})
    answer = client.post("", json=transaction(good, bad, other))
    assert answer.status_code == status, answer.text
    assert client.get("/Patient/never-stored").status_code == 404
    assert "entry" not in client.get("/Group/_history").json()


def test_issues_name_the_entry(client: httpx.Client) -> None:
    """Every bad entry is named, not only the first."""
    bad = entry("POST", "Patient", {"resourceType": "Patient", "nonsense": 1})
    issues = client.post("", json=transaction(bad, bad)).json()["issue"]
    paths = [issue["expression"][0] for issue in issues]
    assert [path.split(".resource")[0] for path in paths] == ["Bundle.entry[0]", "Bundle.entry[1]"]


@pytest.mark.feature("http.transaction.overlap")
def test_the_same_resource_twice_is_refused(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/http.html#trules: identities must not overlap."""
    change = entry("PUT", "Patient/overlap", patient("o", "overlap"))
    answer = client.post("", json=transaction(change, entry("DELETE", "Patient/overlap")))
    assert answer.status_code == 400
    assert client.get("/Patient/overlap").status_code == 404


@pytest.mark.feature("http.conditional.references")
def test_conditional_references_are_resolved(client: httpx.Client) -> None:
    """A reference that is a search becomes the one resource that matches."""
    client.put("/Patient/cond-ref", json=patient("cond-ref", "cond-ref"))
    reference = "Patient?identifier=urn:t|cond-ref"
    answer = client.post("", json=transaction(entry("POST", "Observation", observation(reference))))
    stored = client.get("/" + location_of(answer, 0)).json()
    assert stored["subject"]["reference"] == "Patient/cond-ref"


@pytest.mark.feature("http.transaction.conditional")
def test_conditional_create_in_a_transaction(client: httpx.Client) -> None:
    """The first time the patient is created, the second time the links go to the one that is there."""
    bundle = transaction(
        entry("POST", "Patient", patient("if-none"), UUID_1, ifNoneExist="identifier=urn:t|if-none"),
        entry("POST", "Observation", observation(UUID_1)),
    )
    first, second = client.post("", json=bundle), client.post("", json=bundle)
    statuses = [answer.json()["entry"][0]["response"]["status"][:3] for answer in (first, second)]
    assert statuses == ["201", "200"]
    subjects = {
        client.get("/" + location_of(answer, 1)).json()["subject"]["reference"] for answer in (first, second)
    }
    assert subjects == {location_of(first, 0)}


def test_two_entries_with_the_same_condition_make_one_resource(client: httpx.Client) -> None:
    """Links to either entry lead to the same new resource."""
    condition = "identifier=urn:t|same"
    answer = client.post(
        "",
        json=transaction(
            entry("POST", "Patient", patient("same"), UUID_1, ifNoneExist=condition),
            entry("POST", "Patient", patient("same"), UUID_2, ifNoneExist=condition),
            entry("POST", "Observation", observation(UUID_2)),
        ),
    )
    assert answer.status_code == 200, answer.text
    stored = client.get("/" + location_of(answer, 2)).json()
    assert stored["subject"]["reference"] == location_of(answer, 0)


def test_simultaneous_transactions_share_a_conditional_create(base_url: str, client: httpx.Client) -> None:
    """Sixteen bundles at once create the patient once, and all their observations point at it."""
    bundle = transaction(
        entry("POST", "Patient", patient("shared"), UUID_1, ifNoneExist="identifier=urn:t|shared"),
        entry("POST", "Observation", observation(UUID_1)),
    )

    async def race() -> list[httpx.Response]:
        headers = {"content-type": "application/fhir+json"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            return await asyncio.gather(*(http.post(base_url, json=bundle) for _ in range(16)))

    answers = asyncio.run(race())
    statuses = sorted(answer.json()["entry"][0]["response"]["status"][:3] for answer in answers)
    assert statuses == ["200"] * 15 + ["201"]
    subjects = {client.get("/" + location_of(answer, 1)).json()["subject"]["reference"] for answer in answers}
    assert len(subjects) == 1


@pytest.mark.feature("http.transaction.links")
def test_links_between_entries_by_restful_addresses(client: httpx.Client) -> None:
    """A full URL that is an address of another server serves as a placeholder as well."""
    answer = client.post(
        "",
        json=transaction(
            entry("POST", "Patient", patient("rest"), "http://elsewhere.example/fhir/Patient/9"),
            entry(
                "POST", "Observation", observation("Patient/9"), "http://elsewhere.example/fhir/Observation/1"
            ),
            entry("POST", "Observation", observation("http://elsewhere.example/fhir/Patient/9")),
        ),
    )
    target = location_of(answer, 0)
    for index in (1, 2):
        assert client.get("/" + location_of(answer, index)).json()["subject"]["reference"] == target


@pytest.mark.feature("http.transaction")
def test_a_large_transaction_is_stored_whole(client: httpx.Client) -> None:
    """Thousands of entries are no reason to refuse."""
    entries = [entry("POST", "Observation", observation(UUID_1)) for _ in range(3000)]
    answer = client.post("", json=transaction(entry("POST", "Patient", patient("big"), UUID_1), *entries))
    assert answer.status_code == 200
    assert len(answer.json()["entry"]) == 3001


@pytest.mark.feature("http.transaction.prefer")
def test_the_answer_has_resources_if_preferred(client: httpx.Client) -> None:
    """Prefer: return=representation brings what was stored with each answer."""
    bundle = transaction(entry("POST", "Patient", patient("repr")))
    headers = {"prefer": "return=representation"}
    assert "resource" not in client.post("", json=bundle).json()["entry"][0]
    answer = client.post("", json=bundle, headers=headers).json()["entry"][0]
    assert answer["resource"]["meta"]["versionId"] == "1"


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle"},
        [],
        1,
    ],
)
def test_only_batches_and_transactions_are_posted_to_the_base(client: httpx.Client, body: Any) -> None:
    """Anything else is refused."""
    assert client.post("", json=body).status_code == 400


def test_an_empty_transaction_is_fine(client: httpx.Client) -> None:
    """Nothing to do is done."""
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction"})
    assert answer.json() == {"resourceType": "Bundle", "type": "transaction-response"}
