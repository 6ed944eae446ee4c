"""The ward: a bed for one patient, a transfer, and a bed that is cleaned before the next one."""

from typing import Any

from fhir_server.demo.day.trace import Trace


def admit(day: Trace) -> None:
    """Admit the patient to a free bed, and nobody else to it; move her, and see the bed cleaned."""
    encounter = f"Encounter/{day.known['encounter']['id']}"
    first, second = _free_beds(day)[:2]
    parameters = [
        {"name": "bed", "valueReference": {"reference": first}},
        {"name": "attender", "valueReference": {"reference": day.house.people["DR"]}},
    ]
    admitted = day.send("RN", "POST", f"/{encounter}/$admit", _parameters(parameters), status=200)
    day.check(admitted.get("status", "in-progress") == "in-progress", "she is not admitted")
    bed = day.read("RN", first)
    day.check(bed["operationalStatus"]["code"] == "O", "her bed is not occupied")
    day.tell("RN", "admits her", f"{first} is occupied")
    other = day.create("DR", _other_visit(day))
    day.send("RN", "POST", f"/Encounter/{other['id']}/$admit", _parameters(parameters), status=(409, 422))
    day.tell("RN", "admits somebody else to that bed", "refused: one patient a bed")
    move = [{"name": "bed", "valueReference": {"reference": second}}]
    day.send("RN", "POST", f"/{encounter}/$transfer", _parameters(move), status=200)
    day.check(
        day.read("RN", first)["operationalStatus"]["code"] == "H", "the bed she left is not to be cleaned"
    )
    day.tell("RN", "moves her to another bed", f"{first} waits for housekeeping")


def _free_beds(day: Trace) -> list[str]:
    beds = day.search("RN", "Location?operational-status=U&physical-type=bd&_count=50")
    day.check(len(beds) > 1, "there are no two free beds")
    return [f"Location/{bed['id']}" for bed in beds]


def _other_visit(day: Trace) -> dict[str, Any]:
    patient = day.search("DR", "Patient?_count=5")[0]
    return {
        "resourceType": "Encounter",
        "status": "arrived",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{patient['id']}"},
    }


def _parameters(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": listed}
