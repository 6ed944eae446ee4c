"""What a resource refers to, and has to be known to tell of it: looked up along the paths listed here.

Which references are followed is data, so that nothing is read that no message has room for.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

Resource = Mapping[str, Any]
Read = Callable[[str], Awaitable[Resource | None]]
"""Reads the resource that a reference's text names, None if it is not here."""

_PATIENT = ("managingOrganization", "generalPractitioner")
_REACHED: Mapping[str, tuple[str, ...]] = {
    "Patient": _PATIENT,
    "Encounter": (
        *("subject", "participant.individual", "location.location", "serviceProvider", "account"),
        *("diagnosis.condition", "hospitalization.origin", "hospitalization.destination"),
    ),
    "Location": ("partOf",),
    "PractitionerRole": ("practitioner", "organization"),
    "ServiceRequest": (
        *("subject", "encounter", "requester", "performer", "specimen", "reasonReference", "insurance"),
        "locationReference",
    ),
    "MedicationRequest": ("subject", "encounter", "requester", "medicationReference", "reasonReference"),
    "DiagnosticReport": (
        *("subject", "encounter", "basedOn", "result", "specimen", "performer", "resultsInterpreter"),
        "presentedForm.url",
    ),
    "Observation": ("performer", "hasMember", "specimen", "device"),
    "Specimen": ("collection.collector",),
    "DocumentReference": (
        "subject",
        "author",
        "authenticator",
        "context.encounter",
        "content.attachment.url",
    ),
    "Appointment": ("participant.actor", "basedOn", "slot"),
    "ChargeItem": (
        "subject",
        "context",
        "performer.actor",
        "account",
        "performingOrganization",
        "requestingOrganization",
    ),
    "Invoice": ("subject", "account", "lineItem.chargeItemReference", "participant.actor"),
    "Immunization": ("performer.actor", "location", "manufacturer"),
    "AllergyIntolerance": (),
    "Account": ("guarantor.party",),
    "Coverage": ("payor", "subscriber"),
}
# A report of a large hospital has some hundreds of results; what is beyond this is no message any more.
_MOST = 12_000


def values(resource: Any, path: str) -> Iterator[Any]:
    """Yield what is at a path such as `participant.individual`, through lists."""
    found: list[Any] = [resource]
    for name in path.split("."):
        following: list[Any] = []
        for one in found:
            value = one.get(name) if isinstance(one, Mapping) else None
            following += value if isinstance(value, list) else [] if value is None else [value]
        found = following
    yield from found


def references(resource: Resource) -> Iterator[str]:
    """Yield the texts of those references of a resource that are followed."""
    for path in _REACHED.get(resource["resourceType"], ()):
        for value in values(resource, path):
            text = value.get("reference") if isinstance(value, Mapping) else value
            if isinstance(text, str) and text and not text.startswith("#"):
                yield text


async def around(resources: Iterable[Resource], read: Read) -> dict[str, Resource]:
    """Return what `resources` refer to, and what that refers to, by the texts of the references."""
    found: dict[str, Resource] = {}
    asked: set[str] = set()
    waiting = [text for one in resources for text in references(one)]
    while waiting and len(asked) < _MOST:
        text = waiting.pop()
        if text in asked:
            continue
        asked.add(text)
        one = await read(text)
        if one is not None:
            found[text] = one
            waiting += references(one)
    return found
