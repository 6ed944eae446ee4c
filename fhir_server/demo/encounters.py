"""Visits: to a clinic, to the emergency department, and stays on a ward with a bed.

https://hl7.org/fhir/R4/encounter.html; the states are those of the hospital's own way of working.
"""

from datetime import datetime, timedelta
from typing import Any

from fhir_server.demo import treatments
from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.datatypes import Code, concept, hl7, identifier, link, period, snomed
from fhir_server.demo.departments import find_department
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.places import Bed
from fhir_server.demo.staff import DOCTOR, NURSE

_AMBULATORY = hl7("v3-ActCode", "AMB", "ambulatory")
_INPATIENT = hl7("v3-ActCode", "IMP", "inpatient encounter")
_EMERGENCY = hl7("v3-ActCode", "EMER", "emergency")
_FOLLOW_UP = snomed("390906007", "Follow-up encounter")
_CHECK_UP = snomed("185349003", "Encounter for check up")
_EMERGENCY_VISIT = snomed("50849002", "Emergency room admission")
_ADMISSION = snomed("32485007", "Hospital admission")
# What the Emergency Severity Index means for an Encounter's priority: https://hl7.org/fhir/R4/v3/ActPriority/cs.html
_PRIORITIES = {1: ("EM", "emergency"), 2: ("EM", "emergency"), 3: ("UR", "urgent")}


def _open(chart: Chart, hospital: Hospital, department: str, start: datetime, end: datetime | None) -> Visit:
    """Return a visit whose Encounter says what all of them do; the rest is for the caller to add."""
    where = find_department(department)
    doctor = hospital.staff.anyone(department, DOCTOR, chart.random)
    nurse = hospital.staff.anyone(department, NURSE, chart.random)
    encounter = chart.add("Encounter", {"status": "planned", "subject": chart.patient})
    attender = hl7("v3-ParticipationType", "ATND", "attender")
    encounter |= {
        "identifier": [identifier(hl7("v2-0203", "VN", "Visit number"), "visit", encounter["id"].upper())],
        "serviceType": concept(where.service) if where.service else concept(text=where.name),
        "participant": [{"type": [concept(attender)], "individual": doctor.practitioner}],
        "serviceProvider": where.organization,
    }
    return Visit(encounter, where, doctor, nurse, start, end)


def _became(visit: Visit, kind: Code, reason: Code, status: str, **elements: Any) -> Visit:
    visit.encounter.update(
        {
            "status": status,
            "class": kind.coding(),
            "type": [concept(reason)],
            "period": period(visit.start, visit.end) if status != "planned" else period(visit.start),
        }
    )
    visit.encounter.update({name: value for name, value in elements.items() if value})
    return visit


def see(chart: Chart, hospital: Hospital, start: datetime, *, first: bool = False) -> Visit:
    """Write a finished visit to the clinic of the chart's pathway; what is done there takes its time."""
    end = start + timedelta(minutes=chart.random.randrange(20, 35, 5))
    if first and chart.pathway.kind == "chronic":
        end += sum(map(treatments.duration, chart.pathway.procedures), timedelta())
    visit = _open(chart, hospital, clinic(chart), start, end)
    return _became(visit, _AMBULATORY, _CHECK_UP if first else _FOLLOW_UP, "finished")


def clinic(chart: Chart) -> str:
    """Return the department that looks after the patient when nothing is urgent."""
    if chart.pathway.kind == "chronic" and chart.pathway.department != "internal-medicine":
        return chart.pathway.department
    return "paediatrics" if chart.age < 16 else "general-practice"


def arrive(
    chart: Chart, hospital: Hospital, start: datetime, end: datetime | None, status: str, bed: Bed | None
) -> Visit:
    """Write a visit to the emergency department, which has come as far as `status`."""
    visit = _open(chart, hospital, "emergency", start, end)
    steps = ["arrived", "triaged", "in-progress", "finished"]
    minutes = (0, 8, 35)
    passed = [start + timedelta(minutes=after) for after in minutes[: steps.index(status) + 1]]
    begun = list(zip(steps, passed, strict=False))
    ended = [*passed[1:], end]
    history = [
        {"status": step, "period": period(since, until)}
        for (step, since), until in zip(begun, ended, strict=True)
    ]
    place = bed.reference if bed else link("Location", "ward-ed", "Emergency Bays")
    since = passed[-1]
    return _became(
        visit,
        _EMERGENCY,
        _EMERGENCY_VISIT,
        status,
        statusHistory=history,
        priority=concept(hl7("v3-ActPriority", *_PRIORITIES.get(chart.pathway.urgency, ("R", "routine")))),
        location=[
            {"location": place, "status": "completed" if end else "active", "period": period(since, end)}
        ],
    )


def admit(
    chart: Chart, hospital: Hospital, start: datetime, end: datetime | None, bed: Bed, *, died: bool = False
) -> Visit:
    """Write a stay in `bed`: finished if it has an end, going on otherwise."""
    visit = _open(chart, hospital, chart.pathway.department, start, end)
    settled = start + timedelta(minutes=40)
    status = "finished" if end else "in-progress"
    history: list[dict[str, Any]] = [
        {"status": "arrived", "period": period(start, settled)},
        {"status": "in-progress", "period": period(settled, end)},
    ]
    source = ("emd", "From accident/emergency department")
    if chart.pathway.key in ("childbirth", "gallstones"):
        source = ("gp", "General Practitioner referral")
    stay: dict[str, Any] = {"admitSource": concept(hl7("admit-source", *source))}
    if end:
        left = ("exp", "Expired") if died else ("home", "Home")
        stay["dischargeDisposition"] = concept(hl7("discharge-disposition", *left))
    location = {
        "location": bed.reference,
        "status": "completed" if end else "active",
        "physicalType": bed.resource["physicalType"],
        "period": period(settled, end),
    }
    return _became(
        visit,
        _INPATIENT,
        _ADMISSION,
        status,
        statusHistory=history,
        priority=concept(hl7("v3-ActPriority", "UR", "urgent")),
        location=[location],
        hospitalization=stay,
    )


def plan(chart: Chart, hospital: Hospital, start: datetime, bed: Bed | None) -> Visit:
    """Write an admission that is planned, with a bed reserved if there is one."""
    visit = _open(chart, hospital, chart.pathway.department, start, None)
    reserved = [{"location": bed.reference, "status": "reserved", "period": period(start)}] if bed else None
    source = concept(hl7("admit-source", "gp", "General Practitioner referral"))
    return _became(
        visit,
        _INPATIENT,
        _ADMISSION,
        "planned",
        priority=concept(hl7("v3-ActPriority", "EL", "elective")),
        location=reserved,
        hospitalization={"admitSource": source},
    )
