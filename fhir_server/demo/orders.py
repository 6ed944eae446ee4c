"""Orders of tests and the reports that answer them: ServiceRequest, Task, DiagnosticReport.

https://hl7.org/fhir/R4/servicerequest.html, https://hl7.org/fhir/R4/diagnosticreport.html
"""

from datetime import datetime, timedelta
from typing import Any

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.datatypes import Code, Resource, concept, hl7, identifier, refer, stamp
from fhir_server.demo.departments import find_department
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.staff import DOCTOR, LABORATORY

# From the order to the specimen or the picture.
WAIT = timedelta(minutes=15)
_FULFILL = Code("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request")
_PLACER = hl7("v2-0203", "PLAC", "Placer Identifier")
_FILLER = hl7("v2-0203", "FILL", "Filler Identifier")
_IN_A_HURRY = ("emergency", "intensive-care")


def running_number(chart: Chart) -> str:
    """Return a number that no other order, specimen or report has."""
    return f"{chart.number:04d}-{len(chart.resources):04d}"


def order(
    chart: Chart, visit: Visit, code: dict[str, Any], kind: Code, moment: datetime, *, done: bool
) -> Resource:
    """Write the order of a test at `moment`; it is completed if the test is `done`."""
    elements = {
        "identifier": [identifier(_PLACER, "order", f"O-{running_number(chart)}")],
        "status": "completed" if done else "active",
        "intent": "order",
        "category": [concept(kind)],
        "priority": "urgent" if visit.department.key in _IN_A_HURRY else "routine",
        "code": code,
        "subject": chart.patient,
        "encounter": visit.reference,
        "occurrenceDateTime": stamp(moment + WAIT),
        "authoredOn": stamp(moment),
        "requester": visit.doctor.practitioner,
        "reasonCode": visit.encounter.get("reasonCode"),
    }
    return chart.add("ServiceRequest", elements)


def assign(chart: Chart, hospital: Hospital, visit: Visit, request: Resource) -> None:
    """Write the laboratory's task for an order that it has received but not yet carried out."""
    owner = chart.random.choice(hospital.staff.of("laboratory", LABORATORY))
    ordered = datetime.fromisoformat(request["authoredOn"])
    elements = {
        "basedOn": [refer(request)],
        "status": "accepted",
        "intent": "order",
        "priority": request["priority"],
        "code": concept(_FULFILL),
        "description": request["code"]["text"],
        "focus": refer(request),
        "for": chart.patient,
        "encounter": visit.reference,
        "authoredOn": stamp(ordered),
        "lastModified": stamp(ordered + timedelta(minutes=5)),
        "requester": visit.doctor.practitioner,
        "owner": owner.practitioner,
    }
    chart.add("Task", elements)


def report(
    chart: Chart,
    hospital: Hospital,
    request: Resource,
    section: Code,
    issued: datetime,
    findings: dict[str, Any],
) -> Resource:
    """Write the report that answers `request`; `findings` are its results, or its conclusion."""
    department = "laboratory" if "result" in findings else "radiology"
    reader = hospital.staff.anyone(department, DOCTOR, chart.random)
    elements = {
        "identifier": [identifier(_FILLER, "report", f"R-{running_number(chart)}")],
        "basedOn": [refer(request)],
        "status": "final",
        "category": [concept(section)],
        "code": request["code"],
        "subject": chart.patient,
        "encounter": request["encounter"],
        "effectiveDateTime": request["occurrenceDateTime"],
        "issued": stamp(issued),
        "performer": [find_department(department).organization],
        "resultsInterpreter": [reader.practitioner],
    }
    return chart.add("DiagnosticReport", elements | findings)
