"""What an application asks for, in words that somebody understands who has never heard of FHIR."""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.smart.oauth.scopes import Scope, parse_scope

_NAMED: Mapping[str, str] = {
    "openid": "Know who you are when you sign in",
    "fhirUser": "Find you as a person in the hospital's records",
    "launch": "Know what was open when you started it, such as the patient",
    "launch/patient": "Know which patient this is about",
    "launch/encounter": "Know which visit this is about",
    "offline_access": "Go on having this access when you are not using it, until you take it back",
    "online_access": "Go on having this access until you sign out",
}

_KINDS: Mapping[str, str] = {
    "*": "all kinds of records",
    "AllergyIntolerance": "allergies",
    "Appointment": "appointments",
    "AuditEvent": "the log of who saw what",
    "CarePlan": "care plans",
    "CareTeam": "care teams",
    "Claim": "insurance claims",
    "Communication": "messages",
    "Condition": "diagnoses and problems",
    "Consent": "consents",
    "Coverage": "insurance cover",
    "DiagnosticReport": "reports of laboratory and imaging",
    "DocumentReference": "documents",
    "Encounter": "visits and stays",
    "Goal": "goals of treatment",
    "ImagingStudy": "images such as X-rays",
    "Immunization": "vaccinations",
    "Invoice": "invoices",
    "Location": "rooms and places",
    "Medication": "kinds of medicine",
    "MedicationAdministration": "medicines that were given",
    "MedicationDispense": "medicines that were handed out",
    "MedicationRequest": "prescriptions",
    "Observation": "measurements and laboratory results",
    "Organization": "organizations",
    "Patient": "name, birth date, address and other personal details",
    "Practitioner": "doctors, nurses and other staff",
    "PractitionerRole": "what members of staff do here",
    "Procedure": "operations and other procedures",
    "Questionnaire": "forms",
    "QuestionnaireResponse": "answers to forms",
    "RelatedPerson": "relatives and other close people",
    "Schedule": "timetables",
    "ServiceRequest": "orders of tests and treatments",
    "Slot": "free times",
    "Specimen": "samples for the laboratory",
    "Task": "tasks",
}

_ACTIONS: tuple[tuple[str, str], ...] = (
    ("rs", "see"),
    ("c", "add"),
    ("u", "change"),
    ("d", "delete"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One scope as a line of the consent page; one that `changes` records is marked there."""

    scope: str
    text: str
    changes: bool


def line(scope: str) -> Line:
    """Return the line of a scope that was read before."""
    parsed = parse_scope(scope)
    if parsed is None:
        return Line(scope, _NAMED[scope], changes=False)
    return Line(scope, _sentence(parsed), changes=bool(parsed.actions & set("cud")))


def _sentence(scope: Scope) -> str:
    verbs = [verb for letters, verb in _ACTIONS if scope.actions & set(letters)]
    joined = verbs[0] if len(verbs) == 1 else f"{', '.join(verbs[:-1])} and {verbs[-1]}"
    kind = _KINDS.get(scope.resource_type, f"records of the kind {scope.resource_type}")
    whose = "of this patient" if scope.context == "patient" else "that you may see"
    only = " and ".join(f"{name} is {value.rpartition('|')[2] or value}" for name, value in scope.query)
    return f"{joined.capitalize()} {kind} {whose}{f', only where {only}' if only else ''}"
