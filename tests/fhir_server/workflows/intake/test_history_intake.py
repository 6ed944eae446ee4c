"""History intake: a form begun with what is known, checked, and made into records nobody confirmed."""

import uuid
from typing import Any

import httpx
import pytest

from fhir_server.workflows.intake.forms import INTAKE
from tests.fhir_server.workflows.intake.test_answers import item, people
from tests.fhir_server.workflows.registration.conftest import clients, settings
from tests.fhir_server.workflows.registration.people import numbers, rules_of, somebody

__all__ = ["clients", "people", "settings"]

Resource = dict[str, Any]
Clients = dict[str, httpx.Client]


def _answer(link_id: str, **value: Any) -> Resource:
    return {"linkId": link_id, "answer": [value]}


def _intake(subject: str) -> Resource:
    """Return what a patient says of an illness, an allergy, a medicine and smoking."""
    smoker = {"system": "http://snomed.info/sct", "code": "77176002"}
    food = {"system": "http://hl7.org/fhir/allergy-intolerance-category", "code": "food"}
    bad = {"system": "http://hl7.org/fhir/reaction-event-severity", "code": "severe"}
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": INTAKE,
        "status": "completed",
        "subject": {"reference": subject},
        "authored": "2026-11-01T10:00:00Z",
        "item": [
            {
                "linkId": "person",
                "item": [item("person.name", "Ada"), _answer("person.birth-date", valueDate="1980-04-05")],
            },
            item("has-conditions", True),
            {
                "linkId": "condition",
                "item": [item("condition.what", "Asthma"), _answer("condition.since", valueDate="1999")],
            },
            item("has-allergies", True),
            {
                "linkId": "allergy",
                "item": [
                    item("allergy.what", "Peanuts"),
                    item("allergy.kind", food),
                    item("allergy.reaction", "Hives"),
                    item("allergy.severity", bad),
                ],
            },
            item("takes-medicines", True),
            {
                "linkId": "medicine",
                "item": [item("medicine.what", "Salbutamol"), item("medicine.how", "when needed")],
            },
            {"linkId": "habits", "item": [item("habits.smoking", smoker)]},
        ],
    }


def _by_type(bundle: Resource) -> dict[str, Resource]:
    return {one["resource"]["resourceType"]: one["resource"] for one in bundle["entry"]}


def _registration(subject: str, *, wrong: bool = False) -> Resource:
    """Return the transaction of a registration: patient, answers, insurance and an illness."""
    answers = _intake(subject)
    if wrong:
        answers["item"] = answers["item"][1:]
    resources = [
        somebody(),
        answers,
        {
            "resourceType": "Coverage",
            "status": "active",
            "beneficiary": {"reference": subject},
            "payor": [{"display": "Payer"}],
            "period": {"start": "2026-01-01", "end": "2030-12-31"},
        },
        {
            "resourceType": "Condition",
            "subject": {"reference": subject},
            "code": {"text": "Asthma"},
            "verificationStatus": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
                        "code": "unconfirmed",
                    }
                ]
            },
        },
    ]
    entries = [
        {
            "fullUrl": subject if one["resourceType"] == "Patient" else f"urn:uuid:{uuid.uuid4()}",
            "resource": one,
            "request": {"method": "POST", "url": one["resourceType"]},
        }
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _count(client: httpx.Client) -> list[int]:
    names = ("Patient", "QuestionnaireResponse", "Coverage", "Condition")
    return [client.get(f"/{name}?_summary=count").json()["total"] for name in names]


@pytest.mark.workflow("0-03", "4-02", "1-06", "4-54")
def test_registration_is_one_transaction(client: httpx.Client) -> None:
    """Person, history, insurance and illness come together, or not at all."""
    before = _count(client)
    subject = f"urn:uuid:{uuid.uuid4()}"
    answer = client.post("/", json=_registration(subject), headers={"prefer": "return=representation"})
    assert answer.status_code == 200, answer.text
    found = _by_type(answer.json())
    assert len(numbers(found["Patient"])) == 1
    mine = f"Patient/{found['Patient']['id']}"
    assert found["Coverage"]["beneficiary"]["reference"] == mine
    assert found["QuestionnaireResponse"]["subject"]["reference"] == mine
    assert _count(client) == [one + 1 for one in before]
    refused = client.post("/", json=_registration(f"urn:uuid:{uuid.uuid4()}", wrong=True))
    assert refused.status_code == 422
    assert rules_of(refused) == {"W1.answers"}
    assert _count(client) == [one + 1 for one in before]


@pytest.mark.workflow("0-03", "4-02")
def test_the_desk_registers(clients: Clients) -> None:
    """An administrator stores it all, and what the answers say, but confirms nothing; no nurse does."""
    desk = clients["administrator"]
    subject = f"urn:uuid:{uuid.uuid4()}"
    bundle = _registration(subject)
    refused = clients["nurse"].post("/", json=bundle)
    assert refused.json()["issue"][0]["code"] == "forbidden", refused.text
    answer = desk.post("/", json=bundle, headers={"prefer": "return=representation"})
    assert answer.status_code == 200, answer.text
    found = _by_type(answer.json())
    response = found["QuestionnaireResponse"]["id"]
    stored = desk.post(f"/QuestionnaireResponse/{response}/$extract?persist=true")
    assert stored.status_code == 200, stored.text
    assert len(stored.json()["entry"]) == 4
    confirmed = {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{found['Patient']['id']}"},
        "code": {"text": "Gout"},
    }
    assert desk.post("/Condition", json=confirmed).status_code == 403
    mine = found["Condition"]
    assert desk.put(f"/Condition/{mine['id']}", json=mine | {"code": {"text": "Gout"}}).status_code == 403


@pytest.mark.workflow("0-03", "0-08")
def test_a_form_is_begun_with_what_is_known(client: httpx.Client) -> None:
    """Names from the patient, illnesses from the record, smoking from the latest observation."""
    person = somebody(
        name=[{"text": "Ada Sands", "family": "Sands", "given": ["Ada"]}],
        birthDate="1981-02-03",
        telecom=[{"system": "phone", "value": "555-0111"}],
    )
    patient = client.post("/Patient", json=person).json()
    subject = {"reference": f"Patient/{patient['id']}"}
    active = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
    for name in ("Asthma", "Gout"):
        condition = {"resourceType": "Condition", "subject": subject, "code": {"text": name}}
        condition["clinicalStatus"] = {"coding": [active]}
        assert client.post("/Condition", json=condition).status_code == 201
    for code, date in (("266919005", "2020-01-01"), ("8517006", "2026-10-01")):
        smoking = {
            "resourceType": "Observation",
            "status": "final",
            "subject": subject,
            "code": {"coding": [{"system": "http://loinc.org", "code": "72166-2"}]},
            "effectiveDateTime": date,
            "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
        }
        assert client.post("/Observation", json=smoking).status_code == 201
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "canonical", "valueUri": INTAKE},
            {"name": "subject", "valueReference": subject},
        ],
    }
    answer = client.post("/Questionnaire/$populate", json=parameters)
    assert answer.status_code == 200, answer.text
    listed = {one["name"]: one["resource"] for one in answer.json()["parameter"]}
    assert set(listed) == {"response"}, listed.get("issues")
    filled = listed["response"]
    assert filled["status"] == "in-progress"
    text = str(filled["item"])
    for value in ("Ada Sands", "1981-02-03", "555-0111", "Asthma", "Gout", "8517006"):
        assert value in text
    assert "266919005" not in text
    assert client.post("/QuestionnaireResponse", json=filled).status_code == 201
    url = f"/Questionnaire/$populate?canonical={INTAKE}&subject=Patient/{patient['id']}"
    assert client.get(url).status_code == 200
    assert client.get(url.replace(INTAKE, "urn:none")).status_code == 404
    assert client.get(f"/Questionnaire/$populate?canonical={INTAKE}").status_code == 400


@pytest.mark.workflow("0-08", "0-03")
def test_what_a_patient_says_is_not_confirmed(people: Clients) -> None:
    """The answers become records once, marked as the patient's own; another patient does not get at them."""
    sent = people["anna"].post("/QuestionnaireResponse", json=_intake("Patient/anna"))
    assert sent.status_code == 201, sent.text
    address = f"/QuestionnaireResponse/{sent.json()['id']}/$extract"
    preview = people["anna"].get(address)
    assert preview.status_code == 200, preview.text
    assert people["backend"].get("/Condition?patient=anna").json()["total"] == 0
    stored = people["anna"].post(f"{address}?persist=true")
    assert stored.status_code == 200, stored.text
    found = _by_type(stored.json())
    assert set(found) == {"Condition", "AllergyIntolerance", "MedicationStatement", "Observation"}
    condition, allergy = found["Condition"], found["AllergyIntolerance"]
    assert condition["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    assert condition["asserter"] == {"reference": "Patient/anna"}
    assert condition["onsetDateTime"] == "1999"
    assert allergy["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    assert allergy["category"] == ["food"]
    assert allergy["reaction"] == [{"manifestation": [{"text": "Hives"}], "severity": "severe"}]
    assert found["MedicationStatement"]["informationSource"] == {"reference": "Patient/anna"}
    assert found["Observation"]["valueCodeableConcept"]["coding"][0]["code"] == "77176002"
    again = people["anna"].post(f"{address}?persist=true")
    assert {one["resource"]["meta"]["versionId"] for one in again.json()["entry"]} == {"1"}
    assert people["backend"].get("/Condition?patient=anna").json()["total"] == 1
    assert people["boris"].get(address).status_code == 404
    assert people["boris"].post(f"{address}?persist=true").status_code == 404
    direct = condition | {"verificationStatus": allergy["verificationStatus"]}
    assert people["anna"].put(f"/Condition/{condition['id']}", json=direct).status_code == 403


def test_only_complete_answers_are_extracted(client: httpx.Client) -> None:
    """Answers in progress are refused, and so are those to a form that is not here."""
    patient = client.post("/Patient", json=somebody()).json()
    begun = _intake(f"Patient/{patient['id']}") | {"status": "in-progress"}
    made = client.post("/QuestionnaireResponse", json=begun).json()
    assert client.get(f"/QuestionnaireResponse/{made['id']}/$extract").status_code == 422
    body = _intake(f"Patient/{patient['id']}") | {"questionnaire": "urn:elsewhere"}
    assert client.post("/QuestionnaireResponse/$extract", json=body).status_code == 422
    body["questionnaire"] = INTAKE
    inline = client.post("/QuestionnaireResponse/$extract", json=body)
    assert len(inline.json()["entry"]) == 4
    assert client.post("/QuestionnaireResponse/$extract?persist=true", json=body).status_code == 400


def test_the_forms_that_come_with_the_server(client: httpx.Client) -> None:
    """They are told, to be stored and changed by a hospital."""
    answer = client.get("/Questionnaire/$standard-forms")
    assert INTAKE in {one["resource"]["url"] for one in answer.json()["entry"]}
