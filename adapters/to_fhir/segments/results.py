"""OBX: one result, whatever kind of value it has. HL7 v2.5.1 §7.4.2 (OBX)"""

from typing import Any

from adapters.to_fhir.datatypes.actors import coded_organization, organization, practitioner
from adapters.to_fhir.datatypes.codes import codings, concept, one_of
from adapters.to_fhir.datatypes.identifiers import ei, ei_typed
from adapters.to_fhir.datatypes.quantities import quantity, range_of, sampled, structured
from adapters.to_fhir.datatypes.times import date_time, extension, period, time
from adapters.to_fhir.rules import Rule, SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import NULL, Value
from hl7.errors import TABLE_VALUE_NOT_FOUND
from hl7.message import Segment

_TEXTS = frozenset(
    {"ST", "TX", "FT", "TN", "PN", "XPN", "XAD", "XTN", "XCN", "CX", "EI", "HD", "MO", "CK", "ID", "SI"}
)
_CODES = frozenset({"CE", "CWE", "CNE", "CF", "IS"})
_TIMES = frozenset({"DT", "DTM", "TS"})
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_SUB_ID = "http://hl7.org/fhir/StructureDefinition/observation-v2-subid"
FILES = frozenset({"ED", "RP"})
"""The types of OBX-5 that are files: they go with the report (DiagnosticReport.presentedForm)."""


def value_of(kind: str, value: Value, units: Value | None, scope: Scope) -> tuple[str, Any] | None:
    """Return the element `value[x]`, and its value, that one repetition of OBX-5 makes by OBX-2."""
    made: Any
    if kind in _TEXTS or not kind:
        element, made = "valueString", value.text
    elif kind == "NM":
        element, made = "valueQuantity", quantity(value, scope, units)
    elif kind in _CODES:
        element, made = "valueCodeableConcept", concept()(value, scope)
    elif kind == "SN":
        return structured(value, scope, units)
    elif kind in _TIMES:
        element, made = "valueDateTime", date_time(value, scope)
    elif kind == "TM":
        element, made = "valueTime", time(value, scope)
    elif kind == "NR":
        element, made = "valueRange", range_of(value, scope)
    elif kind == "DR":
        element, made = "valuePeriod", period(value, scope)
    elif kind == "VR":
        element, made = "valueString", "-".join(filter(None, (value[1], value[2])))
    else:
        element, made = "valueString", value.text
    return (element, made) if made else None


def _observed(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return the value of an OBX; of one that is repeated, a component for each (guide: OBX 5)."""
    segment = scope.segment
    assert segment is not None  # noqa: S101 - a rule of a segment
    kind = segment.get(2).upper()
    if kind in FILES:
        return None
    raw_units = segment.raw_fields[6] if len(segment.raw_fields) > 6 else ""
    units = Value(raw_units, scope.reader) if raw_units and raw_units != NULL else None
    values = [one for one in segment[5].repetitions if one.raw and not one.is_null]
    if kind == "NA":
        return _samples(value, scope)
    if len(values) == 1 or kind in ("TX", "FT"):
        if len(values) > 1:  # lines of one text
            text = "\n".join(scope.reader.text(one.raw) for one in values)
            return {"valueString": text} if text else None
        found = value_of(kind, value, units, scope)
        return None if found is None else {found[0]: found[1]}
    code = concept()(Value(segment.raw_fields[3], scope.reader), scope)
    components = []
    for one in values:
        found = value_of(kind, Value(one.raw, scope.reader), units, scope)
        if found is not None:
            components.append({"code": code, found[0]: found[1]})
    return {"component": components} if components and code else None


def _samples(value: Value, scope: Scope) -> dict[str, Any] | None:
    data = sampled(value, scope)
    if data is None:
        return None
    return {"valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": data}}


def _status(value: Value, scope: Scope) -> dict[str, Any] | None:
    target = one_of("ObservationResultStatusCodesInterpretation", value, scope)
    if target is None:
        return {"status": "unknown"}
    made: dict[str, Any] = {"status": target.code}
    reason = {"X": "unknown", "N": "not-asked"}.get(value[1])
    if reason is not None:
        made["dataAbsentReason"] = {"coding": [{"system": _ABSENT, "code": reason}]}
    return made


def _device(value: Value, scope: Scope) -> dict[str, Any] | None:
    made = ei(value, scope)
    return None if made is None else {"identifier": made}


def _sub_id(value: Value, _scope: Scope) -> dict[str, Any] | None:
    inner = {"url": "original-sub-identifier", "valueString": value.text}
    return {"url": _SUB_ID, "extension": [inner]} if value.text else None


def _kind(value: Value, _scope: Scope) -> dict[str, Any] | None:
    found = codings(value, "", "0936")
    return {"coding": found} if found else None


def _responsible(segment: Segment, _scope: Scope) -> bool:
    return not segment[23]


OBX = SegmentMap(
    "OBX[Observation]",
    "Observation",
    (
        Rule("OBX-3", "code", concept(), "OBX[Observation] 3"),
        Rule("OBX-4", "extension[]", _sub_id, "OBX[Observation] 4"),
        Rule("OBX-5", "", _observed, "OBX[Observation] 5"),
        Rule("OBX-7", "referenceRange[]", lambda value, _: {"text": value.text} if value.text else None,
             "OBX[Observation] 7"),
        Rule("OBX-8", "interpretation[]", concept("InterpretationCodes", "0078"), "OBX[Observation] 8"),
        Rule("OBX-11", "", _status, "OBX[Observation] 11"),
        Rule("OBX-14", "effectiveDateTime", date_time, "OBX[Observation] 14"),
        Rule("OBX-15", "performer[]", coded_organization, "OBX[Observation] 15", _responsible,
             "OBX-23 is empty"),
        Rule("OBX-16", "performer[]", practitioner, "OBX[Observation] 16"),
        Rule("OBX-17", "method", concept(), "OBX[Observation] 17"),
        Rule("OBX-18", "device", _device, "OBX[Observation] 18"),
        Rule("OBX-19", "extension[]",
             extension("http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time",
                       "valueDateTime", date_time), "OBX[Observation] 19"),
        Rule("OBX-20", "bodySite", concept(), "OBX[Observation] 20"),
        Rule("OBX-21", "identifier[]", ei_typed("FILL"), "OBX[Observation] 21"),
        Rule("OBX-23", "performer[]", organization, "OBX[Observation] 23"),
        Rule("OBX-25", "performer[]", practitioner, "OBX[Observation] 25"),
        Rule("OBX-29", "category[]", _kind, "OBX[Observation] 29"),
    ),
)  # fmt: skip


def observation(segment: Segment, scope: Scope) -> dict[str, Any] | None:
    """Return an OBX as an Observation without subject; None for one that is no result (OBX-11 O), or a file.

    Raises HL7Error (103) for one that says not what it is about.
    """
    if segment.get(11) == "O" or segment.get(2).upper() in FILES:
        return None
    made: dict[str, Any] = {"resourceType": "Observation"}
    OBX(segment, scope, made)
    if "code" not in made:
        scope.place.segment, scope.place.sequence, scope.place.field = "OBX", segment.sequence, 3
        raise scope.error("a result that does not say of what", TABLE_VALUE_NOT_FOUND)
    if made.get("status") == "entered-in-error" and segment.get(11) == "D":
        # What is deleted is not shown any more; history has it.
        for name in [
            one for one in made if one.startswith("value") or one in ("component", "interpretation")
        ]:
            del made[name]
    if "dataAbsentReason" in made and any(one.startswith("value") for one in made):
        del made["dataAbsentReason"]
    if len(made.get("method", {}).get("coding", ())) and segment[17].repetitions[1:]:
        scope.warn("several methods of one result: the first was taken")
    return made
