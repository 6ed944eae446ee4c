"""What papers call people and things.

https://hl7.org/fhir/R4/datatypes.html#HumanName, https://hl7.org/fhir/R4/datatypes.html#CodeableConcept
"""

from collections.abc import Mapping
from typing import Any

Resource = Mapping[str, Any]


def name_of(person: Resource) -> str:
    """Return what somebody is called, as in a letter; empty for somebody without a name."""
    name: Resource = next(iter(person.get("name", ())), {})
    parts = (*name.get("prefix", ()), *name.get("given", ()), name.get("family", ""))
    return str(name.get("text") or " ".join(one for one in parts if one))


def listed_name_of(person: Resource) -> str:
    """Return what somebody is called, as in a list: the family name comes first."""
    name: Resource = next(iter(person.get("name", ())), {})
    whole = ", ".join(part for part in (name.get("family", ""), " ".join(name.get("given", ()))) if part)
    return str(name.get("text") or whole)


def record_number_of(patient: Resource) -> str:
    """Return the first number of a patient's records (an identifier of the type MR), empty without one."""
    for one in patient.get("identifier", ()):
        if any(coding.get("code") == "MR" for coding in one.get("type", {}).get("coding", ())):
            return str(one.get("value", ""))
    return ""


def text_of(concept: Any) -> str:
    """Return what a CodeableConcept says to people: its text, else what a code is called, else a code."""
    codings = (concept or {}).get("coding", ())
    told = [(concept or {}).get("text"), *(one.get("display") for one in codings)]
    return next((str(one) for one in (*told, *(one.get("code") for one in codings)) if one), "")
