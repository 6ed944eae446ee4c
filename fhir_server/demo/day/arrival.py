"""The morning: somebody is registered once, and nobody twice."""

from fhir_server.demo.day.trace import Trace
from fhir_server.workflows.made import concept

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_SNOMED = "http://snomed.info/sct"


def register(day: Trace) -> None:
    """Register a patient at the desk, with insurance and an allergy."""
    doctor = day.house.people["DR"]
    person = {
        "resourceType": "Patient",
        "name": [{"family": "Sands", "given": ["Ada"]}],
        "gender": "female",
        "birthDate": "1980-04-05",
        "telecom": [{"system": "email", "value": "ada.sands@example.org"}],
        "address": [{"line": ["12 Canal Street"], "city": "Springfield", "country": "US"}],
        "generalPractitioner": [{"reference": doctor}],
    }
    patient = day.create("AD", person)
    number = next(one["value"] for one in patient["identifier"] if one.get("type"))
    day.tell("AD", "registers Ada Sands", f"Patient/{patient['id']}, record number {number}")
    day.refused("AD", "POST", "/Patient", person, 409)
    day.tell("AD", "registers her again", "refused: she is here already (409)")
    day.refused("AD", "POST", "/Patient", {**person, "birthDate": "2090-01-01"}, 422)
    day.tell("AD", "registers somebody who is born in 2090", "refused (422)")
    day.known["patient"] = patient
    reference = {"reference": f"Patient/{patient['id']}"}
    insurers = day.search("BC", "Organization?type=ins&_count=1") or day.search("BC", "Organization?_count=1")
    coverage = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": reference,
        "subscriberId": "S-4711",
        "period": {"start": "2020-01-01"},
        "payor": [{"reference": f"Organization/{insurers[0]['id']}"}],
    }
    day.known["coverage"] = day.create("BC", coverage)
    day.tell("BC", "notes her insurance", f"Coverage/{day.known['coverage']['id']}")
    allergy = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": concept(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"
        ),
        "verificationStatus": concept(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed"
        ),
        "code": concept(_SNOMED, "91936005", "Allergy to penicillin") | {"text": "Penicillin"},
        "patient": reference,
    }
    day.create("DR", allergy)
    day.tell("DR", "notes an allergy to penicillin")
    found = day.call("DR", "Patient/$match", resource={**person, "id": "x"})
    day.check(found.get("total") == 1, "Patient/$match does not find her")
    day.tell("DR", "looks her up by name and birth date", "one certain match")
