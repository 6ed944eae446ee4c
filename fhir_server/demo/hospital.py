"""The hospital while the demo is made: its calendar, its people and places, and what is still free in it."""

from dataclasses import dataclass

from fhir_server.demo.pharmacy import Pharmacy
from fhir_server.demo.places import Places
from fhir_server.demo.schedule import Diary
from fhir_server.demo.staff import Staff
from fhir_server.demo.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Hospital:
    """Everything that the charts of the patients share."""

    timeline: Timeline
    seed: int
    staff: Staff
    places: Places
    diary: Diary
    pharmacy: Pharmacy


def opened(timeline: Timeline, seed: int) -> Hospital:
    """Return the hospital before its first patient."""
    staff = Staff(timeline, seed)
    return Hospital(timeline, seed, staff, Places(), Diary(timeline, staff), Pharmacy(timeline))
