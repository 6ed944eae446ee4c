"""What an Appointment may not be, whoever writes it and in whichever way.

https://hl7.org/fhir/R4/appointment.html
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from fhir_server.workflows.pattern import Change, Violation
from fhir_server.workflows.scheduling.facts import Facts, is_active_at, is_ordered, is_within
from fhir_server.workflows.scheduling.rules import (
    APPROVAL,
    CANCEL_REASON,
    CUT_OFF,
    DURATION,
    END_FIRST,
    FOR_ANOTHER,
    INACTIVE,
    NOSHOW_EARLY,
    ORDER_NEEDED,
    OUTSIDE,
    PAST_START,
    PATIENT_STEP,
    SLOT_CLOSED,
    WHEN,
)
from fhir_server.workflows.scheduling.visit_types import needs_order
from fhir_server.workflows.scheduling.vocabulary import (
    ACTIVE,
    HOLD,
    OFFER,
    actors,
    named_slots,
    reference,
    tagged,
    times,
)
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_AHEAD = frozenset({"proposed", "pending", "booked"})
_OF_PATIENTS = frozenset({"proposed", "pending", "booked", "waitlist", "cancelled"})
_STAFF = ("Practitioner", "PractitionerRole", "Location", "Device")


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with an Appointment, and with who changes it."""
    after = change.after
    if after is None:
        return
    yield from _about_itself(change, after, situation)
    if after.get("status") in _AHEAD and is_arranged_anew(change):
        yield from _about_the_time(after, facts, situation)
        yield from _about_orders(after, facts, situation)
    if situation.is_only_patient():
        yield from _about_patients(change, after, facts, situation)


def is_moved(change: Change) -> bool:
    """Tell whether an Appointment is at another time, or in other Slots, than before."""
    before, after = change.before or {}, change.after or {}
    return times(before) != times(after) or named_slots(before) != named_slots(after)


def is_arranged_anew(change: Change) -> bool:
    """Tell whether an Appointment is new, at another time, with others, or goes on with being arranged."""
    before, after = change.before, change.after or {}
    if before is None or is_moved(change) or set(actors(before)) != set(actors(after)):
        return True
    return before.get("status") not in ACTIVE or before.get("serviceType") != after.get("serviceType")


def _about_itself(change: Change, after: Resource, situation: Situation) -> Iterable[Violation]:
    time = times(after)
    wish = after.get("status") in ("proposed", "waitlist", "cancelled", "entered-in-error")
    if time is None and (not wish or "start" in after or "end" in after):
        yield WHEN.broken("It has no start, or no end", "Appointment.start")
    if time is not None and time[1] <= time[0]:
        yield END_FIRST.broken("It ends before it starts", "Appointment.end")
    elif time is not None and "minutesDuration" in after:
        lasts = timedelta(minutes=int(after["minutesDuration"]))
        if lasts != time[1] - time[0]:
            yield DURATION.broken("It does not last so long", "Appointment.minutesDuration")
    if change.became("cancelled") and "cancelationReason" not in after:
        yield CANCEL_REASON.broken("The reason is missing", "Appointment.cancelationReason")
    if change.became("noshow") and time is not None and situation.now < time[1]:
        yield NOSHOW_EARLY.broken("It is not over yet", "Appointment.status")


def _about_the_time(after: Resource, facts: Facts, situation: Situation) -> Iterable[Violation]:
    time = times(after)
    if time is None:
        return
    # What another system tells of was arranged there, and may come late.
    if time[0] < situation.now and not situation.is_reported:
        yield PAST_START.broken("It starts in the past", "Appointment.start")
    for name in named_slots(after):
        slot = facts.slots.get(name)
        if slot is not None and slot.get("status") in ("busy-unavailable", "entered-in-error"):
            yield SLOT_CLOSED.broken("The Slot is unavailable", "Appointment.slot")
    covered = [one for slot in facts.slots.values() if (one := times(slot)) is not None]
    if covered:
        first, last = min(one[0] for one in covered), max(one[1] for one in covered)
        gaps = sum((one[1] - one[0] for one in covered), timedelta()) != last - first
        if gaps or time[0] < first or time[1] > last:
            yield OUTSIDE.broken("It is not within its Slots", "Appointment.start")
    for schedule in facts.schedules:
        if schedule.get("active") is False:
            yield INACTIVE.broken("The Schedule is not active", "Appointment.slot")
        if not is_within(schedule.get("planningHorizon", {}), time[0]):
            yield OUTSIDE.broken("The Schedule does not go so far", "Appointment.start")
    for name, resource in facts.actors.items():
        if not is_active_at(resource, time[0]):
            yield INACTIVE.broken(
                f"{name.partition('/')[0]} is not active at the time", "Appointment.participant"
            )


def _about_orders(after: Resource, facts: Facts, situation: Situation) -> Iterable[Violation]:
    if not needs_order(after, situation.settings.visit_types):
        return
    if not is_ordered(after, facts.orders):
        yield ORDER_NEEDED.broken("No active order of this patient is named", "Appointment.basedOn")


def _about_patients(
    change: Change, after: Resource, facts: Facts, situation: Situation
) -> Iterable[Violation]:
    before = change.before or {}
    own = situation.principal.patient if situation.principal else None
    if set(actors(after, "Patient")) - set(actors(before, "Patient")) - {f"Patient/{own}"}:
        yield FOR_ANOTHER.broken("It is for another patient", "Appointment.participant")
    is_step = before.get("status") != after.get("status")
    if is_step and after.get("status") not in _OF_PATIENTS:
        yield PATIENT_STEP.broken("This is for staff to say", "Appointment.status")
    if after.get("status") == "booked" and is_arranged_or_booked(change):
        yield from _about_approval(before, after, facts)
    elif after.get("status") == "pending" and not tagged(after, OFFER) and _accepts_for_others(before, after):
        yield APPROVAL.broken("Who is asked has not accepted", "Appointment.participant")
    was = times(before)
    if was is None or before.get("status") not in ("booked", "pending"):
        return
    if not is_moved(change) and not change.became("cancelled"):
        return
    hours = situation.settings.cancel_hours if before.get("status") == "booked" else 0
    if situation.now > was[0] - timedelta(hours=hours):
        yield CUT_OFF.broken("It is too late for that; please call", "Appointment.start")


def is_arranged_or_booked(change: Change) -> bool:
    """Tell whether an Appointment becomes booked, or is booked otherwise than before."""
    before, after = change.before, change.after or {}
    if before is None or change.became("booked") or is_moved(change):
        return True
    return not set(actors(after, *_STAFF)) <= set(actors(before, *_STAFF))


def _about_approval(before: Resource, after: Resource, facts: Facts) -> Iterable[Violation]:
    if facts.is_as_proposed and set(actors(after, *_STAFF)) <= set(actors(before, *_STAFF)):
        return
    if not facts.slots or facts.needs_approval:
        yield APPROVAL.broken("A doctor confirms this; ask for it as pending", "Appointment.status")
        return
    if not set(actors(after, *_STAFF)) <= set(facts.people):
        yield APPROVAL.broken("The Slot is not that of all who take part", "Appointment.participant")
    is_request = before.get("status") == "pending" and not (tagged(before, HOLD) or tagged(before, OFFER))
    if is_request and any(
        one.get("status") == "needs-action" and reference(one.get("actor")).startswith("Practitioner")
        for one in before.get("participant", ())
    ):
        yield APPROVAL.broken("The doctor has not answered yet", "Appointment.status")


def _accepts_for_others(before: Resource, after: Resource) -> bool:
    def accepted(resource: Resource) -> set[str]:
        return {
            reference(one.get("actor"))
            for one in resource.get("participant", ())
            if one.get("status") == "accepted" and reference(one.get("actor")).startswith("Practitioner")
        }

    return not accepted(after) <= accepted(before)
