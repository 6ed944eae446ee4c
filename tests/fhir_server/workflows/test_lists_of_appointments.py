"""Lists of appointments, as patients and doctors look at them: each sees the own ones, by one search.

https://hl7.org/fhir/R4/appointment.html#search
"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.fhir_server.workflows.orders.conftest import laboratory, settings
from tests.fhir_server.workflows.orders.laboratory import Laboratory, Resource, coded

__all__ = ["laboratory", "settings"]

_SNOMED = "http://snomed.info/sct"


def _appointment(name: str, patient: str, days: int, status: str, hour: int = 9) -> Resource:
    start = datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=days)
    people = [f"Patient/{patient}", "Practitioner/dr"]
    return {
        "resourceType": "Appointment",
        "id": name,
        "status": status,
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=20)).isoformat(),
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in people],
    }


@pytest.fixture(scope="module")
def booked(laboratory: Laboratory) -> Laboratory:
    """A hospital with appointments of two patients, as records that were brought in."""
    appointments = [
        _appointment("past", "p", -3, "fulfilled"),
        _appointment("late", "p", 2, "booked", 11),
        _appointment("early", "p", 2, "booked", 9),
        _appointment("asked", "p", 5, "pending"),
        _appointment("off", "p", 6, "cancelled"),
        _appointment("other", "q", 2, "booked", 10),
    ]
    for one in appointments:
        answer = laboratory.clients["SY"].put(
            f"/Appointment/{one['id']}", json=one, headers={"x-import": "records"}
        )
        assert answer.status_code == 201, answer.text
    return laboratory


@pytest.mark.workflow("3-07", "3-16", "3-27", "3-35", "4-45")
def test_patients_see_what_is_coming_up(booked: Laboratory) -> None:
    """In its order, without what is over or cancelled; of other patients nothing, whoever they ask for."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    search = f"Appointment?patient=Patient/p&date=ge{now}&status=booked,pending&_sort=date"
    assert [one["id"] for one in booked.found("PT", search)] == ["early", "late", "asked"]
    everything = {one["id"] for one in booked.found("PT", "Appointment?_count=100")}
    assert everything == {"past", "late", "early", "asked", "off"}
    assert booked.found("PT", "Appointment?patient=Patient/q") == []


@pytest.mark.workflow("3-15", "3-25")
def test_doctors_see_the_patients_of_a_day(booked: Laboratory) -> None:
    """By the hour, with the patients beside the appointments."""
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    search = f"Appointment?practitioner=Practitioner/dr&date={day}&_sort=date&_include=Appointment:patient"
    found = booked.found("DR", search)
    assert [one["id"] for one in found if one["resourceType"] == "Appointment"] == ["early", "other", "late"]
    assert "p" in {one["id"] for one in found if one["resourceType"] == "Patient"}


@pytest.mark.workflow("3-22")
def test_doctors_see_all_their_lists_at_once(booked: Laboratory) -> None:
    """What is booked, what waits for an answer, and a patient, in one batch."""
    addresses = [
        "Appointment?practitioner=Practitioner/dr&status=booked",
        "Appointment?practitioner=Practitioner/dr&status=pending",
        "Patient/p",
    ]
    entries = [{"request": {"method": "GET", "url": address}} for address in addresses]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answers = booked.clients["DR"].post("/", json=batch).json()["entry"]
    assert [one["response"]["status"][:3] for one in answers] == ["200"] * 3
    lists = [{entry["resource"]["id"] for entry in one["resource"].get("entry", ())} for one in answers[:2]]
    assert lists == [{"early", "late", "other"}, {"asked"}]


@pytest.mark.workflow("3-30")
def test_patients_choose_a_doctor_by_specialty(booked: Laboratory) -> None:
    """Among those who work here now; a specialty that nobody has finds nobody."""
    for name, is_active in (("here", True), ("gone", False)):
        role = {
            "resourceType": "PractitionerRole",
            "id": f"role-{name}",
            "active": is_active,
            "practitioner": {"reference": "Practitioner/dr"},
            "specialty": [coded(_SNOMED, "394579002")],
        }
        answer = booked.clients["SY"].put(
            f"/PractitionerRole/role-{name}", json=role, headers={"x-import": "records"}
        )
        assert answer.status_code == 201, answer.text
    found = booked.found("PT", f"PractitionerRole?specialty={_SNOMED}|394579002&active=true")
    assert [one["id"] for one in found] == ["role-here"]
    assert booked.found("PT", "PractitionerRole?specialty=none&active=true") == []
