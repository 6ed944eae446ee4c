"""Appointments: those kept, missed and cancelled in the past, those booked and asked for in the future.

A future one holds its slot, busy when booked, tentative while pending.
https://hl7.org/fhir/R4/appointment.html
"""

from datetime import datetime, timedelta
from typing import Any

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.datatypes import Resource, concept, hl7, period, refer, stamp
from fhir_server.demo.departments import Department, find_department
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.schedule import ROUTINE, SLOT, Booking

_FOLLOW_UP = hl7("v2-0276", "FOLLOWUP", "A follow up visit from a previous appointment")
_ATTENDER = hl7("v3-ParticipationType", "ATND", "attender")


def _appointment(
    chart: Chart,
    department: Department,
    status: str,
    start: datetime,
    participants: list[dict[str, Any]],
    **more: Any,
) -> Resource:
    elements = {
        "status": status,
        **department.offer(),
        "appointmentType": concept(_FOLLOW_UP if chart.pathway.kind == "chronic" else ROUTINE),
        "description": f"Visit to {department.name}",
        "start": stamp(start),
        "end": stamp(start + SLOT),
        "minutesDuration": int(SLOT.total_seconds()) // 60,
        "created": stamp(start - timedelta(days=chart.random.randint(20, 40))),
        "participant": participants,
    }
    return chart.add("Appointment", elements | more)


def _participant(actor: dict[str, str], status: str = "accepted", *, attends: bool = False) -> dict[str, Any]:
    taking_part = {"actor": actor, "required": "required", "status": status}
    return {"type": [concept(_ATTENDER)]} | taking_part if attends else taking_part


def keep(chart: Chart, visit: Visit) -> None:
    """Write the appointment that led to `visit`, which began on time."""
    begun = visit.start.replace(minute=visit.start.minute // 30 * 30)
    who = [_participant(chart.patient), _participant(visit.doctor.practitioner, attends=True)]
    kept = _appointment(chart, visit.department, "fulfilled", begun, who)
    visit.encounter["appointment"] = [refer(kept)]


def miss(chart: Chart, visit: Visit, start: datetime) -> None:
    """Write an appointment that came to nothing: the patient stayed away, or called it off."""
    missed = chart.chance(0.5)
    reason = ("pat", "Patient") if chart.chance(0.7) else ("prov", "Provider")
    who = [_participant(chart.patient), _participant(visit.doctor.practitioner, attends=True)]
    cancelled = {"cancelationReason": concept(hl7("appointment-cancellation-reason", *reason))}
    status = "noshow" if missed else "cancelled"
    _appointment(chart, visit.department, status, start, who, **({} if missed else cancelled))


def book(chart: Chart, hospital: Hospital, department: str) -> None:
    """Write an appointment in the coming days if a slot is free: most are booked, some wait for an answer."""
    pending = chart.chance(0.15)
    slot_status = "busy-tentative" if pending else "busy"
    booking = hospital.diary.book(department, chart.random, slot_status, chart.taken)
    if booking is None:
        _wait(chart, department)
        return
    _appointment(
        chart,
        find_department(department),
        "pending" if pending else "booked",
        booking.start,
        _who(chart, booking, pending=pending),
        slot=[refer(booking.slot)],
        created=stamp(chart.timeline.at(-chart.random.randint(1, 20), 9, 45)),
    )


def _who(chart: Chart, booking: Booking, *, pending: bool) -> list[dict[str, Any]]:
    calendar = booking.calendar
    answer = "needs-action" if pending else "accepted"
    doctor = [_participant(calendar.doctor.practitioner, answer, attends=True)] if calendar.doctor else []
    return [_participant(chart.patient), *doctor, _participant(calendar.place)]


def _wait(chart: Chart, department: str) -> None:
    """Write that the patient is on the waiting list: nothing is free."""
    elements = {
        "status": "waitlist",
        **find_department(department).offer(),
        "requestedPeriod": [period(chart.timeline.day(1), chart.timeline.day(60))],
        "created": stamp(chart.timeline.at(-2, 10)),
        "participant": [_participant(chart.patient)],
    }
    chart.add("Appointment", elements)
