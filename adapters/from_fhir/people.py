"""PID, PD1, NK1 and MRG: who the patient is.

HL7 v2.5.1 §3.4.2 (PID), §3.4.5 (NK1), §3.4.9 (MRG), §3.4.10 (PD1)
"""

from collections.abc import Iterator

from adapters.from_fhir.datatypes import (
    active_identifiers,
    any_code,
    cwe,
    cx,
    names,
    own_cx,
    repeated,
    telecoms,
    xad,
    xcn,
)
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import date, timestamp
from hl7.building import Component, FieldValue

_BIRTH_TIME = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
_MOTHERS_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
AT_HOME = ("home", "mobile", "temp", None)
_PATIENT_INTERNAL = "PI"  # table 0203


def identifiers(patient: Resource, telling: Telling) -> list[list[Component]]:
    """Return the numbers of a patient that are in use; the id that the patient has here if there are none."""
    destination = telling.destination
    found = [cx(one, destination) for one in active_identifiers(patient)]
    return found or [own_cx(patient, destination, _PATIENT_INTERNAL)]


def pid(telling: Telling, patient: Resource | None, account: str = "") -> SegmentFields:
    """Return who the patient is; `account` is the number of the account that is told of (PID-18)."""
    if patient is None:
        return ["PID", 1]
    telecom = telecoms(patient, *AT_HOME)
    return [
        "PID", 1, "", repeated(identifiers(patient, telling)), "",
        repeated(names(patient)) or "", _maiden(patient), _born(patient),
        code("administrative_gender", patient.get("gender")),
        repeated(names(patient, old=True)), "",
        repeated(xad(one) for one in patient.get("address", ()) if one.get("use") != "old"),
        "", repeated(telecom), repeated(telecoms(patient, "work")), _language(patient),
        _marital(patient), "", account, "", "", "", "", "",
        *_multiple(patient), "", "", "", *_death(patient),
    ]  # fmt: skip


def _maiden(patient: Resource) -> FieldValue:
    for one in patient.get("extension", ()):
        if one.get("url") == _MOTHERS_NAME and one.get("valueString"):
            return [one["valueString"], "", "", "", "", "", "M"]
    return ""


def _born(patient: Resource) -> str:
    for one in patient.get("_birthDate", {}).get("extension", ()):
        if one.get("url") == _BIRTH_TIME and one.get("valueDateTime"):
            return timestamp(one["valueDateTime"])
    return date(patient.get("birthDate"))


def _language(patient: Resource) -> FieldValue:
    languages = patient.get("communication", ())
    chosen = next((one for one in languages if one.get("preferred")), next(iter(languages), None))
    return cwe(chosen.get("language")) if chosen else ""


def _marital(patient: Resource) -> FieldValue:
    status = patient.get("maritalStatus")
    mapped = code("marital_status", any_code(status))
    return [mapped, status.get("text", ""), "HL70002"] if status and mapped else ""


def _multiple(patient: Resource) -> tuple[str, str]:
    if "multipleBirthInteger" in patient:
        return "Y", str(patient["multipleBirthInteger"])
    return _yes_or_no(patient.get("multipleBirthBoolean")), ""


def _death(patient: Resource) -> tuple[str, str]:
    if "deceasedDateTime" in patient:
        return timestamp(patient["deceasedDateTime"]), "Y"
    return "", _yes_or_no(patient.get("deceasedBoolean"))


def _yes_or_no(value: bool | None) -> str:
    return "" if value is None else "Y" if value else "N"


def pd1(telling: Telling, patient: Resource) -> SegmentFields | None:
    """Return who looks after the patient outside of the hospital, if anybody is named."""
    general = patient.get("generalPractitioner", ())
    people = [xcn(_person(telling, one), one.get("display", ""), telling.destination) for one in general]
    if not any(people):
        return None
    return ["PD1", "", "", "", repeated(people)]


def _person(telling: Telling, reference: Resource) -> Resource | None:
    found = telling.get(reference)
    if found is not None and found["resourceType"] == "PractitionerRole":
        found = telling.get(found.get("practitioner"))
    return found if found is not None and found["resourceType"] in ("Practitioner", "Patient") else None


def person_of(telling: Telling, reference: Resource | None) -> list[Component]:
    """Return the person whom a Reference names; the name that it displays if the person is not here."""
    if not reference:
        return []
    return xcn(_person(telling, reference), reference.get("display", ""), telling.destination)


def nk1(patient: Resource) -> Iterator[SegmentFields]:
    """Yield the people to turn to, in their order."""
    for place, contact in enumerate(patient.get("contact", ()), 1):
        named = {"name": [contact["name"]] if "name" in contact else []}
        relationship = next(iter(contact.get("relationship", ())), None)
        yield [
            "NK1", place, repeated(names(named)), cwe(relationship),
            xad(contact["address"]) if "address" in contact else "",
            repeated(telecoms(contact, *AT_HOME)), repeated(telecoms(contact, "work")),
        ]  # fmt: skip


def mrg(telling: Telling, loser: Resource) -> SegmentFields:
    """Return the numbers under which a patient was known who went into another one."""
    return ["MRG", repeated(identifiers(loser, telling)), "", "", "", "", "", repeated(names(loser))]
