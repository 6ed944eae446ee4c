"""Code tables that HL7's v2-to-FHIR guide has not, or leaves open: this server's own, published in the docs."""

from collections.abc import Mapping

_OBSERVATION = "http://hl7.org/fhir/observation-status"
_REPORT = "http://hl7.org/fhir/diagnostic-report-status"
_REQUEST = "http://hl7.org/fhir/request-status"
_CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_ENCOUNTER = "http://hl7.org/fhir/encounter-status"
_APPOINTMENT = "http://hl7.org/fhir/appointmentstatus"
_EVENT = "http://hl7.org/fhir/event-status"
_NAME = "http://hl7.org/fhir/name-use"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_CHARGE = "http://hl7.org/fhir/chargeitem-status"
_REFERRAL = "http://hl7.org/fhir/request-status"
_PRIORITY = "http://hl7.org/fhir/request-priority"

Code = tuple[str, str]
"""Code and system in FHIR."""

OURS: Mapping[str, tuple[str, Mapping[str, Code]]] = {
    "ObservationResultStatusCodesInterpretation": (
        "0085",
        {
            "X": ("cancelled", _OBSERVATION),
            "I": ("registered", _OBSERVATION),
            "R": ("preliminary", _OBSERVATION),
            "S": ("preliminary", _OBSERVATION),
            "U": ("final", _OBSERVATION),
            "V": ("final", _OBSERVATION),
            "B": ("final", _OBSERVATION),
            "N": ("registered", _OBSERVATION),
        },
    ),
    "ResultStatus[Non-Queries]": (
        "0123",
        {
            "A": ("partial", _REPORT),
            "M": ("preliminary", _REPORT),
            "N": ("registered", _REPORT),
        },
    ),
    "OrderStatus": ("0038", {"A": ("active", _REQUEST)}),
    "PatientClass[EncounterClass]": (
        "0004",
        {
            "P": ("PRENC", _CLASS),
            "R": ("AMB", _CLASS),
            "B": ("IMP", _CLASS),
            "H": ("HH", _CLASS),
        },
    ),
    "PatientClass[EncounterStatus]": ("0004", {"C": ("in-progress", _ENCOUNTER)}),
    "FillerStatusCodes[Appointment]": (
        "0278",
        {
            "Dc": ("cancelled", _APPOINTMENT),
            "DC": ("cancelled", _APPOINTMENT),
            "Deleted": ("entered-in-error", _APPOINTMENT),
            "Overbook": ("booked", _APPOINTMENT),
            "Blocked": ("busy-unavailable", "http://hl7.org/fhir/slotstatus"),
        },
    ),
    "CompletionStatus": ("0322", {"NA": ("not-done", _EVENT)}),
    "NameType": ("0200", {"A": ("nickname", _NAME), "U": ("anonymous", _NAME)}),
    "Section[ObservationCategory]": (
        "0074",
        {
            **dict.fromkeys((*("LAB", "CH", "HM", "MB", "MCB", "MYC", "BG", "BLB", "CG", "CP", "CY", "GE", "IMM"), *("MDT", "SP", "SR", "TX", "URN", "VR")), ("laboratory", _CATEGORY)),
            **dict.fromkeys(("RAD", "CT", "CUS", "MRI", "NMR", "NMS", "OUS", "RUS", "RX", "VUS", "XRC"), ("imaging", _CATEGORY)),
            **dict.fromkeys(("EC", "EN", "CTH", "PF"), ("procedure", _CATEGORY)),
            **dict.fromkeys(("PHY", "NRS", "OT", "PT", "RT", "RC"), ("exam", _CATEGORY)),
        },
    ),
    "TransactionType[ChargeItem]": (
        "0017",
        {"CG": ("billable", _CHARGE), "CD": ("entered-in-error", _CHARGE), "CO": ("billable", _CHARGE)},
    ),
    "ReferralStatus": (
        "0283",
        {"A": ("active", _REFERRAL), "P": ("active", _REFERRAL), "R": ("revoked", _REFERRAL),
         "E": ("revoked", _REFERRAL)},
    ),
    "ReferralPriority": (
        "0280",
        {"S": ("stat", _PRIORITY), "A": ("asap", _PRIORITY), "R": ("routine", _PRIORITY)},
    ),
    "ExtendedPriorityCodes": (
        "0485",
        {"T": ("urgent", _PRIORITY), "C": ("urgent", _PRIORITY), "P": ("routine", _PRIORITY),
         "PRN": ("routine", _PRIORITY)},
    ),
}  # fmt: skip
"""By the name of the concept map: the number of the v2 table, and what its codes are."""
