"""ROL, PRT and GT1: who takes part in a visit, who looks after a patient, and who pays for them.

HL7 v2.5.1 §15.4.7 (ROL), §6.5.5 (GT1), HL7 v2.7 §7.4.4 (PRT)
"""

from typing import Any

from adapters.to_fhir.datatypes.actors import organization, practitioner
from adapters.to_fhir.datatypes.codes import concept
from adapters.to_fhir.datatypes.identifiers import cx, social_security
from adapters.to_fhir.datatypes.people import gender, telecom, xad, xpn
from adapters.to_fhir.datatypes.times import date, date_time
from adapters.to_fhir.rules import Rule, SegmentMap, always
from adapters.to_fhir.scope import Scope
from hl7.message import Segment

_PRT_PATIENT = "PRT[Patient-GeneralPractitioner-Practitioner]"

ROL_PATIENT = SegmentMap(
    "ROL[Patient-GeneralPractitioner]",
    "Patient",
    (Rule("ROL-4", "generalPractitioner[]", practitioner, "ROL[Patient-GeneralPractitioner] 4"),),
)

PRT_PATIENT = SegmentMap(
    _PRT_PATIENT,
    "Patient",
    (Rule("PRT-5", "generalPractitioner[]", practitioner, f"{_PRT_PATIENT} 5"),),
)

ROL_ENCOUNTER = SegmentMap(
    "ROL[Encounter-PractitionerRole]",
    "Encounter.participant",
    (
        Rule("ROL-3", "type[]", concept("ProviderRole", "0443"), "ROL[Encounter-PractitionerRole] 3"),
        Rule("ROL-4", "individual", practitioner, "ROL[Encounter-PractitionerRole] 4"),
        Rule("ROL-5", "period.start", date_time, "ROL[Encounter-PractitionerRole] 5"),
        Rule("ROL-6", "period.end", date_time, "ROL[Encounter-PractitionerRole] 6"),
    ),
)

PRT_ENCOUNTER = SegmentMap(
    "PRT[Encounter]",
    "Encounter.participant",
    (
        Rule("PRT-4", "type[]", concept("ProviderRole", "0912"), "ours"),
        Rule("PRT-5", "individual", practitioner, "ours"),
        Rule("PRT-11", "period.start", date_time, "ours"),
        Rule("PRT-12", "period.end", date_time, "ours"),
    ),
)
"""The roles of table 0912 that visits know have the codes of 0443, and are mapped as those of ROL are."""

_GUARANTOR: dict[str, Any] = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUAR"}]
}


def _is_no_person(segment: Segment, _scope: Scope) -> bool:
    """Tell whether GT1-3, which is required, repeats the name of an organization."""
    return not segment.get(3, 2)


GT1 = SegmentMap(
    "GT1[RelatedPerson]",
    "RelatedPerson",
    (
        Rule("GT1", "active", always(True), "ours"),
        Rule("GT1", "relationship[]", always(_GUARANTOR), "ours"),
        Rule("GT1-2", "identifier[]", cx, "ours"),
        Rule("GT1-3", "name[]", xpn, "ours"),
        Rule("GT1-5", "address[]", xad, "ours"),
        Rule("GT1-6", "telecom[]", telecom("home"), "ours", group={"use": "home"}),
        Rule("GT1-7", "telecom[]", telecom("work"), "ours", group={"use": "work"}),
        Rule("GT1-8", "birthDate", date, "ours"),
        Rule("GT1-9", "", gender, "ours"),
        Rule("GT1-11", "relationship[]", concept("Relationship", "0063"), "ours"),
        Rule("GT1-12", "identifier[]", social_security, "ours"),
    ),
)

GT1_PERIOD = SegmentMap(
    "GT1[Account]",
    "Account.guarantor",
    (
        Rule("GT1-13", "period.start", date, "ours"),
        Rule("GT1-14", "period.end", date, "ours"),
        Rule("GT1-21", "party", organization, "ours", _is_no_person, "GT1-3 has no given name"),
    ),
)
