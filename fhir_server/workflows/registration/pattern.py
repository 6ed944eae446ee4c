"""W1, registration and identity, put together."""

from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.registration import patients
from fhir_server.workflows.registration.rules import PATIENT_RULES

PATTERN = Pattern(
    id="W1",
    title="Registration and identity",
    rules=PATIENT_RULES,
    watches=(patients.WATCH,),
)
