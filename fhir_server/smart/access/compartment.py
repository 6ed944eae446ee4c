"""Which resources are about a patient, or a practitioner's own.

Narrower than the compartments of FHIR: a resource that says whose it is, by the parameter `patient`, is that
patient's alone, though a relative who is a patient too may have carried it out.
https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from collections.abc import Sequence

from fhir_server.search.asked import NOTHING, Condition, Field, either, one_of
from fhir_server.search.compartments import compartment_fields
from fhir_server.search.fields import fields
from resources.custom_parameters import once_for_each_type

_PATIENT = "patient"
# Lists of members: to see one would be to see the others.
_OF_MANY = frozenset({"Group"})
_BINARY = "resource.securityContext.reference"


def about_patients(resource_type: str, patients: Sequence[str], base_url: str) -> Condition:
    """Return the condition that a resource is about one of the patients, given by their ids."""
    if not patients or resource_type in _OF_MANY:
        return NOTHING
    if resource_type == "Patient":
        return one_of("_id", patients)
    if resource_type == "Binary":
        return one_of(_BINARY, [f"Patient/{patient}" for patient in patients])
    return _referring(fields_of_patient(resource_type), "Patient", patients, base_url)


def of_practitioner(resource_type: str, practitioner: str, base_url: str) -> Condition:
    """Return the condition that a resource is a practitioner's own: made, done or owned by them."""
    if resource_type == "Practitioner":
        return {"_id": practitioner}
    if resource_type == "Task":
        found = [field for code in ("owner", "requester") for field in fields("Task")[code]]
    else:
        found = list(compartment_fields("Practitioner", resource_type))
    return _referring(found, "Practitioner", [practitioner], base_url)


def is_about_patients(resource_type: str) -> bool:
    """Tell whether resources of a type are about patients at all."""
    return resource_type in {"Patient", "Binary"} or bool(fields_of_patient(resource_type))


@once_for_each_type
def fields_of_patient(resource_type: str) -> Sequence[Field]:
    """Return the fields whose references say which patients a resource of a type is about."""
    found = [field for field in fields(resource_type).get(_PATIENT, ()) if field.type == "reference"]
    return found or compartment_fields("Patient", resource_type)


def _referring(found: Sequence[Field], target: str, ids: Sequence[str], base_url: str) -> Condition:
    # A reference to this server may be written in either form.
    relative = [f"{target}/{one}" for one in ids]
    references = relative + [f"{base_url}/{one}" for one in relative]
    return either([one_of(path, references) for path in dict.fromkeys(field.path for field in found)])
