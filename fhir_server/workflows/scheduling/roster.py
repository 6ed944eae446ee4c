"""Slot: none says anything else than its Appointment, and doctors change their own.

That no two are at one time is for W12 to say.

A Slot that becomes free is offered to the first on the waiting list whom it fits.
https://hl7.org/fhir/R4/slot.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.facts import is_held, is_within, with_persons
from fhir_server.workflows.scheduling.rules import (
    END_FIRST,
    OUTSIDE,
    OWN_SLOT,
    SLOT_AGREES,
    SLOT_HELD,
)
from fhir_server.workflows.scheduling.vocabulary import reference, times
from fhir_server.workflows.scheduling.waiting import next_waiting
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_HELD = frozenset({"busy", "busy-tentative"})


@dataclass(frozen=True, slots=True)
class Facts:
    """The Schedule and whose it is, whether an Appointment has the Slot, and whom it can be offered to.

    `owners` are those of each Schedule that the Slot is, or was, in.
    """

    schedule: Resource | None = None
    owners: tuple[tuple[str, ...], ...] = ()
    is_held: bool = False
    offered: Resource | None = None


async def gather(change: Change, records: Records) -> Facts:
    """Look up the Schedule, the Appointment, and the waiting list if the Slot became free."""
    slot = change.after or change.before or {}
    schedule = await records.read(reference(slot.get("schedule")))
    people = await _people(schedule, records)
    owners: tuple[tuple[str, ...], ...] = (people,)
    if change.before is not None and _is_moved(change.before, slot):
        owners += (await _people(await records.read(reference(change.before.get("schedule"))), records),)
    if change.before is None and slot.get("status") not in _HELD:
        return Facts(schedule, owners)
    held = await is_held(change.reference, "", records)
    offered = None
    if change.after is not None and change.became("free") and not held and schedule is not None:
        offered = await next_waiting(change.after, schedule, people, records)
    return Facts(schedule, owners, held, offered)


async def _people(schedule: Resource | None, records: Records) -> tuple[str, ...]:
    actors = [reference(one) for one in (schedule or {}).get("actor", ())]
    return tuple(await with_persons(actors, records))


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a Slot, and with who changes it."""
    before, after = change.before, change.after
    if not _is_by_its_owner(change, facts, situation):
        yield OWN_SLOT.broken("It is another one's", "Slot.schedule")
    if facts.is_held and (after is None or after.get("status") not in _HELD or _is_moved(before, after)):
        yield SLOT_HELD.broken("An Appointment has the Slot; cancel or move that first", "Slot.status")
    if after is None:
        return
    time = times(after)
    if time is not None and time[1] <= time[0]:
        yield END_FIRST.broken("It ends before it starts", "Slot.end")
    if after.get("status") in _HELD and not facts.is_held:
        was_held = before is not None and before.get("status") in _HELD
        if not was_held:
            yield SLOT_AGREES.broken("No Appointment has the Slot; say busy-unavailable", "Slot.status")
    horizon = (facts.schedule or {}).get("planningHorizon", {})
    if (before is None or _is_moved(before, after)) and time is not None and not is_within(horizon, time[0]):
        yield OUTSIDE.broken("The Schedule does not go so far", "Slot.start")


def _is_moved(before: Resource | None, after: Resource) -> bool:
    before = before or {}
    return times(before) != times(after) or reference(before.get("schedule")) != reference(
        after.get("schedule")
    )


def _is_by_its_owner(change: Change, facts: Facts, situation: Situation) -> bool:
    if situation.has_role("AD") or not situation.has_role("DR"):
        return True  # who else may write at all is for the access rules to say
    before, after = change.before, change.after
    if before is not None and after is not None:
        follows_appointment = {before.get("status"), after.get("status")} <= _HELD | {"free"}
        if follows_appointment and _but_status(before) == _but_status(after):
            return True
    return all(situation.person in people for people in facts.owners)


def _but_status(slot: Resource) -> Resource:
    return {name: value for name, value in slot.items() if name not in ("meta", "status")}


def follows(_change: Change, facts: Facts, _situation: Situation) -> Iterable[Consequence]:
    """Offer what became free."""
    if facts.offered is not None:
        yield Put(facts.offered)


WATCH = Watch(frozenset({"Slot"}), gather=gather, check=check, follows=follows)
