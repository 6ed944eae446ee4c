"""Planned visits, classes, beds, merges by A34, appointments: what a second message makes of them."""

import pytest

from adapters.applying import Applied
from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import Records, Resource, msh
from tests.fhir_server.hl7v2.test_orders import sch
from tests.fhir_server.hl7v2.test_visits import admit, bed, evn, pid, pv1


def _adt(records: Records, event: str, number: str, time: str, visit: str) -> Applied:
    return records.send(msh(f"ADT^{event}", f"{event}{time}"), evn(event, time), pid(number), visit)


def _visit(records: Records, number: str) -> tuple[Resource, int]:
    found = records.one("Encounter", f"V{number}")
    return found, records.version(found)


@pytest.mark.parametrize(("event", "number"), [("A05", "6001"), ("A14", "6002")])
def test_a_visit_that_is_expected(records: Records, event: str, number: str) -> None:
    """A05 and A14 plan it with its bed, which stays free; A01 lets it begin, and nothing goes back."""
    place = pv1(f"V{number}", f"W1^101^B{number}^GH", "P")
    _adt(records, event, number, "20240104100000", place)
    planned, version = _visit(records, number)
    assert (planned["status"], version) == ("planned", 1)
    assert [one["status"] for one in planned["location"]] == ["planned"]
    assert bed(records, f"B{number}").get("operationalStatus", {}).get("code") != "O"
    _adt(records, event, number, "20240104110000", place.replace("77^Arzt^Anna", "78^Andere^Ada"))
    again, version = _visit(records, number)
    assert (again["id"], again["status"], version) == (planned["id"], "planned", 2)
    admit(records, number, f"V{number}", f"W1^101^B{number}^GH")
    begun, version = _visit(records, number)
    assert (begun["id"], begun["status"], version) == (planned["id"], "in-progress", 3)
    assert bed(records, f"B{number}")["operationalStatus"]["code"] == "O"
    assert [one["status"] for one in begun["location"]] == ["active"]
    _adt(records, event, number, "20240105120000", place)
    assert _visit(records, number)[0]["status"] == "in-progress"


def test_a_visit_that_is_expected_after_it_ended_is_refused(records: Records) -> None:
    """What has ended does not become planned: its discharge has to be taken back first."""
    admit(records, "6003", "V6003", "W1^101^B6003^GH")
    _adt(records, "A03", "6003", "20240106100000", pv1("V6003", "W1^101^B6003^GH"))
    with pytest.raises(HL7Error) as refused:
        _adt(records, "A05", "6003", "20240107100000", pv1("V6003", "W1^101^B6003^GH", "P"))
    assert refused.value.code == "204"


def test_an_inpatient_becomes_an_outpatient_and_back(records: Records) -> None:
    """A07 and A06 change the class of the same visit, and keep what it was before."""
    admit(records, "6004", "V6004", "W1^101^B6004^GH")
    before, _ = _visit(records, "6004")
    _adt(records, "A07", "6004", "20240105120000", pv1("V6004", "AMB^1^^GH", "O"))
    out, version = _visit(records, "6004")
    assert (out["id"], out["class"]["code"], out["status"]) == (before["id"], "AMB", "in-progress")
    assert version == 2
    assert [one["class"]["code"] for one in out["classHistory"]] == ["IMP"]
    assert bed(records, "B6004")["operationalStatus"]["code"] == "H"
    _adt(records, "A06", "6004", "20240105130000", pv1("V6004", "W1^101^B6005^GH"))
    back, version = _visit(records, "6004")
    assert (back["class"]["code"], version) == ("IMP", 3)
    with pytest.raises(HL7Error) as refused:
        _adt(records, "A07", "6099", "20240105140000", pv1("V6004", "AMB^1^^GH", "O"))
    assert refused.value.code == "204"


def test_a_record_goes_into_another_one_by_the_older_event(records: Records) -> None:
    """A34 merges as A40 does, and the visit goes along; the other way round is refused."""
    admit(records, "6010", "V6010", "W1^101^B6010^GH")
    records.send(msh("ADT^A28"), evn("A28", "20240105"), pid("6011"))

    def merge(survivor: str, loser: str) -> Applied:
        mrg = f"MRG|{loser}^^^GENHOSP^MR"
        return records.send(msh("ADT^A34", "m"), evn("A34", "20240106100000"), pid(survivor), mrg)

    merge("6011", "6010")
    survivor = records.one("Patient", "6011")
    assert {one["value"] for one in survivor["identifier"]} == {"6010", "6011"}
    losers = [one for one in records.all("Patient") if one.get("active") is False and one.get("link")]
    assert any(one["link"][0]["other"]["reference"] == f"Patient/{survivor['id']}" for one in losers)
    visit = records.one("Encounter", "V6010")
    assert visit["subject"]["reference"] == f"Patient/{survivor['id']}"
    assert merge("6011", "6010").status == "unchanged"
    with pytest.raises(HL7Error) as refused:
        merge("6010", "6011")
    assert refused.value.code == "204"


@pytest.mark.parametrize(
    ("told", "expected"), [("C", "C"), ("U", "U"), ("I", "I"), ("K", "K"), ("O", "H"), ("X", "H")]
)
def test_the_state_of_a_bed(records: Records, told: str, expected: str) -> None:
    """PV1-40 sets the state of a bed that was left; one is occupied by having it, and by nothing else."""
    number = f"61{ord(told)}"
    admit(records, number, f"V{number}", f"W1^101^B{number}^GH")
    _adt(records, "A03", number, "20240106100000", pv1(f"V{number}", f"W1^101^B{number}^GH"))
    assert bed(records, f"B{number}")["operationalStatus"]["code"] == "H"
    place = pv1(f"V{number}", f"W1^101^B{number}^GH", rest="|" * 21 + told)
    assert _adt(records, "A08", number, "20240106110000", place).warnings == ()
    assert bed(records, f"B{number}")["operationalStatus"]["code"] == expected


def test_the_bed_of_the_next_patient(records: Records) -> None:
    """What is late told of a bed that somebody else has changes nothing, and the sender learns of it."""
    admit(records, "6021", "V6021", "W1^101^B6021^GH")
    free = pv1("V6021", "W1^101^B6021^GH", rest="|" * 21 + "U")
    _adt(records, "A03", "6021", "20240106100000", free)
    _adt(records, "A08", "6021", "20240106110000", free)
    assert bed(records, "B6021")["operationalStatus"]["code"] == "U"
    admit(records, "6022", "V6022", "W1^101^B6021^GH", "20240107100000")
    applied = _adt(records, "A08", "6021", "20240107110000", free)
    assert bed(records, "B6021")["operationalStatus"]["code"] == "O"
    assert [(one.code, one.severity, str(one.location)) for one in applied.warnings] == [
        ("207", "W", "PV1^1^40")
    ]


def test_the_bed_that_a_patient_has_is_occupied(records: Records) -> None:
    """Whatever PV1-40 says of it."""
    admit(records, "6020", "V6020", "W1^101^B6020^GH")
    place = pv1("V6020", "W1^101^B6020^GH", rest="|" * 21 + "U")
    _adt(records, "A08", "6020", "20240106110000", place)
    assert bed(records, "B6020")["operationalStatus"]["code"] == "O"


def _appointment(records: Records, number: str, event: str, status: str = "", comment: str = "") -> Resource:
    """Send a message about an appointment; return it."""
    first, told, note, person, *rest = sch(event, status=status or "Booked")
    told = told.replace("6001", number)
    if not status:
        told = told.removesuffix("Booked")
    note = f"NTE|1||{comment}" if comment else note
    records.send(first, told, note, person.replace("6001", number), *rest)
    return records.one("Appointment", f"A{number}")


def test_an_appointment_is_changed(records: Records) -> None:
    """S14 changes what is said of it, and no status by itself; by SCH-25 it does."""
    booked = _appointment(records, "6101", "S12", "Booked")
    changed = _appointment(records, "6101", "S14", comment="Bring papers")
    assert (changed["id"], changed["status"], changed["comment"]) == (booked["id"], "booked", "Bring papers")
    assert records.version(changed) == records.version(booked) + 1
    same = _appointment(records, "6101", "S14", comment="Bring papers")
    assert records.version(same) == records.version(changed)
    assert _appointment(records, "6101", "S14", "Cancelled")["status"] == "cancelled"
    # What is cancelled stays so, also if the message says nothing of the status.
    assert _appointment(records, "6101", "S14", comment="Too late")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("number", "event", "status"), [("6102", "S17", "entered-in-error"), ("6103", "S15", "cancelled")]
)
def test_an_appointment_is_taken_back(records: Records, number: str, event: str, status: str) -> None:
    """S17 says that it never was, S15 cancels it: a new version of the same, once."""
    booked = _appointment(records, number, "S12", "Booked")
    gone = _appointment(records, number, event)
    assert (gone["id"], gone["status"]) == (booked["id"], status)
    again = _appointment(records, number, event)
    assert records.version(again) == records.version(gone)
    with pytest.raises(HL7Error) as refused:
        _appointment(records, number, "S13", "Booked")
    assert getattr(refused.value, "rule", "").startswith("W3.")


def test_nobody_came(records: Records) -> None:
    """S26 is told after the time of the appointment."""
    past = sch("S12", "20240105100000")
    records.send(*(one.replace("6001", "6104") for one in past))
    booked = records.one("Appointment", "A6104")
    records.send(*(one.replace("6001", "6104") for one in sch("S26", "20240105100000", "Noshow")))
    missed = records.one("Appointment", "A6104")
    assert (missed["id"], missed["status"]) == (booked["id"], "noshow")
    assert records.version(missed) == records.version(booked) + 1
    assert missed["start"] == booked["start"]


def test_a_time_that_is_blocked_is_refused(records: Records) -> None:
    """It is no appointment (103); one without a status is booked by the event."""
    with pytest.raises(HL7Error) as refused:
        _appointment(records, "6105", "S12", "Blocked")
    assert refused.value.code == "103"
    assert not records.has("Appointment", "A6105")
    assert _appointment(records, "6105", "S12")["status"] == "booked"
