"""Who is on call in the emergency department: PractitionerRoles that say so, or those who work there.

https://hl7.org/fhir/R4/practitionerrole.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.emergency.terms import DOCTOR, NURSE, ON_CALL, OWN, ROLES
from fhir_server.workflows.made import has_code
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of

Resource = Mapping[str, Any]

_MOST_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Team:
    """The doctors and nurses who are on call (Practitioners), and all who work in the department."""

    doctors: tuple[str, ...] = ()
    nurses: tuple[str, ...] = ()
    everybody: tuple[str, ...] = ()

    def of(self, job: str) -> tuple[str, ...]:
        """Return those who are on call as `job`, `doctor` or `nurse`."""
        return self.doctors if job == DOCTOR else self.nurses


async def team(encounter: Resource | None, records: Records) -> Team:
    """Return who is on call for an encounter; of its department (serviceProvider) if nobody says it."""
    on_call = await _roles(records, ("role", f"{OWN}|{ON_CALL}"))
    department = reference_of((encounter or {}).get("serviceProvider"))
    there = await _roles(records, ("organization", department)) if department else []
    listed = [*on_call, *there]
    return Team(
        tuple(_people(on_call, DOCTOR) or _people(there, DOCTOR)),
        tuple(_people(on_call, NURSE) or _people(there, NURSE)),
        tuple(dict.fromkeys([*_people(listed, DOCTOR), *_people(listed, NURSE)])),
    )


async def _roles(records: Records, asked: tuple[str, str]) -> list[dict[str, Any]]:
    roles = await records.search("PractitionerRole", asked, sort="_id")
    now = records.situation.now
    return [
        role
        for role in roles
        if role.get("active") is not False
        and ("end" not in role.get("period", {}) or interval(role["period"]["end"])[1] > now)
    ]


def _people(roles: Iterable[Resource], job: str) -> list[str]:
    found = [
        reference_of(role.get("practitioner")) for role in roles if has_code(role.get("code", []), ROLES, job)
    ]
    return list(dict.fromkeys(one for one in found if one))[:_MOST_AT_ONCE]
