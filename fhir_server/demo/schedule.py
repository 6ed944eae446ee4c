"""When staff and rooms can be booked: half-hour slots on the working days of the next fortnight.

https://hl7.org/fhir/R4/schedule.html, https://hl7.org/fhir/R4/slot.html
"""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random

from fhir_server.demo.datatypes import Resource, concept, hl7, link, period, resource, stamp
from fhir_server.demo.departments import Department, find_department
from fhir_server.demo.places import room
from fhir_server.demo.staff import DOCTOR, Staff, StaffMember
from fhir_server.demo.timeline import ZONE, Timeline

DAYS_AHEAD = 14
SLOT = timedelta(minutes=30)
# Mornings and afternoons; nobody is booked over lunch.
_STARTS = tuple(time(hour, minute) for hour in (9, 10, 14, 15) for minute in (0, 30))
# Departments that see patients by appointment.
_CLINICS = (
    "general-practice",
    "cardiology",
    "endocrinology",
    "respiratory",
    "orthopaedics",
    "surgery",
    "maternity",
    "paediatrics",
    "mental-health",
)
# So much of a schedule is booked at most: there is always something free to find.
_FULL = 0.6
ROUTINE = hl7("v2-0276", "ROUTINE", "Routine appointment - default if not valued")


@dataclass(slots=True)
class Calendar:
    """One schedule with its slots: of a doctor in a consulting room, or of a room by itself."""

    key: str
    department: Department
    place: dict[str, str]
    doctor: StaffMember | None
    resource: Resource
    slots: list[Resource] = field(default_factory=list)

    def free(self) -> list[Resource]:
        """Return the slots that can be given out; none if the schedule is full enough."""
        free = [slot for slot in self.slots if slot["status"] == "free"]
        return free if len(free) > len(self.slots) * (1 - _FULL) else []


@dataclass(frozen=True, slots=True)
class Booking:
    """A slot that has been given out, and whose it is."""

    calendar: Calendar
    slot: Resource

    @property
    def start(self) -> datetime:
        """When it begins."""
        return datetime.fromisoformat(self.slot["start"])


class Diary:
    """All schedules of the hospital, from which slots are booked."""

    def __init__(self, timeline: Timeline, staff: Staff) -> None:
        """Open a schedule for each doctor who sees outpatients, and for the rooms of radiology."""
        self._timeline = timeline
        self.calendars: list[Calendar] = []
        doctors = [doctor for key in _CLINICS for doctor in staff.of(key, DOCTOR)]
        for number, doctor in enumerate(doctors, start=1):
            self._open(doctor.key, doctor.department, room(f"consulting-{number}"), doctor)
        for key in ("mri", "x-ray"):
            self._open(key, find_department("radiology"), room(key), None)

    def book(self, department: str, random: Random, status: str, taken: set[str]) -> Booking | None:
        """Give `status` to a free slot of `department`, if there is one at another time than `taken`."""
        open_slots = [
            Booking(calendar, slot)
            for calendar in self.calendars
            if calendar.department.key == department
            for slot in calendar.free()
            if slot["start"] not in taken
        ]
        if not open_slots:
            return None
        booking = random.choice(open_slots)
        booking.slot["status"] = status
        taken.add(booking.slot["start"])
        return booking

    def _open(
        self, key: str, department: Department, place: dict[str, str], doctor: StaffMember | None
    ) -> None:
        actors = [doctor.role, doctor.practitioner, place] if doctor else [place]
        days = self._timeline.working_days_ahead(DAYS_AHEAD)
        whose = doctor.name if doctor else place["display"]
        elements = {
            "active": True,
            **department.offer(),
            "actor": [*actors, department.healthcare_service],
            "planningHorizon": period(self._timeline.at(1), self._timeline.at(DAYS_AHEAD + 1)),
            "comment": f"Appointments with {whose}" if doctor else f"Bookings of the {whose}",
        }
        schedule = resource("Schedule", f"schedule-{key}", elements)
        calendar = Calendar(key, department, place, doctor, schedule)
        for number, day in enumerate(days, start=1):
            for start in _STARTS:
                calendar.slots.append(_slot(calendar, number, datetime.combine(day, start, ZONE)))
        # Everybody has an afternoon off, not all the same one.
        half_day = len(_STARTS) // 2
        off = len(_STARTS) * (len(self.calendars) % len(days)) + half_day
        for slot in calendar.slots[off : off + half_day]:
            slot["status"] = "busy-unavailable"
        self.calendars.append(calendar)


def _slot(calendar: Calendar, day: int, start: datetime) -> Resource:
    # The number of the working day, not its date: loading again on another day replaces slots, adding none.
    identity = f"slot-{calendar.key}-{day:02d}-{start:%H%M}"
    elements = {
        **calendar.department.offer(),
        "appointmentType": concept(ROUTINE),
        "schedule": link("Schedule", f"schedule-{calendar.key}"),
        "status": "free",
        "start": stamp(start),
        "end": stamp(start + SLOT),
    }
    return resource("Slot", identity, elements)
