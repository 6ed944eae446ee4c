"""Which resources are about a patient, or a practitioner's own.

Narrower than the compartments of FHIR: a resource that says whose it is, by the parameter `patient`, is that
patient's alone, though a relative who is a patient too may have carried it out.
https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from collections.abc import Sequence
from datetime import datetime

from fhir_server.search.asked import NOTHING, Condition, either, one_of
from fhir_server.search.conditions import condition
from fhir_server.search.fields import fields
from resources.compartments import compartment_parameters

_PATIENT = "patient"
# Lists of members: to see one would be to see the others.
_OF_MANY = frozenset({"Group"})
_BINARY = "resource.securityContext.reference"


def about_patients(resource_type: str, patients: Sequence[str], base_url: str, now: datetime) -> Condition:
    """Return the condition that a resource is about one of the patients, given by their ids."""
    if not patients or resource_type in _OF_MANY:
        return NOTHING
    if resource_type == "Patient":
        return one_of("_id", patients)
    if resource_type == "Binary":
        return one_of(_BINARY, [f"Patient/{patient}" for patient in patients])
    codes = (_PATIENT,) if _has(resource_type, _PATIENT) else compartment_parameters("Patient", resource_type)
    return _referring(resource_type, codes, "Patient", patients, base_url, now)


def of_practitioner(resource_type: str, practitioner: str, base_url: str, now: datetime) -> Condition:
    """Return the condition that a resource is a practitioner's own: made, done or owned by them."""
    if resource_type == "Practitioner":
        return {"_id": practitioner}
    codes = compartment_parameters("Practitioner", resource_type)
    if resource_type == "Task":
        codes = ("owner", "requester")
    return _referring(resource_type, codes, "Practitioner", [practitioner], base_url, now)


def is_about_patients(resource_type: str) -> bool:
    """Tell whether resources of a type are about patients at all."""
    return (
        resource_type in {"Patient", "Binary"}
        or _has(resource_type, _PATIENT)
        or bool(compartment_parameters("Patient", resource_type))
    )


def _has(resource_type: str, code: str) -> bool:
    return any(field.type == "reference" for field in fields(resource_type).get(code, ()))


def _referring(
    resource_type: str,
    codes: Sequence[str],
    target: str,
    ids: Sequence[str],
    base_url: str,
    now: datetime,
) -> Condition:
    text = ",".join(ids)
    found = [condition(resource_type, f"{code}:{target}", (text,), base_url, now) for code in codes]
    # `patient` and `subject` may be about the same element, and then ask the same.
    distinct = [one for index, one in enumerate(found) if one not in found[:index]]
    return either(distinct)
