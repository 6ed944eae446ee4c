"""People of the staff, organizations and places that a message names: drafts of their own, and references.

Who or what has no number is named in the reference and no resource, lest two people become one.
https://hl7.org/fhir/R4/references.html#Reference, HL7 v2.5.1 §2.A.88 (XCN), §2.A.53 (PL)
"""

from typing import Any
from urllib.parse import quote

from adapters.to_fhir.datatypes.codes import codings
from adapters.to_fhir.datatypes.identifiers import authority_of_ei, check_digit, system_of, typed
from adapters.to_fhir.datatypes.people import xcn_name
from adapters.to_fhir.drafts import REFERENCE, Identity
from adapters.to_fhir.rules import pure, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import OWN_CODES
from adapters.to_fhir.tables.codes import system_of as coding_system
from adapters.to_fhir.value import Value

Reference = dict[str, Any]

_DEGREES = "0360"
_NPI = "http://hl7.org/fhir/sid/us-npi"
PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
_LEVELS = (
    (4, "si", "Site"),
    (7, "bu", "Building"),
    (8, "lvl", "Level"),
    (1, "wa", "Ward"),
    (2, "ro", "Room"),
    (3, "bd", "Bed"),
)
"""The components of a PL from the widest to the narrowest: what is in what, by which kind of place.

The guide leaves the kind of a point of care (PL-1) open; here it is a ward.
"""


@pure
def practitioner(value: Value, scope: Scope) -> Reference | None:
    """Return the reference to the member of the staff that an XCN or CNN names."""
    name = _name(value, scope)
    shown = " ".join([*name.get("prefix", ()), *name.get("given", ()), name.get("family", "")]).strip()
    number = value[1]
    if not number:
        return {"display": shown} if shown else None
    system = _NPI if value[13] == "NPI" else system_of(value.part(9), scope)
    identifier = _identifier(system, number, value[13], value.part(11), scope)
    resource: dict[str, Any] = {"resourceType": "Practitioner", "identifier": [identifier]}
    if name:
        resource["name"] = [name]
    degrees = codings(value.part(7), "", _DEGREES)
    if degrees:
        resource["qualification"] = [{"code": {"coding": degrees}}]
    key = f"practitioner:{system}|{number}"
    draft = scope.add(key, resource, identities=(Identity(system, number),), presence="minimal")
    _traced(scope, key, "Practitioner", "XCN[Practitioner]")
    return draft.reference | ({"display": shown} if shown else {})


def _name(value: Value, scope: Scope) -> dict[str, Any]:
    """Return the name in an XCN; whoever traces where elements come from hears of the name as a whole."""
    steps, scope.steps = scope.steps, None
    try:
        made: dict[str, Any] | None = xcn_name(value, scope)
    finally:
        scope.steps = steps
    return made or {}


def _identifier(system: str, number: str, kind: str, digit: Value, scope: Scope) -> dict[str, Any]:
    """Return an Identifier with its type (table 0203) and check digit, where these are said."""
    made: dict[str, Any] = {"system": system, "value": number}
    checked = check_digit(digit, scope)
    if checked is not None:
        made["extension"] = [checked]
    return typed(made, kind) if kind else made


def _traced(scope: Scope, key: str, _type: str, row: str) -> None:
    """Put on record where the elements of an actor's draft come from."""
    if scope.steps is None:
        return
    with scope.within(key):
        for element in scope.drafts[key].resource:
            if element != "resourceType":
                scope.note(element, row)
    scope.note("reference", row)


@pure
def organization(value: Value, scope: Scope) -> Reference | None:
    """Return the reference to the organization that an XON names."""
    name, number = value[1], value[10] or value[3]
    identity: tuple[Identity, ...] = ()
    resource: dict[str, Any] = {"resourceType": "Organization"}
    if number:
        system = system_of(value.part(6), scope)
        identity = (Identity(system, number),)
        resource["identifier"] = [_identifier(system, number, value[7], value.part(4), scope)]
    elif not name:
        return None
    if name:
        resource["name"] = name
    return _organization(resource, identity, name, scope, "XON[Organization]")


def _organization(
    resource: dict[str, Any], identity: tuple[Identity, ...], name: str, scope: Scope, row: str
) -> Reference:
    if identity:
        key, parts = f"organization:{identity[0].system}|{identity[0].value}", ()
    else:
        key, parts = f"organization:{name}", ("name", scope.sender, name)  # type: ignore[assignment]
    draft = scope.add(key, resource, identities=identity, parts=parts, presence="minimal")
    _traced(scope, key, "Organization", row)
    return draft.reference | ({"display": name} if name else {})


@pure
def coded_organization(value: Value, scope: Scope) -> Reference | None:
    """Return the reference to the organization that a CWE names (RXA-17, OBX-15).

    It is known by its code if the code's system is one that all senders have, else by its name.
    """
    number, name = value[1], value[2] or value[9] or value[1]
    if not name:
        return None
    resource: dict[str, Any] = {"resourceType": "Organization", "name": name}
    identity: tuple[Identity, ...] = ()
    if number and value[3]:
        system = coding_system(value[3])
        resource["identifier"] = [{"system": system, "value": number}]
        identity = () if system.startswith(OWN_CODES) else (Identity(system, number),)
    known_as = f"{number}|{name}" if number else name
    return _organization(resource, identity, known_as, scope, "CWE[Organization]") | {"display": name}


def authority_organization(value: Value, scope: Scope) -> Reference | None:
    """Return who an HD names, without a resource: an identifier, and what it is called."""
    name, universal = value[1], value[2]
    if not name and not universal:
        return None
    identifier = {"system": system_of(value, scope), "value": universal or name}
    return {"identifier": identifier} | ({"display": name} if name else {})


@pure
def place(value: Value, scope: Scope) -> Reference | None:
    """Return the reference to the narrowest place of a PL, with drafts of all places that it is within.

    A place is known by its own number and those of all places around it.
    """
    system = scope.authorities.get("PL") or system_of(Value("", scope.reader), scope) + ":location"
    around: Reference | None = None
    path: list[str] = []
    shown: list[str] = []
    kind = ""
    for component, level, word in _LEVELS:
        name = value[component]
        if not name:
            continue
        path.append(f"{level}={quote(name, safe=' -._~')}")
        shown.append(name)
        kind = level
        around = _place(system, ",".join(path), name, (level, word), around, scope)
    if around is None:
        return {"display": value[9]} if value[9] else None
    _described(value, around, scope)
    named = value[9] or ", ".join(reversed(shown))
    return {**around, "display": named} | ({"type": "Location"} if kind else {})


def _described(value: Value, narrowest: Reference, scope: Scope) -> None:
    """Add what a PL says of its narrowest place: in words (PL-9), and its number (PL-10, PL-11)."""
    resource = scope.drafts[narrowest["reference"].removeprefix(REFERENCE)].resource
    if value[9]:
        resource.setdefault("description", value[9])
    number = value.part(10)
    if not number[1]:
        return
    authority = authority_of_ei(number) if number.has(2, 3) else value.part(11)
    listed: list[dict[str, Any]] = resource["identifier"]
    made: dict[str, Any] = {"system": system_of(authority, scope), "value": number[1]}
    if authority[1]:
        made["assigner"] = {"display": authority[1]}
    if made not in listed:
        listed.append(made)


def _place(
    system: str, path: str, name: str, kind: tuple[str, str], around: Reference | None, scope: Scope
) -> Reference:
    resource: dict[str, Any] = {
        "resourceType": "Location",
        "identifier": [{"system": system, "value": path}],
        "status": "active",
        "name": name,
        "mode": "instance",
        "physicalType": {"coding": [{"system": PHYSICAL, "code": kind[0], "display": kind[1]}]},
    }
    if around is not None:
        resource["partOf"] = {"reference": around["reference"]}
    key = f"location:{system}|{path}"
    draft = scope.add(key, resource, identities=(Identity(system, path),), presence="minimal")
    _traced(scope, key, "Location", "PL[Location]")
    return draft.reference


def kind_of_place(value: Value) -> str:
    """Return the kind of the narrowest place of a PL, such as `bd`; "" if it names none."""
    return next((level for component, level, _ in reversed(_LEVELS) if value[component]), "")


__all__ = [
    "PHYSICAL",
    "authority_organization",
    "coded_organization",
    "kind_of_place",
    "organization",
    "place",
    "practitioner",
    "text",
]
