"""The roster: Schedules and their Slots. Nobody is on it twice for one time, in one Schedule or in two.

https://hl7.org/fhir/R4/schedule.html, https://hl7.org/fhir/R4/slot.html
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.store import instant
from fhir_server.store.ruling import Claim
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.people import references
from fhir_server.workflows.staff.terms import ROSTER

Resource = Mapping[str, Any]

# What is blocked may lie over what could be booked otherwise.
_LONGEST = timedelta(days=1)
_ON_DUTY = frozenset({"free", "busy", "busy-tentative"})


def _claims(slot: Resource) -> Iterable[Claim]:
    schedule = reference_of(slot.get("schedule"))
    if slot.get("status") not in _ON_DUTY or schedule is None or "start" not in slot or "end" not in slot:
        return
    start, end = interval(slot["start"])[0], interval(slot["end"])[0]
    if start < end:
        refusal = ROSTER.error("This Schedule has another Slot at that time", "Slot.start")
        yield Claim(f"W12/slots/{schedule}", f"Slot/{slot['id']}", refusal, start, end)


def _when(slot: Resource | None) -> Any:
    if slot is None or slot.get("status") not in _ON_DUTY:
        return None
    return (slot.get("start"), slot.get("end"), reference_of(slot.get("schedule")))


async def _gather(change: Change, records: Records) -> bool:
    """Tell whether somebody whose Slot this is has another one at the time, in another Schedule."""
    slot = change.after
    if slot is None or _when(slot) is None or _when(slot) == _when(change.before):
        return False
    schedule = await records.read(slot.get("schedule"))
    people = [
        one
        for one in references(() if schedule is None else schedule.get("actor", ()))
        if (local(one, records.situation.base_url) or ("",))[0] in ("Practitioner", "PractitionerRole")
    ]
    if schedule is None or not people or "start" not in slot or "end" not in slot:
        return False
    others = [
        f"Schedule/{one['id']}"
        for one in await records.search("Schedule", ("actor", ",".join(people)))
        if one["id"] != schedule["id"]
    ]
    if not others:
        return False
    for one in sorted(people):
        await records.lock(f"W12/roster/{one}")
    start, end = interval(slot["start"])[0], interval(slot["end"])[0]
    # R4 finds Slots by their start; none of a day's work is longer than a day.
    found = await records.search(
        "Slot",
        ("schedule", ",".join(others)),
        ("start", f"gt{instant(start - _LONGEST)}"),
        ("start", f"lt{instant(end)}"),
    )
    return any(
        one["status"] in _ON_DUTY and interval(one["start"])[0] < end and interval(one["end"])[0] > start
        for one in found
    )


def _check(_change: Change, facts: bool, _situation: Situation) -> Iterable[Violation]:
    if facts:
        yield ROSTER.broken("They are on the roster of another Schedule at that time", "Slot.start")


WATCH = Watch(frozenset({"Slot"}), claims=_claims, gather=_gather, check=_check)
