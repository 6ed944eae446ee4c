"""ADT: which event a change of an Encounter or a Patient is, and the message of it. HL7 v2.5.1 §3.3

A change is one event: of several things that happen to a stay at once, the one that says most is told, and
PV1 has all of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.from_fhir.header import evn, msh
from adapters.from_fhir.payers import payers
from adapters.from_fhir.people import mrg, nk1, pd1, pid
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.visits import al1, current_place, dg1, pv1, pv2

UNDER_WAY = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_INPATIENT = frozenset({"IMP", "ACUTE", "NONAC"})
_WRONG = frozenset({"cancelled", "entered-in-error"})
_PERSON = ("A28", "A31")
WHOLE = frozenset({"A01", "A04", "A05", "A06", "A07", "A08", "A13", *_PERSON})
"""Events whose structures (ADT_A01, A05, A06) have next of kin, allergies, guarantors and insurances."""
# What a receiver knows nothing of, or is told by an event of its own.
_SERVERS = frozenset({"meta", "text", "id", "resourceType", "implicitRules", "language", "contained"})
_OF_STATES = frozenset({"status", "statusHistory", "classHistory", "length"})
_OF_ACCOUNTS = frozenset({"guarantor", "coverage"})
_OF_LINKS = frozenset({"link", "identifier"})


def encounter_event(before: Resource | None, after: Resource | None) -> str | None:
    """Return the event of a change of an Encounter, None if nobody has to know of it."""
    now = None if after is None else after.get("status")
    was = None if before is None else before.get("status")
    if after is None or now in _WRONG:
        return _cancelled(was)
    if now in UNDER_WAY:
        if was == "finished":
            return "A13"
        return _of_stay(before or {}, after) if was in UNDER_WAY else _arrival(after)
    if now == "finished":
        return _ended(before, after, was)
    if now == "planned" and was is None:
        return "A05"
    return "A08" if now == "planned" and before is not None and _differ(before, after) else None


def _cancelled(was: str | None) -> str | None:
    if was == "planned":
        return "A38"
    return "A11" if was in UNDER_WAY or was == "finished" else None


def _arrival(after: Resource) -> str:
    return "A01" if _is_inpatient(after) else "A04"


def _ended(before: Resource | None, after: Resource, was: str | None) -> str | None:
    if was == "finished" and before is not None:
        return "A08" if _differ(before, after) else None
    return "A03"


def _of_stay(before: Resource, after: Resource) -> str | None:
    if _is_inpatient(before) != _is_inpatient(after):
        return "A06" if _is_inpatient(after) else "A07"
    was, here = _place(before), _place(after)
    if here is not None and here != was:
        return "A12" if _is_taken_back(was, here, before, after) else "A02"
    return "A08" if _differ(before, after) else None


def _is_taken_back(was: str | None, here: str, before: Resource, after: Resource) -> bool:
    """Tell whether a transfer never was.

    The patient is where they were before it, which did not end either.
    """
    had_left = here in _in_state(before, "completed")
    return (
        was is not None
        and had_left
        and was not in {*_in_state(after, "completed"), *_in_state(after, "active")}
    )


def _in_state(encounter: Resource, status: str) -> list[str]:
    found = [one for one in encounter.get("location", ()) if one.get("status", "active") == status]
    return [one.get("location", {}).get("reference", "") for one in found]


def _place(encounter: Resource) -> str | None:
    place = current_place(encounter)
    return None if place is None else place["location"].get("reference")


def _is_inpatient(encounter: Resource) -> bool:
    return encounter.get("class", {}).get("code") in _INPATIENT


def _differ(before: Resource, after: Resource) -> bool:
    return bool(changed_elements(before, after) - _OF_STATES)


def changed_elements(before: Resource, after: Resource) -> frozenset[str]:
    """Return which elements of a resource are not as they were, but for those that are the server's own."""
    names = {*before, *after} - _SERVERS
    return frozenset(name for name in names if before.get(name) != after.get(name))


def patient_event(before: Resource | None, after: Resource | None) -> str | None:
    """Return the event of a change of a Patient, None if nobody has to know of it.

    A31 becomes A08 where the patient has a stay that is under way.
    """
    if after is None:
        return "A29"
    if before is None:
        return None if _replaced_by(after) else "A28"
    if _replaced_by(after) - _replaced_by(before):
        return "A40"
    elements = changed_elements(before, after)
    if elements - _OF_LINKS or _active(before) != _active(after):
        return "A31"
    return None


def _replaced_by(patient: Resource) -> frozenset[str]:
    return frozenset(
        one.get("other", {}).get("reference", "")
        for one in patient.get("link", ())
        if one.get("type") == "replaced-by"
    )


def payers_changed(before: Resource | None, after: Resource | None) -> bool:
    """Tell whether a change of a Coverage or Account is one of who pays for the patient."""
    told = changed_elements(before or {}, after or {})
    resource = after or before or {}
    return bool(told & _OF_ACCOUNTS if resource.get("resourceType") == "Account" else told)


def survivor(patient: Resource) -> str | None:
    """Return the patient into whom a patient went, as the reference's text."""
    return next(iter(sorted(_replaced_by(patient))), None)


def _active(patient: Resource) -> list[Any]:
    return [one for one in patient.get("identifier", ()) if one.get("use") != "old"]


def adt(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments of an ADT message."""
    event = telling.told.message.partition("^")[2]
    if event == "A40":
        yield from _merge(telling)
        return
    yield msh(telling)
    yield evn(telling)
    patient = telling.patient
    yield pid(telling, patient)
    if patient is not None and (primary := pd1(telling, patient)):
        yield primary
    if patient is not None and event in WHOLE:
        yield from nk1(patient)
    encounter = None if event in (*_PERSON, "A29") else telling.encounter
    yield pv1(telling, encounter, telling.told.before if event in ("A02", "A06", "A07", "A12") else None)
    if event != "A12" and (reason := pv2(encounter)):
        yield reason
    if event in WHOLE:
        yield from al1(telling)
    if (event in WHOLE or event in ("A03", "A38")) and event not in _PERSON:
        yield from dg1(telling, encounter)
    if event in WHOLE:
        yield from payers(telling, encounter)


def _merge(telling: Telling) -> Iterator[SegmentFields]:
    """Yield A40.

    PID has who remains, MRG the numbers of the other one, which that one may have lost meanwhile.
    """
    told = telling.told
    loser: Mapping[str, Any] = told.before if told.before and told.before.get("identifier") else told.resource
    yield msh(telling)
    yield evn(telling)
    yield pid(telling, telling.get(survivor(told.resource)))
    yield mrg(telling, loser)
