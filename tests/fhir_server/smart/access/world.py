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
        chart = _Chart(patient, doctor)
        for part in (chart.clinical, chart.orders, chart.office, chart.papers):
            yield from part()


def of_patient(resource_type: str, patient: str) -> Resource:
    """Return the patient's resource of a type."""
    found = (one for one in resources() if one["id"].endswith(f"-{patient}") or one["id"] == patient)
    return next(one for one in found if one["resourceType"] == resource_type)


_LABORATORY = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "laboratory",
}


class _Chart:
    """Makes the resources of one patient, whom one doctor treats."""

    def __init__(self, patient: str, doctor: str) -> None:
        self.patient = patient
        self.secret, self.text = secret(patient), _text(patient)
        self.subject = {"reference": f"Patient/{patient}"}
        self.who = {"reference": f"Practitioner/{doctor}"}
        self.coded = {"code": self.text}
        self.about = {
            "subject": self.subject,
            "encounter": {"reference": f"Encounter/encounter-{patient}"},
        }

    def one(self, resource_type: str, **more: Any) -> Resource:
        """Return a resource with an id that says whose it is."""
        return {"resourceType": resource_type, "id": f"{resource_type.lower()}-{self.patient}", **more}

    def clinical(self) -> Iterator[Resource]:
        """Yield the patient, the visit, and what was found and done."""
        yield {
            "resourceType": "Patient",
            "id": self.patient,
            "name": [{"family": self.secret}],
            "birthDate": "1980-01-01",
            "identifier": [{"system": "urn:mrn", "value": self.secret}],
            "address": [{"city": self.secret}],
        }
        yield self.one(
            "Encounter",
            status="in-progress",
            subject=self.subject,
            participant=[{"individual": self.who}],
            reasonCode=[self.text],
            **{"class": {"code": "AMB"}},
        )
        yield self.one(
            "Observation", status="final", category=[{"coding": [_LABORATORY]}], **self.coded, **self.about
        )
        yield self.one("Condition", **self.coded, **self.about)
        yield self.one("Procedure", status="completed", **self.coded, **self.about)
        yield self.one("AllergyIntolerance", patient=self.subject, **self.coded)
        yield self.one(
            "CarePlan", status="active", intent="plan", description=self.secret, subject=self.subject
        )
        yield self.one(
            "Immunization",
            status="completed",
            patient=self.subject,
            occurrenceString=self.secret,
            vaccineCode=self.text,
        )

    def orders(self) -> Iterator[Resource]:
        """Yield what was ordered, and what came of it."""
        yield self.one("ServiceRequest", status="active", intent="order", **self.coded, **self.about)
        yield self.one(
            "DiagnosticReport",
            status="final",
            result=[{"reference": f"Observation/observation-{self.patient}"}],
            **self.coded,
            **self.about,
        )
        yield self.one("Specimen", subject=self.subject, type=self.text)
        yield self.one(
            "MedicationRequest",
            status="active",
            intent="order",
            medicationCodeableConcept=self.text,
            **self.about,
        )
        yield self.one(
            "MedicationDispense",
            status="completed",
            medicationCodeableConcept=self.text,
            subject=self.subject,
        )

    def office(self) -> Iterator[Resource]:
        """Yield appointments, money, messages and consents."""
        yield self.one(
            "Appointment",
            status="booked",
            description=self.secret,
            participant=[{"actor": self.subject, "status": "accepted"}],
        )
        yield self.one("Account", status="active", name=self.secret, subject=[self.subject])
        yield self.one("Invoice", status="issued", note=[self.text], subject=self.subject)
        yield self.one("ChargeItem", status="billable", subject=self.subject, code=self.text)
        yield self.one(
            "Coverage",
            status="active",
            beneficiary=self.subject,
            payor=[{"reference": "Organization/house"}],
            subscriberId=self.secret,
        )
        yield self.one(
            "Communication",
            status="completed",
            subject=self.subject,
            payload=[{"contentString": self.secret}],
        )
        yield self.one(
            "Task", status="requested", intent="order", description=self.secret, **{"for": self.subject}
        )
        yield self.one("Consent", **_consent(self.patient, self.subject))

    def papers(self) -> Iterator[Resource]:
        """Yield documents, origins, relatives, files and lists."""
        yield self.one(
            "DocumentReference",
            status="current",
            description=self.secret,
            subject=self.subject,
            content=[{"attachment": {"title": self.secret}}],
        )
        yield self.one(
            "Provenance",
            target=[self.subject],
            recorded="2026-01-01T00:00:00Z",
            agent=[{"who": self.who}],
            policy=[f"urn:{self.secret}"],
        )
        yield self.one("RelatedPerson", patient=self.subject, name=[self.text])
        yield self.one("Binary", contentType="text/plain", data="U2VzYW13b3J0", securityContext=self.subject)
        yield self.one(
            "Group", type="person", actual=True, name=self.secret, member=[{"entity": self.subject}]
        )
        yield self.one("List", status="current", mode="working", title=self.secret, subject=self.subject)


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
