"""The whole hospital, as a list of parts in the order in which they refer to each other."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from fhir_server.demo import charges, supplies
from fhir_server.demo.datatypes import HOSPITAL, Resource
from fhir_server.demo.departments import healthcare_services, organizations
from fhir_server.demo.hospital import opened
from fhir_server.demo.journeys import chart_of
from fhir_server.demo.places import department_rooms
from fhir_server.demo.timeline import ZONE, Timeline

PATIENTS = 200
SEED = 2024


@dataclass(frozen=True, slots=True)
class Part:
    """Resources that belong together, loaded as one transaction.

    Parts of a `wave` refer only to those of earlier waves, and to themselves.
    """

    name: str
    wave: int
    resources: list[Resource]

    def bundle(self) -> dict[str, Any]:
        """Return a transaction that puts every resource under its own id: repeating it adds nothing."""
        entries = [
            {
                "fullUrl": f"{HOSPITAL}/{one['resourceType']}/{one['id']}",
                "resource": one,
                "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
            }
            for one in self.resources
        ]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def today() -> date:
    """Return the date at the hospital."""
    return datetime.now(ZONE).date()


def hospital_parts(day: date, *, patients: int = PATIENTS, seed: int = SEED) -> list[Part]:
    """Return the hospital as it is on `day`, with so many `patients`; the same for the same arguments."""
    hospital = opened(Timeline(day), seed)
    charts = [
        Part(f"patient-{number:03d}", 4, chart_of(hospital, number)) for number in range(1, patients + 1)
    ]
    hospital.places.close_some()
    rooms = healthcare_services(department_rooms())
    stock = [*hospital.pharmacy.lots(), *supplies.devices(hospital), *charges.prices()]
    calendars = [
        Part(f"schedule-{calendar.key}", 3, [calendar.resource, *calendar.slots])
        for calendar in hospital.diary.calendars
    ]
    return [
        Part("places", 0, [*organizations(), *hospital.places.resources(), *rooms]),
        Part("staff", 1, hospital.staff.resources()),
        Part("stock", 2, stock),
        *calendars,
        *charts,
        Part("supplies", 4, [*supplies.reorder_points(hospital), *supplies.movements(hospital)]),
    ]
