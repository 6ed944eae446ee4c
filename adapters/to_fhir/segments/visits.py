"""PV1 and PV2: an encounter, where the patient is, and who sees to them.

The status of an encounter follows from the event (`messages/adt.py`), not from PV1-2 alone.
HL7 v2.5.1 §3.4.3 (PV1), §3.4.4 (PV2)
"""

from collections.abc import Callable
from typing import Any

from adapters.to_fhir.datatypes.actors import place, practitioner
from adapters.to_fhir.datatypes.codes import ALTERNATE, clean, codings, concept
from adapters.to_fhir.datatypes.identifiers import cx, strict_cx, typed
from adapters.to_fhir.datatypes.quantities import length_of_stay
from adapters.to_fhir.datatypes.times import date_time, extension
from adapters.to_fhir.rules import Rule, SegmentMap, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import V2, translate
from adapters.to_fhir.value import Value
from hl7.message import Segment

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_TEMPORARY = "http://hl7.org/fhir/StructureDefinition/subject-locationClassification"


def encounter_class(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return the class of PV1-2: FHIR's own where there is one, else that of table 0004."""
    code = clean(value[1])
    if not code:
        return None
    target = translate("PatientClass[EncounterClass]", code)
    if target is None:
        return next(iter(codings(value, "", "0004")), None)
    names = {"EMER": "emergency", "IMP": "inpatient encounter", "AMB": "ambulatory", "PRENC": "pre-admission"}
    display = target.display or names.get(target.code, "")
    return {"system": target.system, "code": target.code} | ({"display": display} if display else {})


def participant(code: str, display: str) -> Callable[[Value, Scope], dict[str, Any] | None]:
    """Return the converter of an XCN to who takes part in an encounter, in which way."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        who = practitioner(value, scope)
        if who is None:
            return None
        # One person is responsible at a time: those whom PV1-7 names beside the first help them (ours).
        is_second = code == "ATND" and scope.place.repetition > 1
        kind = ("SPRF", "secondary performer") if is_second else (code, display)
        coding = {"system": _PARTICIPATION, "code": kind[0], "display": kind[1]}
        return {"type": [{"coding": [coding]}], "individual": who}

    return convert


def at(status: str) -> Callable[[Value, Scope], dict[str, Any] | None]:
    """Return the converter of a PL to where the patient is, was or will be."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        where = place(value, scope)
        if where is None:
            return None
        made: dict[str, Any] = {"location": where, "status": status}
        reference = where.get("reference", "")
        if reference.rpartition("|")[2].rpartition(",")[2].startswith("bd="):
            made["physicalType"] = {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/location-physical-type",
                        "code": "bd",
                        "display": "Bed",
                    }
                ]
            }
        return made

    return convert


def _temporary(value: Value, scope: Scope) -> dict[str, Any] | None:
    made = at("active")(value, scope)
    if made is not None:
        kind = {"coding": [{"code": "temporary"}]}
        made["extension"] = [{"url": _TEMPORARY, "valueCodeableConcept": kind}]
    return made


def _is_planned(segment: Segment, _scope: Scope) -> bool:
    return segment.get(2).upper() == "P"


def _is_here(segment: Segment, scope: Scope) -> bool:
    return not _is_planned(segment, scope)


def _visit_number(value: Value, scope: Scope) -> dict[str, Any] | None:
    made: dict[str, Any] | None = strict_cx(value, scope)
    return None if made is None else typed(made, "VN", "visit number")


def _destination(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return where a patient went, named as the sender names it; no place of ours is made of it (ours)."""
    told = value[2] or value[1]
    return {"display": told} if told else None


def _mode_of_arrival(value: Value, _scope: Scope) -> dict[str, Any] | None:
    found = next(iter(codings(value, "ModeOfArrivalCode", "0430")), None)
    if found is None:
        return None
    return {"url": "http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival", "valueCoding": found}


_FIVE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter."

PV1 = SegmentMap(
    "PV1[Encounter]",
    "Encounter",
    (
        Rule("PV1-2", "class", encounter_class, "PV1[Encounter] 2"),
        Rule("PV1-3", "location[]", at("active"), "PV1[Encounter] 3", _is_here, "PV1-2 is not P"),
        Rule("PV1-3", "location[]", at("planned"), "PV1[Encounter] 3", _is_planned, "PV1-2 is P"),
        Rule("PV1-4", "type[]", concept("AdmissionType", "0007"), "PV1[Encounter] 4"),
        Rule("PV1-5", "hospitalization.preAdmissionIdentifier", cx, "PV1[Encounter] 5"),
        Rule("PV1-7", "participant[]", participant("ATND", "attender"), "PV1[Encounter] 7"),
        Rule("PV1-8", "participant[]", participant("REF", "referrer"), "PV1[Encounter] 8"),
        Rule("PV1-9", "participant[]", participant("CON", "consultant"), "PV1[Encounter] 9"),
        Rule("PV1-10", "serviceType", concept("HospitalService", "0069"), "PV1[Encounter] 10"),
        Rule("PV1-11", "location[]", _temporary, "PV1[Encounter] 11"),
        Rule(
            "PV1-13", "hospitalization.reAdmission", concept("ReadmissionIndicator", "0092"),
            "PV1[Encounter] 13",
        ),
        Rule("PV1-14", "hospitalization.admitSource", concept("", "0023"), "PV1[Encounter] 14"),
        Rule(
            "PV1-15", "hospitalization.specialArrangement[]", concept("AmbulatoryStatus", "0009"),
            "PV1[Encounter] 15",
        ),
        Rule(
            "PV1-16", "hospitalization.specialCourtesy[]", concept("VIPIndicator", "0099"),
            "PV1[Encounter] 16",
        ),
        Rule("PV1-17", "participant[]", participant("ADM", "admitter"), "PV1[Encounter] 17"),
        Rule("PV1-19", "identifier[]", _visit_number, "PV1[Encounter] 19"),
        Rule(
            "PV1-36", "hospitalization.dischargeDisposition", concept("DischargeDisposition", "0112"),
            "PV1[Encounter] 36",
        ),
        Rule("PV1-37", "hospitalization.destination", _destination, "PV1[Encounter] 37"),
        Rule("PV1-38", "hospitalization.dietPreference[]", concept("DietType", "0114"), "PV1[Encounter] 38"),
        Rule("PV1-42", "location[]", at("reserved"), "PV1[Encounter] 42"),
        Rule("PV1-44", "period.start", date_time, "PV1[Encounter] 44"),
        Rule("PV1-45", "period.end", date_time, "PV1[Encounter] 45"),
        Rule("PV1-50", "identifier[]", cx, "PV1[Encounter] 50"),
        Rule("PV1-52", "participant[]", participant("PART", "Participation"), "PV1[Encounter] 52"),
    ),
)  # fmt: skip

PV2 = SegmentMap(
    "PV2[Encounter]",
    "Encounter",
    (
        Rule("PV2-1", "location[]", at("planned"), "PV2[Encounter] 1"),
        Rule("PV2-3", "reasonCode[]", concept("", "0129"), "PV2[Encounter] 3"),
        Rule(
            "PV2-8", "extension[]", extension(f"{_FIVE}plannedStartDate", "valueDateTime", date_time),
            "PV2[Encounter] 8", group={"url": f"{_FIVE}plannedStartDate"},
        ),
        Rule(
            "PV2-9", "extension[]", extension(f"{_FIVE}plannedEndDate", "valueDateTime", date_time),
            "PV2[Encounter] 9", group={"url": f"{_FIVE}plannedEndDate"},
        ),
        Rule("PV2-11", "length", length_of_stay, "PV2[Encounter] 11"),
        Rule("PV2-13", "participant[]", participant("REF", "referrer"), "PV2[Encounter] 13"),
        Rule("PV2-25", "priority", concept("EncounterPriority", "0217"), "PV2[Encounter] 25"),
        Rule("PV2-38", "extension[]", _mode_of_arrival, "PV2[Encounter] 38"),
    ),
)  # fmt: skip

__all__ = ["ALTERNATE", "PV1", "PV2", "V2", "at", "encounter_class", "participant", "text"]
