"""What is prescribed, handed out by the pharmacy, and given on the ward.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/medicationdispense.html,
https://hl7.org/fhir/R4/medicationadministration.html
"""

from datetime import datetime, timedelta
from typing import Any

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.clinical import Medicine, find_medicine
from fhir_server.demo.datatypes import Resource, concept, count, hl7, identifier, refer, stamp
from fhir_server.demo.departments import find_department
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.places import room
from fhir_server.demo.staff import PHARMACIST

_AS_NEEDED = "as needed"


def prescribe(
    chart: Chart,
    visit: Visit,
    key: str,
    moment: datetime,
    *,
    status: str = "active",
    setting: str = "outpatient",
    reason: Resource | None = None,
    refills: int = 0,
) -> Resource:
    """Write the prescription of medicine `key`; `setting` is inpatient, outpatient or discharge."""
    one = find_medicine(key)
    elements = {
        "identifier": [identifier(None, "prescription", f"RX-{chart.number:04d}-{len(chart.resources):04d}")],
        "status": status,
        "intent": "order",
        "category": [concept(hl7("medicationrequest-category", setting, setting.title()))],
        "medicationCodeableConcept": concept(*one.codes, text=one.name),
        "subject": chart.patient,
        "encounter": visit.reference,
        "authoredOn": stamp(moment),
        "requester": visit.doctor.practitioner,
        "reasonReference": [refer(reason, reason["code"]["text"])] if reason else None,
        "dosageInstruction": [_dosage(one)],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": refills,
            "quantity": count(one.pack, one.unit),
            "expectedSupplyDuration": _days(one.days),
            "performer": find_department("pharmacy").organization,
        },
    }
    return chart.add("MedicationRequest", elements)


def _days(number: int) -> dict[str, Any]:
    return {"value": number, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}


def _dosage(one: Medicine) -> dict[str, Any]:
    amount = f"{one.amount} {one.unit}{'s' if one.amount > 1 else ''}"
    common: dict[str, Any] = {
        "sequence": 1,
        "route": concept(one.route),
        "doseAndRate": [{"doseQuantity": count(one.amount, one.unit)}],
    }
    if not one.times_a_day:
        return {"text": f"{amount} {_AS_NEEDED}", "asNeededBoolean": True} | common
    often = {1: "once", 2: "twice", 3: "three times"}[one.times_a_day]
    repeat = {"frequency": one.times_a_day, "period": 1, "periodUnit": "d"}
    return {"text": f"{amount} {often} a day", "timing": {"repeat": repeat}} | common


def dispense(chart: Chart, hospital: Hospital, key: str, request: Resource, moment: datetime) -> Resource:
    """Write that the pharmacy has handed out what `request` prescribes."""
    one = find_medicine(key)
    pharmacist = chart.random.choice(hospital.staff.of("pharmacy", PHARMACIST))
    elements = {
        "status": "completed",
        "medicationReference": hospital.pharmacy.issue(key, one.pack),
        "subject": chart.patient,
        "context": request["encounter"],
        "performer": [{"actor": pharmacist.practitioner}],
        "location": room("pharmacy"),
        "authorizingPrescription": [refer(request)],
        "type": concept(hl7("v3-ActCode", "FFC", "First Fill - Complete")),
        "quantity": count(one.pack, one.unit),
        "daysSupply": _days(one.days),
        "whenPrepared": stamp(moment),
        "whenHandedOver": stamp(moment + timedelta(minutes=20)),
        "dosageInstruction": request["dosageInstruction"],
    }
    return chart.add("MedicationDispense", elements)


def give(
    chart: Chart, hospital: Hospital, visit: Visit, key: str, request: Resource, moment: datetime
) -> None:
    """Write that a nurse has given one dose of what `request` prescribes."""
    one = find_medicine(key)
    elements = {
        "status": "completed",
        "category": concept(hl7("medication-admin-category", "inpatient", "Inpatient")),
        "medicationReference": hospital.pharmacy.issue(key, int(one.amount)),
        "subject": chart.patient,
        "context": visit.reference,
        "effectiveDateTime": stamp(moment),
        "performer": [{"actor": visit.nurse.practitioner}],
        "request": refer(request),
        "dosage": {"route": concept(one.route), "dose": count(one.amount, one.unit)},
    }
    chart.add("MedicationAdministration", elements)
