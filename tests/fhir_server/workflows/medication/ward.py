"""What tests of medication do over and over: prescribe, hand out, give."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fhir_server.identifiers import new_id
from tests.fhir_server.workflows.orders.laboratory import Laboratory, refer

Resource = dict[str, Any]

ATC = "http://www.whocc.no/atc"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_SECONDS = 30
MEDICINES = {
    "amoxicillin": "J01CA04",
    "ampicillin": "J01CA01",
    "warfarin": "B01AA03",
    "ibuprofen": "M01AE01",
    "sertraline": "N06AB06",
    "sumatriptan": "N02CC01",
    "metformin": "A10BA02",
}


def medicine(name: str) -> Resource:
    """Return a medicine of the table."""
    return {"coding": [{"system": ATC, "code": MEDICINES[name], "display": name}], "text": f"{name} tablet"}


def until(found: Callable[[], Any]) -> Any:
    """Return what `found` gives once it gives something."""
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        if result := found():
            return result
    raise AssertionError("it did not happen")


def _patient(patient_id: str) -> Resource:
    name = [{"family": "Ashworth", "given": ["Zoë"]}]
    doctor = [{"reference": "Practitioner/dr"}]
    one = {"resourceType": "Patient", "id": patient_id, "name": name, "birthDate": "1980-02-03"}
    return {**one, "generalPractitioner": doctor}


@dataclass(frozen=True)
class Ward(Laboratory):
    """The clients of a server, its database, and its e-mails."""

    outbox: Path
    known: list[str] = field(default_factory=list)

    def admit(self, number: int) -> None:
        """Write down patients of the doctor, which are looked up when the doctor comes, not each time."""
        self.known.extend(new_id() for _ in range(number))
        assert self.transaction("SY", *(_patient(one) for one in self.known)).status_code == 200

    def patient(self, **elements: Any) -> str:
        """Return one of them of whom nothing else is known, as a reference."""
        one = self.known.pop()
        if elements:
            assert self.put("SY", {**_patient(one), **elements}).status_code == 200
        return f"Patient/{one}"

    def prescription(self, patient: str, name: str = "amoxicillin", **elements: Any) -> Resource:
        """Return a prescription that is not stored."""
        return {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": medicine(name),
            "subject": {"reference": patient},
            "requester": {"reference": "Practitioner/dr"},
            "reasonCode": [{"text": "infection"}],
            "dosageInstruction": [
                {
                    "text": "1 tablet 3 times a day",
                    "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
                }
            ],
            "dispenseRequest": {
                "quantity": {"value": 21, "unit": "tablet"},
                "numberOfRepeatsAllowed": 1,
                "expectedSupplyDuration": {"value": 7, "unit": "d"},
            },
            **elements,
        }

    def prescribed(self, patient: str, name: str = "amoxicillin", **elements: Any) -> Resource:
        """Have the doctor prescribe."""
        return self.made("DR", self.prescription(patient, name, **elements))

    def dispense(self, prescription: Resource, number: Any = 21, **elements: Any) -> Resource:
        """Return a dispense that is not stored."""
        return {
            "resourceType": "MedicationDispense",
            "status": "completed",
            "medicationCodeableConcept": prescription["medicationCodeableConcept"],
            "subject": prescription["subject"],
            "authorizingPrescription": [refer(prescription)],
            "quantity": {"value": number, "unit": "tablet"},
            **elements,
        }

    def given(self, prescription: Resource, **elements: Any) -> Resource:
        """Return an administration that is not stored."""
        return {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "medicationCodeableConcept": prescription["medicationCodeableConcept"],
            "subject": prescription["subject"],
            "request": refer(prescription),
            "effectiveDateTime": "2026-11-27T10:00:00Z",
            **elements,
        }

    def tasks(self, prescription: Resource, code: str) -> list[Resource]:
        """Return the tasks of a prescription, of one kind."""
        found = self.found("SY", f"Task?focus={refer(prescription)['reference']}")
        return [one for one in found if one["code"]["coding"][0]["code"] == code]

    def papers(self, prescription: Resource, role: str = "SY") -> list[Resource]:
        """Return what is on paper of a prescription."""
        return self.found(role, f"DocumentReference?type=57833-6&related={refer(prescription)['reference']}")

    def outside(self, path: str) -> httpx.Response:
        """Get something beside the FHIR interface, without a token."""
        root = str(self.clients["SY"].base_url).rstrip("/").removesuffix("/fhir")
        return httpx.get(f"{root}{path}", timeout=60)
