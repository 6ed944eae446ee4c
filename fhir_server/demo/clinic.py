"""Patients of the clinics: two or three visits over a year, and the next appointment."""

from datetime import datetime, timedelta

from fhir_server.demo import appointments, conditions, encounters, laboratory, medications, treatments, vitals
from fhir_server.demo.admission import settle, welcome
from fhir_server.demo.chart import ADULT, Chart, Visit
from fhir_server.demo.clinical import find_diagnosis
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.hospital import Hospital

# How many days ago the visits were, at least and at most; the check-up before a stay was about the first.
_VISITS = ((330, 420), (130, 220), (9, 60))
# A visit may have been moved to the working day before, and nobody is taken to a clinic on their first day.
_MARGIN_DAYS = 12
_OFFICE_HOURS = (9, 10, 11, 13, 14, 15)


def clinic_patient(chart: Chart, hospital: Hospital, *, planned: bool) -> None:
    """Write the chart of a patient of a clinic; of one who will be admitted, if that is `planned`."""
    welcome(chart, hospital)
    visits = _visits(chart, hospital)
    if planned:
        _plan_admission(chart, hospital)
    elif chart.chance(0.8):
        appointments.book(chart, hospital, encounters.clinic(chart))
    if chart.chance(0.15):
        appointments.book(chart, hospital, "radiology")
    settle(chart, hospital, visits)


def check_up(chart: Chart, hospital: Hospital) -> list[Visit]:
    """Write a check-up a year ago, so that there is a history; returns it, unless that is before birth."""
    days = chart.random.randint(*_VISITS[0])
    if days + _MARGIN_DAYS > chart.age_days:
        return []
    visit = encounters.see(chart, hospital, _office_hour(chart, days), first=True)
    _get_to_know(chart, visit)
    _examine(chart, hospital, visit, 0.0, tests=False)
    return [visit]


def _visits(chart: Chart, hospital: Hospital) -> list[Visit]:
    days_ago = [chart.random.randint(*span) for span in _VISITS]
    possible = [days for days in days_ago if days + _MARGIN_DAYS < chart.age_days]
    chosen = possible if chart.chance(0.35) else possible[-2:]
    chronic = chart.pathway.kind == "chronic"
    visits: list[Visit] = []
    found: list[Resource] = []
    for days in chosen:
        first = not visits
        visit = encounters.see(chart, hospital, _office_hour(chart, days), first=first)
        if first:
            found = _get_to_know(chart, visit)
        conditions.attach(visit, found)
        # Healthy people are not sent to the laboratory twice.
        tests = chronic and (days == chosen[-1] or (first and bool(chart.pathway.values)))
        _examine(chart, hospital, visit, (1.0 if first else 0.5) if chronic else 0.0, tests=tests)
        if first and chronic:
            _treat(chart, hospital, visit, found[0] if found else None)
        visits.append(visit)
    if visits:
        appointments.keep(chart, visits[-1])
        if chart.chance(0.15):
            appointments.miss(chart, visits[-1], _office_hour(chart, 75))
    return visits


def _office_hour(chart: Chart, days_ago: int) -> datetime:
    day = chart.timeline.working_day_before(days_ago)
    return chart.timeline.at(-day, chart.random.choice(_OFFICE_HOURS), chart.random.choice((0, 30)))


def _get_to_know(chart: Chart, visit: Visit) -> list[Resource]:
    """Ask what is asked at the first visit; returns the illnesses that are found."""
    found = conditions.suffer(chart, visit) if chart.pathway.kind == "chronic" else []
    conditions.ask_for_allergies(chart, visit)
    if chart.age_at(visit.start) >= ADULT:
        vitals.ask_for_smoking(chart, visit, visit.start + timedelta(minutes=4))
    if chart.pathway.kind == "chronic":
        treatments.plan_care(chart, visit, found)
    return found


def _examine(chart: Chart, hospital: Hospital, visit: Visit, severity: float, *, tests: bool) -> None:
    """Measure what a clinic measures, and send blood to the laboratory if there are `tests` to do."""
    signs: tuple[str, ...] = ("pressure", "heart", "weight")
    if chart.age_at(visit.start) < ADULT:
        signs = ("heart", "temperature", "weight", "height")
    elif severity != 0.5:
        signs += ("height", "bmi")
    if "oxygen" in chart.pathway.vitals:
        signs += ("oxygen", "breathing")
    vitals.measure(chart, visit, visit.start + timedelta(minutes=6), signs, severity)
    if tests:
        for panel in chart.pathway.panels:
            laboratory.measure(chart, hospital, visit, panel, visit.start + timedelta(minutes=5), severity)


def _treat(chart: Chart, hospital: Hospital, visit: Visit, reason: Resource | None) -> None:
    """Prescribe for months, or for days what passes; the pharmacy hands it out the same day."""
    moment = visit.start + timedelta(minutes=14)
    lasting = bool(chart.pathway.diagnoses) and find_diagnosis(chart.pathway.diagnoses[0]).chronic
    status, refills = ("active", 5) if lasting else ("completed", 0)
    for key in chart.pathway.medicines:
        request = medications.prescribe(
            chart, visit, key, moment, status=status, reason=reason, refills=refills
        )
        medications.dispense(chart, hospital, key, request, moment + timedelta(hours=2))
    treatments.treat(chart, visit, visit.start + timedelta(minutes=20), reason)


def _plan_admission(chart: Chart, hospital: Hospital) -> None:
    bed = hospital.places.occupy(chart.pathway.department, reserve=True)
    start = chart.timeline.at(chart.random.randint(2, 12), 8, 30)
    visit = encounters.plan(chart, hospital, start, bed)
    illness = find_diagnosis(chart.pathway.diagnoses[0])
    visit.encounter["reasonCode"] = [{"coding": [illness.finding.coding()], "text": illness.finding.display}]
