"""Where things are: the site, its buildings, wards, rooms and beds, each part of the one before.

https://hl7.org/fhir/R4/location.html; states of a bed: https://hl7.org/fhir/R4/v2/0116/index.html
"""

from dataclasses import dataclass
from typing import Any

from fhir_server.demo.datatypes import Code, Resource, concept, hl7, link, refer, resource
from fhir_server.demo.departments import CITY, HOSPITAL_ID, HOSPITAL_NAME, departments, find_department

SITE = hl7("location-physical-type", "si", "Site")
BUILDING = hl7("location-physical-type", "bu", "Building")
WARD = hl7("location-physical-type", "wa", "Ward")
ROOM = hl7("location-physical-type", "ro", "Room")
BED = hl7("location-physical-type", "bd", "Bed")

_BED_STATES = {
    code: hl7("v2-0116", code, display)
    for code, display in {
        "C": "Closed",
        "H": "Housekeeping",
        "I": "Isolated",
        "K": "Contaminated",
        "O": "Occupied",
        "U": "Unoccupied",
    }.items()
}
_HOSPITAL_UNIT = hl7("v3-RoleCode", "HU", "Hospital unit")


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward: the department that it belongs to, and how many beds are in each of its rooms."""

    key: str
    name: str
    department: str
    beds_of_rooms: tuple[int, ...]
    kind: Code = _HOSPITAL_UNIT


WARDS = (
    Ward("ed", "Emergency Bays", "emergency", (1,) * 8, hl7("v3-RoleCode", "ER", "Emergency room")),
    Ward("2a", "Ward 2A Internal Medicine", "internal-medicine", (2,) * 6),
    Ward("2b", "Ward 2B Cardiology", "cardiology", (2,) * 5),
    Ward("3a", "Ward 3A Surgery", "surgery", (2,) * 5),
    Ward("3b", "Ward 3B Orthopaedics", "orthopaedics", (2,) * 4),
    Ward("4a", "Ward 4A Maternity", "maternity", (2,) * 4),
    Ward("4b", "Ward 4B Paediatrics", "paediatrics", (2,) * 3, hl7("v3-RoleCode", "PEDU", "Pediatric unit")),
    Ward(
        "icu",
        "Intensive Care Unit",
        "intensive-care",
        (1,) * 6,
        hl7("v3-RoleCode", "ICU", "Intensive care unit"),
    ),
)

_LABORATORY = hl7("v3-RoleCode", "HLAB", "hospital laboratory")
_RADIOLOGY = hl7("v3-RoleCode", "HRAD", "radiology unit")
_OUTPATIENTS = hl7("v3-RoleCode", "OF", "Outpatient facility")

# Rooms in which nobody stays overnight: key, name, department, kind, building.
_OTHER_ROOMS = (
    ("theatre-1", "Operating Theatre 1", "surgery", _HOSPITAL_UNIT, "main"),
    ("theatre-2", "Operating Theatre 2", "orthopaedics", _HOSPITAL_UNIT, "main"),
    ("laboratory", "Laboratory", "laboratory", _LABORATORY, "main"),
    ("mri", "MRI Room", "radiology", _RADIOLOGY, "main"),
    ("x-ray", "X-ray Room", "radiology", _RADIOLOGY, "main"),
    ("pharmacy", "Pharmacy", "pharmacy", hl7("v3-RoleCode", "INPHARM", "inpatient pharmacy"), "main"),
    ("store", "Central Store", "supplies", _HOSPITAL_UNIT, "main"),
    *(
        (f"consulting-{number}", f"Consulting Room {number}", None, _OUTPATIENTS, "pavilion")
        for number in range(1, 17)
    ),
)


@dataclass(slots=True)
class Bed:
    """A bed and its state, a code of v2-0116, which changes while patients are admitted."""

    resource: Resource
    ward: Ward
    state: str = "U"

    @property
    def reference(self) -> dict[str, str]:
        """A Reference to the Location."""
        return refer(self.resource, self.resource["name"])


def room(key: str) -> dict[str, str]:
    """Return a Reference to one of the rooms without beds."""
    name = next(name for candidate, name, *_ in _OTHER_ROOMS if candidate == key)
    return link("Location", f"room-{key}", name)


def department_rooms() -> dict[str, dict[str, str]]:
    """Return, for each department that sees patients, where it is found: its ward, or a room."""
    found = {ward.department: link("Location", f"ward-{ward.key}", ward.name) for ward in WARDS}
    named = {"radiology": room("x-ray"), "laboratory": room("laboratory")}
    outpatients = link("Location", "building-pavilion", "Outpatient Pavilion")
    return {one.key: found.get(one.key) or named.get(one.key) or outpatients for one in departments()}


class Places:
    """All locations of the hospital, and its beds, which are given to patients one after the other."""

    def __init__(self) -> None:
        """Build everything, with every bed free."""
        self.beds: list[Bed] = []
        self._fixed = [_site(), *(_building(key, name) for key, name in _BUILDINGS)]
        for ward in WARDS:
            self._add_ward(ward)
        self._fixed += [_other_room(*row) for row in _OTHER_ROOMS]

    def _add_ward(self, ward: Ward) -> None:
        main = link("Location", "building-main", "Main Building")
        one = _location(f"ward-{ward.key}", ward.name, WARD, main, ward.department, ward.kind)
        self._fixed.append(one)
        for number, beds in enumerate(ward.beds_of_rooms, start=1):
            key, name = f"{ward.key}-{number}", f"{ward.key.upper()} {number}"
            home = _location(
                f"room-{key}", f"Room {name}", ROOM, refer(one, ward.name), ward.department, ward.kind
            )
            self._fixed.append(home)
            for letter in "ab"[:beds]:
                parent = refer(home, home["name"])
                bed = _location(
                    f"bed-{key}{letter}", f"Bed {name}{letter}", BED, parent, ward.department, ward.kind
                )
                self.beds.append(Bed(bed, ward))

    def occupy(self, department: str, *, reserve: bool = False) -> Bed | None:
        """Give out a free bed of `department`, if there is one left; a reserved one stays unoccupied.

        Each ward keeps a few beds free, so that there is something to plan with.
        """
        free = [bed for bed in self.beds if bed.ward.department == department and bed.state == "U"]
        spare = 0 if reserve else 2
        if len(free) <= spare:
            return None
        free[0].state = "reserved" if reserve else "O"
        return free[0]

    def close_some(self) -> None:
        """Put some free beds into the states that are neither free nor occupied."""
        wards = ("2a", "2b", "3a", "3b")
        for ward, state in zip(wards, "HCKI", strict=True):
            free = [bed for bed in self.beds if bed.ward.key == ward and bed.state == "U"]
            if free:
                free[-1].state = state

    def resources(self) -> list[Resource]:
        """Return all locations, containers first, each bed with its state."""
        return self._fixed + [_with_state(bed) for bed in self.beds]


_BUILDINGS = (("main", "Main Building"), ("pavilion", "Outpatient Pavilion"))


def _site() -> Resource:
    elements = {
        "status": "active",
        "name": HOSPITAL_NAME,
        "mode": "instance",
        "type": [concept(hl7("v3-RoleCode", "HOSP", "Hospital"))],
        "telecom": [{"system": "phone", "value": "+1-602-555-0100"}],
        "address": {"line": ["1 Ocotillo Avenue"], **CITY},
        "physicalType": concept(SITE),
        "position": {"longitude": -112, "latitude": 33},
        "managingOrganization": link("Organization", HOSPITAL_ID, HOSPITAL_NAME),
    }
    return resource("Location", "site", elements)


def _building(key: str, name: str) -> Resource:
    return _location(f"building-{key}", name, BUILDING, link("Location", "site", HOSPITAL_NAME))


def _other_room(key: str, name: str, department: str | None, kind: Code, building: str) -> Resource:
    parent = link("Location", f"building-{building}", dict(_BUILDINGS)[building])
    return _location(f"room-{key}", name, ROOM, parent, department, kind)


def _location(
    identity: str,
    name: str,
    form: Code,
    part_of: dict[str, str],
    department: str | None = None,
    kind: Code | None = None,
) -> Resource:
    elements: dict[str, Any] = {
        "status": "active",
        "name": name,
        "mode": "instance",
        "type": [concept(kind)] if kind else None,
        "physicalType": concept(form),
        "managingOrganization": find_department(department).organization if department else None,
        "partOf": part_of,
    }
    return resource("Location", identity, elements)


def _with_state(bed: Bed) -> Resource:
    state = _BED_STATES["U" if bed.state == "reserved" else bed.state]
    status = "suspended" if bed.state == "C" else "active"
    return bed.resource | {"status": status, "operationalStatus": state.coding()}
