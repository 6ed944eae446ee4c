"""The hospital and its departments, the services it offers, the insurers and the suppliers it works with.

https://hl7.org/fhir/R4/organization.html, https://hl7.org/fhir/R4/healthcareservice.html
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.demo.datatypes import Code, Resource, concept, hl7, identifier, link, resource, snomed
from fhir_server.demo.tables import by_key

HOSPITAL_NAME = "Saguaro Valley Hospital"
HOSPITAL_ID = "saguaro-valley-hospital"
CITY = {"city": "Saguaro Valley", "state": "AZ", "postalCode": "85999", "country": "US"}


@dataclass(frozen=True, slots=True)
class Department:
    """A department; those with a `service` see patients, and have a HealthcareService."""

    key: str
    name: str
    specialty: Code | None
    category: Code | None
    service: Code | None

    @property
    def organization(self) -> dict[str, str]:
        """A Reference to the Organization."""
        return link("Organization", f"department-{self.key}", self.name)

    @property
    def healthcare_service(self) -> dict[str, str]:
        """A Reference to the HealthcareService."""
        return link("HealthcareService", f"service-{self.key}", self.name)

    def offer(self) -> dict[str, Any]:
        """Return what schedules, slots and appointments say about their kind."""
        return {
            "serviceCategory": [concept(self.category)] if self.category else None,
            "serviceType": [concept(self.service)] if self.service else None,
            "specialty": [concept(self.specialty)] if self.specialty else None,
        }


@cache
def find_department(key: str) -> Department:
    """Return the department that the tables know as `key`."""
    row = by_key("departments")[key]
    return Department(
        key,
        row["name"],
        snomed(row["specialty"], row["specialty_display"]) if row["specialty"] else None,
        hl7("service-category", row["category"], row["category_display"]) if row["category"] else None,
        hl7("service-type", row["service"], row["service_display"]) if row["service"] else None,
    )


def departments() -> list[Department]:
    """Return all departments."""
    return [find_department(key) for key in by_key("departments")]


@dataclass(frozen=True, slots=True)
class Partner:
    """An organisation outside the hospital: an insurer or a supplier."""

    key: str
    name: str
    kind: Code

    @property
    def reference(self) -> dict[str, str]:
        """A Reference to the Organization."""
        return link("Organization", self.key, self.name)


_PAYER = hl7("organization-type", "pay", "Payer")
_BUSINESS = hl7("organization-type", "bus", "Non-Healthcare Business or Corporation")

PUBLIC_PLAN = Partner("payer-copper-state", "Copper State Public Health Plan", _PAYER)
CHILDREN_PLAN = Partner("payer-little-cactus", "Little Cactus Children's Plan", _PAYER)
MUTUAL = Partner("payer-mesquite-mutual", "Mesquite Mutual Health", _PAYER)
SONORAN = Partner("payer-sonoran-care", "Sonoran Care Insurance", _PAYER)
MEDICINES_SUPPLIER = Partner("supplier-ocotillo", "Ocotillo Pharmaceuticals Wholesale", _BUSINESS)
DEVICES_SUPPLIER = Partner("supplier-ironwood", "Ironwood Medical Devices", _BUSINESS)
PARTNERS = (PUBLIC_PLAN, CHILDREN_PLAN, MUTUAL, SONORAN, MEDICINES_SUPPLIER, DEVICES_SUPPLIER)


def head_office() -> dict[str, str]:
    """Return a Reference to the hospital as an Organization."""
    return link("Organization", HOSPITAL_ID, HOSPITAL_NAME)


def organizations() -> list[Resource]:
    """Return the hospital, its departments, and its partners."""
    return [_hospital(), *map(_organization, departments()), *map(_partner, PARTNERS)]


def _hospital() -> Resource:
    elements = {
        "identifier": [identifier(None, "organization", "SVH")],
        "active": True,
        "type": [concept(hl7("organization-type", "prov", "Healthcare Provider"))],
        "name": HOSPITAL_NAME,
        "alias": ["SVH"],
        "telecom": [
            {"system": "phone", "value": "+1-602-555-0100", "use": "work"},
            {"system": "email", "value": "office@saguaro-valley.example", "use": "work"},
        ],
        "address": [{"use": "work", "line": ["1 Ocotillo Avenue"], **CITY}],
    }
    return resource("Organization", HOSPITAL_ID, elements)


def _organization(one: Department) -> Resource:
    elements = {
        "active": True,
        "type": [concept(hl7("organization-type", "dept", "Hospital Department"))],
        "name": one.name,
        "partOf": head_office(),
    }
    return resource("Organization", f"department-{one.key}", elements)


def _partner(partner: Partner) -> Resource:
    elements = {"active": True, "type": [concept(partner.kind)], "name": partner.name}
    return resource("Organization", partner.key, elements)


def healthcare_services(rooms: dict[str, dict[str, str]]) -> list[Resource]:
    """Return what each department offers; `rooms` are References to the Location where each one is found."""
    return [_service(one, rooms[one.key]) for one in departments() if one.service]


def _service(one: Department, room: dict[str, str]) -> Resource:
    offer = one.offer()
    elements = {
        "active": True,
        "providedBy": one.organization,
        "category": offer["serviceCategory"],
        "type": offer["serviceType"],
        "specialty": offer["specialty"],
        "location": [room],
        "name": one.name,
        "appointmentRequired": one.key != "emergency",
    }
    return resource("HealthcareService", f"service-{one.key}", elements)
