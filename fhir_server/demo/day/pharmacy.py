"""A prescription: not against an allergy, on paper, and handed out from the stock."""

from typing import Any

from fhir_server.demo.day.trace import Trace
from fhir_server.workflows.made import concept

_ATC = "http://www.whocc.no/atc"
_PARACETAMOL = concept(_ATC, "N02BE01", "paracetamol") | {"text": "Paracetamol 325 mg"}
_AMOXICILLIN = concept(_ATC, "J01CA04", "amoxicillin") | {"text": "Amoxicillin 250 mg"}


def prescribe(day: Trace) -> None:
    """Try what she is allergic to, prescribe something else, and hand it out."""
    day.refused("DR", "POST", "/MedicationRequest", _prescription(day, _AMOXICILLIN), 422, "W6.allergy")
    day.tell("DR", "prescribes amoxicillin", "refused: she is allergic to penicillin")
    day.refused("RN", "POST", "/MedicationRequest", _prescription(day, _PARACETAMOL), 403)
    day.tell("RN", "prescribes paracetamol", "refused: a doctor does")
    request = day.create("DR", _prescription(day, _PARACETAMOL))
    reference = f"MedicationRequest/{request['id']}"
    day.tell("DR", "prescribes paracetamol", reference)
    day.paper("DR", "prescription.pdf", f"related={reference}&status=current")
    day.tell("PH", "has the prescription as PDF", "with a code by which it is checked")
    too_many = {**_dispense(day, reference), "quantity": {"value": 90, "unit": "tablet"}}
    day.refused("PH", "POST", "/MedicationDispense", too_many, 422)
    day.tell("PH", "hands out 90 tablets", "refused: 20 are prescribed")
    handed = day.create("PH", _dispense(day, reference))
    day.tell("PH", "hands out 20 tablets", f"MedicationDispense/{handed['id']}")
    done = day.read("DR", reference)
    day.check(done["status"] == "completed", f"a prescription that is used up is {done['status']}")


def _prescription(day: Trace, medicine: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": medicine,
        "subject": {"reference": f"Patient/{day.known['patient']['id']}"},
        "encounter": {"reference": f"Encounter/{day.known['encounter']['id']}"},
        "requester": {"reference": day.house.people["DR"]},
        "reasonCode": [{"text": "Pain"}],
        "dosageInstruction": [{"text": "1 tablet up to 4 times a day"}],
        "dispenseRequest": {"quantity": {"value": 20, "unit": "tablet"}, "numberOfRepeatsAllowed": 0},
    }


def _dispense(day: Trace, reference: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": _PARACETAMOL,
        "subject": {"reference": f"Patient/{day.known['patient']['id']}"},
        "context": {"reference": f"Encounter/{day.known['encounter']['id']}"},
        "authorizingPrescription": [{"reference": reference}],
        "quantity": {"value": 20, "unit": "tablet"},
        "whenHandedOver": day.known["patient"]["meta"]["lastUpdated"],
    }
