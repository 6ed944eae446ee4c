"""Two patients of one hospital, each with a resource of every kind that says whose it is."""

from collections.abc import Iterator
from typing import Any

from fhir_server.smart.principal import Principal

Resource = dict[str, Any]

PATIENTS = ("anna", "boris")
DOCTOR, OTHER_DOCTOR = "dora", "otto"
SECRET = "Sesamwort"
"""What stands in every resource of a patient, followed by the patient's id."""


def secret(patient: str) -> str:
    """Return the text that only resources of the patient have."""
    return f"{SECRET}-{patient}"


def _text(patient: str) -> Resource:
    return {"text": secret(patient)}


def resources() -> Iterator[Resource]:
    """Yield the resources: the hospital's own, then each patient's."""
    yield {"resourceType": "Organization", "id": "house", "name": "House"}
    yield {"resourceType": "Location", "id": "ward", "name": "Ward"}
    for name in (DOCTOR, OTHER_DOCTOR):
        yield {"resourceType": "Practitioner", "id": name, "name": [{"family": name}]}
    yield {"resourceType": "Medication", "id": "pill", "code": {"text": "Pill"}}
    for patient, doctor in zip(PATIENTS, (DOCTOR, OTHER_DOCTOR), strict=True):
        yield from _of(patient, doctor)


def of_patient(resource_type: str, patient: str) -> Resource:
    """Return the patient's resource of a type."""
    found = (one for one in resources() if one["id"].endswith(f"-{patient}") or one["id"] == patient)
    return next(one for one in found if one["resourceType"] == resource_type)


def _of(patient: str, doctor: str) -> Iterator[Resource]:
    subject = {"reference": f"Patient/{patient}"}
    who = {"reference": f"Practitioner/{doctor}"}
    encounter = {"reference": f"Encounter/encounter-{patient}"}
    coded = {"code": _text(patient)}
    about = {"subject": subject, "encounter": encounter}

    def one(resource_type: str, **more: Any) -> Resource:
        return {"resourceType": resource_type, "id": f"{resource_type.lower()}-{patient}", **more}

    yield {
        "resourceType": "Patient",
        "id": patient,
        "name": [{"family": secret(patient)}],
        "birthDate": "1980-01-01",
        "identifier": [{"system": "urn:mrn", "value": secret(patient)}],
        "address": [{"city": secret(patient)}],
    }
    yield one(
        "Encounter",
        status="in-progress",
        subject=subject,
        participant=[{"individual": who}],
        reasonCode=[_text(patient)],
        **{"class": {"code": "AMB"}},
    )
    lab = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    yield one("Observation", status="final", category=[{"coding": [lab]}], **coded, **about)
    yield one("Condition", **coded, **about)
    yield one("Procedure", status="completed", **coded, **about)
    yield one("AllergyIntolerance", patient=subject, **coded)
    yield one("CarePlan", status="active", intent="plan", description=secret(patient), subject=subject)
    yield one(
        "Immunization",
        status="completed",
        patient=subject,
        occurrenceString=secret(patient),
        vaccineCode=_text(patient),
    )
    yield one("ServiceRequest", status="active", intent="order", **coded, **about)
    yield one(
        "DiagnosticReport",
        status="final",
        result=[{"reference": f"Observation/observation-{patient}"}],
        **coded,
        **about,
    )
    yield one("Specimen", subject=subject, type=_text(patient))
    yield one(
        "MedicationRequest",
        status="active",
        intent="order",
        medicationCodeableConcept=_text(patient),
        **about,
    )
    yield one(
        "MedicationDispense", status="completed", medicationCodeableConcept=_text(patient), subject=subject
    )
    yield one(
        "Appointment",
        status="booked",
        description=secret(patient),
        participant=[{"actor": subject, "status": "accepted"}],
    )
    yield one("Account", status="active", name=secret(patient), subject=[subject])
    yield one("Invoice", status="issued", note=[_text(patient)], subject=subject)
    yield one("ChargeItem", status="billable", subject=subject, code=_text(patient))
    yield one(
        "Coverage",
        status="active",
        beneficiary=subject,
        payor=[{"reference": "Organization/house"}],
        subscriberId=secret(patient),
    )
    yield one(
        "Communication", status="completed", subject=subject, payload=[{"contentString": secret(patient)}]
    )
    yield one("Task", status="requested", intent="order", description=secret(patient), **{"for": subject})
    yield one("Consent", **_consent(patient, subject))
    yield one(
        "DocumentReference",
        status="current",
        description=secret(patient),
        subject=subject,
        content=[{"attachment": {"title": secret(patient)}}],
    )
    yield one(
        "Provenance",
        target=[subject],
        recorded="2026-01-01T00:00:00Z",
        agent=[{"who": who}],
        policy=[f"urn:{secret(patient)}"],
    )
    yield one("RelatedPerson", patient=subject, name=[_text(patient)])
    yield one("Binary", contentType="text/plain", data="U2VzYW13b3J0", securityContext=subject)
    yield one("Group", type="person", actual=True, name=secret(patient), member=[{"entity": subject}])
    yield one("List", status="current", mode="working", title=secret(patient), subject=subject)


def _consent(patient: str, subject: Resource) -> Resource:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "status": "active",
        "scope": {"coding": [coding], "text": secret(patient)},
        "category": [_text(patient)],
        "patient": subject,
        "policyRule": _text(patient),
    }


ALL = ("user/*.cruds",)

CALLERS: dict[str, Principal] = {
    "backend": Principal("backend", ("system/*.cruds",)),
    "patient": Principal("app", ALL, "1", "Patient/anna", frozenset({"PT"})),
    "patient-app": Principal(
        "app", ("patient/*.cruds",), "1", "Patient/anna", frozenset({"PT"}), patient="anna"
    ),
    "doctor": Principal("app", ALL, "2", f"Practitioner/{DOCTOR}", frozenset({"DR"})),
    "doctor-app": Principal(
        "app", ("patient/*.rs",), "3", "Practitioner/x", frozenset({"AU"}), patient="anna"
    ),
    "idle-doctor": Principal("app", ALL, "4", "Practitioner/idle", frozenset({"DR"})),
    "narrow": Principal(
        "app", ("user/Patient.rs", "user/Observation.rs?code=none"), "5", None, frozenset({"AU"})
    ),
    "results": Principal("app", ("user/Observation.rs", "user/Condition.rs"), "13", None, frozenset({"AU"})),
    "nobody": Principal("app", ALL, "6"),
    "nurse": Principal("app", ALL, "7", None, frozenset({"RN"})),
    "laboratory": Principal("app", ALL, "8", None, frozenset({"LB"})),
    "pharmacist": Principal("app", ALL, "9", None, frozenset({"PH"})),
    "clerk": Principal("app", ALL, "10", None, frozenset({"BC"})),
    "administrator": Principal("app", ALL, "11", None, frozenset({"AD"})),
    "auditor": Principal("app", ALL, "12", None, frozenset({"AU"})),
}
"""Callers by their tokens; the first of each kind is what the name says."""


async def authenticate(token: str) -> Principal | None:
    """Return the caller whose token this is."""
    return CALLERS.get(token)
