"""Appointments and their Slots: states, times, who may do what, and whose time it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.store import instant
from tests.fhir_server.workflows.scheduling.clinic import (
    MRI,
    REASON,
    Clinic,
    participants,
    rules,
)

Resource = dict[str, Any]


def _ago(**time: float) -> str:
    return instant(datetime.now(UTC) - timedelta(**time))


@pytest.mark.workflow("0-09", "3-03", "3-06", "0-27")
def test_an_appointment_makes_its_slot_busy(clinic: Clinic) -> None:
    """The doctor of the Slot takes part, and the Slot follows; it is found by the patient."""
    slot = clinic.slot()
    booked = clinic.booked(slot, reasonCode=[{"text": "Check"}], token="PT")
    actors = {one["actor"]["reference"] for one in booked["participant"]}
    assert actors == {"Patient/p", "PractitionerRole/r-dr", "Practitioner/dr"}
    assert clinic.read(slot)["status"] == "busy"
    found = clinic.clients["PT"].get(f"/Appointment?patient=Patient/p&date={slot['start']}").json()
    assert [one["resource"]["id"] for one in found["entry"]] == [booked["id"]]


@pytest.mark.workflow("1-07", "4-05")
def test_a_slot_is_for_one(clinic: Clinic) -> None:
    """The second is told 409, also in a transaction, and nothing of the first."""
    slot = clinic.slot()
    clinic.booked(slot)
    second = clinic.appointment(slot, "q")
    answer = clinic.post("PT2", second)
    assert answer.status_code == 409
    assert "W3.slot-taken" in rules(answer)
    entry = {"resource": second, "request": {"method": "POST", "url": "Appointment"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert clinic.clients["AD"].post("", json=bundle).status_code == 409


def test_nobody_is_in_two_places(clinic: Clinic) -> None:
    """Neither the patient, nor the doctor without a slot, nor a room; who says no is free."""
    slot = clinic.slot()
    clinic.booked(slot, participant=participants("Patient/p", "Location/room"))
    time: Resource = {"start": slot["start"], "end": slot["end"]}
    for taken in ("Patient/p", "Practitioner/dr", "PractitionerRole/r-dr", "Location/room"):
        answer = clinic.post("AD", clinic.appointment(participant=participants(taken), **time))
        assert answer.status_code == 409, taken
        assert rules(answer) == {"W3.double-booking"}
    listed = [*participants("Patient/q"), *participants("Patient/p", status="declined")]
    assert clinic.post("AD", clinic.appointment(participant=listed, **time)).status_code == 201


def test_times_that_cannot_be(clinic: Clinic) -> None:
    """In the past, the end first, another length, outside of the Slot."""
    past: Resource = {"start": _ago(hours=2), "end": _ago(hours=1)}
    assert rules(clinic.post("AD", clinic.appointment(**past))) == {"W3.past-start"}
    time = clinic.time()
    turned: Resource = {"start": time["end"], "end": time["start"]}
    assert rules(clinic.post("AD", clinic.appointment(**turned))) == {"W3.end-after-start"}
    wrong = clinic.appointment(**time, minutesDuration=20)
    assert rules(clinic.post("AD", wrong)) == {"W3.duration"}
    assert clinic.post("AD", {**wrong, "minutesDuration": 30}).status_code == 201
    slot = clinic.slot()
    later = instant(datetime.fromisoformat(slot["end"]) + timedelta(minutes=5))
    answer = clinic.post("AD", {**clinic.appointment(slot), "end": later})
    assert answer.status_code == 422
    assert rules(answer) == {"W3.outside-schedule"}


@pytest.mark.workflow("3-47")
def test_a_start_needs_an_end(clinic: Clinic) -> None:
    """The invariant of FHIR."""
    time = clinic.time()
    answer = clinic.post("AD", clinic.appointment(start=time["start"]))
    assert answer.status_code == 422
    assert rules(answer) == {"W3.start-and-end"}


def test_the_inactive_are_not_booked(clinic: Clinic) -> None:
    """A role that is over at the time, and a Slot that is unavailable."""
    role = {"resourceType": "PractitionerRole", "id": "gone", "active": True, "period": {"end": "2020-01-01"}}
    clinic.put("SY", role)
    listed = participants("Patient/p", "PractitionerRole/gone")
    assert rules(clinic.post("AD", clinic.appointment(participant=listed, **clinic.time()))) >= {
        "W3.inactive"
    }
    closed = clinic.slot(status="busy-unavailable")
    answer = clinic.post("AD", clinic.appointment(closed))
    assert answer.status_code == 409
    assert rules(answer) == {"W3.slot-closed"}


@pytest.mark.workflow("3-08", "3-20", "3-28", "3-34", "3-36", "4-10")
def test_a_patient_moves_and_cancels(clinic: Clinic) -> None:
    """It goes to the other Slot and frees the first; cancelling needs a reason, and ends it."""
    first, second = clinic.slot(), clinic.slot()
    booked = clinic.booked(first, token="PT")
    moved = clinic.put(
        "PT", booked, **{name: clinic.appointment(second)[name] for name in ("slot", "start", "end")}
    )
    assert moved.status_code == 200, moved.text
    assert (clinic.read(first)["status"], clinic.read(second)["status"]) == ("free", "busy")
    assert rules(clinic.put("PT", moved.json(), status="cancelled")) == {"W3.cancel-reason"}
    cancelled = clinic.put("PT", moved.json(), status="cancelled", cancelationReason=REASON)
    assert cancelled.status_code == 200
    assert clinic.read(second)["status"] == "free"
    again = clinic.put("PT", cancelled.json(), status="booked")
    assert again.status_code == 422
    assert "W3.state" in rules(again)


def test_a_move_to_a_taken_slot_changes_nothing(clinic: Clinic) -> None:
    """Both Slots and the Appointment stay as they were; an administrator is told the same (3-44)."""
    first, second = clinic.slot(), clinic.slot()
    booked = clinic.booked(first)
    clinic.booked(second, patient="q")
    answer = clinic.put("AD", booked, **clinic.moment(second))
    assert answer.status_code == 409
    assert clinic.read(first)["status"] == "busy"
    assert clinic.read(booked)["start"] == first["start"]


def test_patients_are_not_too_late(clinic: Clinic) -> None:
    """Less than a day before it is for the desk, who can."""
    start = datetime.now(UTC) + timedelta(hours=5)
    time: Resource = {"start": instant(start), "end": instant(start + timedelta(minutes=10))}
    booked = clinic.made("AD", clinic.appointment(**time))
    late = clinic.put("PT", booked, status="cancelled", cancelationReason=REASON)
    assert rules(late) == {"W3.cut-off"}
    assert clinic.put("AD", booked, status="cancelled", cancelationReason=REASON).status_code == 200


def test_what_is_for_staff(clinic: Clinic) -> None:
    """Patients do not arrive by themselves, nor for another; nobody failed to come before the end."""
    booked = clinic.booked()
    assert rules(clinic.put("PT", booked, status="arrived")) == {"W3.patient-step"}
    early = clinic.put("RN", booked, status="noshow")
    assert rules(early) == {"W3.noshow-early"}
    assert clinic.put("RN", booked, status="arrived").status_code == 200
    both = clinic.appointment(clinic.slot(), participant=participants("Patient/p", "Patient/q"))
    answer = clinic.post("PT", both)
    assert answer.status_code == 403
    assert "W3.for-another" in rules(answer)
    assert clinic.post("PT", clinic.appointment(clinic.slot(), "q")).status_code == 403


def test_who_did_not_come(clinic: Clinic) -> None:
    """After the end it can be said; the record of the past begins so."""
    past: Resource = {"start": _ago(days=3, hours=2), "end": _ago(days=3, hours=1)}
    missed = clinic.made("AD", clinic.appointment(**past, status="noshow"))
    assert clinic.put("AD", missed, status="booked").status_code == 422


@pytest.mark.workflow("4-15")
def test_an_mri_needs_an_order(clinic: Clinic) -> None:
    """Of this patient, and active."""
    wanted = clinic.appointment(clinic.slot(), serviceType=[MRI])
    assert rules(clinic.post("AD", wanted)) == {"W3.order-needed"}
    order = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": MRI}
    for patient, status in (("q", 422), ("p", 201)):
        made = clinic.made("SY", {**order, "subject": {"reference": f"Patient/{patient}"}})
        based = {**wanted, "basedOn": [{"reference": f"ServiceRequest/{made['id']}"}]}
        assert clinic.post("AD", based).status_code == status


def test_a_deleted_appointment_frees_its_slot(clinic: Clinic) -> None:
    """As a cancelled one does."""
    slot = clinic.slot()
    booked = clinic.booked(slot)
    assert clinic.clients["SY"].delete(f"/Appointment/{booked['id']}").status_code in (200, 204)
    assert clinic.read(slot)["status"] == "free"


@pytest.mark.workflow("4-08", "4-09", "3-33", "0-39")
def test_each_is_told_once(clinic: Clinic) -> None:
    """Of the booking, and reminded twice; what is cancelled is not reminded of, but told."""
    booked = clinic.booked()
    both = [("Patient/p"), ("Practitioner/dr")]
    told = [("W3.booked", one) for one in both] + [("W3.reminder", one) for one in both for _ in range(2)]
    assert clinic.told(booked) == sorted(told)
    assert clinic.put("AD", booked, description="x").status_code == 200
    assert clinic.told(booked) == sorted(told)
    clinic.put("AD", clinic.read(booked), status="cancelled", cancelationReason=REASON)
    assert [one for one in clinic.told(booked) if one[0] != "W3.booked"] == [
        ("W3.cancelled", one) for one in both
    ]


def test_reminders_move_with_it(clinic: Clinic) -> None:
    """There and back again: two for each remain."""
    first, second = clinic.slot(), clinic.slot()
    booked = clinic.booked(first)
    for slot in (second, first):
        answer = clinic.put("AD", clinic.read(booked), **clinic.moment(slot))
        assert answer.status_code == 200, answer.text
    assert len([one for one in clinic.told(booked) if one[0] == "W3.reminder"]) == 4


@pytest.mark.workflow("3-10", "3-24", "3-41", "1-10")
def test_slots_of_doctors(clinic: Clinic) -> None:
    """No two at a time, none that ends first, none of others, none deleted that is busy."""
    slot = clinic.slot()
    copy = {name: slot[name] for name in ("resourceType", "status", "schedule", "start", "end")}
    answer = clinic.post("DR", copy)
    assert answer.status_code == 409
    assert "W12.roster-overlap" in rules(answer)
    time = clinic.time()
    turned = clinic.post("DR", {**copy, "start": time["end"], "end": time["start"]})
    assert rules(turned) >= {"W3.end-after-start"}
    foreign = clinic.post("DR2", {**copy, **clinic.time()})
    assert foreign.status_code == 403
    assert rules(foreign) == {"W3.own-slot"}
    own = clinic.made("DR", {**copy, **clinic.time()})
    assert clinic.put("DR", own, status="busy-unavailable").status_code == 200
    assert rules(clinic.put("DR", own, status="busy")) == {"W3.slot-agrees"}
    clinic.booked(slot)
    path = f"/Slot/{slot['id']}"
    deleted = clinic.clients["DR"].delete(path)
    assert deleted.status_code == 409
    assert rules(deleted) >= {"W3.slot-held"}
    patch = [{"op": "replace", "path": "/status", "value": "free"}]
    headers = {"content-type": "application/json-patch+json"}
    patched = clinic.clients["DR"].patch(path, json=patch, headers=headers)
    assert rules(patched) == {"W3.slot-held"}


def test_a_slot_of_another_doctor_stays_as_it_is(clinic: Clinic) -> None:
    """It gets no comment, and goes neither into one's own Schedule nor out of it into another's."""
    slot = clinic.slot()
    for elements in ({"comment": "mine"}, {"schedule": {"reference": "Schedule/s2"}}):
        assert rules(clinic.put("DR2", slot, **elements)) == {"W3.own-slot"}
    own = clinic.slot("s2")
    assert clinic.put("DR2", own, comment="mine").status_code == 200
    moved = clinic.put("DR2", clinic.read(own), schedule={"reference": "Schedule/s"})
    assert rules(moved) == {"W3.own-slot"}


def test_arrival_and_end(clinic: Clinic) -> None:
    """An Encounter that ends fulfils its Appointment."""
    booked = clinic.booked()
    arrived = clinic.put("RN", booked, status="arrived").json()
    encounter = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p"},
        "period": {"start": _ago(minutes=10)},
        "appointment": [{"reference": f"Appointment/{booked['id']}"}],
    }
    made = clinic.made("SY", encounter)
    ended = clinic.put(
        "SY", made, status="finished", period={"start": _ago(minutes=10), "end": _ago(minutes=1)}
    )
    assert ended.status_code == 200, ended.text
    assert clinic.read(arrived)["status"] == "fulfilled"
