"""Encounters: their states, their histories, and who is responsible. https://hl7.org/fhir/R4/encounter.html"""

import httpx
import pytest

from tests.fhir_server.workflows.encounters.ward import ACT, Ward, attender, moment, rules


@pytest.fixture
def ward(client: httpx.Client) -> Ward:
    """A ward of the test's own."""
    return Ward(client)


@pytest.mark.workflow("3-11", "1-31")
def test_an_encounter_goes_step_by_step(ward: Ward) -> None:
    """Each step that is allowed is kept in the history, each other one refused, however it comes."""
    encounter = ward.begin("planned")
    over = {"start": moment(-60), "end": moment()}
    assert rules(ward.set(encounter, status="finished", period=over)) == {"W4.encounter-state"}
    for status in ("arrived", "triaged", "in-progress", "onleave", "in-progress"):
        assert ward.patch(encounter, "/status", status).status_code == 200, status
    refused = ward.patch(encounter, "/status", "planned")
    assert refused.status_code == 422
    assert rules(refused) == {"W4.encounter-state"}
    again = ward.transact({**ward.get(encounter), "status": "cancelled"})
    assert again.status_code == 422
    assert rules(again) == {"W4.encounter-state"}
    told = ward.get(encounter)
    history = [one["status"] for one in told["statusHistory"]]
    assert history == ["planned", "arrived", "triaged", "in-progress", "onleave"]
    assert all(one["period"]["end"] >= one["period"]["start"] for one in told["statusHistory"])
    assert "start" in told["period"]


def test_nobody_else_writes_the_histories(ward: Ward) -> None:
    """What a client sends of them counts for nothing; a change of class is kept too."""
    encounter = ward.begin("arrived", "EMER")
    forged = [{"status": "planned", "period": {"start": "2001-01-01"}}]
    answer = ward.set(encounter, statusHistory=forged, **{"class": {"system": ACT, "code": "IMP"}})
    assert answer.status_code == 200, answer.text
    told = ward.get(encounter)
    assert "statusHistory" not in told
    assert [one["class"]["code"] for one in told["classHistory"]] == ["EMER"]
    assert ward.patch(encounter, "/classHistory", None, "remove").status_code == 200
    assert [one["class"]["code"] for one in ward.get(encounter)["classHistory"]] == ["EMER"]


def test_what_is_finished_has_an_end(ward: Ward) -> None:
    """An end that is missing, or before the beginning, is refused; with one it is over for good."""
    encounter = ward.begin("in-progress", period={"start": moment(-60)})
    assert rules(ward.set(encounter, status="finished")) == {"W4.period-end"}
    early = {"start": moment(-60), "end": moment(-90)}
    assert ward.set(encounter, status="finished", period=early).status_code == 422
    ended = ward.set(encounter, status="finished", period={"start": moment(-60), "end": moment()})
    assert ended.status_code == 200
    assert rules(ward.set(encounter, status="in-progress")) == {"W4.encounter-state"}


@pytest.mark.workflow("0-35", "1-11")
def test_one_person_is_responsible(ward: Ward) -> None:
    """A second attender is refused until the first one's time has an end; who is responsible is found."""
    encounter = ward.begin()
    other = ward.put({"resourceType": "Practitioner"})
    both = [attender(ward.doctor), attender(other)]
    refused = ward.set(encounter, participant=both)
    assert refused.status_code == 422
    assert rules(refused) == {"W4.one-attender"}
    both[0]["period"] = {"end": moment()}
    assert ward.set(encounter, participant=both).status_code == 200
    query = f"Encounter?patient={ward.patient}&_include=Encounter:participant"
    found = {f"{one['resourceType']}/{one['id']}" for one in ward.search(query)}
    assert found == {encounter, ward.doctor, other}


@pytest.mark.workflow("1-11")
def test_nobody_is_assigned_who_has_left(ward: Ward) -> None:
    """Neither a practitioner who is inactive, nor one whose roles have ended, nor such a role itself."""
    left = ward.put({"resourceType": "Practitioner", "active": False})
    ended = ward.put({"resourceType": "Practitioner", "active": True})
    role = {"resourceType": "PractitionerRole", "practitioner": {"reference": ended}}
    past = ward.put({**role, "active": True, "period": {"end": "2020-01-01"}})
    encounter = ward.begin("in-progress", participant=None)
    for one in (left, ended, past):
        refused = ward.set(encounter, participant=[attender(one)])
        assert refused.status_code == 422
        assert rules(refused) == {"W4.inactive-participant"}
    assert ward.set(encounter, participant=[attender(ward.doctor)]).status_code == 200


def test_checking_in_makes_an_encounter(ward: Ward) -> None:
    """The patient who arrives for an appointment has one encounter, with the doctor of the appointment."""
    booked = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": moment(5),
        "end": moment(35),
        "participant": [
            {"actor": {"reference": one}, "status": "accepted"} for one in (ward.patient, ward.doctor)
        ],
    }
    appointment = ward.put(booked)
    assert ward.search(f"Encounter?appointment={appointment}") == []
    assert ward.patch(appointment, "/status", "arrived").status_code == 200
    [encounter] = ward.search(f"Encounter?appointment={appointment}")
    assert (encounter["status"], encounter["subject"]["reference"]) == ("arrived", ward.patient)
    assert encounter["participant"][0]["individual"]["reference"] == ward.doctor
    assert ward.patch(appointment, "/status", "checked-in").status_code == 200
    assert len(ward.search(f"Encounter?appointment={appointment}")) == 1
    other = ward.put({"resourceType": "Patient"})
    foreign = ward.encounter(appointment=[{"reference": appointment}], subject={"reference": other})
    refused = ward.client.post("/Encounter", json=foreign)
    assert rules(refused) == {"W4.other-appointment"}
