"""Identifiers, and who gives them: CX, EI, EIP, HD, DLN.

A number means somebody only together with who gave it. HD-1 or HD-2 is looked up in the channel's
`authorities`; an OID, UUID or URI in HD-2 says by itself what it is. For whoever is known in neither way the
channel says what to do. https://hl7.org/fhir/R4/datatypes.html#Identifier, HL7 v2.5.1 §2.A.14 (CX)
"""

from typing import Any
from urllib.parse import quote

from adapters.to_fhir.datatypes.times import date
from adapters.to_fhir.drafts import Identity
from adapters.to_fhir.rules import DatatypeMap, Part, pure, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import V2
from adapters.to_fhir.value import Value
from hl7.errors import UNKNOWN_KEY

TYPES = V2 + "0203"
_OWN = "urn:x-hl7v2:"
# What says of itself what it is (table 0301).
_UNIVERSAL = {"ISO": "urn:oid:", "UUID": "urn:uuid:", "GUID": "urn:uuid:", "URI": ""}
_SHARED = frozenset({"SS", "DL"})
"""Types of identifiers that do not tell who somebody is: families share them, and people mistype them."""


def system_of(authority: Value, scope: Scope, *, is_strict: bool = False) -> str:
    """Return the FHIR system of an HD.

    If it `is_strict` and the channel wants so, a message is refused (204) that names one nobody knows.
    """
    name, universal, kind = authority[1], authority[2], authority[3].upper()
    known = scope.authorities
    if not name and not universal:
        facility = scope.channel.sending_facility
        found = known.get("") or known.get(facility)
        return found or _unknown(facility, "", scope, is_strict=is_strict)
    found = known.get(universal) if universal else None
    found = found or (known.get(name) if name else None)
    if found:
        return found
    if universal and kind in _UNIVERSAL:
        return _UNIVERSAL[kind] + (universal.lower() if kind in ("UUID", "GUID") else universal)
    facility = scope.channel.sending_facility
    return _unknown(facility, name or universal, scope, is_strict=is_strict)


def _unknown(facility: str, name: str, scope: Scope, *, is_strict: bool) -> str:
    if is_strict and scope.channel.unknown_authority == "quarantine":
        raise scope.error("nobody knows here who gave this number", UNKNOWN_KEY)
    parts = [facility, name] if name else [facility]
    return _OWN + ":".join(quote(part, safe="-._~") for part in parts)


def typed(identifier: dict[str, Any], code: str, display: str = "") -> dict[str, Any]:
    """Return an Identifier of a type of table 0203."""
    coding = {"system": TYPES, "code": code} | ({"display": display} if display else {})
    return {**identifier, "type": {"coding": [coding]}}


def _kind(value: Value, _scope: Scope) -> dict[str, Any] | None:
    code = value.text
    return {"coding": [{"system": TYPES, "code": code}]} if code else None


def _system(value: Value, scope: Scope) -> str:
    return system_of(value, scope)


def _strict_system(value: Value, scope: Scope) -> str:
    return system_of(value, scope, is_strict=True)


def _assigner(value: Value, _scope: Scope) -> dict[str, Any] | None:
    return {"display": value[1]} if value[1] else None


def check_digit(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return the extension with the check digit of a number."""
    url = "http://hl7.org/fhir/StructureDefinition/identifier-checkDigit"
    return {"url": url, "valueString": value.text} if value.text else None


def _completed(strict: bool) -> Any:
    def finish(made: dict[str, Any], _value: Value, scope: Scope) -> dict[str, Any] | None:
        if "value" not in made:
            return None
        if "system" not in made:
            made["system"] = system_of(Value("", scope.reader), scope, is_strict=strict)
        return made

    return finish


def _cx(strict: bool) -> DatatypeMap:
    return DatatypeMap(
        "CX[Identifier]",
        (
            Part("CX.1", "value", text),
            Part("CX.2", "extension[]", check_digit),
            Part("CX.4", "system", _strict_system if strict else _system),
            Part("CX.4", "assigner", _assigner),
            Part("CX.5", "type", _kind),
            Part("CX.7", "period.start", date),
            Part("CX.8", "period.end", date),
        ),
        _completed(strict),
    )


cx = _cx(strict=False)
"""An identifier; one whose authority nobody knows gets a system of the sender's own."""

strict_cx = _cx(strict=True)
"""An identifier of a person or a visit: whose authority nobody knows is refused, if the channel wants so."""


def _ei_finish(made: dict[str, Any], value: Value, scope: Scope) -> dict[str, Any] | None:
    if "value" not in made:
        return None
    made["system"] = system_of(authority_of_ei(value), scope)
    if scope.steps is not None:
        scope.note("system", "EI[Identifier-System] 2")
    return made


def authority_of_ei(value: Value) -> Value:
    """Return EI-2 to EI-4 as the HD that they are."""
    parts = value.parts[1:4]
    delimiter = value.reader.chars.subcomponent
    if not delimiter:
        return Value(parts[0] if parts else "", value.reader, is_component=True)
    return Value(delimiter.join(parts), value.reader, is_component=True)


ei = DatatypeMap("EI[Identifier-Extension]", (Part("EI.1", "value", text),), _ei_finish)
"""An identifier of a thing, such as an order; its system by who gave it (ours: the guide leaves it open)."""


def ei_typed(code: str, display: str = "") -> Any:
    """Return the converter of an EI to an Identifier of a type, such as PLAC."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        made = ei(value, scope)
        return None if made is None else typed(made, code, display)

    return pure(convert)


def eip(component: int, code: str) -> Any:
    """Return the converter of one side of an EIP: 1 is the placer's, 2 the filler's."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        made = ei(value.part(component), scope)
        return None if made is None else typed(made, code)

    return convert


dln = DatatypeMap(
    "DLN[Identifier]",
    (Part("DLN.1", "value", text), Part("DLN.2", "assigner", _assigner), Part("DLN.3", "period.end", date)),
    lambda made, _value, _scope: typed(made, "DL") if "value" in made else None,
)


def social_security(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return PID-19 or NK1-37 as an identifier; numbers that are no such system's have other fields."""
    number = value[1]
    if not number:
        return None
    return typed({"system": "http://hl7.org/fhir/sid/us-ssn", "value": number}, "SS")


def identity_of(identifier: dict[str, Any]) -> Identity | None:
    """Return by what of an Identifier something is found, None if it does not tell whose it is."""
    system, value = identifier.get("system"), identifier.get("value")
    kinds = {one.get("code") for one in (identifier.get("type") or {}).get("coding", ())}
    return Identity(system, value) if system and value and not kinds & _SHARED else None


def identities_of(identifiers: list[dict[str, Any]]) -> tuple[Identity, ...]:
    """Return by what something with `identifiers` is found."""
    return tuple(dict.fromkeys(one for each in identifiers if (one := identity_of(each)) is not None))
