"""What tests of orders and results do over and over: write, read, and look into the agenda."""

from dataclasses import dataclass
from typing import Any

import httpx

from fhir_server.identifiers import new_id
from fhir_server.settings import Settings

Resource = dict[str, Any]

ROLES = ("PT", "DR", "RN", "LB", "PH", "BC", "AD", "AU")
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
MEANING = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
NOPAT = "http://terminology.hl7.org/CodeSystem/v3-ActCode|NOPAT"
LOINC = "http://loinc.org"


def treated() -> list[Resource]:
    """Return the patients, one of whom the doctor treats, and the staff."""
    patient = {"resourceType": "Patient", "name": [{"family": "Ashworth"}], "birthDate": "1980-02-03"}
    doctor = {"generalPractitioner": [{"reference": "Practitioner/dr"}]}
    staff = ("dr", "lb", "rn", "chief")
    return [
        *({"resourceType": "Practitioner", "id": one, "name": [{"family": one}]} for one in staff),
        {**patient, "id": "p", **doctor},
        {**patient, "id": "q"},
    ]


def coded(system: str, code: str) -> Resource:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def refer(resource: Resource) -> Resource:
    """Return a reference to a resource."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def rules(answer: httpx.Response) -> set[str]:
    """Return the rules that an answer says are broken."""
    found = set()
    for issue in answer.json()["issue"]:
        for coding in issue.get("details", {}).get("coding", ()):
            if coding.get("system") == "urn:fhir-hospital-server:rules":
                found.add(coding["code"])
    return found


@dataclass(frozen=True)
class Laboratory:
    """The clients of a server, and its database."""

    clients: dict[str, httpx.Client]
    database: Any
    settings: Settings

    def post(self, role: str, resource: Resource) -> httpx.Response:
        """Create a resource."""
        return self.clients[role].post(f"/{resource['resourceType']}", json=resource)

    def made(self, role: str, resource: Resource) -> Resource:
        """Create a resource, which must go well."""
        answer = self.post(role, resource)
        assert answer.status_code == 201, answer.text
        found: Resource = answer.json()
        return found

    def put(self, role: str, resource: Resource) -> httpx.Response:
        """Replace a resource."""
        return self.clients[role].put(f"/{resource['resourceType']}/{resource['id']}", json=resource)

    def changed(self, role: str, resource: Resource, **elements: Any) -> Resource:
        """Replace a resource by one with other elements, which must go well."""
        answer = self.put(role, {**self.read(resource), **elements})
        assert answer.status_code == 200, answer.text
        found: Resource = answer.json()
        return found

    def patch(self, role: str, resource: Resource, path: str, value: Any) -> httpx.Response:
        """Patch one element of a resource."""
        patch = [{"op": "add", "path": f"/{path}", "value": value}]
        return self.clients[role].patch(
            f"/{resource['resourceType']}/{resource['id']}",
            json=patch,
            headers={"content-type": "application/json-patch+json"},
        )

    def read(self, resource: Resource, role: str = "SY") -> Resource:
        """Read a resource as it is now."""
        answer = self.clients[role].get(f"/{resource['resourceType']}/{resource['id']}")
        assert answer.status_code == 200, answer.text
        found: Resource = answer.json()
        return found

    def found(self, role: str, search: str) -> list[Resource]:
        """Return what a search finds."""
        answer = self.clients[role].get(f"/{search}")
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json().get("entry", ())]

    def transaction(self, role: str, *resources: Resource) -> httpx.Response:
        """Replace several resources at once."""
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": refer(one)["reference"]}}
            for one in resources
        ]
        return self.clients[role].post(
            "/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
        )

    def order(self, patient: str = "p", **elements: Any) -> Resource:
        """Have the doctor order a test."""
        order = {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "code": coded(LOINC, "24321-2"),
            "subject": {"reference": f"Patient/{patient}"},
            "requester": {"reference": "Practitioner/dr"},
            **elements,
        }
        return self.made("DR" if patient == "p" else "SY", order)

    def result(self, order: Resource | None = None, meaning: str = "N", **elements: Any) -> Resource:
        """Return a result that is not stored yet."""
        return {
            "resourceType": "Observation",
            "id": new_id(),
            "status": "final",
            "category": [coded(CATEGORY, "laboratory")],
            "code": coded(LOINC, "2823-3"),
            "subject": order["subject"] if order else {"reference": "Patient/p"},
            **({"basedOn": [refer(order)]} if order else {}),
            "interpretation": [coded(MEANING, meaning)],
            "valueQuantity": {"value": 4.10, "unit": "mmol/L"},
            "referenceRange": [{"low": {"value": 3.50}, "high": {"value": 5.10}}],
            **elements,
        }

    def report(self, order: Resource | None, *results: Resource, **elements: Any) -> Resource:
        """Return a report that is not stored yet."""
        return {
            "resourceType": "DiagnosticReport",
            "id": new_id(),
            "status": "final",
            "code": coded(LOINC, "24321-2"),
            "subject": order["subject"] if order else {"reference": "Patient/p"},
            **({"basedOn": [refer(order)]} if order else {}),
            **({"result": [refer(one) for one in results]} if results else {}),
            **elements,
        }

    def reported(self, meaning: str = "N", **elements: Any) -> tuple[Resource, Resource, Resource]:
        """Order a test and have it reported; return order, result and report."""
        order = self.order()
        result = self.result(order, meaning)
        report = self.report(order, result, **elements)
        answer = self.transaction("LB", result, report)
        assert answer.status_code == 200, answer.text
        return order, self.read(result), self.read(report)

    def release(self, report: Resource, role: str = "DR") -> httpx.Response:
        """Release a report."""
        return self.clients[role].post(f"/DiagnosticReport/{report['id']}/$release")

    def told(self, kind: str, resource: Resource) -> list[str]:
        """Return who is or was told of something about a resource, as often as it happens."""
        key = f"notice/{refer(resource)['reference']}/{kind}/"
        found = self.database["agenda"].find({"_id": {"$regex": f"^{key}"}, "state": {"$ne": "struck"}})
        return sorted(one["data"]["recipient"] for one in found)

    def agenda(self, beginning: str) -> dict[str, str]:
        """Return the states of the entries whose keys begin so."""
        found = self.database["agenda"].find({"_id": {"$regex": f"^{beginning}"}})
        return {one["_id"]: one["state"] for one in found}
