"""An order, its specimen and its result: critical, acknowledged, and released to the patient."""

import base64
from typing import Any

from fhir_server.demo.day.trace import Trace
from fhir_server.workflows.made import concept

_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_POTASSIUM = concept(_LOINC, "2823-3", "Potassium [Moles/volume] in Serum or Plasma")


def examine(day: Trace) -> None:
    """Order a potassium, find it critical, and let patient and doctor know."""
    patient = {"reference": f"Patient/{day.known['patient']['id']}"}
    order = _order(day, patient)
    specimen = _specimen(day, patient, order)
    result = _critical_result(day, patient, order, specimen)
    _report(day, patient, order, specimen, result)


def _stay(day: Trace) -> dict[str, str]:
    return {"reference": f"Encounter/{day.known['encounter']['id']}"}


def _order(day: Trace, patient: dict[str, Any]) -> dict[str, Any]:
    order = day.create(
        "DR",
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "priority": "urgent",
            "category": [concept("http://snomed.info/sct", "108252007", "Laboratory procedure")],
            "code": _POTASSIUM,
            "subject": patient,
            "encounter": _stay(day),
            "requester": {"reference": day.house.people["DR"]},
        },
    )
    day.tell("DR", "orders a potassium", f"ServiceRequest/{order['id']}")
    (task,) = day.search("LB", f"Task?focus=ServiceRequest/{order['id']}")
    for status in ("received", "accepted", "in-progress"):
        task = day.update("LB", {**task, "status": status})
    day.tell("LB", "takes the order", f"Task/{task['id']} is {task['status']}")
    return order


def _specimen(day: Trace, patient: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    specimen = day.create(
        "LB",
        {
            "resourceType": "Specimen",
            "status": "available",
            "type": concept("http://snomed.info/sct", "119364003", "Serum specimen"),
            "subject": patient,
            "request": [{"reference": f"ServiceRequest/{order['id']}"}],
        },
    )
    number = specimen["accessionIdentifier"]["value"]
    day.tell("LB", "takes the blood in", f"accession number {number}")
    label = day.send("LB", "GET", f"/Specimen/{specimen['id']}/$label", status=200)
    day.keep("specimen-label.pdf", base64.b64decode(label["data"]))
    day.tell("LB", "prints the label")
    return specimen


def _critical_result(
    day: Trace, patient: dict[str, Any], order: dict[str, Any], specimen: dict[str, Any]
) -> dict[str, Any]:
    result = day.create(
        "LB",
        {
            "resourceType": "Observation",
            "status": "final",
            "category": [concept(_CATEGORY, "laboratory")],
            "code": _POTASSIUM,
            "subject": patient,
            "encounter": _stay(day),
            "basedOn": [{"reference": f"ServiceRequest/{order['id']}"}],
            "specimen": {"reference": f"Specimen/{specimen['id']}"},
            "valueQuantity": {
                "value": 7,
                "unit": "mmol/L",
                "system": "http://unitsofmeasure.org",
                "code": "mmol/L",
            },
            "interpretation": [concept(_INTERPRETATION, "HH", "Critical high")],
        },
    )
    day.tell("LB", "measures 7 mmol/L", "critical: the doctor is alerted at once")
    acknowledged = day.send("DR", "POST", f"/Observation/{result['id']}/$acknowledge", status=200)
    day.check(acknowledged.get("resourceType") == "Task", "the alert is not acknowledged by a Task")
    day.tell("DR", "acknowledges the alert", f"Task/{acknowledged['id']} is {acknowledged['status']}")
    day.refused("DR", "POST", f"/Observation/{result['id']}/$acknowledge", None, 409)
    return result


def _report(
    day: Trace,
    patient: dict[str, Any],
    order: dict[str, Any],
    specimen: dict[str, Any],
    result: dict[str, Any],
) -> None:
    report = day.create(
        "LB",
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "category": [concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")],
            "code": _POTASSIUM,
            "subject": patient,
            "encounter": _stay(day),
            "basedOn": [{"reference": f"ServiceRequest/{order['id']}"}],
            "specimen": [{"reference": f"Specimen/{specimen['id']}"}],
            "result": [{"reference": f"Observation/{result['id']}"}],
            "issued": result["meta"]["lastUpdated"],
        },
    )
    done = day.read("DR", f"ServiceRequest/{order['id']}")
    day.check(done["status"] == "completed", "the order of a final report is not completed")
    day.tell("LB", "issues the report", f"DiagnosticReport/{report['id']}; the order is completed")
    day.send("DR", "POST", f"/DiagnosticReport/{report['id']}/$release", status=200)
    day.tell("DR", "releases it to the patient")
    day.paper("DR", "laboratory-report.pdf", f"related=DiagnosticReport/{report['id']}&status=current")
    day.tell("LB", "files the report as PDF")
