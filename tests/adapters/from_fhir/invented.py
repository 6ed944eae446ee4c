"""Made-up people, places and records, from which the tests make messages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from adapters.destinations import Destination
from adapters.from_fhir.messages import for_destination, message, messages
from adapters.from_fhir.telling import Telling
from hl7.message import Message
from hl7.parser import parse

Resource = dict[str, Any]
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
HOSPITAL = "urn:oid:2.999.1.1"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

DESTINATION = Destination(
    "lab",
    host="127.0.0.1",
    port=2575,
    messages=("ADT", "OML", "RDE", "ORU", "SIU", "DFT", "MDM"),
    sending_application="FHIR",
    sending_facility="INVENTED",
    receiving_application="LIS",
    receiving_facility="LAB",
    authorities={"GENHOSP": HOSPITAL},
    time_zone=ZoneInfo("Europe/Berlin"),
)


def concept(system: str, code: str, display: str = "") -> Resource:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "pat-1",
    "active": True,
    "identifier": [
        {"system": HOSPITAL, "value": "4711", "type": concept(V2_0203, "MR")},
        {"system": "urn:oid:2.999.7", "value": "A^1", "use": "official"},
        {"system": HOSPITAL, "value": "12", "use": "old"},
    ],
    "name": [
        {"use": "maiden", "family": "Früher"},
        {"use": "official", "family": "Müller & Söhne", "given": ["Änne", "Rosa"], "prefix": ["Dr."]},
    ],
    "telecom": [
        {"system": "phone", "value": "030 1234", "use": "home"},
        {"system": "email", "value": "aenne@example.org", "use": "home"},
        {"system": "phone", "value": "030 99", "use": "work"},
    ],
    "gender": "female",
    "birthDate": "1960-02",
    "address": [
        {
            "use": "home",
            "line": ["Lindenweg 1"],
            "city": "Musterstadt",
            "postalCode": "01234",
            "country": "DE",
        }
    ],
    "maritalStatus": concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M"),
    "contact": [
        {
            "relationship": [concept("http://terminology.hl7.org/CodeSystem/v2-0131", "N", "Next-of-Kin")],
            "name": {"family": "Müller", "given": ["Karl"]},
        }
    ],
}
DOCTOR: Resource = {
    "resourceType": "Practitioner",
    "id": "doc-1",
    "identifier": [{"system": HOSPITAL, "value": "D7", "type": concept(V2_0203, "EI")}],
    "name": [{"family": "Weiß", "given": ["Eva"]}],
}
PLACES: dict[str, Resource] = {
    f"Location/{name}": {
        "resourceType": "Location",
        "id": name,
        "name": name,
        "physicalType": concept(PHYSICAL, kind),
        **({"partOf": {"reference": f"Location/{within}"}} if within else {}),
    }
    for name, kind, within in (
        ("SITE", "si", ""),
        ("EAST", "bu", "SITE"),
        ("W3", "wa", "EAST"),
        ("R12", "ro", "W3"),
        ("B1", "bd", "R12"),
        ("B2", "bd", "R12"),
    )
}
FOUND: dict[str, Resource] = {"Patient/pat-1": PATIENT, "Practitioner/doc-1": DOCTOR, **PLACES}

COVERAGE: Resource = {
    "resourceType": "Coverage",
    "id": "cov-1",
    "status": "active",
    "type": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "PUBLICPOL", "Public"),
    "beneficiary": {"reference": "Patient/pat-1"},
    "subscriber": {"reference": "RelatedPerson/rel-1"},
    "subscriberId": "S-77",
    "relationship": concept("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "spouse"),
    "payor": [{"reference": "Organization/payor-1"}],
    "period": {"start": "2026-01-01", "end": "2026-12-31"},
    "order": 2,
    "class": [
        {
            "type": concept("http://terminology.hl7.org/CodeSystem/coverage-class", "plan"),
            "value": "GOLD",
            "name": "Gold | plan",
        },
        {"type": concept("http://terminology.hl7.org/CodeSystem/coverage-class", "group"), "value": "G1"},
    ],
}
ACCOUNT: Resource = {
    "resourceType": "Account",
    "id": "acc-1",
    "status": "active",
    "subject": [{"reference": "Patient/pat-1"}],
    "guarantor": [
        {"party": {"reference": "RelatedPerson/rel-1"}, "period": {"start": "2026-02-01"}},
        {"party": {"reference": "Organization/employer-1"}},
        {"party": {"reference": "Patient/pat-1"}},
    ],
}
PAYING: dict[str, Resource] = {
    "Account/acc-1": ACCOUNT,
    "Coverage/cov-1": COVERAGE,
    "RelatedPerson/rel-1": {
        "resourceType": "RelatedPerson",
        "id": "rel-1",
        "patient": {"reference": "Patient/pat-1"},
        "relationship": [concept("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "SPS")],
        "name": [{"family": "Müller", "given": ["Karl"]}],
        "telecom": [{"system": "phone", "value": "030 55", "use": "home"}],
        "birthDate": "1958-05-06",
        "gender": "male",
    },
    "Organization/payor-1": {
        "resourceType": "Organization",
        "id": "payor-1",
        "identifier": [{"system": HOSPITAL, "value": "K9"}],
        "name": "Invented Insurance",
    },
    "Organization/employer-1": {
        "resourceType": "Organization",
        "id": "employer-1",
        "name": "Invented Works",
    },
}


def encounter(
    status: str = "in-progress", beds: Sequence[tuple[str, str]] = (("B1", "active"),), **more: Any
) -> Resource:
    """Return a stay of the invented patient."""
    places = [{"location": {"reference": f"Location/{bed}"}, "status": how} for bed, how in beds]
    return {
        "resourceType": "Encounter",
        "id": "enc-1",
        "status": status,
        "class": {"system": ACT, "code": "IMP"},
        "subject": {"reference": "Patient/pat-1"},
        "participant": [
            {"type": [concept(PARTICIPATION, "ATND")], "individual": {"reference": "Practitioner/doc-1"}}
        ],
        "period": {"start": "2026-03-01T08:15:00+01:00"},
        "location": places,
        **more,
    }


def order(status: str = "active", **more: Any) -> Resource:
    """Return an order of the laboratory."""
    return {
        "resourceType": "ServiceRequest",
        "id": "sr-1",
        "status": status,
        "intent": "order",
        "priority": "stat",
        "category": [concept("http://snomed.info/sct", "108252007")],
        "code": concept("http://loinc.org", "58410-2", "CBC"),
        "subject": {"reference": "Patient/pat-1"},
        "requester": {"reference": "Practitioner/doc-1"},
        "authoredOn": "2026-03-01T09:00:00Z",
        "note": [{"text": "Bitte | rasch\nZweite Zeile"}],
        **more,
    }


def told(
    before: Resource | None,
    after: Resource | None,
    destination: Destination = DESTINATION,
    found: Mapping[str, Resource] = FOUND,
    related: Mapping[str, Sequence[Resource]] | None = None,
) -> Message | None:
    """Return the message by which a destination is told of a change, None if it is not."""
    for one in messages(before, after):
        wanted = for_destination(one, destination)
        if wanted is not None:
            data, _ = message(Telling(wanted, destination, found, NOW, "ID1", related or {}))
            return parse(data)
    return None


def observation(name: str, **more: Any) -> Resource:
    """Return a result."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": concept("http://loinc.org", "718-7", "Hemoglobin"),
        "subject": {"reference": "Patient/pat-1"},
        "effectiveDateTime": "2026-03-01T08:00:00.5+01:00",
        **more,
    }


def report(*results: str, **more: Any) -> Resource:
    """Return a report of results, which answers the invented order."""
    return {
        "resourceType": "DiagnosticReport",
        "id": "rep-1",
        "status": "final",
        "code": concept("http://loinc.org", "58410-2", "CBC"),
        "subject": {"reference": "Patient/pat-1"},
        "basedOn": [{"reference": "ServiceRequest/sr-1"}],
        "effectiveDateTime": "2026-03-01T08:00:00+01:00",
        "issued": "2026-03-01T09:00:00.123Z",
        "result": [{"reference": f"Observation/{one}"} for one in results],
        **more,
    }


def prescription(status: str = "active", **more: Any) -> Resource:
    """Return a prescription."""
    return {
        "resourceType": "MedicationRequest",
        "id": "med-1",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": concept(
            "http://www.nlm.nih.gov/research/umls/rxnorm", "308136", "Amlodipine"
        ),
        "subject": {"reference": "Patient/pat-1"},
        "requester": {"reference": "Practitioner/doc-1"},
        "authoredOn": "2026-03-01",
        "dosageInstruction": [
            {
                "text": "one in the morning",
                "timing": {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}},
                "route": concept("http://snomed.info/sct", "26643006", "Oral route"),
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": 5,
                            "unit": "mg",
                            "system": "http://unitsofmeasure.org",
                            "code": "mg",
                        }
                    }
                ],
            }
        ],
        **more,
    }


def appointment(status: str = "booked", **more: Any) -> Resource:
    """Return an appointment with the invented doctor, at a place."""
    actors = ("Patient/pat-1", "Practitioner/doc-1", "Location/R12")
    return {
        "resourceType": "Appointment",
        "id": "app-1",
        "status": status,
        "serviceType": [concept("http://snomed.info/sct", "11429006", "Consultation")],
        "start": "2026-03-05T09:00:00+01:00",
        "end": "2026-03-05T09:20:00+01:00",
        "comment": "Bring your papers",
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in actors],
        **more,
    }


def charge(status: str = "billable", **more: Any) -> Resource:
    """Return a charge."""
    return {
        "resourceType": "ChargeItem",
        "id": "chg-1",
        "status": status,
        "code": concept("urn:invented:tariff", "4711", "Blood count"),
        "subject": {"reference": "Patient/pat-1"},
        "occurrenceDateTime": "2026-03-01",
        "enteredDate": "2026-03-01T10:00:00Z",
        "quantity": {"value": Decimal("2")},
        "priceOverride": {"value": Decimal("25.10"), "currency": "EUR"},
        **more,
    }


def document(status: str = "current", **more: Any) -> Resource:
    """Return a document with its content."""
    attachment = {"contentType": "application/pdf", "data": "JVBERi0=", "title": "Letter"}
    return {
        "resourceType": "DocumentReference",
        "id": "letter-1",
        "status": status,
        "docStatus": "final",
        "type": concept("http://loinc.org", "18842-5", "Discharge summary"),
        "subject": {"reference": "Patient/pat-1"},
        "date": "2026-03-01T12:00:00Z",
        "author": [{"reference": "Practitioner/doc-1"}],
        "content": [{"attachment": attachment}],
        **more,
    }
