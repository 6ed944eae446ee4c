"""Patients of the emergency department: those who are there now, and those who were."""

from datetime import timedelta

from fhir_server.demo import appointments, conditions, encounters, laboratory, medications, treatments, vitals
from fhir_server.demo.admission import settle, welcome
from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.hospital import Hospital

# How far those have come who are there now, and how many minutes ago they came.
_STATES = (("arrived", 14), ("in-progress", 165), ("triaged", 38))


def emergency_patient(chart: Chart, hospital: Hospital) -> None:
    """Write the chart of a patient who is there now: just arrived, triaged, or being looked after."""
    welcome(chart, hospital)
    status, minutes = _STATES[chart.number // 20 % len(_STATES)]
    bed = hospital.places.occupy("emergency") if status != "arrived" else None
    start = chart.timeline.now - timedelta(minutes=minutes + chart.random.randint(0, 25))
    visit = encounters.arrive(chart, hospital, start, None, status, bed)
    _triage(chart, visit)
    if status == "in-progress":
        _diagnose(chart, hospital, visit)
    elif status == "triaged" and chart.pathway.panels:
        ordered = start + timedelta(minutes=20)
        laboratory.leave_open(chart, hospital, visit, chart.pathway.panels[0], ordered)
    settle(chart, hospital, [])


def past_emergency_patient(chart: Chart, hospital: Hospital) -> None:
    """Write the chart of a patient who came some time this year, and went home the same day."""
    welcome(chart, hospital)
    start = chart.timeline.at(-chart.random.randint(12, 250), chart.random.randint(6, 18), 10)
    visit = encounters.arrive(chart, hospital, start, start + timedelta(hours=4), "finished", None)
    reason = _triage(chart, visit)
    _diagnose(chart, hospital, visit)
    treatments.treat(chart, visit, start + timedelta(minutes=70), reason)
    for key in chart.pathway.medicines:
        ordered = start + timedelta(hours=3)
        request = medications.prescribe(chart, visit, key, ordered, status="completed", reason=reason)
        medications.dispense(chart, hospital, key, request, ordered + timedelta(minutes=15))
    if chart.chance(0.5):
        appointments.book(chart, hospital, encounters.clinic(chart))
    settle(chart, hospital, [visit])


def _triage(chart: Chart, visit: Visit) -> Resource:
    """Write the complaint, how urgent it is, and the vital signs; returns the complaint."""
    found = conditions.suffer(chart, visit)
    conditions.attach(visit, found)
    moment = visit.start + timedelta(minutes=8)
    vitals.triage(chart, visit, moment, chart.pathway.urgency)
    vitals.ask_for_pain(chart, visit, moment, chart.random.randint(1, 9))
    vitals.measure(chart, visit, moment, (*vitals.FULL_SET, "weight"), 1.0)
    return found[0]


def _diagnose(chart: Chart, hospital: Hospital, visit: Visit) -> None:
    laboratory.measure_all(chart, hospital, visit, visit.start + timedelta(minutes=20))
