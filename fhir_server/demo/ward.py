"""Patients on the wards: those who lie there now, and those who have gone home, or died there."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from fhir_server.demo import appointments, conditions, encounters, laboratory, medications, treatments, vitals
from fhir_server.demo.admission import settle, welcome
from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.clinic import check_up
from fhir_server.demo.clinical import ROUTES, find_medicine
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.hospital import Hospital

_DAYS_TO_RECOVER = 5.0
_ROUNDS_WRITTEN_DOWN = 4
_DOSES_WRITTEN_DOWN = 2


def ward_patient(chart: Chart, hospital: Hospital) -> None:
    """Write the chart of a patient who lies in a bed now; who has gone home already if the ward is full."""
    bed = hospital.places.occupy(chart.pathway.department)
    if bed is None:
        past_ward_patient(chart, hospital, died=False)
        return
    welcome(chart, hospital)
    visits = check_up(chart, hospital)
    start = chart.timeline.at(-chart.random.randint(1, 6), chart.random.randint(8, 14), 20)
    visit = encounters.admit(chart, hospital, start, None, bed)
    _stay(chart, hospital, visit, chart.timeline.now)
    laboratory.leave_open(chart, hospital, visit, "metabolic", chart.timeline.now - timedelta(hours=1))
    settle(chart, hospital, visits)


def past_ward_patient(chart: Chart, hospital: Hospital, *, died: bool) -> None:
    """Write the chart of a patient who was on a ward some time this year."""
    start = chart.timeline.at(-chart.random.randint(20, 300), chart.random.randint(8, 14), 20)
    end = start + timedelta(days=chart.random.randint(2, 8), hours=3)
    chart.died = end if died else None
    welcome(chart, hospital)
    visits = check_up(chart, hospital)
    beds = [bed for bed in hospital.places.beds if bed.ward.department == chart.pathway.department]
    visit = encounters.admit(chart, hospital, start, end, chart.random.choice(beds), died=died)
    _stay(chart, hospital, visit, end)
    if not died:
        _send_home(chart, hospital, visit, end)
        appointments.book(chart, hospital, encounters.clinic(chart))
    settle(chart, hospital, [*visits, visit])


def _stay(chart: Chart, hospital: Hospital, visit: Visit, until: datetime) -> None:
    """Write everything that happens from admission to `until`."""
    found = conditions.suffer(chart, visit)
    conditions.attach(visit, found)
    settled = visit.start + timedelta(minutes=20)
    vitals.measure(chart, visit, settled, (*vitals.FULL_SET, "weight", "height"), 1.0)
    vitals.ask_for_pain(chart, visit, settled, chart.random.randint(2, 8))
    rounds = list(_rounds(visit.start, until))
    for moment in rounds:
        vitals.measure(chart, visit, moment, vitals.FULL_SET, _severity(visit, moment))
    laboratory.measure_all(chart, hospital, visit, visit.start + timedelta(minutes=30))
    again = (visit.start + timedelta(days=2)).replace(hour=6)
    if chart.pathway.panels and again + timedelta(hours=3) < until:
        laboratory.measure(chart, hospital, visit, chart.pathway.panels[0], again, _severity(visit, again))
    _medicate(chart, hospital, visit, found[0], rounds)
    treatments.treat(chart, visit, visit.start + timedelta(hours=2), found[0])


def _rounds(start: datetime, until: datetime) -> Iterator[datetime]:
    """Return the times of the ward's rounds: the first evening, and the mornings before `until`."""
    yield start.replace(hour=19, minute=40)
    for day in range(1, _ROUNDS_WRITTEN_DOWN + 1):
        morning = start.replace(hour=8, minute=5) + timedelta(days=day)
        if morning < until:
            yield morning


def _severity(visit: Visit, moment: datetime) -> float:
    days: float = (moment - visit.start) / timedelta(days=1)
    return max(1.0 - days / _DAYS_TO_RECOVER, 0.0)


def _medicate(
    chart: Chart, hospital: Hospital, visit: Visit, reason: Resource, rounds: list[datetime]
) -> None:
    status = "completed" if visit.end else "active"
    ordered = visit.start + timedelta(minutes=45)
    for key in chart.pathway.medicines:
        request = medications.prescribe(
            chart, visit, key, ordered, status=status, setting="inpatient", reason=reason
        )
        for moment in rounds[:_DOSES_WRITTEN_DOWN]:
            medications.give(chart, hospital, visit, key, request, moment + timedelta(minutes=10))


def _send_home(chart: Chart, hospital: Hospital, visit: Visit, end: datetime) -> None:
    """Write prescriptions to take home, of what can be swallowed."""
    ordered = end - timedelta(hours=2)
    status = "completed" if ordered < chart.timeline.at(-60) else "active"
    for key in chart.pathway.medicines:
        if find_medicine(key).route == ROUTES["oral"]:
            request = medications.prescribe(chart, visit, key, ordered, status=status, setting="discharge")
            medications.dispense(chart, hospital, key, request, end - timedelta(hours=1))
