"""Whether somebody may practise: pure functions of their record and their roles.

A qualification whose period ends has to be renewed: by another one of the same code that is in force, or by a
later end. One that is marked as elective need not be. https://hl7.org/fhir/R4/practitioner-definitions.html
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fhir_server.search.intervals import FIRST, LAST, interval
from fhir_server.workflows.made import has_code
from fhir_server.workflows.staff.terms import QUALIFICATION

Resource = Mapping[str, Any]

# Kinds of numbers that one person has: https://terminology.hl7.org/CodeSystem-v2-0203.html
_NUMBERS = frozenset({"MD", "LN", "NPI", "DEA", "RN", "RPH", "DO", "DDS", "PA", "NP", "DN", "SL", "UPIN"})
_V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def may_practise(practitioner: Resource | None, roles: Sequence[Resource], day: datetime) -> str | None:
    """Return why somebody may not practise at a moment; None if they may.

    `roles` are all PractitionerRoles of theirs; who has none is not judged by them. Somebody of whom there is
    no record here (`practitioner` is None) is not judged at all.
    """
    if practitioner is None:
        return None
    if practitioner.get("active") is False:
        return "Their record is inactive"
    if roles and not any(is_in_role(role, day) for role in roles):
        return "They have no role that is active then"
    if lapsed(practitioner, day):
        return "Their licence or mandatory training has expired by then"
    return None


def is_in_role(role: Resource, day: datetime) -> bool:
    """Tell whether somebody works in a role at a moment."""
    start, end = bounds(role.get("period"))
    return role.get("active") is not False and start <= day < end


def bounds(period: Any) -> tuple[datetime, datetime]:
    """Return the first moment of a Period, and the first one after it."""
    start = period.get("start") if isinstance(period, Mapping) else None
    end = period.get("end") if isinstance(period, Mapping) else None
    return (interval(start)[0] if start else FIRST, interval(end)[1] if end else LAST)


def lapsed(practitioner: Resource, day: datetime) -> list[Resource]:
    """Return the qualifications that are over at a moment, and were not renewed."""
    listed = practitioner.get("qualification", ())
    in_force = {_key(one) for one in listed if _is_in_force(one, day)}
    return [
        one
        for one in listed
        if not is_elective(one) and bounds(one.get("period"))[1] <= day and _key(one) not in in_force
    ]


def is_elective(qualification: Resource) -> bool:
    """Tell whether a qualification is only nice to have."""
    return has_code(qualification.get("code"), QUALIFICATION, "elective")


def _is_in_force(qualification: Resource, day: datetime) -> bool:
    start, end = bounds(qualification.get("period"))
    return start <= day < end


def _key(qualification: Resource) -> str:
    """Return by what one knows that a qualification renews another."""
    code = qualification.get("code", {})
    codings = [
        f"{one.get('system', '')}|{one.get('code', '')}"
        for one in code.get("coding", ())
        if one.get("system") != QUALIFICATION
    ]
    return codings[0] if codings else str(code.get("text", "")).strip().casefold()


def name_of(qualification: Resource) -> str:
    """Return the key of a qualification, for what is made for it once."""
    return f"{_key(qualification)}|{qualification.get('period', {}).get('end', '')}"


def on_leave(roles: Iterable[Resource], start: datetime, end: datetime) -> bool:
    """Tell whether somebody is on leave, in all the roles in which they work, in some part of a time."""
    active = [role for role in roles if is_in_role(role, start)]
    return bool(active) and all(_is_away(role, start, end) for role in active)


def _is_away(role: Resource, start: datetime, end: datetime) -> bool:
    for one in role.get("notAvailable", ()):
        if "during" in one:
            first, last = bounds(one["during"])
            if first < end and last > start:
                return True
    return False


def licence_numbers(practitioner: Resource) -> list[str]:
    """Return the numbers of licences, `system|value`: they are one person's."""
    found = [
        one
        for one in practitioner.get("identifier", ())
        if one.get("use") != "old" and has_code(one.get("type"), _V2_0203, *_NUMBERS)
    ]
    for one in practitioner.get("qualification", ()):
        found += one.get("identifier", ())
    numbers = [f"{one.get('system', '')}|{one['value']}" for one in found if one.get("value")]
    return list(dict.fromkeys(numbers))
