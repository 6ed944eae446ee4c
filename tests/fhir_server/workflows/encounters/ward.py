"""What the tests of encounters, beds, emergencies and discharges have in common."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

Resource = dict[str, Any]

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
BED_STATES = "http://terminology.hl7.org/CodeSystem/v2-0116"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
PATCH = {"content-type": "application/json-patch+json"}


def moment(minutes: int = 0) -> str:
    """Return the time so many minutes from now."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")


def rules(answer: httpx.Response) -> set[str]:
    """Return the rules that a refusal names."""
    found = set()
    for issue in answer.json().get("issue", []):
        found |= {one["code"] for one in issue.get("details", {}).get("coding", [])}
    return found


def concept(system: str, code: str) -> Resource:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def attender(person: str) -> Resource:
    """Return the participant who is responsible."""
    return {"type": [concept(PARTICIPATION, "ATND")], "individual": {"reference": person}}


class Ward:
    """A ward of its own for each test."""

    def __init__(self, client: httpx.Client) -> None:
        """Make a ward with a room in it, a doctor and a patient."""
        self.client = client
        self.ward = self.place("wa")
        self.room = self.place("ro", self.ward)
        self.doctor = self.put({"resourceType": "Practitioner", "name": [{"family": "Doe"}]})
        self.patient = self.put({"resourceType": "Patient", "name": [{"family": "Ill"}]})

    def put(self, resource: Resource) -> str:
        """Store a resource under a new id and return its reference."""
        made = {"id": uuid.uuid4().hex, **resource}
        answer = self.client.put(f"/{made['resourceType']}/{made['id']}", json=made)
        assert answer.status_code == 201, answer.text
        return f"{made['resourceType']}/{made['id']}"

    def get(self, reference: str) -> Any:
        """Return a resource."""
        answer = self.client.get(f"/{reference}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def place(self, kind: str, within: str | None = None, state: str | None = None) -> str:
        """Make a place."""
        made: Resource = {"resourceType": "Location", "name": kind, "physicalType": concept(PHYSICAL, kind)}
        made["status"] = "active"
        if within:
            made["partOf"] = {"reference": within}
        if state:
            made["operationalStatus"] = {"system": BED_STATES, "code": state}
        return self.put(made)

    def bed(self, state: str | None = None) -> str:
        """Make a bed in the room."""
        return self.place("bd", self.room, state)

    def state(self, bed: str) -> str:
        """Return the state of a bed."""
        return str(self.get(bed)["operationalStatus"]["code"])

    def encounter(self, status: str = "in-progress", kind: str = "AMB", **more: Any) -> Resource:
        """Return an encounter of the patient."""
        made = {
            "resourceType": "Encounter",
            "status": status,
            "class": {"system": ACT, "code": kind},
            "subject": {"reference": self.patient},
            "participant": [attender(self.doctor)],
            **more,
        }
        return {name: value for name, value in made.items() if value is not None}

    def begin(self, status: str = "in-progress", kind: str = "AMB", **more: Any) -> str:
        """Store an encounter."""
        return self.put(self.encounter(status, kind, **more))

    def call(self, address: str, **values: Any) -> httpx.Response:
        """Call an operation with parameters: text, booleans, numbers, or what is about to be referred to."""
        listed = []
        for name, value in values.items():
            key = {bool: "valueBoolean", int: "valueInteger"}.get(type(value), "valueString")
            if isinstance(value, str) and "/" in value and " " not in value:
                key, value = "valueReference", {"reference": value}
            if isinstance(value, dict) and "coding" in value:
                key = "valueCodeableConcept"
            listed.append({"name": name.replace("_", "-"), key: value})
        body = (
            {"resourceType": "Parameters", "parameter": listed} if listed else {"resourceType": "Parameters"}
        )
        return self.client.post(f"/{address}", json=body)

    def set(self, reference: str, **elements: Any) -> httpx.Response:
        """Change elements of a resource by PUT."""
        return self.client.put(f"/{reference}", json={**self.get(reference), **elements})

    def patch(self, reference: str, path: str, value: Any, op: str = "replace") -> httpx.Response:
        """Change one element by PATCH."""
        body = [{"op": op, "path": path, "value": value}]
        return self.client.patch(f"/{reference}", json=body, headers=PATCH)

    def transact(self, *resources: Resource) -> httpx.Response:
        """Store resources in a transaction: those that have an id by PUT."""
        entries = []
        for one in resources:
            kind = one["resourceType"]
            asked = {"method": "POST", "url": kind}
            if "id" in one:
                asked = {"method": "PUT", "url": f"{kind}/{one['id']}"}
            entries.append({"resource": one, "request": asked})
        return self.client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})

    def search(self, query: str) -> list[Resource]:
        """Return what a search finds."""
        answer = self.client.get(f"/{query}")
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json().get("entry", ())]
