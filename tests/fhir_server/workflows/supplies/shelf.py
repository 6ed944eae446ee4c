"""What the tests of supplies have in common: places, lots, and movements as JSON."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

Resource = dict[str, Any]

MOVEMENT = "urn:fhir-hospital-server:stock-movement"
STOCK = "urn:fhir-hospital-server:stock"
SOURCE = "urn:fhir-hospital-server:stock-source"
PATCH = {"content-type": "application/json-patch+json"}


def in_days(days: int) -> str:
    """Return a date so many days from now."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def quantity(value: float, unit: str = "tablet") -> Resource:
    """Return a quantity."""
    return {"value": value, "unit": unit}


class Shelf:
    """One item of its own in a pharmacy of its own, so that tests do not meet."""

    def __init__(self, client: httpx.Client, unit: str = "tablet") -> None:
        """Make the pharmacy, and a ward."""
        self.client, self.unit = client, unit
        code = uuid.uuid4().hex
        self.code = {"coding": [{"system": "urn:drug", "code": code}], "text": "Pill"}
        self.token = f"urn:drug|{code}"
        self.pharmacy = self.put({"resourceType": "Location", "name": "Pharmacy"})
        self.ward = self.put({"resourceType": "Location", "name": "Ward"})

    def put(self, resource: Resource) -> str:
        """Store a resource under a new id and return its reference."""
        made = {"id": uuid.uuid4().hex, **resource}
        answer = self.client.put(f"/{made['resourceType']}/{made['id']}", json=made)
        assert answer.status_code == 201, answer.text
        return f"{made['resourceType']}/{made['id']}"

    def lot(self, days: int = 300, number: str | None = None) -> str:
        """Make a lot that expires in so many days."""
        batch = {"lotNumber": number or uuid.uuid4().hex[:6], "expirationDate": in_days(days)}
        return self.put({"resourceType": "Medication", "code": self.code, "batch": batch})

    def delivery(self, item: str, number: float, kind: str | None = None, **more: Any) -> Resource:
        """Return a delivery to the pharmacy, or another movement of stock."""
        resource = {
            "resourceType": "SupplyDelivery",
            "status": "completed",
            "suppliedItem": {
                "quantity": quantity(number, self.unit),
                "itemReference": {"reference": item},
            },
            "destination": {"reference": self.pharmacy},
            **more,
        }
        # SupplyDelivery.type has a required binding: ours is a second coding beside the one that it wants.
        wanted = {"system": "http://terminology.hl7.org/CodeSystem/supply-item-type", "code": "medication"}
        return resource | ({"type": {"coding": [wanted, {"system": MOVEMENT, "code": kind}]}} if kind else {})

    def receive(self, item: str, number: float, **more: Any) -> httpx.Response:
        """Receive a lot."""
        return self.client.post("/SupplyDelivery", json=self.delivery(item, number, **more))

    def dispense(self, number: float, item: str | None = None, **more: Any) -> Resource:
        """Return a dispense of a lot, or of the item whatever the lot."""
        what: Resource = (
            {"medicationReference": {"reference": item}} if item else {"medicationCodeableConcept": self.code}
        )
        return {
            "resourceType": "MedicationDispense",
            "status": "completed",
            "subject": {"reference": "Patient/p"},
            "location": {"reference": self.pharmacy},
            "quantity": quantity(number, self.unit),
            **what,
            **more,
        }

    def give_out(self, number: float, item: str | None = None, **more: Any) -> httpx.Response:
        """Dispense."""
        return self.client.post("/MedicationDispense", json=self.dispense(number, item, **more))

    def on_hand(self, item: str | None = None, place: str | None = None, *, observed: bool = True) -> float:
        """Return what $stock says is there, of a lot or all; unless `observed` is false, Observations too."""
        where = place or self.pharmacy
        params = {"item": item or self.token, "empty": "true"}
        answer = self.client.get(f"/{where}/$stock", params=params)
        assert answer.status_code == 200, answer.text
        total = 0
        for one in answer.json().get("entry", []):
            told = one["resource"]
            if observed:
                told = self.client.get(f"/Observation/{told['id']}").json()
            assert told["valueQuantity"] == one["resource"]["valueQuantity"]
            total += told["valueQuantity"]["value"]
        return total


def rules(answer: httpx.Response) -> set[str]:
    """Return the rules that a refusal names."""
    found = set()
    for issue in answer.json().get("issue", []):
        found |= {one["code"] for one in issue.get("details", {}).get("coding", [])}
    return found
