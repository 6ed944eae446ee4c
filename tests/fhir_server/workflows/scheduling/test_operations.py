"""$find, $hold, $book, $generate-slots, $ical and $join."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from fhir_server.store import instant
from tests.fhir_server.workflows.scheduling.clinic import CARDIOLOGY, REASON, Clinic, participants, rules

Resource = dict[str, Any]
_FIND = "/Appointment/$find"


def _found(clinic: Clinic, token: str, slot: Resource, **more: Any) -> list[Resource]:
    answer = clinic.clients[token].get(_FIND, params={"start": slot["start"], "end": slot["end"], **more})
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    found = [one["resource"] for one in bundle.get("entry", ())]
    assert bundle["total"] >= len(found)
    return found


@pytest.mark.workflow("1-30", "3-29", "3-31", "4-06", "4-07", "2-09")
def test_find_hold_book(clinic: Clinic) -> None:
    """What is held is not offered; the patient books it; then it is nobody else's."""
    slot = clinic.slot()
    (proposed,) = _found(clinic, "PT", slot, specialty="394579002", practitioner="Practitioner/dr")
    assert proposed["status"] == "proposed"
    assert _found(clinic, "PT", slot, specialty="none") == []
    held = clinic.call("PT", "$hold", proposed)
    assert held.status_code == 200, held.text
    appointment = held.json()["entry"][0]["resource"]
    assert appointment["status"] == "pending"
    assert clinic.read(slot)["status"] == "busy-tentative"
    assert _found(clinic, "PT2", slot) == []
    second = clinic.call("PT2", "$hold", clinic.appointment(slot, "q"))
    assert second.status_code == 404
    assert second.json()["issue"][0]["severity"] == "fatal"
    assert rules(second) == {"W3.not-offered"}
    booked = clinic.call("PT", "$book", appt_id=appointment["id"])
    assert booked.status_code == 200, booked.text
    now = booked.json()["entry"][0]["resource"]
    assert (now["id"], now["status"]) == (appointment["id"], "booked")
    assert "tag" not in now.get("meta", {})
    taken = clinic.call("PT2", "$book", clinic.appointment(slot, "q"))
    assert taken.status_code == 409
    assert clinic.clients["PT"].get(_FIND, params={"start": slot["start"]}).status_code == 400


@pytest.mark.workflow("3-44")
def test_book_changes_and_cancels(clinic: Clinic) -> None:
    """The id stays, the doctor of the first Slot leaves, the Slots follow."""
    first, second = clinic.slot(), clinic.slot("s2")
    booked = clinic.call("PT", "$book", clinic.appointment(first)).json()["entry"][0]["resource"]
    wanted = {
        "resourceType": "Appointment",
        "id": booked["id"],
        "slot": [{"reference": f"Slot/{second['id']}"}],
    }
    moved = clinic.call("AD", "$book", wanted)
    assert moved.status_code == 200, moved.text
    now = moved.json()["entry"][0]["resource"]
    assert (now["id"], now["start"]) == (booked["id"], second["start"])
    assert {one["actor"]["reference"] for one in now["participant"]} == {
        "Patient/p",
        "PractitionerRole/r-dr2",
        "Practitioner/dr2",
    }
    assert clinic.read(first)["status"] == "free"
    ended = {"resourceType": "Appointment", "id": booked["id"], "status": "cancelled"}
    assert rules(clinic.call("PT", "$book", ended)) == {"W3.cancel-reason"}
    assert clinic.call("PT2", "$book", {**ended, "cancelationReason": REASON}).status_code == 404
    cancelled = clinic.call("PT", "$book", {**ended, "cancelationReason": REASON})
    assert cancelled.json()["entry"][0]["resource"]["status"] == "cancelled"
    assert clinic.read(second)["status"] == "free"


def _apart(clinic: Clinic, *starts: int, schedules: str | None = None) -> list[Resource]:
    """Create Slots of half an hour, which begin so many minutes after one that nobody had before."""
    first = datetime.fromisoformat(clinic.time()["start"])
    next(clinic.hours)
    times = [(first + timedelta(minutes=one), first + timedelta(minutes=one + 30)) for one in starts]
    names = schedules.split() if schedules else ["s"] * len(starts)
    return [
        clinic.slot(name, start=instant(start), end=instant(end))
        for name, (start, end) in zip(names, times, strict=True)
    ]


def test_an_appointment_moves_to_a_time_that_overlaps_its_own(clinic: Clinic) -> None:
    """Its own time is not taken: it goes to another doctor's Slot, and within the Slot that it has."""
    first, second = _apart(clinic, 0, 15, schedules="s s2")
    patient = clinic.fresh_patient()
    booked = clinic.booked(first, patient=patient)
    wanted = {"resourceType": "Appointment", "id": booked["id"]}
    moved = clinic.call("AD", "$book", {**wanted, "slot": [{"reference": f"Slot/{second['id']}"}]})
    assert moved.status_code == 200, moved.text
    assert [clinic.read(one)["status"] for one in (first, second)] == ["free", "busy"]
    now = clinic.read(booked)
    assert (now["start"], now["end"]) == (second["start"], second["end"])
    start = datetime.fromisoformat(second["start"])
    for begins, ends in ((0, 20), (10, 30)):
        time: Resource = {
            "start": instant(start + timedelta(minutes=begins)),
            "end": instant(start + timedelta(minutes=ends)),
        }
        within = clinic.call("AD", "$book", {**wanted, "slot": now["slot"], **time})
        assert within.status_code == 200, within.text
        assert clinic.read(second)["status"] == "busy"
    other = clinic.appointment(participant=participants("Practitioner/dr2"), **time)
    assert rules(clinic.post("AD", other)) == {"W3.double-booking"}


def test_an_appointment_keeps_the_slot_that_it_has_before_and_after(clinic: Clinic) -> None:
    """Of three Slots in a row it takes the last two instead of the first two."""
    row = _apart(clinic, 0, 30, 60)
    named = [{"reference": f"Slot/{one['id']}"} for one in row]
    wanted = {**clinic.appointment(patient=clinic.fresh_patient()), "slot": named[:2]}
    booked = clinic.call("AD", "$book", wanted).json()["entry"][0]["resource"]
    assert (booked["start"], booked["end"]) == (row[0]["start"], row[1]["end"])
    moved = clinic.call("AD", "$book", {"resourceType": "Appointment", "id": booked["id"], "slot": named[1:]})
    assert moved.status_code == 200, moved.text
    now = moved.json()["entry"][0]["resource"]
    assert (now["start"], now["end"]) == (row[1]["start"], row[2]["end"])
    assert [clinic.read(one)["status"] for one in row] == ["free", "busy", "busy"]


def test_a_slot_is_not_handed_on_within_one_transaction(clinic: Clinic) -> None:
    """Neither is stored, and the answer says what to do: one after the other."""
    slot = clinic.slot()
    booked = clinic.booked(slot, patient=clinic.fresh_patient())
    ended = {**booked, "status": "cancelled", "cancelationReason": REASON}
    second = clinic.appointment(slot, clinic.fresh_patient())
    entries = [
        {"resource": ended, "request": {"method": "PUT", "url": f"Appointment/{booked['id']}"}},
        {"resource": second, "request": {"method": "POST", "url": "Appointment"}},
    ]
    refused = clinic.clients["AD"].post(
        "", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
    )
    assert refused.status_code == 409, refused.text
    told = refused.json()["issue"][0]
    assert "Appointment.slot" in told["expression"]
    assert "one after the other" in told["diagnostics"]
    assert rules(refused) == {"W3.slot-taken"}
    assert clinic.read(booked)["status"] == "booked"
    assert clinic.put("AD", booked, status="cancelled", cancelationReason=REASON).status_code == 200
    clinic.made("AD", second)


def test_nobody_books_for_another_patient(clinic: Clinic) -> None:
    """Neither by a parameter nor in the Appointment."""
    slot = clinic.slot()
    assert (
        clinic.call("PT", "$book", clinic.appointment(slot), patient_reference="Patient/q").status_code == 403
    )
    assert clinic.call("PT", "$book", clinic.appointment(slot, "q")).status_code == 403
    assert clinic.read(slot)["status"] == "free"


def test_what_needs_approval_becomes_a_request(clinic: Clinic) -> None:
    """A patient who books it asks the doctor; a hold of it too."""
    booked = clinic.call("PT", "$book", clinic.appointment(clinic.slot("asked"))).json()
    assert booked["entry"][0]["resource"]["status"] == "pending"
    held = clinic.call("PT", "$hold", clinic.appointment(clinic.slot("asked"))).json()["entry"][0]["resource"]
    asked = clinic.call("PT", "$book", appt_id=held["id"]).json()["entry"][0]["resource"]
    assert asked["status"] == "pending"
    assert clinic.told(asked) == [("W3.requested", "Practitioner/dr")]
    assert clinic.answered("DR", asked, "Practitioner/dr", "accepted").status_code == 201


@pytest.mark.workflow("2-03", "2-10")
def test_a_doctor_is_chosen(clinic: Clinic) -> None:
    """The one who knows the patient, then any other; the reason is stored; if nobody is free it says so."""
    patient = clinic.fresh_patient()
    one = clinic.slot("s")
    other = clinic.slot("s2", start=one["start"], end=one["end"])
    past: Resource = {
        "start": instant(datetime.now(UTC) - timedelta(days=9)),
        "end": instant(datetime.now(UTC) - timedelta(days=8)),
    }
    known = participants(f"Patient/{patient}", "Practitioner/dr2")
    clinic.made("AD", clinic.appointment(participant=known, status="fulfilled", **past))
    wanted = clinic.appointment(patient=patient, specialty=[CARDIOLOGY], start=one["start"], end=one["end"])
    booked = clinic.call("AD", "$book", wanted)
    assert booked.status_code == 200, booked.text
    now = booked.json()["entry"][0]["resource"]
    assert now["slot"][0]["reference"] == f"Slot/{other['id']}"
    assert "before" in now["extension"][0]["valueString"]
    again = {**wanted, "participant": participants(f"Patient/{clinic.fresh_patient()}")}
    assert (
        clinic.call("AD", "$book", again).json()["entry"][0]["resource"]["slot"][0]["reference"]
        == f"Slot/{one['id']}"
    )
    nobody = clinic.call(
        "AD", "$book", {**wanted, "participant": participants(f"Patient/{clinic.fresh_patient()}")}
    )
    assert nobody.status_code == 404
    assert rules(nobody) == {"W3.nobody-free"}


def test_whom_a_patient_knows_is_not_told_to_others(clinic: Clinic) -> None:
    """A doctor who does not treat them learns nothing of it, neither by the reason nor by the order."""
    patient = clinic.fresh_patient()
    slots = [clinic.slot("s")]
    slots.append(clinic.slot("s2", start=slots[0]["start"], end=slots[0]["end"]))
    past: Resource = {
        "start": instant(datetime.now(UTC) - timedelta(days=9)),
        "end": instant(datetime.now(UTC) - timedelta(days=8)),
    }
    known = participants(f"Patient/{patient}", "Practitioner/dr2")
    clinic.made("AD", clinic.appointment(participant=known, status="fulfilled", **past))
    told = {
        token: [
            (one["slot"][0]["reference"].partition("/")[2], one["extension"][0]["valueString"])
            for one in _found(clinic, token, slots[0], **{"patient-reference": f"Patient/{patient}"})
        ]
        for token in ("AD", "DR2", "DR")
    }
    for token in ("AD", "DR2"):
        assert [slot for slot, _ in told[token]] == [slots[1]["id"], slots[0]["id"]], told
        assert "before" in told[token][0][1]
    assert {slot for slot, _ in told["DR"]} == {one["id"] for one in slots}
    assert not any("before" in reason for _, reason in told["DR"])


def test_slots_are_generated(clinic: Clinic) -> None:
    """In the doctor's hours, but for leave and holidays; twice the same; not by another doctor."""
    role = clinic.read({"resourceType": "PractitionerRole", "id": "r-dr2"})
    year = datetime.now(UTC).year + 1
    leave = {"description": "Leave", "during": {"start": f"{year}-01-05", "end": f"{year}-01-05"}}
    clinic.put("SY", role, notAvailable=[leave])
    path = "/Schedule/s2/$generate-slots"
    given = {"start": f"{year}-01-01", "end": f"{year}-01-07", "minutes": 60}
    listed = [
        {"name": "start", "valueDate": given["start"]},
        {"name": "end", "valueDate": given["end"]},
        {"name": "minutes", "valueInteger": 60},
    ]
    body = {"resourceType": "Parameters", "parameter": listed}
    assert clinic.clients["DR"].post(path, json=body).status_code == 403
    answer = clinic.clients["DR2"].post(path, json=body)
    assert answer.status_code == 200, answer.text
    days = [datetime(year, 1, one, tzinfo=UTC) for one in range(1, 8) if one not in (2, 5)]
    expected = 3 * len([one for one in days if one.weekday() < 5])
    assert answer.json()["parameter"][0]["valueInteger"] == expected
    again = clinic.clients["DR2"].post(path, json=body)
    assert [one["valueInteger"] for one in again.json()["parameter"]] == [0, expected]
    clinic.put("SY", clinic.read(role), notAvailable=None)


def test_a_file_for_the_calendar(clinic: Clinic) -> None:
    """It says when, and not for what."""
    booked = clinic.booked(reasonCode=[{"text": "secret"}], description="secret")
    answer = clinic.clients["PT"].get(f"/Appointment/{booked['id']}/$ical")
    assert answer.status_code == 200, answer.text
    content = base64.b64decode(answer.json()["data"]) if answer.json().get("data") else b""
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    assert event.decoded("dtstart") == datetime.fromisoformat(booked["start"])
    assert b"secret" not in content
    assert clinic.clients["PT2"].get(f"/Appointment/{booked['id']}/$ical").status_code == 404


@pytest.mark.workflow("1-41")
def test_who_joins_when(clinic: Clinic) -> None:
    """Those who take part, a quarter of an hour before it at the earliest; not what is no visit by video."""
    video = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"}]}
    later = clinic.booked(appointmentType=video, serviceType=[video])
    assert rules(clinic.clients["DR"].get(f"/Appointment/{later['id']}/$join")) == {"W3.join-window"}
    start = datetime.now(UTC) + timedelta(minutes=5)
    time: Resource = {"start": instant(start), "end": instant(start + timedelta(minutes=3))}
    listed = participants("Patient/p", "Practitioner/dr")
    soon = clinic.made(
        "AD", clinic.appointment(participant=listed, appointmentType=video, serviceType=[video], **time)
    )
    answers = [
        clinic.clients[one].get(f"/Appointment/{soon['id']}/$join") for one in ("DR", "PT", "PT2", "AD")
    ]
    assert [one.status_code for one in answers] == [200, 200, 404, 403]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["parameter"][0]["valueUrl"].startswith("https://meet.example.org/")
    plain = clinic.booked()
    assert rules(clinic.clients["DR"].get(f"/Appointment/{plain['id']}/$join")) == {"W3.no-visit"}
