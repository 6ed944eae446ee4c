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
    return (listed | set(BY_CODE)) - {"ours"}
