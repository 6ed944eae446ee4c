"""PID, PD1 and NK1: who the patient is, and who belongs to them.

Next of kin become contacts of the Patient (the guide's NK1[Patient]) and no RelatedPersons: a message gives
nobody a record, or rights, of their own. An Account wants guarantors to be such (`participations.GT1`).
HL7 v2.5.1 §3.4.2 (PID), §3.4.5 (NK1)
"""

from typing import Any

from adapters.to_fhir.datatypes.actors import organization, practitioner
from adapters.to_fhir.datatypes.codes import boolean, concept
from adapters.to_fhir.datatypes.identifiers import cx, dln, social_security, strict_cx
from adapters.to_fhir.datatypes.people import alias, gender, name_text, official, telecom, xad, xpn, xtn
from adapters.to_fhir.datatypes.quantities import positive
from adapters.to_fhir.datatypes.times import date, date_time, extension, has_time
from adapters.to_fhir.rules import Rule, SegmentMap, always, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Value
from hl7.message import Segment

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"


def _birth_time(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return the time of birth, which a date cannot hold."""
    made = date_time(value, scope) if has_time(value) else None
    if made is None or "T" not in made:
        return None
    return {"url": f"{_STRUCTURE}patient-birthTime", "valueDateTime": made}


def _birth_place(value: Value, _scope: Scope) -> dict[str, Any] | None:
    if not value.text:
        return None
    return {"url": f"{_STRUCTURE}patient-birthPlace", "valueAddress": {"text": value.text}}


def _nested(name: str, number: str) -> Any:
    """Return the converter to an extension whose part `code` is the concept."""
    convert = concept("", number)

    def converted(value: Value, scope: Scope) -> dict[str, Any] | None:
        made = convert(value, scope)
        if made is None:
            return None
        inner = {"url": "code", "valueCodeableConcept": made}
        return {"url": _STRUCTURE + name, "extension": [inner]}

    return converted


def _language(value: Value, scope: Scope) -> dict[str, Any] | None:
    made = concept("PrimaryLanguage", "0296")(value, scope)
    return None if made is None else {"language": made}


def _without(*fields: int) -> Any:
    def when(segment: Segment, _scope: Scope) -> bool:
        return not any(segment[field] for field in fields)

    return when


def _one_address(segment: Segment, _scope: Scope) -> bool:
    """Tell whether PID-12 is of the one address that there is, which says no county itself."""
    found = segment[11].repetitions
    return len(found) <= 1 and not (found and found[0][9])


def _another_district(segment: Segment, scope: Scope) -> bool:
    return not _one_address(segment, scope)


PID = SegmentMap(
    "PID[Patient]",
    "Patient",
    (
        Rule("PID", "active", always(True), "ours"),
        Rule("PID-2", "identifier[]", cx, "PID[Patient] 2"),
        Rule("PID-3", "identifier[]", strict_cx, "PID[Patient] 3"),
        Rule("PID-4", "identifier[]", cx, "PID[Patient] 4"),
        Rule("PID-5", "name[]", official, "PID[Patient] 5"),
        Rule(
            "PID-6",
            "extension[]",
            extension(f"{_STRUCTURE}patient-mothersMaidenName", "valueString", name_text),
            "PID[Patient] 6",
            group={"url": f"{_STRUCTURE}patient-mothersMaidenName"},
        ),
        Rule("PID-7", "birthDate", date, "PID[Patient] 7"),
        Rule("PID-7", "_birthDate.extension[]", _birth_time, "PID[Patient] 7"),
        Rule("PID-8", "", gender, "PID[Patient] 8"),
        Rule("PID-9", "name[]", alias, "PID[Patient] 9", group={"use": "nickname"}),
        Rule("PID-11", "address[]", xad, "PID[Patient] 11"),
        Rule("PID-12", "address.0.district", text, "PID[Patient] 12", _one_address, "one address, or none"),
        Rule(
            "PID-12", "address[]", lambda value, _: {"district": value.text}, "PID[Patient] 12",
            _another_district, "several addresses, or one that has a county",
        ),
        Rule("PID-13", "telecom[]", telecom("home"), "PID[Patient] 13", group={"use": "home"}),
        Rule("PID-14", "telecom[]", telecom("work"), "PID[Patient] 14", group={"use": "work"}),
        Rule("PID-15", "communication[]", _language, "PID[Patient] 15"),
        Rule("PID-16", "maritalStatus", concept("MaritalStatus", "0002"), "PID[Patient] 16"),
        Rule(
            "PID-17",
            "extension[]",
            extension(f"{_STRUCTURE}patient-religion", "valueCodeableConcept", concept("Religion", "0006")),
            "PID[Patient] 17",
            group={"url": f"{_STRUCTURE}patient-religion"},
        ),
        Rule("PID-19", "identifier[]", social_security, "PID[Patient] 19"),
        Rule("PID-20", "identifier[]", dln, "PID[Patient] 20"),
        Rule(
            "PID-23", "extension[]", _birth_place, "PID[Patient] 23",
            group={"url": f"{_STRUCTURE}patient-birthPlace"},
        ),
        Rule("PID-24", "multipleBirthBoolean", boolean, "PID[Patient] 24", _without(25), "PID-25 is empty"),
        Rule("PID-25", "multipleBirthInteger", positive, "PID[Patient] 25"),
        Rule("PID-26", "extension[]", _nested("patient-citizenship", "0171"), "PID[Patient] 26"),
        Rule("PID-28", "extension[]", _nested("patient-nationality", "0212"), "PID[Patient] 28"),
        Rule("PID-29", "deceasedDateTime", date_time, "PID[Patient] 29"),
        Rule("PID-30", "deceasedBoolean", boolean, "PID[Patient] 30", _without(29), "PID-29 is empty"),
        Rule("PID-40", "telecom[]", xtn, "PID[Patient] 40"),
    ),
)  # fmt: skip

PD1 = SegmentMap(
    "PD1[Patient]",
    "Patient",
    (
        Rule("PD1-3", "generalPractitioner[]", organization, "PD1[Patient] 3"),
        Rule("PD1-4", "generalPractitioner[]", practitioner, "PD1[Patient] 4"),
        Rule(
            "PD1-6",
            "extension[]",
            extension(f"{_STRUCTURE}patient-disability", "valueCodeableConcept", concept("", "0295")),
            "PD1[Patient] 6",
        ),
        Rule(
            "PD1-14",
            "extension[]",
            extension(f"{_STRUCTURE}patient-congregation", "valueString", text),
            "PD1[Patient] 14",
        ),
    ),
)


NK1 = SegmentMap(
    "NK1[Patient]",
    "Patient.contact",
    (
        Rule("NK1-2", "name", xpn, "NK1[Patient] 2"),
        Rule("NK1-3", "relationship[]", concept("Relationship", "0063"), "NK1[Patient] 3"),
        Rule("NK1-4", "address", xad, "NK1[Patient] 4"),
        Rule("NK1-5", "telecom[]", telecom("home"), "NK1[Patient] 5"),
        Rule("NK1-6", "telecom[]", telecom("work"), "NK1[Patient] 6"),
        Rule("NK1-7", "relationship[]", concept("ContactRole", "0131"), "NK1[Patient] 7"),
        Rule("NK1-8", "period.start", date, "NK1[Patient] 8"),
        Rule("NK1-9", "period.end", date, "NK1[Patient] 9"),
        Rule("NK1-13", "organization", organization, "NK1[Patient] 13"),
        Rule("NK1-15", "", gender, "NK1[Patient] 15"),
        Rule("NK1-40", "telecom[]", xtn, "NK1[Patient] 40"),
        Rule("NK1-41", "telecom[]", xtn, "NK1[Patient] 41"),
    ),
)

PID_ACCOUNT = SegmentMap(
    "PID[Account]",
    "Account",
    (
        Rule("PID-18", "identifier[]", cx, "PID[Account] 18"),
        Rule("PID", "status", always("active"), "PID[Account]"),
    ),
)
