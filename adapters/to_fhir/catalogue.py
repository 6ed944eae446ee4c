"""All tables of the mapping, for the page of the docs and the check against the guide.

What is no table but a function, as it puts several fields together, is in `BY_CODE`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from adapters.to_fhir.datatypes import identifiers, people, times
from adapters.to_fhir.messages import (
    charges,
    documents,
    master_files,
    orders,
    payments,
    pharmacy,
    scheduling,
    vaccinations,
)
from adapters.to_fhir.rules import DatatypeMap, SegmentMap
from adapters.to_fhir.segments import clinical, participations, patients, results, visits
from adapters.to_fhir.segments import orders as order_segments

SEGMENTS: Sequence[SegmentMap] = (
    patients.PID,
    patients.PD1,
    patients.NK1,
    patients.PID_ACCOUNT,
    visits.PV1,
    visits.PV2,
    clinical.AL1,
    clinical.IAM,
    clinical.DG1,
    clinical.DG1_ENCOUNTER,
    clinical.PR1,
    clinical.IN1,
    participations.ROL_PATIENT,
    participations.ROL_ENCOUNTER,
    participations.PRT_PATIENT,
    participations.PRT_ENCOUNTER,
    participations.GT1,
    participations.GT1_PERIOD,
    order_segments.ORC,
    order_segments.OBR,
    order_segments.OBR_REPORT,
    order_segments.TQ1,
    order_segments.NTE,
    order_segments.SPM,
    results.OBX,
    orders.RF1,
    scheduling.SCH,
    scheduling.AIS,
    documents.TXA,
    charges.FT1,
    payments.FT1_PAYMENT,
    vaccinations.ORC,
    vaccinations.RXA,
    vaccinations.RXR,
    pharmacy.ORC,
    pharmacy.RXO,
    pharmacy.RXE,
    pharmacy.RXR,
    pharmacy.TQ1,
    pharmacy.RXD,
    master_files.STF,
)

DATATYPES: Sequence[DatatypeMap] = (
    people.xpn,
    people.xcn_name,
    people.xad,
    people.xtn,
    identifiers.cx,
    identifiers.ei,
    identifiers.dln,
    times.period,
)

BY_CODE: Mapping[str, str] = {
    "NTE[Observation] 3": "note.text; the repetitions are its lines",
    "OBX[Observation] 6": "the units of the value",
    "RXA[Immunization] 7": "the units of doseQuantity",
    "RXO[MedicationRequest] 3": "doseRange.high",
    "RXO[MedicationRequest] 4": "the units of the dose",
    "RXO[MedicationRequest] 12": "the units of dispenseRequest.quantity",
    "DG1[Encounter] 3": "diagnosis.condition",
    "AIP[Appointment] 3": "participant.actor",
    "AIP[Appointment] 4": "participant.type",
    "AIL[Appointment] 3": "participant.actor",
    "AIS[Appointment] 4": "start, if SCH-11 and TQ1 have none",
    "AIS[Appointment] 7": "end, if nothing else says it",
    "SCH[Appointment] 9": "minutesDuration",
    "SCH[Appointment] 11": "start and end",
    "SCH[Appointment] 25": "status, where the event leaves it open",
    "SCH[Appointment] 26": "basedOn",
    "SCH[Appointment] 27": "basedOn",
    "OBX[DocumentReference] 5": "content, and DiagnosticReport.presentedForm",
    "MSH[Encounter] 9": "status",
    "MRG[Account] 1": "Patient.identifier and Patient.link of both records",
    "PV1[Encounter] 6": "the place that is left, which A02 ends",
    "PV1[Encounter] 40": "Location.operationalStatus",
    "EVN[Provenance] 2": "occurredDateTime",
    "EVN[Provenance] 5": "agent (enterer)",
    "EVN[Provenance] 6": "occurredDateTime",
    "MSH[Provenance-Source] 4": "agent (author)",
    "MSH[Provenance-Source] 9": "activity.text",
}
"""Rows that functions carry out: where they go."""

DATATYPES_BY_CODE: Mapping[str, str] = {
    "CWE[CodeableConcept] 1": "coding.0.code",
    "CWE[CodeableConcept] 2": "coding.0.display",
    "CWE[CodeableConcept] 3": "coding.0.system",
    "CWE[CodeableConcept] 4": "coding.1.code",
    "CWE[CodeableConcept] 5": "coding.1.display",
    "CWE[CodeableConcept] 6": "coding.1.system",
    "CWE[CodeableConcept] 7": "coding.0.version",
    "CWE[CodeableConcept] 8": "coding.1.version",
    "CWE[CodeableConcept] 9": "text",
    "CWE[CodeableConcept] 10": "coding.2.code",
    "CWE[CodeableConcept] 11": "coding.2.display",
    "CWE[CodeableConcept] 12": "coding.2.system",
    "CWE[CodeableConcept] 13": "coding.2.version",
    "CWE[Coding] 1": "code",
    "CWE[Coding] 2": "display",
    "CWE[Coding] 3": "system",
    "CWE[Coding] 7": "version",
    "CWE[Organization] 1": "identifier.0.value",
    "CWE[Organization] 2": "name",
    "CWE[Organization] 3": "identifier.0.system",
    "CWE[Organization] 9": "name, if there is no other",
    "CWE[Quantity] 1": "code, and unit if it has no other",
    "CWE[Quantity] 2": "unit",
    "CWE[Quantity] 3": "system",
    "CWE[code] 1": "the code",
    "CWE[code] 4": "the code, if there is no other",
    "CWE[string] 2": "the text, if there is no other",
    "CWE[string] 9": "the text",
    "ED[Attachment] 3": "contentType, with ED.2",
    "ED[Attachment] 5": "data",
    "PL[Location] 1": "identifier.0.value and name of a ward, which is within the floor",
    "PL[Location] 2": "identifier.0.value and name of a room",
    "PL[Location] 3": "identifier.0.value and name of a bed",
    "PL[Location] 4": "identifier.0.value and name of a site",
    "PL[Location] 7": "identifier.0.value and name of a building",
    "PL[Location] 8": "identifier.0.value and name of a floor",
    "PL[Location] 9": "description",
    "PL[Location] 10": "identifier.1",
    "PL[Location] 11": "identifier.1.system and assigner, if PL.10 has none",
    "SN[Quantity] 1": "comparator",
    "SN[Quantity] 2": "value",
    "SN[Range] 2": "low.value",
    "SN[Range] 4": "high.value",
    "SN[Ratio] 1": "numerator.comparator",
    "SN[Ratio] 2": "numerator.value",
    "SN[Ratio] 4": "denominator.value",
    "XCN[Practitioner] 1": "identifier.0.value",
    "XCN[Practitioner] 7": "qualification.0.code",
    "XCN[Practitioner] 9": "identifier.0.system",
    "XCN[Practitioner] 11": "identifier.0.extension",
    "XCN[Practitioner] 13": "identifier.0.type",
    "XON[Organization] 1": "name",
    "XON[Organization] 3": "identifier.0.value, if XON.10 is empty",
    "XON[Organization] 4": "identifier.0.extension",
    "XON[Organization] 6": "identifier.0.system",
    "XON[Organization] 7": "identifier.0.type",
    "XON[Organization] 10": "identifier.0.value",
}
"""Components of datatypes that functions carry out: where they go."""

_ALSO_READ = frozenset(
    {("AIG", 8), ("AIG", 11), ("AIL", 6), ("AIL", 9), ("AIP", 6), ("AIP", 9), ("MSH", 7), ("RXE", 4)}
)
"""Fields that functions read, where the guide has no row or none that is carried out for its own sake."""
_SOURCE = re.compile(r"([A-Z][A-Z0-9]{2})-([0-9]+)")
_ROW = re.compile(r"([A-Z][A-Z0-9]{2})\[.*\] ([0-9]+)")


def is_read(segment: str, field: int) -> bool:
    """Tell whether anything is made of a field, whatever the message."""
    return (segment, field) in _read()


@lru_cache(maxsize=1)
def _read() -> frozenset[tuple[str, int]]:
    by_rule = (_SOURCE.fullmatch(rule.source) for table in SEGMENTS for rule in table.rules)
    by_code = (_ROW.fullmatch(row) for row in BY_CODE)
    return _ALSO_READ | {(one[1], int(one[2])) for one in (*by_rule, *by_code) if one is not None}


def rows() -> set[str]:
    """Return the rows of the guide that are mapped."""
    listed = {rule.row for table in SEGMENTS for rule in table.rules}
    listed |= {
        part.row or f"{table.name} {'.'.join(part.source.split('.')[1:])}"
        for table in DATATYPES
        for part in table.parts
    }
    return (listed | set(BY_CODE) | set(DATATYPES_BY_CODE)) - {"ours"}
