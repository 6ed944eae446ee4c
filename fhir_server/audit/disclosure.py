"""What an answer gives out: the resources in it, and the patients whom they are about."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fhir_server.context import Request, Response
from resources.references import is_id, parse_reference

NO_PATIENT = ""
Touched = dict[str, list[str]]
"""References by the ids of patients, as in `events.Access`."""

# Not themselves records, but what carries them or tells of them.
_CARRIERS = frozenset({"Bundle", "Parameters", "OperationOutcome"})
# Search parameters that name the patient whose records are looked for.
_NAMES_PATIENT = frozenset({"patient", "subject", "patient._id", "subject._id"})


Patients = Callable[[dict[str, Any]], tuple[str, ...]]
"""From a resource to the ids of the patients whom it is about."""


def disclosed(request: Request, response: Response, base_url: str, patients_of: Patients) -> Touched:
    """Return what `response` gives out, by patient; of a search that finds nothing, whom it asked about."""
    touched: Touched = {}
    if response.resource is not None:
        for resource in _records(response.resource):
            reference = _reference(resource, with_version=response.resource is resource)
            add(touched, reference, patients_of(resource))
    elif response.version is not None and len(request.path) > 1:
        # Asked for without a body, or not given again as the client has it: it was told to be the same.
        reference = f"{request.path[0]}/{request.path[1]}"
        patients = (request.path[1],) if request.path[0] == "Patient" else ()
        add(touched, f"{reference}/_history/{response.version}", patients)
    return touched or asked_about(request, base_url)


def add(touched: Touched, reference: str, patients: tuple[str, ...]) -> None:
    """Add a reference to those of each of `patients`, or of none."""
    for patient in patients or (NO_PATIENT,):
        touched.setdefault(patient, []).append(reference)


def asked_about(request: Request, base_url: str) -> Touched:
    """Return the patients whom a request names, in its path or as the subject of a search."""
    named: dict[str, None] = {}
    if len(request.path) > 1 and request.path[0] == "Patient" and is_id(request.path[1]):
        named[request.path[1]] = None
    for name, text in request.query:
        if name.partition(":")[0] in _NAMES_PATIENT:
            for part in text.split(","):
                named |= dict.fromkeys(_patient_in(part, name, base_url))
    return {patient: [] for patient in named}


def _patient_in(text: str, name: str, base_url: str) -> tuple[str, ...]:
    reference = parse_reference(text.removeprefix(f"{base_url}/"))
    if reference is not None:
        return (reference.id,) if reference.resource_type == "Patient" and not reference.base else ()
    is_subject = name.startswith("subject") and not name.startswith("subject:Patient")
    return (text,) if is_id(text) and not is_subject else ()


def _records(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the records in an answer, however deep they stand in Bundles and Parameters."""
    resource_type = resource.get("resourceType")
    if resource_type == "Parameters":
        for parameter in resource.get("parameter", ()):
            yield from _in_parameter(parameter)
    elif resource_type == "Bundle":
        for entry in resource.get("entry", ()):
            if "resource" in entry:
                yield from _records(entry["resource"])
    if resource_type not in _CARRIERS or "versionId" in resource.get("meta", {}):
        yield resource


def _in_parameter(parameter: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "resource" in parameter:
        yield from _records(parameter["resource"])
    for part in parameter.get("part", ()):
        yield from _in_parameter(part)


def _reference(resource: Mapping[str, Any], *, with_version: bool) -> str:
    reference = f"{resource['resourceType']}/{resource.get('id', 'unsaved')}"
    version = resource.get("meta", {}).get("versionId") if with_version else None
    return reference if version is None else f"{reference}/_history/{version}"
