"""Who works in the hospital: practitioners, and the roles in which they do.

https://hl7.org/fhir/R4/practitioner.html, https://hl7.org/fhir/R4/practitionerrole.html
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from faker import Faker

from fhir_server.demo.datatypes import (
    Code,
    Resource,
    concept,
    hl7,
    identifier,
    link,
    local,
    period,
    resource,
    snomed,
)
from fhir_server.demo.departments import HOSPITAL_NAME, Department, find_department
from fhir_server.demo.tables import rows
from fhir_server.demo.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Job:
    """What somebody does: the hospital's own code, codes that others know, and what it takes."""

    code: str
    display: str
    known_as: tuple[Code, ...]
    qualification: str


_PHYSICIAN = (hl7("practitioner-role", "doctor", "Doctor"), snomed("309343006", "Physician"))
DOCTOR = Job("DR", "Doctor", _PHYSICIAN, "Doctor of Medicine")
NURSE = Job("RN", "Registered nurse", (hl7("practitioner-role", "nurse", "Nurse"),), "Registered Nurse")
LABORATORY = Job(
    "LB",
    "Laboratory technician",
    (snomed("159285000", "Medical laboratory technician"),),
    "Certified Laboratory Technician",
)
PHARMACIST = Job(
    "PH", "Pharmacist", (hl7("practitioner-role", "pharmacist", "Pharmacist"),), "Doctor of Pharmacy"
)
BILLING = Job("BC", "Billing clerk", (), "Certified Coder")
ADMINISTRATOR = Job("AD", "Administrator", (), "Master of Health Administration")
AUDITOR = Job("AU", "Auditor", (), "Certified Auditor")
THERAPIST = Job("PT", "Physiotherapist", (snomed("36682004", "Physical therapist"),), "Physical Therapist")

_JOBS = {
    job.code: job
    for job in (DOCTOR, NURSE, LABORATORY, PHARMACIST, BILLING, ADMINISTRATOR, AUDITOR, THERAPIST)
}
_WORKING_DAYS = ["mon", "tue", "wed", "thu", "fri"]
_EVERY_DAY = [*_WORKING_DAYS, "sat", "sun"]


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Somebody who works in the hospital; `key` is the last part of the ids of their resources."""

    key: str
    name: str
    job: Job
    department: Department

    @property
    def practitioner(self) -> dict[str, str]:
        """A Reference to the Practitioner."""
        return link("Practitioner", f"practitioner-{self.key}", self.name)

    @property
    def role(self) -> dict[str, str]:
        """A Reference to the PractitionerRole."""
        return link("PractitionerRole", f"role-{self.key}", f"{self.name}, {self.department.name}")


class Staff:
    """Everybody who works in the hospital."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        """Hire all of them, the same for the same `seed`."""
        self._faker = Faker("en_US", use_weighting=False)
        self._faker.seed_instance(f"{seed}/staff")
        self._random = Random(f"{seed}/staff")  # noqa: S311  (a story, not a secret)
        self._timeline = timeline
        self.members: list[StaffMember] = []
        self._resources: list[Resource] = []
        for row in rows("staff"):
            for _ in range(int(row["number"])):
                self._hire(find_department(row["department"]), _JOBS[row["job"]])

    def of(self, department: str, job: Job) -> list[StaffMember]:
        """Return the members of `department` who do `job`."""
        return [
            member for member in self.members if member.department.key == department and member.job is job
        ]

    def anyone(self, department: str, job: Job, random: Random) -> StaffMember:
        """Return one of the members of `department` who do `job`; one of internal medicine if it has none."""
        return random.choice(self.of(department, job) or self.of("internal-medicine", job))

    def resources(self) -> list[Resource]:
        """Return the practitioners and their roles."""
        return self._resources

    def _hire(self, department: Department, job: Job) -> None:
        gender = self._random.choice(("female", "male"))
        given = self._faker.first_name_female() if gender == "female" else self._faker.first_name_male()
        family = self._faker.unique.last_name()
        title = ["Dr."] if job is DOCTOR else []
        name = {
            "use": "official",
            "text": " ".join([*title, given, family]),
            "family": family,
            "given": [given],
        }
        number = len(self.members) + 1
        member = StaffMember(f"{number:02d}-{family.lower()}", str(name["text"]), job, department)
        self.members.append(member)
        self._resources.append(
            self._practitioner(member, gender, name | ({"prefix": title} if title else {}))
        )
        self._resources.append(self._role(member))

    def _practitioner(self, member: StaffMember, gender: str, name: dict[str, Any]) -> Resource:
        number = len(self.members)
        graduated = self._timeline.day(-365 * self._random.randint(4, 30))
        licence = hl7("v2-0203", "MD", "Medical License number")
        elements = {
            "identifier": [
                identifier(hl7("v2-0203", "EI", "Employee number"), "employee", f"E-{1000 + number}"),
                *(
                    [identifier(licence, "licence", f"AZ-{51000 + number * 7}")]
                    if member.job is DOCTOR
                    else []
                ),
            ],
            "active": True,
            "name": [name],
            "telecom": [
                {"system": "phone", "value": f"+1-602-555-{100 + number:04d}", "use": "work"},
                {"system": "email", "value": f"{member.key}@saguaro-valley.example", "use": "work"},
            ],
            "gender": gender,
            "birthDate": self._timeline.day(-365 * self._random.randint(33, 62) - number).isoformat(),
            "qualification": [{"code": concept(text=member.job.qualification), "period": period(graduated)}],
            "communication": [concept(Code("urn:ietf:bcp:47", "en", "English"))],
        }
        return resource("Practitioner", f"practitioner-{member.key}", elements)

    def _role(self, member: StaffMember) -> Resource:
        department = member.department
        around_the_clock = member.job is NURSE or department.key in ("emergency", "intensive-care")
        hours: dict[str, Any] = {"daysOfWeek": _EVERY_DAY, "allDay": True}
        if not around_the_clock:
            hours = {
                "daysOfWeek": _WORKING_DAYS,
                "availableStartTime": "09:00:00",
                "availableEndTime": "16:00:00",
            }
        own = local("staff-role", member.job.code, member.job.display)
        hired = self._timeline.day(-self._random.randint(200, 3000))
        elements = {
            "active": True,
            "period": period(hired),
            "practitioner": member.practitioner,
            "organization": department.organization,
            "code": [concept(own, *member.job.known_as)],
            "specialty": [concept(department.specialty)]
            if department.specialty and member.job is DOCTOR
            else None,
            "location": [link("Location", "site", HOSPITAL_NAME)],
            "healthcareService": [department.healthcare_service] if department.service else None,
            "telecom": [
                {"system": "phone", "value": f"+1-602-555-{100 + len(self.members):04d}", "use": "work"}
            ],
            "availableTime": [hours],
        }
        return resource("PractitionerRole", f"role-{member.key}", elements)
