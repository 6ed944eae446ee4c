"""A patient's chart: the resources about one patient, as they come to be written, one after the other."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from fhir_server.demo.datatypes import Resource, link, refer, resource, stamp
from fhir_server.demo.departments import Department
from fhir_server.demo.pathways import Pathway
from fhir_server.demo.staff import StaffMember
from fhir_server.demo.timeline import Timeline

_DAYS_OF_A_YEAR = 365.25
ADULT = 18
SENIOR = 65


@dataclass(frozen=True, slots=True)
class Visit:
    """An Encounter as the other resources see it; `end` is None while it goes on."""

    encounter: Resource
    department: Department
    doctor: StaffMember
    nurse: StaffMember
    start: datetime
    end: datetime | None

    @property
    def reference(self) -> dict[str, str]:
        """A Reference to the Encounter."""
        return refer(self.encounter)


class Chart:
    """Collects the resources of one patient, and knows what all of them need to know."""

    def __init__(self, timeline: Timeline, number: int, seed: int, pathway: Pathway) -> None:
        """Open the chart of patient `number`; what is random in it depends on `seed` and `number` alone."""
        self.timeline = timeline
        self.number = number
        self.pathway = pathway
        self.random = Random(f"{seed}/patient/{number}")  # noqa: S311  (a story, not a secret)
        youngest, oldest = pathway.ages
        self.sex = pathway.sex or self.random.choice(("female", "male"))
        self.age_days = self.random.randint(int(youngest * 365.25) + 40, int((oldest + 1) * 365.25) - 1)
        self.birth = timeline.day(-self.age_days)
        self.died: datetime | None = None
        self.name = ""
        self.resources: list[Resource] = []
        self.taken: set[str] = set()
        self._counts: Counter[str] = Counter()

    @property
    def age(self) -> float:
        """Years of age today."""
        return self.age_days / _DAYS_OF_A_YEAR

    @property
    def patient(self) -> dict[str, str]:
        """A Reference to the Patient."""
        return link("Patient", f"patient-{self.number:03d}", self.name)

    def age_at(self, moment: datetime) -> float:
        """Return the years of age at `moment`."""
        return (moment.date() - self.birth).days / _DAYS_OF_A_YEAR

    def add(self, resource_type: str, elements: dict[str, Any], *, profile: str | None = None) -> Resource:
        """Write one more resource into the chart and return it."""
        self._counts[resource_type] += 1
        identity = f"{resource_type.lower()}-{self.number:03d}-{self._counts[resource_type]}"
        written = resource(resource_type, identity, elements, profile=profile)
        self.resources.append(written)
        return written

    def chance(self, probability: float) -> bool:
        """Return whether something of that probability happens to this patient."""
        return self.random.random() < probability


def during(visit: Visit, moment: datetime) -> str:
    """Return `moment` as FHIR writes it, moved back to the end of `visit` if that was before."""
    return stamp(min(moment, visit.end) if visit.end else moment)
