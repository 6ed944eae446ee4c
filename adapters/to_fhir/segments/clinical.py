"""AL1, IAM, DG1, PR1 and IN1: allergies, diagnoses, procedures, insurance.

HL7 v2.5.1 §3.4.6 (AL1), §3.4.7 (IAM), §6.5.2 (DG1), §6.5.4 (PR1), §6.5.6 (IN1)
"""

from typing import Any

from adapters.to_fhir.datatypes.actors import organization, place, practitioner
from adapters.to_fhir.datatypes.codes import ALTERNATE, as_text, clean, codings, concept, simple
from adapters.to_fhir.datatypes.identifiers import cx, ei
from adapters.to_fhir.datatypes.times import date, date_time, extension, instant
from adapters.to_fhir.rules import Rule, SegmentMap, always, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import translate
from adapters.to_fhir.value import Value
from hl7.message import Segment

_CLINICAL = "http://terminology.hl7.org/CodeSystem/"
_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": _CLINICAL + system, "code": code}]}


def _category(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return the category of an allergy; of one that FHIR has not, its code as it came."""
    code = clean(value[1])
    target = translate("AllergenType[AllergyIntoleranceCategory]", code) if code else None
    if target is not None:
        return {"category": [target.code]}
    if not code:
        return None
    scope.warn("a kind of allergy that FHIR has no category for; it was kept beside")
    kept = {"url": ALTERNATE, "valueCodeableConcept": {"coding": codings(value, "", "0127")}}
    return {"_category": [{"extension": [kept]}]}


def _criticality(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return the criticality that a severity of table 0128 stands for; MO and U say nothing of it."""
    code = clean(value[1])
    target = translate("AllergySeverity[AllergyIntolerance.criticality]", code) if code else None
    return None if target is None else {"criticality": target.code}


def _manifestation(value: Value, _scope: Scope) -> dict[str, Any] | None:
    told = as_text(value, _scope) if len(value.parts) > 1 else value.text
    return {"text": told} if told else None


_ALLERGY = (
    Rule("AL1", "clinicalStatus", always(_status("allergyintolerance-clinical", "active")), "AL1[AllergyIntolerance]"),
    Rule("AL1-2", "", _category, "AL1[AllergyIntolerance] 2"),
    Rule("AL1-2", "type", simple("AllergyType"), "AL1[AllergyIntolerance] 2",
         lambda segment, _: translate("AllergyType", segment.get(2)) is not None, "the map has the code"),
    Rule("AL1-3", "code", concept(), "AL1[AllergyIntolerance] 3"),
    Rule("AL1-4", "", _criticality, "AL1[AllergyIntolerance] 4"),
    Rule("AL1-5", "reaction.0.manifestation[]", _manifestation, "AL1[AllergyIntolerance] 5"),
    Rule("AL1-6", "onsetDateTime", date, "AL1[AllergyIntolerance] 6"),
)  # fmt: skip

AL1 = SegmentMap("AL1[AllergyIntolerance]", "AllergyIntolerance", _ALLERGY)

IAM = SegmentMap(
    "IAM[AllergyIntolerance]",
    "AllergyIntolerance",
    (
        Rule(
            "IAM", "clinicalStatus", always(_status("allergyintolerance-clinical", "active")),
            "IAM[AllergyIntolerance]", lambda segment, _: not segment[17], "IAM-17 is empty",
        ),
        Rule("IAM-2", "", _category, "IAM[AllergyIntolerance] 2"),
        Rule("IAM-2", "type", simple("AllergyType"), "IAM[AllergyIntolerance] 2",
             lambda segment, _: translate("AllergyType", segment.get(2)) is not None, "the map has the code"),
        Rule("IAM-3", "code", concept(), "IAM[AllergyIntolerance] 3"),
        Rule("IAM-4", "", _criticality, "IAM[AllergyIntolerance] 4"),
        Rule("IAM-5", "reaction.0.manifestation[]", _manifestation, "IAM[AllergyIntolerance] 5"),
        Rule("IAM-7", "identifier[]", ei, "IAM[AllergyIntolerance] 7"),
        Rule("IAM-11", "onsetDateTime", date, "IAM[AllergyIntolerance] 11"),
        Rule("IAM-12", "onsetString", text, "IAM[AllergyIntolerance] 12",
             lambda segment, _: not segment[11], "IAM-11 is empty"),
        Rule("IAM-13", "recordedDate", date_time, "IAM[AllergyIntolerance] 13"),
    ),
)  # fmt: skip


def _is_deleted(segment: Segment, _scope: Scope) -> bool:
    return segment.get(21) == "D"


def _is_there(segment: Segment, _scope: Scope) -> bool:
    return segment.get(21) != "D"


DG1 = SegmentMap(
    "DG1[Condition]",
    "Condition",
    (
        Rule("DG1-3", "code", concept(), "DG1[Condition] 3"),
        Rule("DG1-4", "code.text", text, "DG1[Condition] 4"),
        Rule("DG1-5", "onsetDateTime", date_time, "DG1[Condition] 5"),
        Rule("DG1-16", "asserter", practitioner, "DG1[Condition] 16"),
        Rule("DG1-19", "extension[]",
             extension(f"{_STRUCTURE}condition-assertedDate", "valueDateTime", date_time), "DG1[Condition] 19",
             group={"url": f"{_STRUCTURE}condition-assertedDate"}),
        Rule("DG1-19", "recordedDate", date_time, "DG1[Condition] 19"),
        Rule("DG1-20", "identifier[]", ei, "DG1[Condition] 20"),
        Rule("DG1-21", "verificationStatus", always(_status("condition-ver-status", "entered-in-error")),
             "DG1[Condition] 21", _is_deleted, "DG1-21 is D"),
        Rule("DG1", "clinicalStatus", always(_status("condition-clinical", "active")), "ours", _is_there,
             "DG1-21 is not D"),
        Rule("DG1", "category[]", always(_status("condition-category", "encounter-diagnosis")), "ours"),
    ),
)  # fmt: skip

DG1_ENCOUNTER = SegmentMap(
    "DG1[Encounter]",
    "Encounter.diagnosis",
    (
        Rule("DG1-6", "use", concept("DiagnosisType", "0052"), "DG1[Encounter] 6"),
        Rule(
            "DG1-15", "rank", lambda value, _: int(value[1]) if value[1].isdigit() and int(value[1]) else None,
            "DG1[Encounter] 15",
        ),
    ),
)  # fmt: skip


def _performer(code: str, display: str) -> Any:
    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        who = practitioner(value, scope)
        if who is None or "reference" not in who:
            return None
        if not code:
            return {"actor": who}
        coding = {"system": "http://snomed.info/sct", "code": code, "display": display}
        return {"function": {"coding": [coding]}, "actor": who}

    return convert


PR1 = SegmentMap(
    "PR1[Procedure]",
    "Procedure",
    (
        Rule("PR1-3", "code", concept(), "PR1[Procedure] 3"),
        Rule("PR1-4", "code.text", text, "PR1[Procedure] 4", lambda segment, _: not segment.get(3, 9),
             "PR1-3.9 is empty"),
        Rule("PR1-5", "performedDateTime", date_time, "PR1[Procedure] 5"),
        Rule("PR1-6", "category", concept("", "0230"), "PR1[Procedure] 6"),
        Rule("PR1-8", "performer[]", _performer("88189002", "Anesthesiologist"), "PR1[Procedure] 8"),
        Rule("PR1-11", "performer[]", _performer("304292004", "Surgeon"), "PR1[Procedure] 11"),
        Rule("PR1-12", "performer[]", _performer("", ""), "PR1[Procedure] 12"),
        Rule("PR1-15", "reasonCode[]", concept(), "PR1[Procedure] 15"),
        Rule("PR1-19", "identifier[]", ei, "PR1[Procedure] 19"),
        Rule("PR1-23", "location", place, "PR1[Procedure] 23"),
        Rule("PR1", "status", always("completed"), "PR1[Procedure]", lambda segment, _: segment.get(20) != "D",
             "PR1-20 is not D"),
        Rule("PR1", "status", always("entered-in-error"), "ours", lambda segment, _: segment.get(20) == "D",
             "PR1-20 is D"),
    ),
)  # fmt: skip


def _payor(value: Value, scope: Scope) -> dict[str, Any] | None:
    return organization(value, scope)


def _plan(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return the plan as a class of the coverage, which is what others ask for (ours)."""
    code = value[1]
    if not code:
        return None
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "plan"}]}
    return {"type": kind, "value": code} | ({"name": value[2]} if value[2] else {})


def _group(value: Value, _scope: Scope) -> dict[str, Any] | None:
    if not value[1]:
        return None
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "group"}]}
    return {"type": kind, "value": value[1]}


def _relationship(value: Value, _scope: Scope) -> dict[str, Any] | None:
    known = {"SEL": "self", "18": "self", "SPO": "spouse", "01": "spouse", "CHD": "child", "19": "child",
             "PAR": "parent"}  # fmt: skip
    code = known.get(value[1].upper())
    found = codings(value, "Relationship", "0063")
    if code is not None:
        found.insert(0, {"system": f"{_CLINICAL}subscriber-relationship", "code": code})
    return {"coding": found} if found else None


IN1 = SegmentMap(
    "IN1[Coverage]",
    "Coverage",
    (
        Rule("IN1", "status", always("active"), "ours"),
        Rule("IN1-2", "class[]", _plan, "IN1[Coverage] 2"),
        Rule("IN1-4", "payor[]", _payor, "IN1[Coverage] 4"),
        Rule("IN1-8", "class[]", _group, "ours"),
        Rule("IN1-12", "period.start", date, "IN1[Coverage] 12"),
        Rule("IN1-13", "period.end", date, "IN1[Coverage] 13"),
        Rule("IN1-15", "type", concept("PlanId", "0086"), "IN1[Coverage] 15"),
        Rule("IN1-17", "relationship", _relationship, "IN1[Coverage] 17"),
        Rule("IN1-22", "order", lambda value, _: int(value[1]) if value[1].isdigit() and int(value[1]) else None,
             "ours"),
        Rule("IN1-36", "subscriberId", text, "ours"),
        Rule("IN1-49", "subscriberId", text, "IN1[Coverage] 49", lambda segment, _: not segment[36],
             "IN1-36 is empty"),
    ),
)  # fmt: skip

__all__ = ["AL1", "DG1", "DG1_ENCOUNTER", "IAM", "IN1", "PR1", "cx", "instant"]
