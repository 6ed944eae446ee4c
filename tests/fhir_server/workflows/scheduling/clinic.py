"""What tests of scheduling do over and over: slots that no other test has, appointments, the agenda."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import instant
from tests.fhir_server.workflows.orders.laboratory import rules

Resource = dict[str, Any]
__all__ = ["TOKENS", "Clinic", "directory", "participants", "rules"]

TOKENS = {
    "PT": ("PT", "Patient/p"),
    "PT2": ("PT", "Patient/q"),
    "DR": ("DR", "Practitioner/dr"),
    "DR2": ("DR", "Practitioner/dr2"),
    "RN": ("RN", "Practitioner/rn"),
    "AD": ("AD", "Practitioner/ad"),
}
CARDIOLOGY = {"coding": [{"system": "http://snomed.info/sct", "code": "394579002"}]}
MRI = {"coding": [{"system": "http://snomed.info/sct", "code": "113091000"}]}
REASON = {"coding": [{"system": "urn:x", "code": "pat"}]}
APPROVAL = {"system": "urn:fhir-hospital-server:scheduling", "code": "approval"}
_ROLE = {
    "resourceType": "PractitionerRole",
    "active": True,
    "specialty": [CARDIOLOGY],
    "availableTime": [
        {
            "daysOfWeek": ["mon", "tue", "wed", "thu", "fri"],
            "availableStartTime": "09:00:00",
            "availableEndTime": "12:00:00",
        }
    ],
}


def directory() -> list[Resource]:
    """Return the patients, the staff, and a Schedule of each doctor."""
    patient = {"resourceType": "Patient", "birthDate": "1980-02-03"}
    schedules = [
        {
            "resourceType": "Schedule",
            "id": name,
            "active": True,
            "specialty": [CARDIOLOGY],
            "actor": [{"reference": f"PractitionerRole/{doctor}"}],
        }
        for name, doctor in (("s", "r-dr"), ("s2", "r-dr2"))
    ]
    return [
        *(
            {"resourceType": "Practitioner", "id": one, "active": True, "name": [{"family": one}]}
            for one in ("dr", "dr2", "rn", "ad")
        ),
        *(
            _ROLE | {"id": f"r-{one}", "practitioner": {"reference": f"Practitioner/{one}"}}
            for one in ("dr", "dr2")
        ),
        {**patient, "id": "p", "name": [{"family": "Ashworth"}]},
        {**patient, "id": "q", "name": [{"family": "Birch"}]},
        {"resourceType": "Location", "id": "room", "name": "Room", "status": "active"},
        *schedules,
        {**schedules[0], "id": "asked", "meta": {"tag": [APPROVAL]}},
    ]


def participants(*actors: str, status: str = "accepted") -> list[Resource]:
    """Return participants."""
    return [{"actor": {"reference": one}, "required": "required", "status": status} for one in actors]


@dataclass(frozen=True)
class Clinic:
    """The clients of a server, and its database; each slot is at a time of its own."""

    clients: dict[str, httpx.Client]
    database: Any
    settings: Settings
    hours: Any = field(default_factory=lambda: count(1))
    monday: datetime = field(
        default_factory=lambda: (datetime.now(UTC) + timedelta(days=3)).replace(
            minute=0, second=0, microsecond=0
        )
    )

    def time(self) -> Resource:
        """Return an hour that nobody had before, with `start` and `end`."""
        start = self.monday + timedelta(hours=next(self.hours))
        return {"start": instant(start), "end": instant(start + timedelta(minutes=30))}

    def slot(self, schedule: str = "s", **elements: Any) -> Resource:
        """Create a free Slot."""
        slot = {"resourceType": "Slot", "status": "free", "schedule": {"reference": f"Schedule/{schedule}"}}
        return self.made("AD", {**slot, **self.time(), **elements})

    def appointment(self, slot: Resource | None = None, patient: str = "p", **elements: Any) -> Resource:
        """Return an Appointment, not stored, of a patient for a Slot."""
        of = (
            {}
            if slot is None
            else {
                "slot": [{"reference": f"Slot/{slot['id']}"}],
                "start": slot["start"],
                "end": slot["end"],
            }
        )
        status = {"resourceType": "Appointment", "status": "booked"}
        return {**status, "participant": participants(f"Patient/{patient}"), **of, **elements}

    def moment(self, slot: Resource) -> Resource:
        """Return the elements by which an Appointment is in a Slot."""
        return {name: self.appointment(slot)[name] for name in ("slot", "start", "end")}

    def booked(self, slot: Resource | None = None, token: str = "AD", **elements: Any) -> Resource:
        """Create an Appointment."""
        return self.made(token, self.appointment(slot or self.slot(), **elements))

    def post(self, token: str, resource: Resource) -> httpx.Response:
        """Create a resource."""
        return self.clients[token].post(f"/{resource['resourceType']}", json=resource)

    def made(self, token: str, resource: Resource) -> Resource:
        """Create a resource, which must go well."""
        answer = self.post(token, resource)
        assert answer.status_code == 201, answer.text
        found: Resource = answer.json()
        return found

    def put(self, token: str, resource: Resource, **elements: Any) -> httpx.Response:
        """Replace a resource by one with other elements."""
        path = f"/{resource['resourceType']}/{resource['id']}"
        changed = {name: value for name, value in {**resource, **elements}.items() if value is not None}
        return self.clients[token].put(path, json=changed)

    def read(self, resource: Resource) -> Resource:
        """Read a resource as it is now."""
        found: Resource = self.clients["SY"].get(f"/{resource['resourceType']}/{resource['id']}").json()
        return found

    def call(
        self, token: str, operation: str, appointment: Resource | None = None, **given: Any
    ) -> httpx.Response:
        """Call an operation on Appointment with an Appointment and further parameters."""
        listed = [] if appointment is None else [{"name": "appt-resource", "resource": appointment}]
        listed += [{"name": name.replace("_", "-"), "valueString": value} for name, value in given.items()]
        body = {"resourceType": "Parameters", "parameter": listed}
        return self.clients[token].post(f"/Appointment/{operation}", json=body)

    def answered(
        self, token: str, appointment: Resource, actor: str, said: str, **more: Any
    ) -> httpx.Response:
        """Answer a request."""
        answer = {
            "resourceType": "AppointmentResponse",
            "appointment": {"reference": f"Appointment/{appointment['id']}"},
            "actor": {"reference": actor},
            "participantStatus": said,
        }
        return self.post(token, {**answer, **more})

    def told(self, appointment: Resource, state: str = "waiting") -> list[tuple[str, str]]:
        """Return which notices about an Appointment wait, and for whom; sent ones count as waiting."""
        states = [state, "done", "parked"] if state == "waiting" else [state]
        found = self.database["agenda"].find(
            {"subject": f"Appointment/{appointment['id']}", "state": {"$in": states}, "action": "W14.notify"}
        )
        return sorted((one["data"]["kind"], one["data"]["recipient"]) for one in found)

    def due(self, appointment: Resource, action: str) -> int:
        """Make what waits for an Appointment due now; return how many entries there were."""
        found = self.database["agenda"].update_many(
            {"subject": f"Appointment/{appointment['id']}", "state": "waiting", "action": action},
            {"$set": {"due": datetime.now(UTC)}},
        )
        return int(found.modified_count)

    def fresh_patient(self) -> str:
        """Create a patient of whom nothing is booked."""
        patient = {
            "resourceType": "Patient",
            "id": new_id(),
            "name": [{"family": new_id()}],
            "birthDate": "1970-01-01",
        }
        assert self.put("SY", patient).status_code == 201
        return str(patient["id"])
