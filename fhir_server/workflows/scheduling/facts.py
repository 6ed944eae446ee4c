"""What has to be known about an Appointment before it is judged, as the transaction sees it.

https://hl7.org/fhir/R4/appointment.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.vocabulary import (
    NEEDS_APPROVAL,
    TAKES_SLOT,
    actors,
    is_proposal_open,
    kind,
    moment,
    reference,
    slots,
    tagged,
    times,
)

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """The Slots of an Appointment and their Schedules, those whom it gives free, who takes part, the orders.

    What is named and not here is left out. `people` are those of the Schedules, each role with its person.
    `is_as_proposed` says that the time is the one that the doctor has proposed.
    """

    slots: Mapping[str, Resource] = field(default_factory=dict)
    freed: tuple[Resource, ...] = ()
    schedules: tuple[Resource, ...] = ()
    people: tuple[str, ...] = ()
    actors: Mapping[str, Resource] = field(default_factory=dict)
    orders: tuple[Resource, ...] = ()
    is_as_proposed: bool = False

    @property
    def needs_approval(self) -> bool:
        """Whether a doctor confirms what is booked in one of the Schedules."""
        return any(tagged(one, NEEDS_APPROVAL) for one in self.schedules)


async def is_held(slot: str, but_for: str, records: Records) -> bool:
    """Tell whether an Appointment, other than one, has a Slot."""
    states = ",".join(sorted(TAKES_SLOT))
    found = await records.search("Appointment", ("slot", slot), ("status", states))
    return any(f"Appointment/{one['id']}" != but_for for one in found)


async def gather(change: Change, records: Records) -> Facts:
    """Look up all that an Appointment names."""
    after = change.after
    taken, before = slots(after), slots(change.before)
    freed = []
    for one in before:
        slot = None if one in taken else await records.read(one)
        if slot is not None and not await is_held(one, change.reference, records):
            freed.append(slot)
    if after is None or after.get("status") not in TAKES_SLOT | {"proposed"}:
        return Facts(freed=tuple(freed))
    found = {one: slot for one in taken if (slot := await records.read(one)) is not None}
    names = dict.fromkeys(reference(one.get("schedule")) for one in found.values())
    schedules = [there for name in names if (there := await records.read(name)) is not None]
    people = await with_persons(
        [a for one in schedules for a in map(reference, one.get("actor", ()))], records
    )
    taking_part = {}
    for one in await with_persons(actors(after), records):
        resource = await records.read(one)
        if resource is not None:
            taking_part[one] = resource
    orders = [there for text in after.get("basedOn", ()) if (there := await records.read(text)) is not None]
    is_as_proposed = await _is_as_proposed(change, after, records)
    return Facts(
        found, tuple(freed), tuple(schedules), tuple(people), taking_part, tuple(orders), is_as_proposed
    )


async def _is_as_proposed(change: Change, after: Resource, records: Records) -> bool:
    """Tell whether an Appointment is at the time that the doctor has proposed instead of another one."""
    if change.before is None or not is_proposal_open(change.before):
        return False
    proposed = await proposed_instead(change.reference, records)
    return proposed is not None and times(proposed) == times(after)


async def proposed_instead(appointment: str, records: Records) -> Resource | None:
    """Return the last answer by which staff propose another time for an Appointment, None if there is none.

    What the patient answers is a wish, and not what the patient may then accept.
    """
    asked = ("appointment", appointment), ("part-status", "tentative")
    found = await records.search("AppointmentResponse", *asked)
    by_staff = [one for one in found if kind(reference(one.get("actor"))).startswith("Practitioner")]
    timed = [one for one in by_staff if times(one) is not None]
    return max(timed, key=lambda one: str(one["meta"]["lastUpdated"]), default=None)


async def with_persons(named: list[str], records: Records) -> list[str]:
    """Return the references of `named`, each role followed by the person who has it."""
    found: list[str] = []
    for one in named:
        found.append(one)
        if kind(one) == "PractitionerRole":
            role = await records.read(one)
            found.append(reference((role or {}).get("practitioner")))
    return [one for one in dict.fromkeys(found) if one]


def is_active_at(resource: Resource, at: datetime) -> bool:
    """Tell whether a person, role or place is in use at a time."""
    if resource.get("active") is False or resource.get("deceasedBoolean") or "deceasedDateTime" in resource:
        return False
    if resource["resourceType"] == "Location":
        return bool(resource.get("status", "active") == "active")
    period = resource.get("period", {}) if resource["resourceType"] == "PractitionerRole" else {}
    return is_within(period, at)


def is_within(period: Resource, at: datetime) -> bool:
    """Tell whether a time is in a Period, whose end is the last moment of what it says."""
    start = moment(period.get("start"))
    if start is not None and at < start:
        return False
    return "end" not in period or at < interval_end(period["end"])


def interval_end(text: str) -> datetime:
    """Return the moment after the last one of a date of any precision."""
    return interval(text)[1]
