"""SIU: appointments. HL7 v2.5.1 chapter 10"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.to_fhir.datatypes.actors import place, practitioner
from adapters.to_fhir.datatypes.codes import clean, codings, concept
from adapters.to_fhir.datatypes.identifiers import ei, ei_typed, identities_of
from adapters.to_fhir.datatypes.times import instant
from adapters.to_fhir.drafts import Draft
from adapters.to_fhir.messages.common import filled, minutes, missing, persona
from adapters.to_fhir.messages.orders_common import number
from adapters.to_fhir.rules import Rule, SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import translate
from adapters.to_fhir.value import Value
from hl7.errors import TABLE_VALUE_NOT_FOUND
from hl7.message import Segment

_EVENTS: Mapping[str, str] = {
    "S12": "booked",
    "S13": "booked",
    "S14": "",
    "S15": "cancelled",
    "S17": "entered-in-error",
    "S26": "noshow",
}
"""The status that an event gives; S14 gives none: SCH-25, or that which is there."""
_WITHOUT_TIME = frozenset({"proposed", "cancelled", "waitlist", "entered-in-error", "noshow"})


def _kind(field: int) -> Any:
    """Return the converter of SCH-7 or SCH-8 by the table that its code is of."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        table = value[3].upper()
        if field == 7 and table != "HL70277":
            made = concept("AppointmentReasonCodes", "0276")(value, scope)
            return None if made is None else {"reasonCode": [made]}
        made = concept("AppointmentTypeCodes", "0277")(value, scope)
        return None if made is None else {"appointmentType": made}

    return convert


SCH = SegmentMap(
    "SCH[Appointment]",
    "Appointment",
    (
        Rule("SCH-1", "identifier[]", ei_typed("PLAC"), "SCH[Appointment] 1"),
        Rule("SCH-2", "identifier[]", ei_typed("FILL"), "SCH[Appointment] 2"),
        Rule("SCH-6", "cancelationReason", concept(), "ours", lambda _, scope: _is_cancelled(scope),
             "the event is S15"),
        Rule("SCH-7", "", _kind(7), "SCH[Appointment] 7"),
        Rule("SCH-8", "", _kind(8), "SCH[Appointment] 8"),
    ),
)  # fmt: skip


def _is_cancelled(scope: Scope) -> bool:
    return scope.message.header.trigger_event == "S15"


AIS = SegmentMap(
    "AIS[Appointment]", "Appointment", (Rule("AIS-3", "serviceType[]", concept(), "AIS[Appointment] 3"),)
)


def siu(scope: Scope) -> None:
    """Map SIU."""
    sch = scope.message.first("SCH")
    if sch is None:
        raise missing("SCH")
    persona(scope, "minimal")
    draft = Draft("appointment", {"resourceType": "Appointment"})
    filled(scope, draft, SCH, sch)
    resource = draft.resource
    draft.identities = identities_of(resource.get("identifier", []))
    if not draft.identities:
        raise missing("SCH", 1, 2)
    for segment in scope.message.all("AIS"):
        filled(scope, draft, AIS, segment)
    _status(scope, sch, draft)
    _times(scope, sch, resource)
    _participants(scope, resource)
    _orders(scope, sch, resource)
    _comment(scope, resource)
    draft.listed = frozenset({"participant", "serviceType"})
    scope.drafts[draft.key] = draft


def _status(scope: Scope, sch: Segment, draft: Draft) -> None:
    """Set the status by the event, and by SCH-25 where the event leaves it open."""
    event, resource = scope.message.header.trigger_event, draft.resource
    status = _EVENTS[event]
    told = clean(sch.get(25))
    if told:
        target = translate("FillerStatusCodes[Appointment]", told) or translate(
            "FillerStatusCodes[Appointment]", told.capitalize()
        )
        scope.place.segment, scope.place.sequence, scope.place.field = "SCH", 1, 25
        if target is None and scope.channel.unknown_code == "refuse":
            raise scope.error("a status that is not in the table", TABLE_VALUE_NOT_FOUND)
        if target is not None and target.code == "busy-unavailable":
            raise scope.error("a time that is blocked is no appointment", TABLE_VALUE_NOT_FOUND)
        if target is not None and event in ("S12", "S13", "S14"):
            status = target.code
    if status:
        resource["status"] = status
    else:
        draft.otherwise = {"status": "booked"}
    if status == "cancelled":
        resource.setdefault("cancelationReason", {"text": "Told by a message"})


def _times(scope: Scope, sch: Segment, resource: dict[str, Any]) -> None:
    """Set start and end: of SCH-11, else of TQ1, else of the first AIS, AIL or AIP that has one."""
    start, end = (_instant(scope, "SCH", sch, 11, component) for component in (4, 5))
    timing = scope.message.first("TQ1")
    if timing is not None:
        start = start or _instant(scope, "TQ1", timing, 7, 1)
        end = end or _instant(scope, "TQ1", timing, 8, 1)
    length = minutes(sch.get(9), sch.get(10))
    for name, at, lasts in (("AIS", 4, 7), ("AIG", 8, 11), ("AIL", 6, 9), ("AIP", 6, 9)):
        for segment in scope.message.all(name):
            start = start or _instant(scope, name, segment, at, 1)
            length = length or minutes(segment.get(lasts), segment.get(lasts + 1))
    if start is not None and end is None and length is not None:
        end = _later(start, length)
    if start is not None:
        resource["start"] = start
    if start is not None and end is not None:
        resource["end"] = end
    if length is not None and (start is None or end is None or _lasts(start, end) == length):
        resource["minutesDuration"] = length
    needs_time = resource.get("status", "booked") not in _WITHOUT_TIME
    if needs_time and ("start" not in resource or "end" not in resource):
        # app-3: without a time it is no more than proposed; one that is known keeps its time.
        resource.pop("start", None)
        if scope.message.header.trigger_event in ("S12", "S13"):
            raise missing("SCH", 1, 11)


def _instant(scope: Scope, name: str, segment: Segment, field: int, component: int) -> str | None:
    raw = segment.get(field, component)
    scope.place.segment, scope.place.sequence, scope.place.field = name, segment.sequence, field
    return instant(Value(raw, scope.reader), scope) if raw else None


def _later(start: str, length: int) -> str:
    return (datetime.fromisoformat(start) + timedelta(minutes=length)).isoformat()


def _lasts(start: str, end: str) -> int:
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 60)


def _participants(scope: Scope, resource: dict[str, Any]) -> None:
    """Add the patient, the people (AIP) and the places (AIL)."""
    listed: list[dict[str, Any]] = [{"actor": scope.drafts[scope.subject].reference, "status": "accepted"}]
    for name, convert in (("AIP", practitioner), ("AIL", place)):
        for segment in scope.message.all(name):
            scope.place.segment, scope.place.sequence, scope.place.field = name, segment.sequence, 3
            raw = segment[3].repetition(1).raw
            who = convert(Value(raw, scope.reader), scope) if raw else None
            if who is None or segment.get(2) == "D":
                continue
            one: dict[str, Any] = {"actor": who, "status": "accepted"}
            kinds = codings(Value(segment[4].repetition(1).raw, scope.reader)) if segment[4] else []
            if kinds:
                one["type"] = [{"coding": kinds}]
            if one not in listed:
                listed.append(one)
    resource["participant"] = listed


def _orders(scope: Scope, sch: Segment, resource: dict[str, Any]) -> None:
    """Refer to the order that an appointment is for (SCH-26, SCH-27), if it has a number."""
    found = [one for one in (number(scope, sch, 26), number(scope, sch, 27)) if one is not None]
    if not found:
        return
    code = resource.get("serviceType", [{}])[0]
    made: dict[str, Any] = {"resourceType": "ServiceRequest", "status": "active", "intent": "order"}
    made["subject"] = scope.drafts[scope.subject].reference
    if code:
        made["code"] = code
    made["identifier"] = [
        one for field in (26, 27) if sch[field] and (one := ei(Value(sch[field].raw, scope.reader), scope))
    ]
    draft = Draft("order", made, tuple(dict.fromkeys(found)), presence="minimal")
    scope.drafts[draft.key] = draft
    resource["basedOn"] = [draft.reference]


def _comment(scope: Scope, resource: dict[str, Any]) -> None:
    """Put all NTEs together as the comment."""
    lines = []
    for segment in scope.message.all("NTE"):
        lines += [scope.reader.text(one.raw) for one in segment[3].repetitions]
    told = "\n".join(one for one in lines if one)
    if told:
        resource["comment"] = told
