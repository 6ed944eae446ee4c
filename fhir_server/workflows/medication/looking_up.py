"""What prescriptions refer to, and what medicine they are of.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/medication.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.medication.medicines import Substance, medicines
from fhir_server.workflows.records import Records, local

Resource = Mapping[str, Any]

IN_FORCE = ("active", "on-hold")
_ORDERING = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})


def is_order(request: Resource) -> bool:
    """Tell whether a MedicationRequest is a prescription, and no proposal or plan."""
    return request.get("intent") in _ORDERING


def target(reference: Any, base_url: str) -> str | None:
    """Return what a Reference points to on this server, such as `Patient/1`."""
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    key = local(text, base_url)
    return None if key is None else "/".join(key)


def targets(references: Any, base_url: str) -> list[str]:
    """Return what a list of References points to on this server."""
    return [found for one in references or () if (found := target(one, base_url)) is not None]


async def medication(resource: Resource, records: Records) -> Resource | None:
    """Return the Medication that a resource refers to, contained or stored."""
    reference = resource.get("medicationReference")
    if reference is None:
        return None
    text = reference.get("reference", "")
    if text.startswith("#"):
        return next((one for one in resource.get("contained", ()) if one.get("id") == text[1:]), None)
    return await records.read(reference)


def substance_of(resource: Resource, medicine: Resource | None, records: Records) -> Substance:
    """Return what a prescription, dispense or administration is of; `medicine` is its Medication."""
    concepts = [resource.get("medicationCodeableConcept", {})]
    if "medicationReference" in resource:
        concepts.append({"text": resource["medicationReference"].get("display", "")})
    if medicine is not None:
        concepts.append(medicine.get("code", {}))
        concepts += [one.get("itemCodeableConcept", {}) for one in medicine.get("ingredient", ())]
    return medicines(records.situation.settings.interactions).substance(*concepts)


def name_of(resource: Resource, medicine: Resource | None = None) -> str:
    """Return the name of the medicine, as people read it."""
    for concept in (resource.get("medicationCodeableConcept"), (medicine or {}).get("code")):
        if concept:
            told = [concept.get("text"), *(one.get("display") for one in concept.get("coding", ()))]
            codes = (one.get("code") for one in concept.get("coding", ()))
            found = next((str(one) for one in (*told, *codes) if one), None)
            if found:
                return found
    return str(resource.get("medicationReference", {}).get("display", ""))
