"""The parameters that all resources have. https://hl7.org/fhir/R4/search.html#all"""

import httpx
import pytest

from tests.fhir_server.search.searching import Row, check, page, refusal, row_id, store

TAGS = "http://acme.org/tags"
SECURITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

RESOURCES = [
    {"resourceType": "Basic", "id": "a", "code": {"text": "x"}},
    {"resourceType": "Basic", "id": "A", "code": {"text": "x"}},
    {
        "resourceType": "Basic",
        "id": "tagged",
        "code": {"text": "x"},
        "meta": {
            "tag": [{"system": TAGS, "code": "needs-review"}, {"code": "new"}],
            "security": [{"system": SECURITY, "code": "R"}],
        },
    },
]

TABLE: list[Row] = [
    ("id", "Basic?_id=a", "a"),
    ("id", "Basic?_id=A", "A"),
    ("id", "Basic?_id=a,tagged,unknown", "a tagged"),
    ("id", "Basic?_id=a&_id=A", ""),
    ("id", "Basic?_id:not=a", "A tagged"),
    ("id", "Patient?_id=a", ""),
    ("tag", f"Basic?_tag={TAGS}|needs-review", "tagged"),
    ("tag", "Basic?_tag=needs-review", "tagged"),
    ("tag", f"Basic?_tag={TAGS}|", "tagged"),
    ("tag", "Basic?_tag=|new", "tagged"),
    ("tag", "Basic?_tag=|needs-review", ""),
    ("tag", "Basic?_tag:not=new", "a A"),
    ("tag", "Basic?_tag:missing=true", "a A"),
    ("security", f"Basic?_security={SECURITY}|R", "tagged"),
    ("security", "Basic?_security=N", ""),
    ("lastUpdated", "Basic?_lastUpdated=gt2010-10-01", "a A tagged"),
    ("lastUpdated", "Basic?_lastUpdated=lt2010-10-01", ""),
    ("lastUpdated", "Basic?_lastUpdated=ge2010&_lastUpdated=lt9999", "a A tagged"),
    ("lastUpdated", "Basic?_lastUpdated=2010", ""),
    ("lastUpdated", "Basic?_lastUpdated=ne2010", "a A tagged"),
    ("lastUpdated", "Basic?_lastUpdated=sa2010", "a A tagged"),
    ("lastUpdated", "Basic?_lastUpdated=eb2010", ""),
    ("lastUpdated", "Basic?_lastUpdated=2010,gt2011", "a A tagged"),
    ("lastUpdated", "Basic?_lastUpdated:missing=true", ""),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.parametrize("row", TABLE, ids=row_id)
@pytest.mark.feature(
    "search.all._id", "search.all._tag", "search.all._profile", "search.all._security", "search.all._source"
)
def test_parameters_of_all_resources(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


@pytest.mark.feature("search.all._lastUpdated")
def test_a_resource_is_found_by_the_moment_of_its_change(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#lastUpdated: eq, gt and lt about the very millisecond."""
    moment = client.get("/Basic/a").json()["meta"]["lastUpdated"]
    assert "a" in [entry["resource"]["id"] for entry in page(client, f"Basic?_lastUpdated={moment}")["entry"]]
    check(client, ("lastUpdated", f"Basic?_id=a&_lastUpdated=ge{moment}", "a"))
    check(client, ("lastUpdated", f"Basic?_id=a&_lastUpdated=le{moment}", "a"))
    check(client, ("lastUpdated", f"Basic?_id=a&_lastUpdated=gt{moment}", ""))
    check(client, ("lastUpdated", f"Basic?_id=a&_lastUpdated=lt{moment}", ""))
    check(client, ("lastUpdated", f"Basic?_id=a&_lastUpdated=ap{moment}", "a"))


def test_an_update_changes_what_a_resource_is_found_by(client: httpx.Client) -> None:
    """The index values are those of the current version; a deleted resource is not found at all."""
    for text in ("one", "two"):
        patient = {"resourceType": "Patient", "id": "changing", "name": [{"family": text}]}
        assert client.put("/Patient/changing", json=patient).status_code < 300
    check(client, ("errors", "Patient?family=one", ""))
    check(client, ("errors", "Patient?family=two", "changing"))
    client.delete("/Patient/changing")
    check(client, ("errors", "Patient?family=two", ""))


def test_contained_resources_are_not_found(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#contained: by default results are not contained in others."""
    contained = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"code": "abc"}]}}
    order = {
        "resourceType": "MedicationRequest",
        "id": "order",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "#m"},
        "subject": {"reference": "Patient/1"},
        "contained": [contained],
    }
    store(client, [order])
    check(client, ("contained", "Medication?code=abc", ""))
    check(client, ("contained", "MedicationRequest?code=abc", ""))
    check(client, ("contained", "MedicationRequest?intent=order", "order"))


def test_an_id_has_no_system(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#id: "there is no system for the _id parameter"."""
    assert refusal(client, "Basic?_id=x|a")["diagnostics"].startswith("_id: ")
