"""FHIR's data types as plain JSON values, made from Python ones. https://hl7.org/fhir/R4/datatypes.html

The demo makes thousands of resources, so they are dicts from the start; that they are what `fhir.resources`
and our own validation take for FHIR is proven by a test for every one of them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
# The hospital's own name space: a reserved domain, which nobody can own (RFC 2606).
HOSPITAL = "https://saguaro-valley.example/fhir"
CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Code:
    """A code, the system that defines it, and what it says to people."""

    system: str
    code: str
    display: str

    def coding(self) -> dict[str, str]:
        """Return this as a Coding."""
        return {"system": self.system, "code": self.code, "display": self.display}


def snomed(code: str, display: str) -> Code:
    """Return a SNOMED CT code."""
    return Code(SNOMED, code, display)


def loinc(code: str, display: str) -> Code:
    """Return a LOINC code."""
    return Code(LOINC, code, display)


def hl7(system: str, code: str, display: str) -> Code:
    """Return a code of HL7 terminology; `system` is the last part of its URL, such as `v3-ActCode`."""
    return Code(f"http://terminology.hl7.org/CodeSystem/{system}", code, display)


def local(system: str, code: str, display: str) -> Code:
    """Return a code that the hospital made itself."""
    return Code(f"{HOSPITAL}/CodeSystem/{system}", code, display)


TEST_DATA = hl7("v3-ActReason", "HTEST", "test health data").coding()


def resource(
    resource_type: str, identity: str, elements: dict[str, Any], *, profile: str | None = None
) -> Resource:
    """Return a resource; elements that are None or empty are left out."""
    meta: dict[str, Any] = {"security": [TEST_DATA]}
    if profile:
        meta["profile"] = [f"http://hl7.org/fhir/StructureDefinition/{profile}"]
    kept = {name: value for name, value in elements.items() if value is not None and value not in ([], {})}
    return {"resourceType": resource_type, "id": identity, "meta": meta, **kept}


def concept(*codes: Code, text: str | None = None) -> dict[str, Any]:
    """Return a CodeableConcept; its text is the first code's display, unless given."""
    shown = text or codes[0].display
    return {"coding": [code.coding() for code in codes], "text": shown} if codes else {"text": shown}


def link(resource_type: str, identity: str, display: str | None = None) -> dict[str, str]:
    """Return a Reference to the resource of that type and id."""
    reference = {"reference": f"{resource_type}/{identity}"}
    return reference | {"display": display} if display else reference


def refer(target: Resource, display: str | None = None) -> dict[str, str]:
    """Return a Reference to `target`."""
    return link(target["resourceType"], target["id"], display)


def quantity(value: Decimal | int, unit: str, code: str | None = None) -> dict[str, Any]:
    """Return a Quantity in UCUM; `code` is the unit's code where people write it differently."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


def count(value: Decimal | int, unit: str) -> dict[str, Any]:
    """Return a Quantity of things: tablets, doses, pieces."""
    return {"value": value, "unit": unit}


def money(amount: Decimal) -> dict[str, Any]:
    """Return `amount` as Money."""
    return {"value": amount, "currency": CURRENCY}


def stamp(moment: datetime | date) -> str:
    """Return `moment` as dateTime or instant (with seconds and zone), a date as date."""
    return moment.isoformat(timespec="seconds") if isinstance(moment, datetime) else moment.isoformat()


def period(start: datetime | date, end: datetime | date | None = None) -> dict[str, str]:
    """Return the Period from `start` to `end`, or open."""
    return {"start": stamp(start)} | ({"end": stamp(end)} if end else {})


def identifier(kind: Code | None, system: str, value: str) -> dict[str, Any]:
    """Return an Identifier in the hospital's name space; `kind` says what it is for."""
    named = {"system": f"{HOSPITAL}/identifier/{system}", "value": value}
    return {"type": concept(kind)} | named if kind else named
