"""ORC, OBR, TQ1, NTE and SPM: what is ordered, in what it is looked for, and the report on it.

HL7 v2.5.1 §4.5.1 (ORC), §4.5.3 (OBR), §4.5.4 (TQ1), §7.4.3 (SPM)
"""

from typing import Any

from adapters.to_fhir.datatypes.actors import organization, practitioner
from adapters.to_fhir.datatypes.codes import code, concept, simple
from adapters.to_fhir.datatypes.identifiers import cx, ei, ei_typed, eip, typed
from adapters.to_fhir.datatypes.people import xtn
from adapters.to_fhir.datatypes.quantities import cq
from adapters.to_fhir.datatypes.times import date_time, extension, instant
from adapters.to_fhir.rules import Rule, SegmentMap, always
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import translate
from adapters.to_fhir.value import Value
from hl7.errors import TABLE_VALUE_NOT_FOUND
from hl7.message import Segment

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
_RESULT_STATUS = code("ResultStatus[Non-Queries]", "status", fallback="unknown")
# The order that these are answers about is unknown to the one who answers (table 0123).
_NO_SUCH = ("Y", "Z")


def _without(*fields: int) -> Any:
    def when(segment: Segment, _scope: Scope) -> bool:
        return not any(segment[field] for field in fields)

    return when


def _with(*fields: int) -> Any:
    def when(segment: Segment, _scope: Scope) -> bool:
        return all(segment[field] for field in fields)

    return when


def _is_new(segment: Segment, _scope: Scope) -> bool:
    return segment.get(1) == "NW"


def _group_number(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return the number of the requisition that several orders have in common: the placer's (ORC-4)."""
    made = eip(1, "PGN")(value, scope) if len(value.part(1).parts) > 1 else ei(value, scope)
    return None if made is None else typed(made, "PGN")


def _callback(value: Value, scope: Scope) -> dict[str, Any] | None:
    made = xtn(value, scope)
    url = f"{_STRUCTURE}servicerequest-order-callback-phone-number"
    return None if made is None else {"url": url, "valueContactPoint": made}


ORC = SegmentMap(
    "ORC[ServiceRequest]",
    "ServiceRequest",
    (
        Rule("ORC-2", "identifier[]", ei_typed("PLAC"), "ORC[ServiceRequest] 2"),
        Rule("ORC-3", "identifier[]", ei_typed("FILL"), "ORC[ServiceRequest] 3"),
        Rule("ORC-4", "requisition", _group_number, "ORC[ServiceRequest] 4"),
        Rule("ORC-1", "status", simple("OrderControlCode[ServiceRequest.status]"), "ORC[ServiceRequest] 1",
             lambda segment, _: not segment[5]
             and translate("OrderControlCode[ServiceRequest.status]", segment.get(1)) is not None,
             "ORC-5 is empty"),
        Rule("ORC-5", "", code("OrderStatus", "status", fallback="unknown"), "ORC[ServiceRequest] 5"),
        Rule("ORC-9", "authoredOn", date_time, "ORC[ServiceRequest] 9", _is_new, "ORC-1 is NW"),
        Rule("ORC-12", "requester", practitioner, "ORC[ServiceRequest] 12"),
        Rule("ORC-14", "extension[]", _callback, "ORC[ServiceRequest] 14"),
        Rule("ORC-16", "extension[]",
             extension(f"{_STRUCTURE}request-statusReason", "valueCodeableConcept", concept()),
             "ORC[ServiceRequest] 16", _without(5), "ORC-5 is empty",
             group={"url": f"{_STRUCTURE}request-statusReason"}),
        Rule("ORC-29", "locationCode[]", concept("OrderType", "0482"), "ORC[ServiceRequest] 29"),
        Rule("ORC-33", "identifier[]",
             lambda value, scope: None if (made := cx(value, scope)) is None else typed(made, "PLAC"),
             "ORC[ServiceRequest] 33"),
    ),
)  # fmt: skip


def _intent(value: Value, _scope: Scope) -> str:
    return "reflex-order" if value[1] == "G" else "order"


OBR = SegmentMap(
    "OBR[ServiceRequest]",
    "ServiceRequest",
    (
        Rule("OBR", "intent", always("order"), "OBR[ServiceRequest]", _without(11), "OBR-11 is empty"),
        Rule("OBR-2", "identifier[]", ei_typed("PLAC"), "OBR[ServiceRequest] 2"),
        Rule("OBR-3", "identifier[]", ei_typed("FILL"), "OBR[ServiceRequest] 3"),
        Rule("OBR-4", "code", concept(), "OBR[ServiceRequest] 4"),
        Rule("OBR-5", "priority", simple("ExtendedPriorityCodes"), "OBR[ServiceRequest] 5"),
        Rule("OBR-6", "occurrenceDateTime", date_time, "OBR[ServiceRequest] 6"),
        Rule("OBR-11", "intent", _intent, "OBR[ServiceRequest] 11"),
        Rule("OBR-16", "requester", practitioner, "OBR[ServiceRequest] 16"),
        Rule("OBR-17", "extension[]", _callback, "OBR[ServiceRequest] 17"),
        Rule("OBR-31", "reasonCode[]", concept(), "OBR[ServiceRequest] 31"),
        Rule("OBR-46", "orderDetail[]", concept(), "OBR[ServiceRequest] 46"),
        Rule("OBR-47", "orderDetail[]", concept(), "OBR[ServiceRequest] 47"),
        Rule("OBR-53", "identifier[]",
             lambda value, scope: None if (made := cx(value, scope)) is None else typed(made, "PLAC"),
             "OBR[ServiceRequest] 53"),
    ),
)  # fmt: skip


def _report_status(value: Value, scope: Scope) -> dict[str, Any] | None:
    if value[1] in _NO_SUCH:
        raise scope.error(
            "the sender knows no such order or patient, so this is no report", TABLE_VALUE_NOT_FOUND
        )
    made: dict[str, Any] | None = _RESULT_STATUS(value, scope)
    return made


def _who(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return who an NDL names in its first component, a CNN; named as people of a sender's laboratory are."""
    name = value.part(1)
    who = Value(name.raw.replace(value.reader.chars.subcomponent, value.reader.chars.component), value.reader)
    return practitioner(who, scope) if name.raw else None


OBR_REPORT = SegmentMap(
    "OBR[DiagnosticReport]",
    "DiagnosticReport",
    (
        Rule("OBR-2", "identifier[]", ei_typed("PLAC"), "OBR[DiagnosticReport] 2"),
        Rule("OBR-3", "identifier[]", ei_typed("FILL"), "OBR[DiagnosticReport] 3"),
        Rule("OBR-4", "code", concept(), "OBR[DiagnosticReport] 4"),
        Rule("OBR-7", "effectiveDateTime", date_time, "OBR[DiagnosticReport] 7", _without(8), "OBR-8 is empty"),
        Rule("OBR-7", "effectivePeriod.start", date_time, "OBR[DiagnosticReport] 7", _with(8), "OBR-8 is valued"),
        Rule("OBR-8", "effectivePeriod.end", date_time, "OBR[DiagnosticReport] 8"),
        Rule("OBR-22", "issued", instant, "OBR[DiagnosticReport] 22"),
        Rule("OBR-24", "category[]", concept("DiagnosticServiceSectionID", "0074"), "OBR[DiagnosticReport] 24"),
        Rule("OBR-25", "", _report_status, "OBR[DiagnosticReport] 25"),
        Rule("OBR-32", "resultsInterpreter[]", _who, "OBR[DiagnosticReport] 32"),
        Rule("OBR-34", "performer[]", _who, "OBR[DiagnosticReport] 34"),
    ),
)  # fmt: skip

TQ1 = SegmentMap(
    "TQ1[ServiceRequest]",
    "ServiceRequest",
    (
        Rule("TQ1-2", "quantityQuantity", cq, "TQ1[ServiceRequest] 2"),
        Rule("TQ1-7", "occurrenceTiming.repeat.boundsPeriod.start", date_time, "TQ1[ServiceRequest] 7"),
        Rule("TQ1-8", "occurrenceTiming.repeat.boundsPeriod.end", date_time, "TQ1[ServiceRequest] 8"),
        Rule("TQ1-9", "priority", simple("ExtendedPriorityCodes"), "TQ1[ServiceRequest] 9"),
        Rule("TQ1-11", "note[]", lambda value, _: {"text": value.text} if value.text else None,
             "TQ1[ServiceRequest] 11"),
    ),
)  # fmt: skip


def _author(value: Value, scope: Scope) -> dict[str, Any] | None:
    return practitioner(value, scope)


NTE = SegmentMap(
    "NTE[Observation]",
    "Annotation",
    (
        Rule("NTE-5", "authorReference", _author, "NTE[Observation] 5"),
        Rule("NTE-6", "time", date_time, "NTE[Observation] 6"),
    ),
)


def note(segment: Segment, scope: Scope) -> dict[str, Any] | None:
    """Return an NTE as an Annotation, its repetitions as lines; None if it says nothing."""
    lines = [scope.reader.text(one.raw) for one in segment[3].repetitions]
    words = "\n".join(lines).strip("\n")
    if not words:
        return None
    made: dict[str, Any] = {}
    NTE(segment, scope, made)
    if scope.steps is not None:
        scope.place.field = 3
        scope.note("text", "NTE[Observation] 3")
        scope.place.field = 0
    return {**made, "text": words}


def _collected(value: Value, scope: Scope) -> dict[str, Any] | None:
    start, end = (date_time(value.part(one), scope) for one in (1, 2))
    if end is not None:
        return {"collectedPeriod": ({"start": start} if start else {}) | {"end": end}}
    return {"collectedDateTime": start} if start else None


def _available(value: Value, _scope: Scope) -> str | None:
    target = translate("YesNoIndicator[AvailabilityStatus]", value[1])
    return None if target is None else target.code


SPM = SegmentMap(
    "SPM[Specimen]",
    "Specimen",
    (
        Rule("SPM-2", "identifier[]", eip(1, "PGN"), "SPM[Specimen] 2"),
        Rule("SPM-2", "identifier[]", eip(2, "FGN"), "SPM[Specimen] 2"),
        Rule("SPM-4", "type", concept("SpecimenType", "0487"), "SPM[Specimen] 4"),
        Rule("SPM-6", "container.0.additiveCodeableConcept", concept("AdditivePreservative", "0371"),
             "SPM[Specimen] 6"),
        Rule("SPM-7", "collection.method", concept("SpecimenCollectionMethod", "0488"), "SPM[Specimen] 7"),
        Rule("SPM-8", "collection.bodySite", concept("SpecimenSourceSite"), "SPM[Specimen] 8"),
        Rule("SPM-12", "collection.quantity", cq, "SPM[Specimen] 12"),
        Rule("SPM-14", "note[]", lambda value, _: {"text": value.text} if value.text else None, "SPM[Specimen] 14"),
        Rule("SPM-17", "collection", _collected, "SPM[Specimen] 17"),
        Rule("SPM-18", "receivedTime", date_time, "SPM[Specimen] 18"),
        Rule("SPM-20", "status", _available, "SPM[Specimen] 20"),
        Rule("SPM-21", "status", always("unsatisfactory"), "ours"),
        Rule("SPM-24", "condition[]", concept("SpecimenCondition", "0493"), "SPM[Specimen] 24"),
        Rule("SPM-27", "container.0.type", concept("ContainerType"), "SPM[Specimen] 27"),
        Rule("SPM-30", "accessionIdentifier", cx, "SPM[Specimen] 30"),
        Rule("SPM-31", "identifier[]", cx, "SPM[Specimen] 31"),
        Rule("SPM-32", "identifier[]", ei_typed("SHIP"), "SPM[Specimen] 32"),
    ),
)  # fmt: skip

__all__ = ["NTE", "OBR", "OBR_REPORT", "ORC", "SPM", "TQ1", "note", "organization"]
