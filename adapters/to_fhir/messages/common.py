"""What most messages have: the patient (PID), the visit (PV1), when it happened, and who sent it."""

from typing import Any

from adapters.to_fhir.datatypes.identifiers import cx, identities_of, strict_cx
from adapters.to_fhir.datatypes.times import date_time
from adapters.to_fhir.drafts import Draft, Identity, Presence
from adapters.to_fhir.rules import SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.patients import NK1, PD1, PID
from adapters.to_fhir.segments.visits import PV1, PV2
from adapters.to_fhir.value import NULL, Value
from hl7.datatypes import timestamp
from hl7.errors import DATA_TYPE, REQUIRED_FIELD_MISSING, SEGMENT_SEQUENCE, HL7Error, Location
from hl7.message import Segment

PATIENT, ENCOUNTER = "patient", "encounter"
# Of several numbers of a person, those that others make their keys of, the best first (table 0203).
_BEST = ("MR", "PI", "PT", "PN", "XX", "")


def missing(segment: str, sequence: int = 1, field: int | None = None) -> HL7Error:
    """Return that a segment or field is missing that something hangs on."""
    if field is None:
        return HL7Error(
            f"without {segment} there is nothing to do", code=SEGMENT_SEQUENCE, location=Location(segment)
        )
    place = Location(segment, sequence, field)
    return HL7Error("a field is missing that is needed", code=REQUIRED_FIELD_MISSING, location=place)


def filled(scope: Scope, draft: Draft, table: SegmentMap, segment: Segment) -> None:
    """Add to a draft what a segment says."""
    draft.place = draft.place or Location(segment.name, segment.sequence)
    with scope.within(draft.key):
        draft.deleted += table(segment, scope, draft.resource)


def patient(scope: Scope, pid: Segment, presence: Presence, key: str = PATIENT) -> Draft:
    """Add the patient whom a PID is about; raise HL7Error (101) for one who has no number in PID-3."""
    draft = Draft(key, {"resourceType": "Patient"}, presence=presence)
    scope.drafts[key] = draft
    scope.subject = scope.subject or key
    filled(scope, draft, PID, pid)
    numbers = _numbers(scope, pid)
    if not numbers:
        raise missing("PID", pid.sequence, 3)
    draft.identities = numbers
    return draft


def _numbers(scope: Scope, pid: Segment) -> tuple[Identity, ...]:
    """Return by which numbers a person is found: those of PID-3, in the order of what they are for."""
    found: list[tuple[int, int, dict[str, Any]]] = []
    for repetition in pid[3].repetitions:
        identifier = cx(Value(repetition.raw, scope.reader), scope) if repetition.raw else None
        if identifier is not None:
            kind = next((one["code"] for one in (identifier.get("type") or {}).get("coding", ())), "")
            place = _BEST.index(kind) if kind in _BEST else len(_BEST)
            found.append((place, len(found), identifier))
    return identities_of([one for _, _, one in sorted(found, key=lambda each: each[:2])])


def persona(scope: Scope, presence: Presence = "full") -> Draft:
    """Add the patient with what PD1 and NK1 say of them; raise HL7Error if there is no PID."""
    pid = scope.message.first("PID")
    if pid is None:
        raise missing("PID")
    draft = patient(scope, pid, presence)
    pd1 = scope.message.first("PD1")
    if pd1 is not None:
        filled(scope, draft, PD1, pd1)
    contacts = _contacts(scope)
    if contacts:
        draft.resource["contact"] = contacts
        draft.listed = draft.listed | {"contact"}
    return draft


def _contacts(scope: Scope) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for segment in scope.message.all("NK1"):
        contact: dict[str, Any] = {}
        with scope.within(PATIENT, f"contact.{len(made)}"):
            NK1(segment, scope, contact)
        # pat-1: a contact has at least a name, an address, a telephone or an organization.
        if contact.keys() & {"name", "address", "telecom", "organization"}:
            made.append(contact)
    return made


def subject_parts(scope: Scope) -> tuple[str, str]:
    """Return what stands for the patient in the keys of what is theirs: the best of their numbers."""
    first = scope.drafts[scope.subject].identities[0]
    return first.system, first.value


def visit(scope: Scope, presence: Presence, *, is_needed: bool = False) -> Draft | None:
    """Add the encounter of PV1, if it has a number (PV1-19); None if there is nothing to know it by.

    One that `is_needed` may be known by whose it is, and when it began (PV1-44), instead; raises HL7Error
    (101) if not even that is said.
    """
    pv1 = scope.message.first("PV1")
    if pv1 is None:
        return None
    draft = Draft(ENCOUNTER, {"resourceType": "Encounter"}, presence=presence)
    filled(scope, draft, PV1, pv1)
    raw = pv1[19].repetition(1).raw
    number = strict_cx(Value(raw, scope.reader), scope) if raw and raw != NULL else None
    if number is not None:
        draft.identities = (Identity(number["system"], number["value"]),)
    elif is_needed:
        draft.parts = _stay(scope, draft)
    else:
        return None
    _complete(draft, scope)
    scope.drafts[ENCOUNTER] = draft
    if presence == "minimal":
        # Where somebody is, and which bed is taken, is told by ADT and by nobody else.
        draft.resource.pop("location", None)
    pv2 = scope.message.first("PV2")
    if presence == "full" and pv2 is not None:
        filled(scope, draft, PV2, pv2)
    return draft


def _stay(scope: Scope, draft: Draft) -> tuple[str, ...]:
    start = draft.resource.get("period", {}).get("start", "")
    if not start and scope.message.header.trigger_event in ("A01", "A04", "A05", "A14"):
        start = event_time(scope)
    if not start:
        raise missing("PV1", 1, 19)
    return ("stay", *subject_parts(scope), start)


def _complete(draft: Draft, scope: Scope) -> None:
    resource = draft.resource
    resource.setdefault("status", "unknown")
    resource.setdefault("class", {"system": "http://terminology.hl7.org/CodeSystem/v2-0004", "code": "U"})
    resource["subject"] = scope.drafts[scope.subject].reference


def event_time(scope: Scope) -> str:
    """Return when what a message tells of happened: EVN-6, else EVN-2, else MSH-7; "" if none is said."""
    evn = scope.message.first("EVN")
    for segment, field in ((evn, 6), (evn, 2), (scope.message.segments[0], 7)):
        if segment is not None and segment[field] and not segment[field].is_null:
            scope.place.segment, scope.place.sequence, scope.place.field = segment.name, 1, field
            made: str | None = date_time(Value(segment[field].repetition(1).raw, scope.reader), scope)
            if made:
                return made
    return ""


_MINUTES = {
    **dict.fromkeys(("", "M", "MIN", "MINUTES"), 1.0),
    **dict.fromkeys(("S", "SEC"), 1 / 60),
    **dict.fromkeys(("H", "HR", "HOURS"), 60.0),
    **dict.fromkeys(("D", "DAY", "DAYS"), 1440.0),
}


def minutes(told: str, unit: str) -> int | None:
    """Return a duration in minutes, by the unit that stands with it (table of ISO+ and common words)."""
    if not told:
        return None
    try:
        number = float(told)
    except ValueError:
        return None
    factor = _MINUTES.get(unit.upper())
    return round(number * factor) if factor is not None and number * factor >= 1 else None


__all__ = ["DATA_TYPE", "ENCOUNTER", "PATIENT", "timestamp"]
