"""Shifts as they were worked: a Basic for each, from clocking in until clocking out.

https://hl7.org/fhir/R4/basic.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.store import instant
from fhir_server.store.ruling import Claim
from fhir_server.workflows.made import concept, has_code, made
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.terms import (
    BASIC,
    OWN_SHIFT,
    SHIFT_OVERLAP,
    SHIFT_PERIOD,
    SHIFT_ROLE,
    SHIFT_TIME,
)

Resource = Mapping[str, Any]

LONGEST = timedelta(hours=24)
# Clocks of different machines differ.
_AHEAD = timedelta(minutes=5)


def shift_record(practitioner: str, role: str, now: datetime) -> dict[str, Any]:
    """Return the record of a shift that begins now."""
    return made(
        "Basic",
        code=concept(BASIC, "shift-record", "Shift"),
        subject={"reference": practitioner},
        author={"reference": practitioner},
        created=now.date().isoformat(),
        extension=[
            {"url": SHIFT_PERIOD, "valuePeriod": {"start": instant(now)}},
            {"url": SHIFT_ROLE, "valueReference": {"reference": role}},
        ],
    )


def is_shift(resource: Resource | None) -> bool:
    """Tell whether a Basic is the record of a shift."""
    return resource is not None and has_code(resource.get("code"), BASIC, "shift-record")


def worked(shift: Resource) -> tuple[datetime | None, datetime | None]:
    """Return from when until when somebody worked; None for what is not known (yet)."""
    period: Mapping[str, Any] = next(
        (one.get("valuePeriod", {}) for one in shift.get("extension", ()) if one.get("url") == SHIFT_PERIOD),
        {},
    )
    start, end = period.get("start"), period.get("end")
    return (interval(start)[0] if start else None, interval(end)[0] if end else None)


def ended(shift: Resource, now: datetime) -> dict[str, Any]:
    """Return a shift that ends now."""
    extensions = [
        {**one, "valuePeriod": {**one["valuePeriod"], "end": instant(now)}}
        if one.get("url") == SHIFT_PERIOD
        else one
        for one in shift["extension"]
    ]
    return {**shift, "extension": extensions}


def _claims(resource: Resource) -> Iterable[Claim]:
    """Claim the time of a shift; one that goes on claims as long as a shift may last."""
    person = reference_of(resource.get("subject"))
    start, end = worked(resource) if is_shift(resource) else (None, None)
    if start is None or person is None:
        return
    end = end or start + LONGEST
    if start < end <= start + LONGEST:
        refusal = SHIFT_OVERLAP.error("They work another shift at that time")
        yield Claim(f"W12/shift/{person}", f"Basic/{resource['id']}", refusal, start, end)


def _check(change: Change, _facts: None, situation: Situation) -> Iterable[Violation]:
    if not is_shift(change.before) and not is_shift(change.after):
        return
    after = change.after
    if not situation.has_role("AD"):
        yield from _check_own(change, situation)
    if after is None or not is_shift(after):
        return
    start, end = worked(after)
    if start is None or not reference_of(after.get("subject")):
        yield SHIFT_TIME.broken("A shift is somebody's, and has a beginning", "Basic.extension")
        return
    if start > situation.now + _AHEAD:
        yield SHIFT_TIME.broken("The shift has not begun", "Basic.extension")
    if end is not None and not start < end <= start + LONGEST:
        yield SHIFT_TIME.broken("A shift ends after it begins, and within 24 hours", "Basic.extension")


def _check_own(change: Change, situation: Situation) -> Iterable[Violation]:
    person = {reference_of(one.get("subject")) for one in (change.before, change.after) if one}
    if person != {situation.person} or change.after is None:
        yield OWN_SHIFT.broken("This is the shift of somebody else")
    elif change.before is not None and (
        worked(change.before)[1] is not None or worked(change.before)[0] != worked(change.after)[0]
    ):
        yield OWN_SHIFT.broken("An administrator corrects what was worked")


WATCH: Watch[None] = Watch(frozenset({"Basic"}), claims=_claims, check=_check)
