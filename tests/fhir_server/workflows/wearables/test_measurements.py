"""Measurements of wearables: by batch, each once, by patients of their own devices and by services."""

from typing import Any

import httpx
import pytest

from tests.fhir_server.workflows.intake.test_answers import people
from tests.fhir_server.workflows.registration.conftest import clients, settings
from tests.fhir_server.workflows.registration.people import rules_of

__all__ = ["clients", "people", "settings"]

Resource = dict[str, Any]
Clients = dict[str, httpx.Client]

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def _pulse(number: str, **elements: Any) -> Resource:
    measured = {
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": "urn:watch", "value": number}],
        "category": [{"coding": [{"system": _CATEGORY, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/anna"},
        "device": {"reference": "Device/watch"},
        "effectiveDateTime": "2026-11-01T10:00:00Z",
        "valueQuantity": {"value": 61, "unit": "/min"},
    }
    return {name: value for name, value in (measured | elements).items() if value is not None}


def _batch(*resources: Resource, condition: bool = False) -> Resource:
    entries = []
    for one in resources:
        request = {"method": "POST", "url": one["resourceType"]}
        if condition:
            first = one["identifier"][0]
            request["ifNoneExist"] = f"identifier={first['system']}|{first['value']}"
        entries.append({"resource": one, "request": request})
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


@pytest.fixture
def watch(people: Clients) -> Clients:
    """The callers, and Anna's watch."""
    if people["backend"].get("/Device/watch").status_code == 404:
        device = {
            "resourceType": "Device",
            "id": "watch",
            "identifier": [{"system": "urn:watches", "value": "w1"}],
            "patient": {"reference": "Patient/anna"},
        }
        assert people["backend"].put("/Device/watch", json=device).status_code == 201
    return people


@pytest.mark.workflow("1-42")
@pytest.mark.parametrize("caller", ["anna", "backend"])
def test_each_measurement_is_here_once(watch: Clients, caller: str) -> None:
    """A batch that is sent again makes no second row: 409 for each, or 200 where it says If-None-Exist."""
    client = watch[caller]
    mine = [_pulse(f"{caller}-{number}") for number in range(5)]
    first = client.post("/", json=_batch(*mine)).json()
    assert [one["response"]["status"][:3] for one in first["entry"]] == ["201"] * 5
    again = client.post("/", json=_batch(*mine)).json()
    assert [one["response"]["status"][:3] for one in again["entry"]] == ["409"] * 5
    known = client.post("/", json=_batch(*mine, condition=True)).json()
    assert [one["response"]["status"][:3] for one in known["entry"]] == ["200"] * 5
    found = watch["backend"].get(f"/Observation?identifier=urn:watch|{caller}-0").json()
    assert found["total"] == 1
    put = watch["backend"].put("/Observation/again", json=mine[0] | {"id": "again"})
    assert put.status_code == 409
    assert rules_of(put) == {"W22.duplicate-measurement"}


@pytest.mark.workflow("1-42")
def test_a_device_of_a_patient_is_here_once(watch: Clients) -> None:
    """A patient brings their own; not one of somebody else, and none twice."""
    device = {
        "resourceType": "Device",
        "identifier": [{"system": "urn:watches", "value": "w2"}],
        "patient": {"reference": "Patient/anna"},
    }
    assert watch["anna"].post("/Device", json=device).status_code == 201
    answer = watch["anna"].post("/Device", json=device)
    assert answer.status_code == 409
    assert rules_of(answer) == {"W22.duplicate-measurement"}
    foreign = device | {"identifier": [], "patient": {"reference": "Patient/boris"}}
    del foreign["identifier"]
    assert watch["anna"].post("/Device", json=foreign).status_code == 403


@pytest.mark.workflow("1-42")
def test_what_a_patient_may_not_bring(watch: Clients) -> None:
    """Nothing of another patient or device, no laboratory result, no order and no verdict."""
    anna = watch["anna"]
    lab = [{"coding": [{"system": _CATEGORY, "code": "laboratory"}]}]
    normal = [{"coding": [{"code": "N"}]}]
    cases: tuple[Resource, ...] = (
        {"subject": {"reference": "Patient/boris"}},
        {"category": lab},
        {"device": {"reference": "Device/of-nobody"}},
        {"interpretation": normal},
        {"basedOn": [{"reference": "ServiceRequest/1"}]},
        {"performer": [{"reference": "Practitioner/dora"}]},
    )
    for number, elements in enumerate(cases):
        answer = anna.post("/Observation", json=_pulse(f"no-{number}", **elements))
        assert answer.status_code == 403, (elements, answer.text)
    both = _pulse("mixed", category=[*lab, *_pulse("x")["category"]], interpretation=normal)
    answer = anna.post("/Observation", json=both)
    assert rules_of(answer) == {"W22.own-measurement"}
    mine = anna.post("/Observation", json=_pulse("changes")).json()
    assert anna.put(f"/Observation/{mine['id']}", json=mine | {"status": "amended"}).status_code == 403


def test_results_of_one_analyser_share_a_number(watch: Clients) -> None:
    """What was ordered is not a wearable's: one number of an order stands on several results."""
    order = {"basedOn": [{"reference": "ServiceRequest/1"}]}
    for _ in range(2):
        assert watch["backend"].post("/Observation", json=_pulse("filler", **order)).status_code == 201
