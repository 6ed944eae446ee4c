"""Who may be booked, prescribe, and be assigned patients: whatever other rules say, these hold too.

https://hl7.org/fhir/R4/appointment.html, https://hl7.org/fhir/R4/medicationrequest.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.people import Member, members, references
from fhir_server.workflows.staff.qualifications import is_in_role, may_practise, on_leave
from fhir_server.workflows.staff.terms import ASSIGNED, ON_LEAVE, PRACTISE, PRESCRIBE

Resource = Mapping[str, Any]
People = tuple[Member, ...]

_PLANNED = frozenset({"proposed", "pending", "booked", "waitlist"})
_SHORTEST = timedelta(minutes=1)


def _booked(resource: Resource | None) -> tuple[Any, ...]:
    """Return what of an appointment has to be looked at anew when it changes."""
    if resource is None or resource.get("status") not in _PLANNED:
        return ()
    actors = references(one.get("actor") for one in resource.get("participant", ()))
    return (resource.get("start"), resource.get("end"), sorted(actors))


async def _gather_booked(change: Change, records: Records) -> People:
    after = _booked(change.after)
    if not after or after == _booked(change.before):
        return ()
    return await members(after[2], records)


def _check_booked(change: Change, facts: People, situation: Situation) -> Iterable[Violation]:
    if change.after is None:
        return
    start = _moment(change.after.get("start"), situation.now)
    end = max(_moment(change.after.get("end"), start + _SHORTEST), start + _SHORTEST)
    for one in facts:
        why = may_practise(one.practitioner, one.roles, start)
        if why is not None:
            yield PRACTISE.broken(why, "Appointment.participant")
        elif on_leave(one.roles, start, end):
            yield ON_LEAVE.broken("They are on leave then", "Appointment.participant")


async def can_be_booked(people: Iterable[str], time: tuple[datetime, datetime], records: Records) -> bool:
    """Tell whether all staff among `people` may practise at a time, and are not on leave."""
    found = await members(list(people), records)
    return all(
        may_practise(one.practitioner, one.roles, time[0]) is None and not on_leave(one.roles, *time)
        for one in found
    )


def _moment(text: Any, otherwise: datetime) -> datetime:
    return interval(text)[0] if isinstance(text, str) else otherwise


def _prescribed(resource: Resource | None) -> str | None:
    """Return who prescribes, if a prescription is in force."""
    if resource is None or resource.get("status") != "active":
        return None
    return reference_of(resource.get("requester"))


async def _gather_prescribed(change: Change, records: Records) -> People:
    requester = _prescribed(change.after)
    if requester is None or requester == _prescribed(change.before):
        return ()
    return await members([requester], records)


def _check_prescribed(_change: Change, facts: People, situation: Situation) -> Iterable[Violation]:
    for one in facts:
        why = may_practise(one.practitioner, one.roles, situation.now)
        if why is not None:
            yield PRESCRIBE.broken(why, "MedicationRequest.requester")


def _assigned(resource: Resource | None) -> list[str]:
    if resource is None:
        return []
    if resource["resourceType"] == "Patient":
        return references(resource.get("generalPractitioner", ()))
    if resource.get("status") not in (None, "proposed", "active"):
        return []
    return references(one.get("member") for one in resource.get("participant", ()))


async def _gather_assigned(change: Change, records: Records) -> People:
    was = set(_assigned(change.before))
    return await members([one for one in _assigned(change.after) if one not in was], records)


def _check_assigned(change: Change, facts: People, situation: Situation) -> Iterable[Violation]:
    for one in facts:
        is_gone = (one.practitioner or {}).get("active") is False
        if is_gone or (one.roles and not any(is_in_role(role, situation.now) for role in one.roles)):
            yield ASSIGNED.broken("They do not work here any more", change.resource_type)


WATCHES = (
    Watch(frozenset({"Appointment"}), gather=_gather_booked, check=_check_booked),
    Watch(frozenset({"MedicationRequest"}), gather=_gather_prescribed, check=_check_prescribed),
    Watch(frozenset({"Patient", "CareTeam"}), gather=_gather_assigned, check=_check_assigned),
)
