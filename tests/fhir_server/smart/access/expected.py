"""What each caller of the matrix may see, written down by hand from the hospital's table of roles.

It shares nothing with the rules of the server, so that a mistake in these shows.
"""

from tests.fhir_server.smart.access.world import PATIENTS, resources

_HOUSE = {"Organization", "Location", "Practitioner", "Medication"}
_CLINICAL = {
    *("AllergyIntolerance", "CarePlan", "Condition", "DocumentReference", "Encounter", "Immunization"),
    *("Procedure", "RelatedPerson"),
}
_MONEY = {"Account", "ChargeItem", "Coverage", "Invoice"}
_OWN = {
    *_CLINICAL,
    *_MONEY,
    *("Appointment", "Binary", "Communication", "Consent", "DiagnosticReport", "MedicationDispense"),
    *("MedicationRequest", "Observation", "Patient", "Provenance", "ServiceRequest", "Specimen", "Task"),
}
_TREATED = {
    *_CLINICAL,
    *("Appointment", "Binary", "Communication", "Consent", "Coverage", "DiagnosticReport", "List"),
    *(
        "MedicationDispense",
        "MedicationRequest",
        "Observation",
        "Patient",
        "ServiceRequest",
        "Specimen",
        "Task",
    ),
}
_EVERYTHING = {resource["resourceType"] for resource in resources()}
_ANNA, _BOTH = PATIENTS[:1], PATIENTS

SEEN: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "backend": (_EVERYTHING, _BOTH),
    "patient": (_OWN | _HOUSE, _ANNA),
    "patient-app": (_OWN | _HOUSE, _ANNA),
    "doctor": (_TREATED | _HOUSE, _ANNA),
    "doctor-app": (_EVERYTHING - {"Group"}, _ANNA),
    "idle-doctor": (_HOUSE, ()),
    "narrow": ({"Patient"}, _BOTH),
    "results": ({"Observation", "Condition"}, _BOTH),
    "nobody": (set(), ()),
    "nurse": (
        {
            *_CLINICAL,
            *_HOUSE,
            *("Appointment", "Communication", "Consent", "MedicationRequest", "Patient", "ServiceRequest"),
            *("Specimen", "Task"),
        },
        _BOTH,
    ),
    "laboratory": (
        {*_HOUSE, "DiagnosticReport", "Observation", "Patient", "ServiceRequest", "Specimen", "Task"},
        _BOTH,
    ),
    "pharmacist": (
        {*_HOUSE, "AllergyIntolerance", "MedicationDispense", "MedicationRequest", "Patient", "Task"},
        _BOTH,
    ),
    "clerk": ({*_HOUSE, *_MONEY, "Appointment", "Encounter", "Patient", "Task"}, _BOTH),
    "auditor": (_EVERYTHING, _BOTH),
}
"""The resource types of which a caller sees any, and the patients whose they may be."""


def may_see(caller: str, resource_type: str, resource_id: str) -> bool:
    """Tell whether the caller may see a resource of the world of `world.py`."""
    types, patients = SEEN[caller]
    owner = next((name for name in PATIENTS if resource_id == name or resource_id.endswith(f"-{name}")), None)
    return resource_type in types and (owner is None or owner in patients)
