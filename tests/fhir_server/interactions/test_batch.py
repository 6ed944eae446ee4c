"""batch (https://hl7.org/fhir/R4/http.html#transaction)."""

from typing import Any

import httpx
import pytest

from tests.fhir_server.interactions.bundles import entry


@pytest.mark.feature("http.batch")
def test_each_entry_stands_for_itself(client: httpx.Client) -> None:
    """Good entries are stored, bad ones carry their outcome, and the order is that of the request."""
    good = {"resourceType": "Patient", "id": "b1"}
    bad = {"resourceType": "Patient", "nonsense": True}
    entries = [
        entry("GET", "Patient/b1"),
        entry("POST", "Patient", bad),
        entry("PUT", "Patient/b1", good),
        entry("POST", "Patient", {"resourceType": "Patient"}),
        entry("DELETE", "Patient/unknown"),
        entry("GET", "Patient/unknown"),
        entry("GET", "Nonsense/1"),
        entry("PATCH", "Patient/b1"),
        entry("GET", "metadata"),
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert answer.status_code == 200
    bundle = answer.json()
    assert bundle["type"] == "batch-response"
    statuses = [item["response"]["status"][:3] for item in bundle["entry"]]
    assert statuses == ["200", "400", "201", "201", "204", "404", "404", "400", "200"]
    assert bundle["entry"][0]["resource"]["id"] == "b1"
    assert bundle["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.feature("http.batch.conditions")
def test_conditions_of_entries(client: httpx.Client) -> None:
    """ifNoneExist, ifMatch and ifNoneMatch mean what the headers mean."""
    person = {"resourceType": "Patient", "id": "b2", "identifier": [{"system": "urn:b", "value": "2"}]}
    client.put("/Patient/b2", json=person)
    entries = [
        entry("POST", "Patient", person, ifNoneExist="identifier=urn:b|2"),
        entry("PUT", "Patient/b2", person, ifMatch='W/"7"'),
        entry("GET", "Patient/b2", ifNoneMatch='W/"1"'),
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    statuses = [item["response"]["status"][:3] for item in answer.json()["entry"]]
    assert statuses == ["200", "412", "304"]


@pytest.mark.feature("http.conditional.references")
def test_conditional_references_in_a_batch(client: httpx.Client) -> None:
    """A search as a reference is resolved; one that matches nothing fails its entry alone."""
    client.put(
        "/Patient/b3",
        json={"resourceType": "Patient", "id": "b3", "identifier": [{"system": "urn:b", "value": "3"}]},
    )

    def basic(value: str) -> dict[str, Any]:
        subject = {"reference": f"Patient?identifier=urn:b|{value}"}
        return {"resourceType": "Basic", "code": {"text": "x"}, "subject": subject}

    entries = [entry("POST", "Basic", basic("3")), entry("POST", "Basic", basic("none"))]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    assert [item["response"]["status"][:3] for item in answer["entry"]] == ["201", "412"]
    location = answer["entry"][0]["response"]["location"]
    assert client.get(location).json()["subject"]["reference"] == "Patient/b3"


def test_one_that_fails_among_many(client: httpx.Client) -> None:
    """Plain writes are stored together; the one that is refused is refused alone, wherever it stands."""
    client.put("/Patient/many-7", json={"resourceType": "Patient", "id": "many-7"})
    entries = [
        entry("PUT", f"Patient/many-{number}", {"resourceType": "Patient", "id": f"many-{number}"})
        for number in range(70)
    ]
    entries[7]["request"]["ifMatch"] = 'W/"9"'
    entries[61]["request"]["ifNoneMatch"] = "*"
    entries.insert(30, entry("POST", "Patient", {"resourceType": "Patient", "gender": "x"}))
    entries.insert(31, entry("PUT", "Patient/many-3", {"resourceType": "Patient", "id": "other"}))
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    statuses = [item["response"]["status"][:3] for item in answer["entry"]]
    assert {number: status for number, status in enumerate(statuses) if status != "201"} == {
        7: "412",
        30: "422",
        31: "400",
    }
    assert client.get("/Patient/many-7").json()["meta"]["versionId"] == "1"
    assert client.get("/Patient", params={"_id": "many-0,many-69"}).json()["total"] == 2


def test_a_resource_that_is_written_twice(client: httpx.Client) -> None:
    """Each of the two is carried out; which one is the last is not said, as entries have no order."""
    twice = [
        entry("PUT", "Patient/twice", {"resourceType": "Patient", "id": "twice", "active": value})
        for value in (True, False)
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": twice}).json()
    assert sorted(item["response"]["status"][:3] for item in answer["entry"]) == ["200", "201"]
    assert client.get("/Patient/twice").json()["meta"]["versionId"] == "2"
