"""What the tests of staff have in common: people, their roles, and what they are asked."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

Resource = dict[str, Any]

TASKS = "urn:fhir-hospital-server:staff-task"
PATCH = {"content-type": "application/json-patch+json"}
LICENCE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MD"}],
}


def at(**later: float) -> str:
    """Return a moment so much later than now."""
    return (datetime.now(UTC) + timedelta(**later)).isoformat(timespec="seconds")


def day(days: int) -> str:
    """Return a date so many days from now."""
    return at(days=days)[:10]


class House:
    """Somebody who works in a hospital, whom no other test knows."""

    def __init__(self, client: httpx.Client) -> None:
        """Work on a server."""
        self.client = client

    def put(self, resource: Resource) -> str:
        """Store a resource under a new id and return its reference."""
        made = {"id": uuid.uuid4().hex, **resource}
        answer = self.client.put(f"/{made['resourceType']}/{made['id']}", json=made)
        assert answer.status_code in (200, 201), answer.text
        return f"{made['resourceType']}/{made['id']}"

    def doctor(self, end: str | None = None, **more: Any) -> str:
        """Make a doctor, whose licence ends at a date."""
        period = {"start": "2015-01-01"} | ({"end": end} if end else {})
        qualification = [{"code": {"text": "Licence"}, "period": period}]
        name = [{"family": "Doe"}]
        return self.put(
            {"resourceType": "Practitioner", "name": name, "qualification": qualification, **more}
        )

    def role(self, practitioner: str, **more: Any) -> str:
        """Make a role of theirs."""
        role = {
            "resourceType": "PractitionerRole",
            "active": True,
            "period": {"start": "2020-01-01"},
            "practitioner": {"reference": practitioner},
            **more,
        }
        return self.put({name: value for name, value in role.items() if value is not None})

    def appointment(self, actor: str, hours: float = 48, status: str = "booked") -> Resource:
        """Return an appointment with somebody."""
        return {
            "resourceType": "Appointment",
            "status": status,
            "start": at(hours=hours),
            "end": at(hours=hours + 0.5),
            "participant": [{"actor": {"reference": actor}, "status": "accepted"}],
        }

    def prescription(self, requester: str, status: str = "active") -> Resource:
        """Return a prescription."""
        return {
            "resourceType": "MedicationRequest",
            "status": status,
            "intent": "order",
            "subject": {"reference": f"Patient/{uuid.uuid4().hex}"},
            "requester": {"reference": requester},
            "medicationCodeableConcept": {"text": f"Pill {uuid.uuid4().hex}"},
        }

    def post(self, resource: Resource) -> httpx.Response:
        """Create a resource."""
        return self.client.post(f"/{resource['resourceType']}", json=resource)

    def patch(self, reference: str, **values: Any) -> httpx.Response:
        """Set elements of a resource by a PATCH."""
        steps = [{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]
        return self.client.patch(f"/{reference}", json=steps, headers=PATCH)

    def absolute(self, reference: str) -> str:
        """Return a reference with the address of the server."""
        return f"{str(self.client.base_url).rstrip('/')}/{reference}"

    def get(self, reference: str) -> Resource:
        """Return a resource."""
        found: Resource = self.client.get(f"/{reference}").json()
        return found

    def task(self, kind: str, focus: str, **more: Any) -> Resource:
        """Return a request about staff."""
        return {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "code": {"coding": [{"system": TASKS, "code": kind}]},
            "focus": {"reference": focus},
            **more,
        }


def rules(answer: httpx.Response) -> set[str]:
    """Return the rules that a refusal names."""
    found = set()
    for issue in answer.json().get("issue", []):
        found |= {one["code"] for one in issue.get("details", {}).get("coding", [])}
    return found


def transaction(*resources: Resource) -> Resource:
    """Return a transaction that creates resources."""
    entries = [
        {"resource": one, "request": {"method": "POST", "url": one["resourceType"]}} for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
