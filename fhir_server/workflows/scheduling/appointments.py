"""Appointment: what it takes for itself, and what follows from it.

A Slot follows its Appointment: tentative while that is pending, busy from then on, and free again when it is
cancelled or moved. https://hl7.org/fhir/R4/appointment.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Claim, Entry
from fhir_server.workflows.consequences import Consequence, Later, Put, Strike
from fhir_server.workflows.made import changed
from fhir_server.workflows.notices import NoticeKind, no_notice, notice
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.scheduling.checks import check, is_moved
from fhir_server.workflows.scheduling.facts import Facts, gather
from fhir_server.workflows.scheduling.notices import (
    BOOKED,
    CANCELLED,
    MOVED,
    NOT_CONFIRMED,
    OFFERED,
    REMINDER,
    REQUESTED,
)
from fhir_server.workflows.scheduling.rules import DOUBLE_BOOKING, SLOT_TAKEN
from fhir_server.workflows.scheduling.vocabulary import (
    ACTIVE,
    HOLD,
    OFFER,
    actors,
    claimed,
    kind,
    slots,
    tagged,
    times,
    with_tags,
)
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
LAPSES = "W3.hold-expires"
_PEOPLE = ("Patient", "Practitioner", "RelatedPerson")
_REMINDED = (timedelta(hours=24), timedelta(hours=2))


def claims(appointment: Resource) -> Iterable[Claim]:
    """Claim the Slots, and the time of whoever and whatever takes part."""
    owner = f"Appointment/{appointment['id']}"
    for slot in slots(appointment):
        refusal = SLOT_TAKEN.error("The Slot is taken", "Appointment.slot")
        yield Claim(f"W3/slot/{slot}", owner, refusal, has_state=True)
    time = times(appointment)
    if appointment.get("status") not in ACTIVE or time is None:
        return
    for actor in claimed(appointment):
        refusal = DOUBLE_BOOKING.error(f"{kind(actor)} is taken at that time", "Appointment.participant")
        yield Claim(f"W3/time/{actor}", owner, refusal, *time)


def completes(appointment: Resource, before: Resource | None, _situation: Situation) -> Resource:
    """Let only what begins to wait be a hold, and nothing that does not wait any more."""
    is_pending = appointment.get("status") == "pending"
    was_pending = before is not None and before.get("status") == "pending"
    tags = [
        one
        for one in (HOLD, OFFER)
        if is_pending and tagged(appointment, one) and (not was_pending or tagged(before or {}, one))
    ]
    if [one for one in (HOLD, OFFER) if tagged(appointment, one)] == tags:
        return appointment
    return with_tags(appointment, *tags)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Let the Slots follow, add whose they are, and tell those who take part."""
    for slot in facts.freed:
        if slot.get("status") in ("busy", "busy-tentative"):
            yield Put(changed(slot, status="free"))
    after = change.after
    if after is None:
        yield no_notice(change.reference)
        yield Strike(f"W3/wait/{change.reference}")
        return
    status = "busy-tentative" if after.get("status") == "pending" else "busy"
    for name, slot in facts.slots.items():
        if slot.get("status") in {"free", "busy", "busy-tentative"} - {status} and name in slots(after):
            yield Put(changed(slot, status=status))
    together = _with_all(after, facts)
    if together is not after:
        yield Put(together)
    yield from _waiting(change, after, situation)
    yield from _told(change, together, situation)


def _with_all(after: Resource, facts: Facts) -> Resource:
    """Return an Appointment with the people and places of its Slots, and the person of each role."""
    if after.get("status") not in ACTIVE:
        return after
    there = set(_all_actors(after))
    wanted = [one for one in (*facts.people, *facts.actors) if kind(one) != "HealthcareService"]
    missing = [one for one in dict.fromkeys(wanted) if one not in there]
    if not missing:
        return after
    status = "needs-action" if after.get("status") == "pending" else "accepted"
    added = [
        {
            "actor": {"reference": one},
            "required": "required",
            "status": status if kind(one).startswith("Practitioner") else "accepted",
        }
        for one in missing
    ]
    return changed(after, participant=[*after["participant"], *added])


def _all_actors(after: Resource) -> Iterable[str]:
    everybody = [{**one, "status": "accepted"} for one in after.get("participant", ())]
    return actors({"participant": everybody})


def _waiting(change: Change, after: Resource, situation: Situation) -> Iterable[Consequence]:
    """Let what is pending lapse in time, and what is decided wait no more."""
    reference = change.reference
    if _begins_to_wait(change):
        yield Strike(f"W3/wait/{reference}")
        settings, time = situation.settings, times(after)
        wait = timedelta(hours=settings.request_hours)
        if tagged(after, HOLD):
            wait = timedelta(minutes=settings.hold_minutes)
        elif tagged(after, OFFER):
            wait = timedelta(hours=settings.offer_hours)
        due = situation.now + wait
        if time is not None:
            due = min(due, time[0])
        yield Later(Entry(f"W3/wait/{reference}/{instant(situation.now)}", due, LAPSES, reference))
    elif after.get("status") != "pending" and (change.before or {}).get("status") == "pending":
        yield Strike(f"W3/wait/{reference}")


def _begins_to_wait(change: Change) -> bool:
    """Tell whether an Appointment is pending from now on, or is no hold any more but a request."""
    before, after = change.before or {}, change.after or {}
    if after.get("status") != "pending" or change.became("pending"):
        return change.became("pending")
    return any(tagged(before, one) and not tagged(after, one) for one in (HOLD, OFFER))


def _told(change: Change, after: Resource, situation: Situation) -> Iterable[Consequence]:
    """Tell each who takes part, once, of what became of the Appointment; remind them in time."""
    before, time = change.before or {}, times(after) or times(change.before or {})
    was, is_now = before.get("status"), after.get("status")
    if time is None:
        return
    everybody = actors(after, *_PEOPLE)
    if is_now == was and not (is_now == "booked" and is_moved(change)) and not _begins_to_wait(change):
        return
    yield no_notice(change.reference)
    if is_now == "booked":
        yield from _each(change, BOOKED if was != "booked" else MOVED, everybody, time[0], situation)
        yield from _reminded(change, everybody, time[0], situation)
    elif is_now in ("cancelled", "entered-in-error") and was in ACTIVE:
        yield from _ended(change, before, everybody, situation)
    elif is_now == "waitlist" and tagged(before, OFFER) and was == "pending":
        yield from _each(change, NOT_CONFIRMED, actors(after, "Patient"), time[0], situation)
    elif is_now == "pending" and tagged(after, OFFER):
        yield from _each(change, OFFERED, actors(after, "Patient"), time[0], situation)
    elif is_now == "pending" and not tagged(after, HOLD):
        yield from _each(change, REQUESTED, actors(after, "Practitioner"), time[0], situation)


def _reminded(
    change: Change, everybody: list[str], start: datetime, situation: Situation
) -> Iterable[Consequence]:
    for ahead in _REMINDED:
        if (due := start - ahead) > situation.now:
            for one in everybody:
                yield _notice(change, REMINDER, one, due, start, situation, f"{ahead}")


def _ended(
    change: Change, before: Resource, everybody: list[str], situation: Situation
) -> Iterable[Consequence]:
    time = times(before)
    if time is None or tagged(before, HOLD):
        return
    if before.get("status") != "pending":
        yield from _each(change, CANCELLED, everybody, time[0], situation)
        return
    yield from _each(change, NOT_CONFIRMED, actors(before, "Patient"), time[0], situation)
    if not tagged(before, OFFER):
        doctors = actors(before, "Practitioner")
        yield from _each(change, CANCELLED, doctors, time[0], situation)


def _each(
    change: Change, told: NoticeKind, recipients: Iterable[str], start: Any, situation: Situation
) -> Iterable[Consequence]:
    for one in recipients:
        yield _notice(change, told, one, situation.now, start, situation)


def _notice(
    change: Change, told: NoticeKind, who: str, due: Any, start: Any, situation: Situation, more: str = ""
) -> Later:
    # The moment is in the occasion: who goes back to a time that they had before is reminded again.
    occasion = f"{instant(start)}@{instant(situation.now)}{more}"
    return notice(told, change.reference, who, due, occasion=occasion, data={"start": instant(start)})


WATCH = Watch(
    frozenset({"Appointment"}),
    completes=completes,
    claims=claims,
    gather=gather,
    check=check,
    follows=follows,
)
