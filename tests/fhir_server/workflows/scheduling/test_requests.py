"""Requests that doctors answer, holds and offers that lapse, and the waiting list."""

import time
from typing import Any

import pytest

from tests.fhir_server.workflows.scheduling.clinic import (
    CARDIOLOGY,
    MRI,
    REASON,
    Clinic,
    participants,
    rules,
)

Resource = dict[str, Any]


def _asked(clinic: Clinic, slot: Resource | None = None) -> Resource:
    wanted = clinic.appointment(slot or clinic.slot("asked"), status="pending")
    answer = clinic.post("PT", wanted)
    assert answer.status_code == 201, answer.text
    made: Resource = answer.json()
    return made


@pytest.mark.workflow("3-13", "3-32", "3-39", "3-23", "3-38")
def test_a_doctor_accepts(clinic: Clinic) -> None:
    """The slot is tentative, then busy; a second answer, another doctor's and the patient's are refused."""
    slot = clinic.slot("asked")
    asked = _asked(clinic, slot)
    assert clinic.read(slot)["status"] == "busy-tentative"
    assert clinic.told(asked) == [("W3.requested", "Practitioner/dr")]
    found = clinic.clients["DR"].get("/Appointment?status=pending&practitioner=Practitioner/dr").json()
    assert asked["id"] in [one["resource"]["id"] for one in found["entry"]]
    early = clinic.put("PT", asked, status="booked")
    assert early.status_code == 403
    assert rules(early) == {"W3.approval"}
    forged = participants("Patient/p", "PractitionerRole/r-dr", "Practitioner/dr")
    assert rules(clinic.put("PT", asked, participant=forged)) == {"W3.approval"}
    assert clinic.answered("DR2", asked, "Practitioner/dr", "accepted").status_code in (403, 404)
    answer = clinic.answered("DR", asked, "Practitioner/dr", "accepted")
    assert answer.status_code == 201, answer.text
    assert clinic.read(asked)["status"] == "booked"
    assert clinic.read(slot)["status"] == "busy"
    assert [one for one in clinic.told(asked) if one[0] == "W3.booked"] == [
        ("W3.booked", "Patient/p"),
        ("W3.booked", "Practitioner/dr"),
    ]
    second = clinic.answered("DR", asked, "Practitioner/dr", "declined")
    assert second.status_code == 422
    assert rules(second) == {"W3.answered"}
    changed = clinic.put("SY", answer.json(), participantStatus="declined")
    assert rules(changed) == {"W3.answered"}


def test_a_doctor_declines(clinic: Clinic) -> None:
    """It is cancelled, the Slot is free, and the patient is told once."""
    slot = clinic.slot("asked")
    asked = _asked(clinic, slot)
    assert clinic.answered("DR", asked, "Practitioner/dr", "declined").status_code == 201
    assert clinic.read(asked)["status"] == "cancelled"
    assert clinic.read(slot)["status"] == "free"
    assert ("W3.not-confirmed", "Patient/p") in clinic.told(asked)


def test_only_who_is_asked_answers(clinic: Clinic) -> None:
    """A doctor who does not take part; an administrator may for one who does."""
    asked = _asked(clinic)
    assert rules(clinic.answered("DR2", asked, "Practitioner/dr2", "accepted")) == {"W3.not-invited"}
    assert clinic.answered("SY", asked, "Practitioner/dr2", "accepted").status_code == 422
    assert clinic.answered("AD", asked, "Practitioner/dr", "accepted").status_code == 201


@pytest.mark.workflow("3-19")
def test_a_doctor_proposes_another_time(clinic: Clinic) -> None:
    """The patient is told, agrees, and the Appointment is booked for that time; the first Slot is free."""
    slot = clinic.slot("asked")
    asked, other = _asked(clinic, slot), clinic.time()
    proposed = clinic.answered("DR", asked, "Practitioner/dr", "tentative", **other)
    assert proposed.status_code == 201, proposed.text
    assert ("W3.proposed", "Patient/p") in clinic.told(asked)
    agreed = clinic.answered("PT", asked, "Patient/p", "accepted")
    assert agreed.status_code == 201, agreed.text
    now = clinic.read(asked)
    assert (now["status"], now["start"]) == ("booked", other["start"])
    assert clinic.read(slot)["status"] == "free"


def _wished(clinic: Clinic) -> tuple[Resource, Resource, Resource]:
    """Return a request for which the doctor proposes one time, and the patient another one, and both."""
    asked, proposed, wished = _asked(clinic), clinic.time(), clinic.time()
    assert clinic.answered("DR", asked, "Practitioner/dr", "tentative", **proposed).status_code == 201
    assert clinic.answered("PT", asked, "Patient/p", "tentative", **wished).status_code == 201
    return asked, proposed, wished


def test_a_patient_accepts_what_the_doctor_proposed(clinic: Clinic) -> None:
    """And not what the patient wished for afterwards."""
    asked, proposed, _ = _wished(clinic)
    assert clinic.answered("PT", asked, "Patient/p", "accepted").status_code == 201
    now = clinic.read(asked)
    assert (now["status"], now["start"]) == ("booked", proposed["start"])


def test_a_time_that_the_patient_wishes_for_is_not_booked_at_once(clinic: Clinic) -> None:
    """It is a request again, and the doctor is asked."""
    asked, _, wished = _wished(clinic)
    wanted = {**clinic.read(asked), **wished}
    wanted.pop("slot", None)
    assert clinic.call("PT", "$book", wanted).status_code == 200
    assert clinic.read(asked)["status"] == "pending"


def _until(clinic: Clinic, appointment: Resource, status: str) -> None:
    for _ in range(200):
        if clinic.read(appointment)["status"] == status:
            return
        time.sleep(0.1)
    raise AssertionError(clinic.read(appointment))


def test_what_waits_too_long_lapses(clinic: Clinic) -> None:
    """A request that nobody answers, and a hold; their Slots are free again."""
    slot, held_slot = clinic.slot("asked"), clinic.slot()
    asked = _asked(clinic, slot)
    answer = clinic.call("PT", "$hold", clinic.appointment(held_slot))
    held = answer.json()["entry"][0]["resource"]
    assert clinic.told(held) == []
    for one, its_slot in ((asked, slot), (held, held_slot)):
        assert clinic.due(one, "W3.hold-expires") == 1
        _until(clinic, one, "cancelled")
        assert clinic.read(its_slot)["status"] == "free"
    assert ("W3.not-confirmed", "Patient/p") in clinic.told(asked)


def test_a_time_of_who_may_not_practise_is_offered_to_nobody(clinic: Clinic) -> None:
    """And an appointment with a doctor whose licence is over by then is cancelled all the same."""
    doctor = clinic.made("AD", {"resourceType": "Practitioner", "name": [{"family": "Cole"}]})
    role = {"reference": f"Practitioner/{doctor['id']}"}
    schedule = {"resourceType": "Schedule", "active": True, "specialty": [CARDIOLOGY], "actor": [role]}
    slot = clinic.slot(clinic.made("AD", schedule)["id"])
    booked = clinic.booked(slot)
    there = participants(f"Patient/{clinic.fresh_patient()}")
    waiting = {"resourceType": "Appointment", "status": "waitlist", "specialty": [CARDIOLOGY]}
    first = clinic.made("AD", {**waiting, "participant": there, "created": "2019-01-01T00:00:00Z"})
    licence = {"code": {"text": "Licence"}, "period": {"start": "2015-01-01", "end": "2020-01-01"}}
    assert clinic.put("AD", clinic.read(doctor), qualification=[licence]).status_code == 200
    cancelled = clinic.put("AD", clinic.read(booked), status="cancelled", cancelationReason=REASON)
    assert cancelled.status_code == 200, cancelled.text
    assert clinic.read(first)["status"] == "waitlist"
    assert clinic.read(slot)["status"] == "free"
    clinic.put("AD", first, status="cancelled", cancelationReason=REASON)


def test_a_free_slot_is_offered_to_the_first_who_waits(clinic: Clinic) -> None:
    """Not to a patient who is taken then; the next is asked, is told, and books it."""
    slot = clinic.slot("s2")
    booked = clinic.booked(slot, patient="p")
    waiting = {"resourceType": "Appointment", "status": "waitlist", "specialty": [CARDIOLOGY]}
    clinic.made(
        "AD", clinic.appointment(participant=participants("Patient/q"), start=slot["start"], end=slot["end"])
    )
    first = clinic.made(
        "AD", {**waiting, "participant": participants("Patient/q"), "created": "2020-01-01T00:00:00Z"}
    )
    patient = clinic.fresh_patient()
    second = clinic.made(
        "AD",
        {**waiting, "participant": participants(f"Patient/{patient}"), "created": "2021-01-01T00:00:00Z"},
    )
    clinic.put("AD", booked, status="cancelled", cancelationReason=REASON)
    assert clinic.read(first)["status"] == "waitlist"
    offered = clinic.read(second)
    assert (offered["status"], offered["start"]) == ("pending", slot["start"])
    assert clinic.read(slot)["status"] == "busy-tentative"
    assert clinic.told(second) == [("W3.offered", f"Patient/{patient}")]
    answer = clinic.call("AD", "$book", appt_id=second["id"])
    assert answer.status_code == 200, answer.text
    assert clinic.read(second)["status"] == "booked"
    clinic.put("AD", clinic.read(first), status="cancelled", cancelationReason=REASON)


@pytest.mark.parametrize(
    ("patient", "order", "appointment"),
    [
        ({"active": False}, None, {}),
        ({"deceasedBoolean": True}, None, {}),
        ({}, {"status": "revoked"}, {}),
        ({}, {"status": "revoked"}, {"serviceType": [MRI]}),
        ({}, {"subject": {"reference": "Patient/q"}}, {"serviceType": [MRI]}),
    ],
)
def test_who_cannot_come_any_more_is_not_offered_a_time(
    clinic: Clinic, patient: Resource, order: Resource | None, appointment: Resource
) -> None:
    """Neither who is inactive or dead, nor who has no order any more: the next has the time."""
    slot = clinic.slot("s2", serviceType=[MRI])
    booked = clinic.booked(slot, patient=clinic.fresh_patient())
    first, second = (clinic.fresh_patient() for _ in range(2))
    waiting = {"resourceType": "Appointment", "status": "waitlist", "specialty": [CARDIOLOGY]}
    based: Resource = {}
    if order is not None:
        asked = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": MRI}
        made = clinic.made("SY", {**asked, "subject": {"reference": f"Patient/{first}"}, **order})
        based = {"basedOn": [{"reference": f"ServiceRequest/{made['id']}"}]}
    who, next_one = (participants(f"Patient/{one}") for one in (first, second))
    gone = clinic.made("AD", {**waiting, "participant": who, "created": "2020-01-01", **based, **appointment})
    there = clinic.made("AD", {**waiting, "participant": next_one, "created": "2021-01-01"})
    person = clinic.read({"resourceType": "Patient", "id": first})
    assert clinic.put("SY", person, **patient).status_code == 200
    freed = _freed(clinic, booked)
    assert freed.status_code == 200, freed.text
    assert [clinic.read(one)["status"] for one in (gone, there)] == ["waitlist", "pending"]
    for one in (gone, there):
        assert _freed(clinic, clinic.read(one)).status_code == 200


def test_who_does_not_answer_an_offer_keeps_the_place(clinic: Clinic) -> None:
    """The next is offered that time, and the first another one; whoever declines is off the list."""
    slot, other = clinic.slot("s2"), clinic.slot("s2")
    booked = [clinic.booked(one, patient=clinic.fresh_patient()) for one in (slot, other)]
    waiting = {"resourceType": "Appointment", "status": "waitlist", "specialty": [CARDIOLOGY]}
    first, second = (
        clinic.made(
            "AD",
            {**waiting, "participant": participants(f"Patient/{clinic.fresh_patient()}"), "created": created},
        )
        for created in ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z")
    )
    assert _freed(clinic, booked[0]).status_code == 200
    offered = clinic.read(first)
    assert (offered["status"], offered["start"]) == ("pending", slot["start"])
    assert len(offered["participant"]) > 1
    assert clinic.due(first, "W3.hold-expires") == 1
    _until(clinic, first, "waitlist")
    queued = clinic.read(first)
    assert queued["participant"] == first["participant"]
    assert not {"start", "end", "slot", "minutesDuration", "tag"} & {*queued, *queued["meta"]}
    assert queued["created"] == first["created"]
    assert ("W3.not-confirmed", first["participant"][0]["actor"]["reference"]) in clinic.told(first)
    taken = clinic.read(second)
    assert (taken["status"], taken["start"]) == ("pending", slot["start"])
    assert _freed(clinic, booked[1]).status_code == 200
    again = clinic.read(first)
    assert (again["status"], again["start"]) == ("pending", other["start"])
    # Nobody else waits: the time goes back to nobody.
    assert _freed(clinic, taken).status_code == 200
    assert clinic.read(slot)["status"] == "free"
    assert clinic.read(second)["status"] == "cancelled"
    assert _freed(clinic, again).status_code == 200


def test_who_let_a_time_lapse_is_not_offered_it_at_once(clinic: Clinic) -> None:
    """Not even if nobody else waits for it: then it is free for all."""
    slot = clinic.slot("s2")
    booked = clinic.booked(slot, patient=clinic.fresh_patient())
    waiting = {"resourceType": "Appointment", "status": "waitlist", "specialty": [CARDIOLOGY]}
    who = participants(f"Patient/{clinic.fresh_patient()}")
    only = clinic.made("AD", {**waiting, "participant": who})
    assert _freed(clinic, booked).status_code == 200
    assert clinic.due(only, "W3.hold-expires") == 1
    _until(clinic, only, "waitlist")
    assert clinic.read(slot)["status"] == "free"
    assert _freed(clinic, clinic.read(only)).status_code == 200


def _freed(clinic: Clinic, appointment: Resource) -> Any:
    return clinic.put("AD", appointment, status="cancelled", cancelationReason=REASON)
