"""Patients to be registered, and what tests look at in answers."""

import uuid
from typing import Any

import httpx

Resource = dict[str, Any]

MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def somebody(**elements: Any) -> Resource:
    """Return a patient whom nobody has seen before."""
    family = f"Family{uuid.uuid4().hex}"
    person = {
        "resourceType": "Patient",
        "name": [{"family": family, "given": ["Ada"]}],
        "birthDate": "1980-04-05",
        **elements,
    }
    return {name: value for name, value in person.items() if value is not None}


def numbers(patient: Resource) -> list[str]:
    """Return the medical record numbers of a patient."""
    return [one["value"] for one in patient.get("identifier", []) if one.get("type", {}).get("coding") and
            one["type"]["coding"][0]["code"] == "MR"]  # fmt: skip


def rules_of(answer: httpx.Response) -> set[str]:
    """Return the rules that an OperationOutcome names, those of its entries included."""
    found = set()
    for issue in answer.json().get("issue", ()):
        found |= {one["code"] for one in issue.get("details", {}).get("coding", ())}
    return found


def transaction(*entries: tuple[str, str, Resource]) -> Resource:
    """Return a transaction of entries: method, address and resource."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{uuid.uuid4()}",
                "resource": resource,
                "request": {"method": method, "url": url},
            }
            for method, url, resource in entries
        ],
    }
