"""Beds and the places that they are in: kinds, states, and which encounters have one.

https://hl7.org/fhir/R4/location.html, https://hl7.org/fhir/R4/v2/0116/index.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.workflows.encounters.terms import ENDED
from fhir_server.workflows.made import concept, has_code
from fhir_server.workflows.pattern import Rule, StateTable
from fhir_server.workflows.references import reference_of

Resource = Mapping[str, Any]

PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
STATES = "http://terminology.hl7.org/CodeSystem/v2-0116"
SNOMED = "http://snomed.info/sct"
HOUSEKEEPING = "urn:fhir-hospital-server:housekeeping"
"""The codes of cleaning Tasks: `clean`, and `decontaminate` after isolation."""
CLEAN, DECONTAMINATE = "clean", "decontaminate"
NAMES = {
    "C": "Closed",
    "H": "Housekeeping",
    "O": "Occupied",
    "U": "Unoccupied",
    "K": "Contaminated",
    "I": "Isolated",
}
NEXT: Mapping[str, str] = {"U": "OHCKI", "I": "OHCKU", "O": "HK", "H": "UICK", "K": "HUIC", "C": "UIHK"}
"""The states of a bed, and those that may follow each."""
LEVELS = {"si": 0, "bu": 1, "wi": 2, "lvl": 3, "wa": 4, "ro": 5, "bd": 6}
"""What is within what: a place is part of one of a lower level."""
LIVE = ("active", "reserved")
OPEN = "planned,arrived,triaged,in-progress,onleave,unknown"

HIERARCHY = Rule("W5.hierarchy", "A bed is in a room, a room on a ward, a ward in a building, of a site.")
STATE_CODE = Rule("W5.state-code", "The state of a place is a code of v2-0116.", 422, "code-invalid")
BED_STATE = Rule("W5.bed-state", "A bed that was used is cleaned before it is free.")
AGREES = Rule("W5.occupied-by-encounter", "A bed is occupied while a patient has it, and only then.")
IN_USE = Rule("W5.bed-in-use", "A bed that somebody has, or that is reserved, stays a bed.", 409, "conflict")
TAKEN = Rule(
    "W5.bed-taken", "A bed is for one encounter at a time, be it occupied or reserved.", 409, "conflict"
)
NOT_ASSIGNABLE = Rule("W5.not-assignable", "A closed, contaminated or uncleaned bed is given to nobody.")
NOT_A_BED = Rule("W5.not-a-bed", "Who is given a bed is given a place that is one.")
ONE_BED = Rule("W5.one-bed", "A patient lies in one bed at a time, and has no more than one reserved.")
ISOLATION = Rule("W5.isolation", "Isolation beds are for patients to be isolated, who lie in no others.")
NOT_HERE = Rule("W5.not-here", "A patient who lies in a bed has arrived, and is not gone.")
CLEANING_STATE = Rule("W5.cleaning-state", "A cleaning task goes from requested to its end, and ends once.")

RULES = (
    *(HIERARCHY, STATE_CODE, BED_STATE, AGREES, IN_USE, TAKEN, NOT_ASSIGNABLE, NOT_A_BED, ONE_BED),
    *(ISOLATION, NOT_HERE, CLEANING_STATE),
)
_WRONG = "entered-in-error"
_ENDS = ("completed", "rejected", "failed", "cancelled", _WRONG)


def is_cleaning(task: Resource) -> bool:
    """Tell whether a Task is to clean a bed."""
    return has_code(task.get("code"), HOUSEKEEPING, CLEAN, DECONTAMINATE)


CLEANING = StateTable(
    "Task",
    CLEANING_STATE,
    {
        "requested": ("received", "accepted", "in-progress", "on-hold", *_ENDS),
        "received": ("accepted", "in-progress", "on-hold", *_ENDS),
        "accepted": ("in-progress", "on-hold", *_ENDS),
        "in-progress": ("on-hold", *_ENDS),
        "on-hold": ("accepted", "in-progress", *_ENDS),
        "completed": (_WRONG,),
        "rejected": (_WRONG,),
        "failed": (_WRONG,),
        "cancelled": (_WRONG,),
        _WRONG: (),
    },
    applies=is_cleaning,
)


def kind_of(location: Resource | None) -> str | None:
    """Return the physical type of a place, such as `bd`."""
    for coding in (location or {}).get("physicalType", {}).get("coding", ()):
        if coding.get("system") == PHYSICAL:
            return str(coding.get("code"))
    return None


def state_of(location: Resource | None) -> str | None:
    """Return the operational status of a place."""
    found: str | None = (location or {}).get("operationalStatus", {}).get("code")
    return found


def state(code: str) -> dict[str, str]:
    """Return an operational status."""
    return {"system": STATES, "code": code, "display": NAMES[code]}


BED = concept(PHYSICAL, "bd", "Bed")


def uses(encounter: Resource | None) -> Iterator[tuple[str, str]]:
    """Yield the places that an encounter has now, or has reserved: reference, and `active` or `reserved`."""
    if encounter is None or encounter.get("status") in ENDED:
        return
    for one in encounter.get("location", ()):
        where, how = reference_of(one.get("location")), one.get("status")
        if where and how in LIVE:
            yield where, how


def wants_isolation(encounter: Resource) -> bool:
    """Tell whether an encounter says that the patient is to be isolated."""
    arrangements = encounter.get("hospitalization", {}).get("specialArrangement", [])
    return has_code(arrangements, STATES, "I")
