"""When the care took place that a record is about, as one of its search parameters has it.

`start` and `end` of $everything "relate to care dates, not record currency dates": not to when something was
entered. https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from collections.abc import Mapping
from datetime import datetime

from fhir_server.search.asked import Condition, both, either
from fhir_server.search.conditions import condition
from fhir_server.search.fields import fields
from fhir_server.store import instant

# The parameter `date` of https://hl7.org/fhir/R4/searchparameter-registry.html#clinical-date where a type has
# it; else the one about the element that the W5 pattern (https://hl7.org/fhir/R4/fivews.html) calls `done`,
# then `planned`, then `init`; of those about money and of forms the day on which they were made. What is not
# here has no such date.
CARE_DATES: Mapping[str, str] = {
    "Account": "period",
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "Basic": "created",
    "CarePlan": "date",
    "CareTeam": "date",
    "ChargeItem": "occurrence",
    "Claim": "created",
    "ClaimResponse": "created",
    "ClinicalImpression": "date",
    "Communication": "sent",
    "CommunicationRequest": "occurrence",
    "Composition": "date",
    "Condition": "onset-date",
    "Consent": "date",
    "CoverageEligibilityRequest": "created",
    "CoverageEligibilityResponse": "created",
    "DetectedIssue": "identified",
    "DeviceRequest": "event-date",
    "DiagnosticReport": "date",
    "DocumentManifest": "created",
    "DocumentReference": "period",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "ExplanationOfBenefit": "created",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "ImmunizationEvaluation": "date",
    "ImmunizationRecommendation": "date",
    "Invoice": "date",
    "List": "date",
    "MeasureReport": "period",
    "Media": "created",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "NutritionOrder": "datetime",
    "Observation": "date",
    "Procedure": "date",
    "Provenance": "when",
    "QuestionnaireResponse": "authored",
    "RequestGroup": "authored",
    "ResearchSubject": "date",
    "RiskAssessment": "date",
    "Schedule": "date",
    "ServiceRequest": "occurrence",
    "Specimen": "collected",
    "SupplyRequest": "date",
    "VisionPrescription": "datewritten",
}

# A problem goes on until it abates, so that one of long ago may be part of the care of today.
_ENDS: Mapping[str, str] = {"Condition": "abatement-date"}


def care_condition(
    resource_type: str, start: datetime | None, end: datetime | None, base_url: str, now: datetime
) -> Condition:
    """Return the condition that the care fell, in part at least, between the moments `start` and `end`.

    What has no care date meets it: it cannot be said to lie outside. None leaves a side open.
    """
    begun = CARE_DATES.get(resource_type)
    if begun is None:
        return {}
    tests: dict[str, list[str]] = {}
    if start is not None:
        tests.setdefault(_ENDS.get(resource_type, begun), []).append(f"ge{instant(start)}")
    if end is not None:
        tests.setdefault(begun, []).append(f"lt{instant(end)}")
    return both(
        either([condition(resource_type, code, tuple(texts), base_url, now), _lacks(resource_type, code)])
        for code, texts in tests.items()
    )


def _lacks(resource_type: str, code: str) -> Condition:
    [field] = fields(resource_type)[code]
    return {field.path: {"$in": [None, []]}}
