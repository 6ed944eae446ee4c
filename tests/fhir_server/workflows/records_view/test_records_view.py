"""The whole record of a patient, by role, release and treatment, and what everybody may see."""

import uuid
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.registration.conftest import authenticate, clients, settings
from tests.fhir_server.workflows.registration.people import numbers, somebody

__all__ = ["clients", "settings"]

Resource = dict[str, Any]
Clients = dict[str, httpx.Client]

_PEOPLE = ("anna", "boris")
_PDF = {"contentType": "application/pdf", "url": "urn:x"}


def _record(patient: str) -> list[Resource]:
    """Return what there is of a patient: history, treatment, allergy, prescription, results, papers."""
    subject = {"reference": f"Patient/{patient}"}
    code = {"code": {"text": "x"}}
    found: list[Resource] = [
        {"resourceType": "Condition", "subject": subject, **code},
        {"resourceType": "Procedure", "status": "completed", "subject": subject, **code},
        {"resourceType": "AllergyIntolerance", "patient": subject, **code},
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": subject},
        {
            "resourceType": "MedicationRequest",
            "status": "completed",
            "intent": "order",
            "subject": subject,
            "medicationCodeableConcept": {"text": "x"},
        },
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "subject": subject,
            **code,
        },
    ]
    for status, number in (("final", 1), ("final", 2), ("preliminary", 3)):
        found.append(
            {
                "resourceType": "Observation",
                "status": status,
                "subject": subject,
                "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
                "category": [
                    {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                "code": "vital-signs",
                            }
                        ]
                    }
                ],
                "effectiveDateTime": f"2026-01-0{number}",
            }
        )
    for kind, day, status in (
        ("a", 1, "current"),
        ("a", 2, "current"),
        ("b", 1, "current"),
        ("b", 3, "superseded"),
    ):
        found.append(
            {
                "resourceType": "DocumentReference",
                "status": status,
                "type": {"coding": [{"system": "urn:t", "code": kind}]},
                "subject": subject,
                "date": f"2026-02-0{day}T10:00:00Z",
                "content": [{"attachment": _PDF}],
            }
        )
    return [one | {"id": f"{patient}-{place}"} for place, one in enumerate(found)]


@pytest.fixture
def house(clients: Clients) -> Clients:
    """The callers, and two patients with their records, one of whom Dora treats."""
    backend = clients["backend"]
    if backend.get("/Patient/anna").status_code == 404:
        for patient in _PEOPLE:
            treated = [{"reference": "Practitioner/dora"}] if patient == "anna" else None
            resources = [somebody(id=patient, generalPractitioner=treated), *_record(patient)]
            entries = [
                {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
                for one in resources
            ]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            answer = backend.post("/", json=bundle, headers={"x-import": "records"})
            assert answer.status_code == 200, answer.text
    return clients


def _found(answer: httpx.Response) -> list[Resource]:
    assert answer.status_code == 200, answer.text
    return [
        one["resource"]
        for one in answer.json().get("entry", [])
        if one["resource"]["resourceType"] != "OperationOutcome"
    ]


def _ids(answer: httpx.Response) -> set[str]:
    return {one["id"] for one in _found(answer)}


@pytest.mark.workflow("0-17", "0-32", "1-01", "2-02", "3-40", "4-11")
def test_a_doctor_sees_the_whole_record_of_whom_they_treat(house: Clients) -> None:
    """All of it, in one question; by type; and of nobody else: 404, as if there were no such patient."""
    doctor = house["doctor"]
    mine = {one["id"] for one in _record("anna")}
    found = _ids(doctor.get("/Patient/anna/$everything"))
    assert mine <= found
    assert not {one["id"] for one in _record("boris")} & found
    types = "Condition,Procedure,AllergyIntolerance,MedicationRequest,DiagnosticReport"
    some = _found(doctor.get(f"/Patient/anna/$everything?_type={types}"))
    assert {one["resourceType"] for one in some} == set(types.split(","))
    since = doctor.get("/Patient/anna/$everything?_type=Observation&start=2026-01-02&_count=1").json()
    assert len(since["entry"]) == 1
    assert doctor.get("/Patient/boris/$everything").status_code == 404
    assert doctor.get("/Patient/boris").status_code == 404
    assert _ids(doctor.get("/Condition?patient=boris")) == set()
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": f"{kind}?patient={one}"}}
            for kind in ("Condition", "Procedure", "AllergyIntolerance", "MedicationRequest")
            for one in _PEOPLE
        ],
    }
    totals = [one["resource"]["total"] for one in doctor.post("/", json=batch).json()["entry"]]
    assert totals == [1, 0] * 4


@pytest.mark.workflow("1-01")
def test_in_an_emergency_a_doctor_sees_a_record(house: Clients) -> None:
    """With a reason; which is why the other test is about a patient of nobody's."""
    other = house["backend"].post("/Patient", json=somebody()).json()["id"]
    assert house["doctor"].get(f"/Patient/{other}/$everything").status_code == 404
    reason = {"name": "reason", "valueString": "Unconscious in the emergency room"}
    asked = {"resourceType": "Parameters", "parameter": [reason]}
    assert house["doctor"].post(f"/Patient/{other}/$break-glass", json=asked).status_code == 200
    assert house["doctor"].get(f"/Patient/{other}/$everything").status_code == 200
    assert house["nurse"].post(f"/Patient/{other}/$break-glass", json=asked).status_code == 403


@pytest.mark.workflow("0-17", "3-37", "4-44", "4-54")
def test_a_patient_sees_their_own_record_as_far_as_it_is_released(house: Clients) -> None:
    """Profile and history, but no result that is not final, and nothing of anybody else's."""
    anna = house["anna"]
    found = _ids(anna.get("/Patient/anna/$everything"))
    unreleased = {one["id"] for one in _record("anna") if one.get("status") == "preliminary"}
    assert unreleased & found == set()
    assert {one["id"] for one in _record("anna") if one["resourceType"] == "Condition"} <= found
    latest = _found(anna.get("/Observation/$lastn?patient=anna&category=vital-signs"))
    assert [one["effectiveDateTime"] for one in latest] == ["2026-01-02"]
    staff = _found(house["doctor"].get("/Observation/$lastn?patient=anna&category=vital-signs"))
    assert [one["effectiveDateTime"] for one in staff] == ["2026-01-03"]
    for address in (
        "/Patient/boris/$everything",
        "/Patient/boris",
        f"/Condition/{_record('boris')[0]['id']}",
    ):
        assert anna.get(address).status_code == 404, address
    assert _found(anna.get("/Observation/$lastn?patient=boris&category=vital-signs")) == []


@pytest.mark.workflow("4-04", "4-44")
def test_the_number_leads_to_the_record(house: Clients) -> None:
    """From the medical record number to all that there is."""
    made = house["administrator"].post("/Patient", json=somebody()).json()
    (number,) = numbers(made)
    found = _found(house["administrator"].get(f"/Patient?identifier={number}"))
    assert [one["id"] for one in found] == [made["id"]]
    whole = house["administrator"].get(f"/Patient/{made['id']}/$everything")
    assert made["id"] in _ids(whole)


@pytest.mark.workflow("0-17", "4-44")
def test_documents_are_listed(house: Clients) -> None:
    """The newest of each type that counts; those of some dates; of one type; of one's own."""
    anna = house["anna"]
    newest = _found(anna.get("/DocumentReference/$docref?patient=anna"))
    assert sorted(one["date"] for one in newest) == ["2026-02-01T10:00:00Z", "2026-02-02T10:00:00Z"]
    dated = _found(anna.get("/DocumentReference/$docref?patient=anna&start=2026-02-01&end=2026-02-01"))
    assert len(dated) == 2
    typed = _found(anna.get("/DocumentReference/$docref?patient=Patient/anna&type=urn:t|b"))
    assert [one["type"]["coding"][0]["code"] for one in typed] == ["b"]
    parameters = [
        {"name": "patient", "valueId": "anna"},
        {"name": "type", "valueCodeableConcept": {"coding": [{"system": "urn:t", "code": "a"}]}},
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert len(_found(anna.post("/DocumentReference/$docref", json=body))) == 1
    assert anna.get("/DocumentReference/$docref?patient=boris").status_code == 404
    assert anna.get("/DocumentReference/$docref").status_code == 400
    demanded = anna.get("/DocumentReference/$docref?patient=anna&on-demand=true").json()
    assert [one["search"]["mode"] for one in demanded["entry"]] == ["outcome"]


@pytest.mark.workflow("3-14")
def test_the_home_page_needs_no_token_and_shows_no_patient(house: Clients, settings: Settings) -> None:
    """Who the hospital is, what it offers and where; on no way anything of patients, rooms or staff."""
    backend = house["backend"]
    managed = {"managingOrganization": {"reference": "Organization/hq"}, "status": "active"}
    for one in (
        {"resourceType": "Organization", "id": "hq", "active": True, "name": "Hospital"},
        {"resourceType": "Organization", "id": "gone", "active": False, "name": "Old"},
        {"resourceType": "HealthcareService", "id": "eyes", "active": True, "name": "Eyes"},
        {"resourceType": "Location", "id": "site", "name": "Site", **managed},
        {"resourceType": "Location", "id": "bed", "partOf": {"reference": "Location/site"}, **managed},
        {"resourceType": "Location", "id": "home", "status": "active", "name": "Somebody's home"},
        {
            "resourceType": "Encounter",
            "id": "stay",
            "status": "planned",
            "class": {"code": "IMP"},
            "subject": {"reference": "Patient/anna"},
            "location": [{"location": {"reference": "Location/site"}}],
            "serviceProvider": {"reference": "Organization/hq"},
        },
    ):
        answer = backend.put(f"/{one['resourceType']}/{one['id']}", json=one, headers={"x-import": "records"})
        assert answer.status_code in (200, 201), answer.text
    url = str(house["anna"].base_url).rstrip("/")
    with httpx.Client(base_url=url, headers={"accept": FHIR_JSON}, timeout=30) as visitor:
        assert _ids(visitor.get("/Organization")) == {"hq"}
        assert _ids(visitor.get("/HealthcareService?name=eyes")) == {"eyes"}
        assert _ids(visitor.get("/Location")) == {"site"}
        assert visitor.get("/Organization/hq").status_code == 200
        assert visitor.get("/Organization/gone").status_code == 404
        assert visitor.get("/Location/bed").status_code == 404
        assert visitor.get("/Location/home").status_code == 404
        more = visitor.get("/Location?_revinclude=Encounter:location&_include=*").text
        assert "stay" not in more
        chained = visitor.get("/Organization?_has:Encounter:service-provider:_id=stay")
        assert chained.status_code >= 400 or _ids(chained) == set()
        for address in ("/Patient", "/Patient/anna", "/Practitioner", "/Organization/_history", "/Slot"):
            assert visitor.get(address).status_code == 401, address
        for method in ("post", "put", "delete"):
            assert getattr(visitor, method)("/Organization/hq").status_code in (401, 405)
        bad = visitor.get("/Organization", headers={"authorization": "Bearer wrong"})
        assert bad.status_code == 401
    with (
        running_server(settings.model_copy(update={"public_directory": "off"}), authenticate) as closed,
        httpx.Client(base_url=closed) as visitor,
    ):
        assert visitor.get("/Organization").status_code == 401


@pytest.mark.workflow("2-06")
def test_hospitals_beside_each_other_share_nothing(mongo_url: str, settings: Settings) -> None:
    """Each has a database and servers of its own: of the other's patients there is none, and no number."""
    other = settings.model_copy(update={"database": f"test-{uuid.uuid4().hex[:12]}", "mongo_url": mongo_url})
    try:
        with running_server(settings) as one, running_server(other) as two:
            patient = httpx.post(f"{one}/Patient", json=somebody(), timeout=30).json()
            assert httpx.get(f"{one}/Patient/{patient['id']}").status_code == 200
            assert httpx.get(f"{two}/Patient/{patient['id']}").status_code == 404
            assert httpx.get(f"{two}/Patient/{patient['id']}/$everything").status_code == 404
            assert httpx.get(f"{two}/Patient?_summary=count").json()["total"] == 0
            same = {"resourceType": "Patient", "name": patient["name"], "birthDate": patient["birthDate"]}
            assert httpx.post(f"{two}/Patient", json=same, timeout=30).status_code == 201
    finally:
        with MongoClient[Resource](mongo_url) as client:
            client.drop_database(other.database)


@pytest.mark.workflow("4-54")
def test_nothing_refers_to_what_is_not_there(settings: Settings) -> None:
    """Where a hospital wants that: a dangling reference stores nothing."""
    strict = settings.model_copy(update={"referential_integrity": "enforce"})
    dangling = {"resourceType": "Condition", "subject": {"reference": "Patient/nobody"}}
    with running_server(strict) as url, httpx.Client(base_url=url, timeout=30) as client:
        entries = [
            {"resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
            for one in (somebody(), dangling)
        ]
        before = client.get("/Patient?_summary=count").json()["total"]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert client.post("/", json=bundle).status_code == 422
        assert client.get("/Patient?_summary=count").json()["total"] == before
