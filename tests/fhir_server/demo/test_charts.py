"""What is true in any chart: times that follow each other, values that fit, treatment that is safe."""

from collections import defaultdict
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.demo.chart import Chart
from fhir_server.demo.conditions import ask_for_allergies
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.encounters import see
from fhir_server.demo.hospital import opened
from fhir_server.demo.pathways import pathways
from fhir_server.demo.timeline import ZONE, Timeline
from resources.definitions import profile

Of = dict[str, list[Resource]]

# When a record came to be, for those types that say when; bills may be paid after death.
_HAPPENED = {
    "Encounter": ("period", "start"),
    "Observation": ("effectiveDateTime",),
    "DiagnosticReport": ("issued",),
    "ServiceRequest": ("authoredOn",),
    "Specimen": ("collection", "collectedDateTime"),
    "Procedure": ("performedPeriod", "start"),
    "MedicationRequest": ("authoredOn",),
    "MedicationDispense": ("whenHandedOver",),
    "MedicationAdministration": ("effectiveDateTime",),
    "Immunization": ("occurrenceDateTime",),
    "AllergyIntolerance": ("recordedDate",),
    "Condition": ("recordedDate",),
    "CarePlan": ("created",),
    "Invoice": ("date",),
    "PaymentReconciliation": ("created",),
    "Claim": ("created",),
}
_AFTER_DEATH = ("Invoice", "PaymentReconciliation", "Claim")


def happened(one: Resource) -> datetime | None:
    """Return when a record came to be; the end of the day for a date; None if its type does not say."""
    value: Any = one
    for step in _HAPPENED.get(one["resourceType"], ()):
        value = value[step]
    if not isinstance(value, str):
        return None
    if len(value) == 10:
        return datetime.combine(date.fromisoformat(value), time(0), ZONE)
    return datetime.fromisoformat(value)


def code_of(concept: dict[str, Any]) -> str:
    """Return the first code of a CodeableConcept."""
    found: str = concept["coding"][0]["code"]
    return found


@pytest.fixture(scope="module")
def charts(hospital: dict[str, Resource]) -> dict[str, list[Resource]]:
    """All resources about each patient."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for one in hospital.values():
        about = one.get("subject", one.get("patient", one.get("beneficiary")))
        if isinstance(about, dict) and about["reference"].startswith("Patient/"):
            found[about["reference"]].append(one)
    return found


def test_everything_happens_in_a_life(hospital: dict[str, Resource], charts: Of, today: date) -> None:
    """Nothing before birth, nothing after death but bills, nothing after now but what is planned."""
    now = datetime.combine(today, time(0), ZONE)
    for name, chart in charts.items():
        patient = hospital[name]
        born = datetime.combine(date.fromisoformat(patient["birthDate"]), time(0), ZONE)
        died = datetime.fromisoformat(patient.get("deceasedDateTime", "2999-01-01T00:00:00+00:00"))
        for one in chart:
            when = happened(one)
            if when is None or one.get("status") == "planned":
                continue
            assert born <= when <= now, one["id"]
            assert when <= died or one["resourceType"] in _AFTER_DEATH, one["id"]


def test_the_dead_are_not_active(of_type: Of) -> None:
    """Who has died has no appointment to come and no bed, and their record says so."""
    dead = {f"Patient/{one['id']}" for one in of_type["Patient"] if "deceasedDateTime" in one}
    assert 3 <= len(dead) <= 10
    for one in of_type["Appointment"]:
        if one["status"] in ("booked", "pending", "waitlist"):
            assert one["participant"][0]["actor"]["reference"] not in dead
    for one in of_type["Encounter"]:
        assert one["subject"]["reference"] not in dead or one["status"] == "finished"


def test_vital_signs_are_taken_during_the_visit(hospital: dict[str, Resource], of_type: Of) -> None:
    """What is measured at a visit is measured between its beginning and its end."""
    for one in of_type["Observation"]:
        visit = hospital[one["encounter"]["reference"]]["period"]
        when = datetime.fromisoformat(one["effectiveDateTime"])
        assert datetime.fromisoformat(visit["start"]) <= when
        assert "end" not in visit or when <= datetime.fromisoformat(visit["end"]), one["id"]
        assert hospital[one["encounter"]["reference"]]["subject"] == one["subject"]


def test_results_follow_their_orders(hospital: dict[str, Resource], of_type: Of) -> None:
    """Ordered, collected, received, issued: in this order, and a report has the results of its own order."""
    for report in of_type["DiagnosticReport"]:
        order = hospital[report["basedOn"][0]["reference"]]
        assert order["status"] == "completed"
        times = [order["authoredOn"], report["effectiveDateTime"], report["issued"]]
        for specimen in report.get("specimen", []):
            taken = hospital[specimen["reference"]]
            assert taken["request"] == report["basedOn"]
            times[1:2] = [taken["collection"]["collectedDateTime"], taken["receivedTime"]]
        moments = [datetime.fromisoformat(text).astimezone(UTC) for text in times]
        assert moments == sorted(moments)
        for result in report.get("result", []):
            assert hospital[result["reference"]]["basedOn"] == report["basedOn"]
    waiting = {
        f"ServiceRequest/{one['id']}" for one in of_type["ServiceRequest"] if one["status"] == "active"
    }
    assert waiting == {one["focus"]["reference"] for one in of_type["Task"] if "basedOn" in one}
    assert waiting


def test_interpretations_are_those_of_the_values(of_type: Of) -> None:
    """H is above the range that stands beside it, L below, N within."""
    seen = set()
    for one in of_type["Observation"]:
        if "referenceRange" not in one:
            continue
        value, limits = one["valueQuantity"]["value"], one["referenceRange"][0]
        low = limits.get("low", {}).get("value", Decimal("-Infinity"))
        high = limits.get("high", {}).get("value", Decimal("Infinity"))
        expected = "L" if value < low else "H" if value > high else "N"
        found = code_of(one["interpretation"][0])
        assert found[0] == expected, one["id"]
        seen.add(found)
    assert {"L", "N", "H", "HH"} <= seen


UNITS = {
    "bp": "mm[Hg]",
    "heartrate": "/min",
    "resprate": "/min",
    "bodytemp": "Cel",
    "oxygensat": "%",
    "bodyheight": "cm",
    "bodyweight": "kg",
    "bmi": "kg/m2",
}


@pytest.mark.parametrize(("name", "unit"), UNITS.items())
def test_vital_signs_fit_their_profile(of_type: Of, name: str, unit: str) -> None:
    """https://hl7.org/fhir/R4/observation-vitalsigns.html: category and unit are those of the profile."""
    url = f"http://hl7.org/fhir/StructureDefinition/{name}"
    assert profile(url).name
    found = [one for one in of_type["Observation"] if url in one["meta"].get("profile", ())]
    assert found
    for one in found:
        assert code_of(one["category"][0]) == "vital-signs"
        values = [part["valueQuantity"] for part in one.get("component", [one])]
        assert {value["code"] for value in values} == {unit}
        assert {value["system"] for value in values} == {"http://unitsofmeasure.org"}
        assert len({code_of(part["code"]) for part in one.get("component", ())}) == (2 if name == "bp" else 0)


# What a living person can have; units as in the observation.
PLAUSIBLE = {
    "8867-4": (40, 190),
    "9279-1": (8, 60),
    "8310-5": (35, 41),
    "2708-6": (82, 100),
    "8302-2": (45, 205),
    "29463-7": (3, 160),
    "39156-5": (14, 42),
    "8480-6": (65, 210),
    "8462-4": (35, 125),
    "718-7": (7, 18),
    "2823-3": (3, 6),
    "4548-4": (3.5, 11),
    "2160-0": (0.4, 4),
    "33914-3": (15, 180),
    "13457-7": (10, 230),
}


def test_values_are_plausible(of_type: Of) -> None:
    """Nobody has a temperature of 50 degrees, and everybody with a pressure has two of them in order."""
    for one in of_type["Observation"]:
        for part in one.get("component", [one]):
            low, high = PLAUSIBLE.get(code_of(part["code"]), (None, None))
            if low is not None:
                assert low <= part["valueQuantity"]["value"] <= high, (one["id"], part["valueQuantity"])
        if "component" in one:
            systolic, diastolic = (part["valueQuantity"]["value"] for part in one["component"])
            assert systolic > diastolic + 10


def test_diabetes_shows_in_the_laboratory(charts: Of) -> None:
    """The values fit the illness: the first HbA1c of every diabetic is above the normal range."""
    diabetics = 0
    for chart in charts.values():
        if any(one["resourceType"] == "Condition" and code_of(one["code"]) == "44054006" for one in chart):
            values = [
                one
                for one in chart
                if one["resourceType"] == "Observation" and code_of(one["code"]) == "4548-4"
            ]
            assert code_of(values[0]["interpretation"][0]) == "H"
            diabetics += 1
    assert diabetics


def test_nobody_is_given_what_they_do_not_bear(charts: Of) -> None:
    """No prescription of a medicine to which the chart has an allergy."""
    for chart in charts.values():
        not_borne = {
            one["code"]["text"].lower() for one in chart if one["resourceType"] == "AllergyIntolerance"
        }
        for one in chart:
            if one["resourceType"] == "MedicationRequest":
                name = one["medicationCodeableConcept"]["text"].lower()
                assert not any(substance in name for substance in not_borne)


def test_allergies_are_never_to_what_is_prescribed(today: date) -> None:
    """Of very many patients with an ear infection, none is allergic to the amoxicillin that they get."""
    hospital = opened(Timeline(today), 1)
    pathway = next(one for one in pathways("chronic") if "amoxicillin" in one.medicines)
    allergens = set()
    for number in range(300):
        chart = Chart(hospital.timeline, number, 1, pathway)
        ask_for_allergies(chart, see(chart, hospital, hospital.timeline.at(-20, 9)))
        allergens |= {
            one["code"]["text"] for one in chart.resources if one["resourceType"] == "AllergyIntolerance"
        }
    assert "Aspirin" in allergens
    assert "Amoxicillin" not in allergens


def test_only_doctors_prescribe(hospital: dict[str, Resource], of_type: Of) -> None:
    """The requester of every prescription and of every order has a role as a doctor."""
    doctors = {
        role["practitioner"]["reference"]
        for role in of_type["PractitionerRole"]
        if code_of(role["code"][0]) == "DR"
    }
    for one in of_type["MedicationRequest"] + of_type["ServiceRequest"]:
        assert one["requester"]["reference"] in doctors


def test_the_emergency_queue_can_be_read(hospital: dict[str, Resource], of_type: Of) -> None:
    """Everybody in the emergency department has an Emergency Severity Index from 1 to 5 and a priority."""
    indexes = {
        one["encounter"]["reference"]: one["valueInteger"]
        for one in of_type["Observation"]
        if code_of(one["code"]) == "75636-1"
    }
    waiting = [
        one for one in of_type["Encounter"] if one["class"]["code"] == "EMER" and one["status"] != "finished"
    ]
    assert {one["status"] for one in waiting} == {"arrived", "triaged", "in-progress"}
    for one in waiting:
        assert 1 <= indexes[f"Encounter/{one['id']}"] <= 5
        assert one["priority"]["coding"]
        assert one["statusHistory"][-1]["status"] == one["status"]
        assert "end" not in one["statusHistory"][-1]["period"]


def test_patients_are_as_different_as_people_are(
    hospital: dict[str, Resource], of_type: Of, today: date
) -> None:
    """Of all ages, both sexes, several languages; children have a parent who is older than they are."""
    ages = [today.year - int(one["birthDate"][:4]) for one in of_type["Patient"]]
    assert min(ages) < 3
    assert max(ages) > 80
    assert {one["gender"] for one in of_type["Patient"]} == {"female", "male"}
    assert len({one["communication"][0]["language"]["coding"][0]["code"] for one in of_type["Patient"]}) >= 5
    names = {one["name"][0]["text"] for one in of_type["Patient"]}
    assert len(names) > 190
    assert any(not name.isascii() for name in names)
    for parent in of_type["RelatedPerson"]:
        child = hospital[parent["patient"]["reference"]]
        assert int(child["birthDate"][:4]) - int(parent["birthDate"][:4]) >= 18


def test_record_numbers_are_unique(of_type: Of) -> None:
    """No two patients share a medical record number, no two resources a business identifier of one kind."""
    seen = [
        (name, identifier["system"], identifier["value"])
        for name, found in of_type.items()
        for one in found
        for identifier in one.get("identifier", [])
    ]
    assert len(set(seen)) == len(seen)
    assert sum(name == "Patient" for name, *_ in seen) == 200
