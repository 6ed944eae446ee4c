"""What orders and results say of themselves: kinds, states, meanings, and the marks of release.

https://hl7.org/fhir/R4/valueset-observation-interpretation.html,
https://terminology.hl7.org/CodeSystem-v3-ActCode.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.made import has_code
from fhir_server.workflows.records import local
from fhir_server.workflows.references import reference_of

Resource = Mapping[str, Any]

OWN = "urn:fhir-hospital-server:orders"
"""Our own codes: of tasks (`acknowledge-critical`, `follow-up`) and of the flag of a critical result."""
ACKNOWLEDGE, FOLLOW_UP, CRITICAL = "acknowledge-critical", "follow-up", "critical-result"
TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"

FINAL_STATES = frozenset({"final", "amended", "corrected", "appended"})
REPORTED_STATES = FINAL_STATES | {"preliminary"}
OPEN_TASKS = frozenset({"draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"})
ORDERING = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})

INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
# What is found at the bedside, or told by the patient, is no secret to the patient.
_OPEN_CATEGORIES = ("vital-signs", "social-history", "survey", "activity", "exam", "therapy")


def is_order(resource: Resource) -> bool:
    """Tell whether a ServiceRequest is to be carried out, and no proposal or plan."""
    return resource.get("intent") in ORDERING


def is_fulfilment(task: Resource) -> bool:
    """Tell whether a Task is the carrying out of a ServiceRequest."""
    return "ServiceRequest/" in task.get("focus", {}).get("reference", "")


def is_acknowledgement(task: Resource) -> bool:
    """Tell whether a Task asks somebody to acknowledge a critical result."""
    return has_code(task.get("code"), OWN, ACKNOWLEDGE)


def is_result(resource: Resource) -> bool:
    """Tell whether an Observation is the result of an examination, or a resource is a report of some.

    Vital signs are none, and nothing that patients measured themselves.
    """
    if resource["resourceType"] == "DiagnosticReport":
        return True
    subject = reference_of(resource.get("subject")) or ""
    if "Patient/" not in subject or subject in map(reference_of, resource.get("performer", ())):
        return False
    categories = resource.get("category", [])
    return not (categories and all(has_code(one, _CATEGORIES, *_OPEN_CATEGORIES) for one in categories))


def is_critical(resource: Resource) -> bool:
    """Tell whether an Observation is there and says that it is critical: HH, LL or AA."""
    is_there = resource.get("status") in REPORTED_STATES
    return is_there and has_code(resource.get("interpretation", []), INTERPRETATIONS, "HH", "LL", "AA")


def is_abnormal(resource: Resource) -> bool:
    """Tell whether an Observation is final and not as it should be, but not critical."""
    is_there = resource.get("status") in FINAL_STATES
    is_odd = has_code(resource.get("interpretation", []), INTERPRETATIONS, "H", "L", "A")
    return is_there and is_odd and not is_critical(resource)


def is_final(resource: Resource | None) -> bool:
    """Tell whether a result or a report is final, or was corrected since."""
    return resource is not None and resource.get("status") in FINAL_STATES


def content(resource: Resource) -> Resource:
    """Return what a resource says, without what the server says about it."""
    return {name: value for name, value in resource.items() if name not in ("meta", "id")}


def references(resource: Resource, element: str, base_url: str, *types: str) -> tuple[str, ...]:
    """Return what an element refers to on this server, such as `Patient/1`; of `types` only, if given."""
    value = resource.get(element, [])
    found = []
    for one in value if isinstance(value, list) else [value]:
        key = local(one.get("reference"), base_url)
        if key is not None and (not types or key[0] in types):
            found.append("/".join(key))
    return tuple(dict.fromkeys(found))


def subject(resource: Resource, base_url: str) -> str | None:
    """Return whom or what a resource is about, such as `Patient/1`."""
    return next(iter(references(resource, "subject", base_url)), None)
