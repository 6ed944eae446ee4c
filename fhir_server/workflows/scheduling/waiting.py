"""The waiting list: Appointments with the status waitlist, who waits longest first.

https://hl7.org/fhir/R4/appointment-definitions.html#Appointment.requestedPeriod
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.made import changed
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.facts import all_active, is_ordered, is_within, with_persons
from fhir_server.workflows.scheduling.visit_types import needs_order
from fhir_server.workflows.scheduling.vocabulary import (
    ACTIVE,
    LAPSED_OFFER,
    OFFER,
    actors,
    claimed,
    kind,
    moment,
    reference,
    times,
    with_tags,
)
from fhir_server.workflows.staff.practice import can_be_booked

Resource = Mapping[str, Any]
_PATIENTS = ("Patient", "RelatedPerson")
_TIME = ("slot", "start", "end", "minutesDuration")
_STATES = ",".join(sorted(ACTIVE))


async def next_waiting(
    slot: Resource, schedule: Resource, people: Iterable[str], records: Records
) -> Resource | None:
    """Return the first on the waiting list whom a Slot fits, as it is when the Slot is offered to them."""
    time, whose = times(slot), list(people)
    if time is None or time[0] <= records.situation.now or schedule.get("active") is False:
        return None
    if slot.get("status") != "free" or not is_within(schedule.get("planningHorizon", {}), time[0]):
        return None
    waiting = await records.search("Appointment", ("status", "waitlist"))
    for one in sorted(waiting, key=_since):
        # Who let this very time lapse would be the first again.
        if _let_lapse(one) == time[0] or not _fits(one, slot, schedule, whose, time[0]):
            continue
        if not await _may_have(one, whose, time, records):
            continue
        return with_tags(
            changed(
                one,
                status="pending",
                slot=[{"reference": f"Slot/{slot['id']}"}],
                start=slot["start"],
                end=slot["end"],
                minutesDuration=int((time[1] - time[0]).total_seconds()) // 60,
            ),
            OFFER,
        )
    return None


async def _may_have(
    waiting: Resource, whose: list[str], time: tuple[datetime, datetime], records: Records
) -> bool:
    """Tell whether all who would take part are in use and free then, and what it is for is ordered still.

    An offer to anybody else would break a rule, so that what gives the time free would be refused.
    """
    based_on = [await records.read(one) for one in waiting.get("basedOn", ())]
    orders = [one for one in based_on if one is not None]
    if orders and not any(one.get("status") == "active" for one in orders):
        return False
    if needs_order(waiting, records.situation.settings.visit_types) and not is_ordered(waiting, orders):
        return False
    there = await with_persons([*actors(waiting), *whose], records)
    if not await all_active(there, time[0], records) or not await can_be_booked(there, time, records):
        return False
    return not await is_anybody_taken([*claimed(waiting), *whose], time, records)


def waits_on(offer: Resource, before: Resource) -> dict[str, Any]:
    """Return an offer that nobody took in time as it keeps its place: as `before`, but for that time.

    The people and places of the Slot, who came with the offer, take no part any more.
    """
    asked = {reference(one.get("actor")) for one in before.get("participant", ())}
    there = [
        one
        for one in offer.get("participant", ())
        if (who := reference(one.get("actor"))) in asked or kind(who) in _PATIENTS
    ]
    others = [one for one in offer.get("extension", ()) if one.get("url") != LAPSED_OFFER]
    return changed(
        offer,
        status="waitlist",
        participant=there,
        extension=[*others, {"url": LAPSED_OFFER, "valueInstant": offer["start"]}],
        **{name: before.get(name) for name in _TIME},
    )


def _let_lapse(appointment: Resource) -> datetime | None:
    """Return when the time begins that was offered last, and not taken."""
    found = (one for one in appointment.get("extension", ()) if one.get("url") == LAPSED_OFFER)
    return next((moment(one.get("valueInstant")) for one in found), None)


async def is_anybody_taken(
    people: Iterable[str], time: tuple[datetime, datetime], records: Records, but_for: str = ""
) -> bool:
    """Tell whether any of `people` is in an Appointment at a time."""
    there = [one for one in dict.fromkeys(people) if not one.startswith("HealthcareService/")]
    if not there:
        return False
    found = await records.search(
        "Appointment",
        ("actor", ",".join(there)),
        ("status", _STATES),
        ("date", f"lt{instant(time[1])}"),
        ("date", f"ge{instant(datetime.fromtimestamp(time[0].timestamp() - 86400, time[0].tzinfo))}"),
    )
    for one in found:
        other = times(one)
        if other is None or one["id"] == but_for or not set(there) & set(claimed(one)):
            continue
        if other[0] < time[1] and time[0] < other[1]:
            return True
    return False


def _since(appointment: Resource) -> tuple[str, str]:
    return appointment.get("created", ""), appointment.get("meta", {}).get("lastUpdated", "")


def _fits(
    appointment: Resource, slot: Resource, schedule: Resource, people: list[str], start: datetime
) -> bool:
    wanted = actors(appointment, "Practitioner", "PractitionerRole", "Location")
    if wanted and not set(wanted) <= set(people):
        return False
    periods = appointment.get("requestedPeriod", ())
    if periods and not any(is_within(one, start) for one in periods):
        return False
    for element in ("specialty", "serviceType"):
        asked = _codes(appointment.get(element, ()))
        offered = _codes([*slot.get(element, ()), *schedule.get(element, ())])
        if asked and not asked & offered:
            return False
    return bool(wanted or appointment.get("specialty") or appointment.get("serviceType"))


def _codes(concepts: Iterable[Resource]) -> set[tuple[str, str]]:
    return {
        (coding.get("system", ""), coding.get("code", ""))
        for one in concepts
        for coding in one.get("coding", ())
    }
