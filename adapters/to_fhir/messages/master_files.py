"""MFN^M02 and M05: staff and places. HL7 v2.5.1 chapter 8"""

from typing import Any

from adapters.to_fhir.datatypes.actors import place
from adapters.to_fhir.datatypes.codes import codings
from adapters.to_fhir.datatypes.identifiers import cx, identities_of, system_of
from adapters.to_fhir.datatypes.people import gender, telecom, xad, xpn
from adapters.to_fhir.datatypes.times import date
from adapters.to_fhir.drafts import BedState, Draft, Identity
from adapters.to_fhir.messages.common import filled, missing
from adapters.to_fhir.rules import Rule, SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Value
from hl7.errors import TABLE_VALUE_NOT_FOUND
from hl7.message import Segment

# Table 0180: what is done with an entry.
_ACTIVE = {"MAD": True, "MUP": True, "MAC": True, "MDC": False, "MDL": False}

STF = SegmentMap(
    "STF[Practitioner]",
    "Practitioner",
    (
        Rule("STF-2", "identifier[]", cx, "ours"),
        Rule("STF-3", "name[]", xpn, "ours"),
        Rule("STF-5", "", gender, "ours"),
        Rule("STF-6", "birthDate", date, "ours"),
        Rule("STF-10", "telecom[]", telecom("work"), "ours"),
        Rule("STF-11", "address[]", xad, "ours"),
    ),
)


def mfn(scope: Scope) -> None:
    """Map MFN^M02 (staff) and M05 (places)."""
    is_staff = scope.message.header.trigger_event == "M02"
    entries = _entries(scope)
    if not entries:
        raise missing("MFE")
    for mfe, segments in entries:
        scope.place.segment, scope.place.sequence, scope.place.field = "MFE", mfe.sequence, 1
        if mfe.get(1) not in _ACTIVE:
            raise scope.error("it is not said what is to be done with this entry", TABLE_VALUE_NOT_FOUND)
        (_person if is_staff else _place)(scope, mfe, segments, is_active=_ACTIVE[mfe.get(1)])


def _entries(scope: Scope) -> list[tuple[Segment, list[Segment]]]:
    found: list[tuple[Segment, list[Segment]]] = []
    for segment in scope.message.segments:
        if segment.name == "MFE":
            found.append((segment, []))
        elif found:
            found[-1][1].append(segment)
    return found


def _person(scope: Scope, mfe: Segment, segments: list[Segment], *, is_active: bool) -> None:
    stf = next((one for one in segments if one.name == "STF"), None)
    key = f"staff:{mfe.sequence}"
    draft = Draft(key, {"resourceType": "Practitioner"})
    if stf is not None:
        filled(scope, draft, STF, stf)
    number = Value(mfe[4].repetition(1).raw, scope.reader)
    if "identifier" not in draft.resource and number[1]:
        system = system_of(number.part(9) if len(number.parts) > 8 else number.part(4), scope)
        draft.resource["identifier"] = [{"system": system, "value": number[1]}]
    draft.identities = identities_of(draft.resource.get("identifier", []))
    if not draft.identities:
        raise missing("STF", 1, 2)
    is_here = stf is None or stf.get(7) != "I"
    draft.resource["active"] = is_active and is_here
    if not is_active:
        draft.presence = "known"
    scope.drafts[key] = draft


def _place(scope: Scope, mfe: Segment, segments: list[Segment], *, is_active: bool) -> None:
    loc = next((one for one in segments if one.name == "LOC"), None)
    raw = loc[1].repetition(1).raw if loc is not None else mfe[4].repetition(1).raw
    scope.place.segment, scope.place.sequence, scope.place.field = "LOC", 1, 1
    reference = place(Value(raw, scope.reader), scope) if raw else None
    if reference is None or "reference" not in reference:
        raise missing("LOC", 1, 1)
    key = reference["reference"].removeprefix("draft:")
    draft = scope.drafts[key]
    draft.presence = "full" if is_active else "known"
    draft.resource["status"] = "active" if is_active else "inactive"
    if loc is None:
        return
    told = loc.get(2)
    if told:
        draft.resource["description"] = told
    kinds = codings(Value(loc[3].repetition(1).raw, scope.reader), "", "0260") if loc[3] else []
    if kinds:
        draft.resource["type"] = [{"coding": kinds}]
    phones: list[Any] = []
    for one in loc[5].repetitions if loc[5] else ():
        made = telecom("work")(Value(one.raw, scope.reader), scope)
        phones += [made] if made else []
    if phones:
        draft.resource["telecom"] = phones


__all__ = ["BedState", "Identity", "mfn"]
