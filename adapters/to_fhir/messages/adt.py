"""ADT: who patients are, and their visits. HL7 v2.5.1 chapter 3.

What an event does to an encounter that is there already is not decided here, but where it is known
(`Visit`); the status that is mapped is that of one which nobody knew before.
"""

from collections.abc import Mapping

from adapters.to_fhir.datatypes.actors import place
from adapters.to_fhir.datatypes.identifiers import cx, identities_of
from adapters.to_fhir.drafts import REFERENCE, BedState, Draft, Merge, Visit
from adapters.to_fhir.messages import clinical
from adapters.to_fhir.messages.common import (
    ENCOUNTER,
    event_time,
    missing,
    patient,
    persona,
    subject_parts,
    visit,
)
from adapters.to_fhir.messages.participations import participations
from adapters.to_fhir.messages.payers import account, payers
from adapters.to_fhir.scope import Place, Scope
from adapters.to_fhir.value import Value
from hl7.errors import SEGMENT_SEQUENCE, HL7Error, Location
from hl7.message import Segment

_PERSON = frozenset({"A28", "A31"})
_MERGE = frozenset({"A34", "A40"})
_STATUS: Mapping[str, str] = {
    "A01": "in-progress",
    "A02": "in-progress",
    "A03": "finished",
    "A05": "planned",
    "A06": "in-progress",
    "A07": "in-progress",
    "A11": "cancelled",
    "A12": "in-progress",
    "A13": "in-progress",
    "A14": "planned",
}
"""The status of an encounter that is new here; A04 is as the channel says, and A08 by PV1 (ours)."""


def adt(scope: Scope) -> None:
    """Map an ADT message."""
    event = scope.message.header.trigger_event
    if event in _MERGE:
        _merges(scope)
        return
    persona(scope)
    if event in _PERSON:
        participations(scope)
        clinical.allergies(scope)
        payers(scope, account(scope))
        return
    draft = visit(scope, "full", is_needed=True)
    if draft is None:
        raise missing("PV1")
    time = event_time(scope)
    _state(draft, event, time, scope)
    participations(scope)
    charged = account(scope)
    if charged is not None:
        draft.resource["account"] = [charged.reference]
    clinical.allergies(scope)
    clinical.diagnoses(scope)
    clinical.procedures(scope)
    payers(scope, charged)
    clinical.findings(scope)
    pv1 = scope.message.first("PV1")
    assert pv1 is not None  # noqa: S101 - there is a visit
    scope.effects.append(Visit(event, ENCOUNTER, time, _prior(pv1, scope)))
    _bed_state(pv1, draft, scope)


def _state(draft: Draft, event: str, time: str, scope: Scope) -> None:
    """Set status and period of an encounter, as they are if nobody knew of it before."""
    resource = draft.resource
    period = resource.get("period", {})
    status = _STATUS.get(event)
    if event == "A04":
        status = scope.channel.encounter_a04
    elif status is None:
        planned = resource["class"].get("code") == "PRENC"
        status = "finished" if "end" in period else "planned" if planned else "in-progress"
    resource["status"] = status
    scope.place = Place("MSH", 1, 9, 1, 2)
    with scope.within(draft.key):
        scope.note("status", "MSH[Encounter] 9")
    if event in ("A01", "A04") and "start" not in period and time:
        resource["period"] = {"start": time, **period}
    if event == "A03" and "end" not in period and time:
        resource["period"] = {**resource.get("period", {}), "end": time}


def _prior(pv1: Segment, scope: Scope) -> str:
    """Return the draft of the place that was left (PV1-6)."""
    raw = pv1[6].repetition(1).raw
    made = place(Value(raw, scope.reader), scope) if raw else None
    return str((made or {}).get("reference", "")).removeprefix(REFERENCE)


def _bed_state(pv1: Segment, draft: Draft, scope: Scope) -> None:
    """Add what PV1-40 says of the bed of PV1-3."""
    code = pv1.get(40)
    bed = next(
        (one["location"]["reference"] for one in draft.resource.get("location", ()) if "physicalType" in one),
        "",
    )
    if code and bed:
        scope.effects.append(BedState(bed.removeprefix(REFERENCE), code))


def _merges(scope: Scope) -> None:
    """Add each pair of PID and MRG, which are merged all or none (HL7 v2.5.1 §3.3.40)."""
    pairs = _pairs(scope)
    for number, (pid, mrg) in enumerate(pairs, 1):
        survivor = patient(scope, pid, "full", f"patient:{number}")
        loser = Draft(f"loser:{number}", {"resourceType": "Patient", "active": False}, presence="minimal")
        scope.place.segment, scope.place.sequence, scope.place.field = "MRG", mrg.sequence, 1
        numbers = [cx(Value(one.raw, scope.reader), scope) for one in mrg[1].repetitions if one.raw]
        loser.resource["identifier"] = [one for one in numbers if one is not None]
        loser.identities = identities_of(loser.resource["identifier"])
        if not loser.identities:
            raise missing("MRG", mrg.sequence, 1)
        loser.resource["name"] = [{"use": "temp", "text": "Merged before it was known here"}]
        if set(loser.identities) & set(survivor.identities):
            raise HL7Error(
                "a record cannot go into itself", code="204", location=Location("MRG", mrg.sequence, 1)
            )
        scope.drafts[loser.key] = loser
        scope.effects.append(Merge(survivor.key, loser.key, number))


def _pairs(scope: Scope) -> list[tuple[Segment, Segment]]:
    found: list[tuple[Segment, Segment]] = []
    pid: Segment | None = None
    for segment in scope.message.segments:
        if segment.name == "PID":
            if pid is not None:
                raise missing("MRG")
            pid = segment
        elif segment.name == "MRG":
            if pid is None:
                text = "MRG comes after the PID that it goes into"
                raise HL7Error(text, code=SEGMENT_SEQUENCE, location=Location("MRG", segment.sequence))
            found.append((pid, segment))
            pid = None
    if pid is not None or not found:
        raise missing("MRG" if scope.message.first("PID") else "PID")
    return found


__all__ = ["adt", "subject_parts"]
