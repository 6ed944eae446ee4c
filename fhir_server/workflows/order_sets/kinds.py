"""The kinds of requests that an ActivityDefinition may define, and where each has what the definition says.

https://hl7.org/fhir/R4/activitydefinition-definitions.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Place = Callable[[Any], dict[str, Any]]
"""Returns the elements of a request that say what an element of the definition does."""


def _is(name: str) -> Place:
    return lambda value: {name: value}


def _among(name: str) -> Place:
    return lambda value: {name: value if isinstance(value, list) else [value]}


_REASONS, _CANONICALS = _among("reasonCode"), _among("instantiatesCanonical")
_REQUESTER, _ENCOUNTER = _is("requester"), _is("encounter")


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of requests.

    `fixed` is what each begins with, and `places` are where the elements of the definition go. The others
    say where it has whom it is about (a type of `subjects`, () for any), why, when it was written, who asks
    for it, in which encounter, by which definition, who is to carry it out (the subject, or of a kind), and
    what is to be done in words; None for nowhere.
    """

    fixed: Mapping[str, Any]
    places: Mapping[str, Place]
    subject: Place
    subjects: tuple[str, ...] = ("Patient", "Group")
    reason: Place = _REASONS
    authored: str = "authoredOn"
    requester: Place | None = _REQUESTER
    encounter: Place | None = _ENCOUNTER
    canonical: Place | None = _CANONICALS
    performer: Place | None = None
    performer_type: Place | None = None
    text: Place | None = None


# `option` is what a request in a RequestGroup is until somebody chooses it.
_OPTION = {"status": "draft", "intent": "option"}
_TIMES: Mapping[str, Place] = {
    "timingDateTime": _is("occurrenceDateTime"),
    "timingPeriod": _is("occurrencePeriod"),
    "timingTiming": _is("occurrenceTiming"),
}
_PRIORITY: Mapping[str, Place] = {"priority": _is("priority")}
_NOT: Mapping[str, Place] = {"doNotPerform": _is("doNotPerform")}


def _participant(value: Any) -> dict[str, Any]:
    """Return who takes part in an appointment: somebody or a place, or somebody of a kind."""
    who = {"actor": value} if "reference" in value else {"type": [value]}
    return {"participant": [{**who, "status": "needs-action"}]}


KINDS: Mapping[str, Kind] = {
    "MedicationRequest": Kind(
        _OPTION,
        {
            **_PRIORITY,
            **_NOT,
            "productReference": _is("medicationReference"),
            "productCodeableConcept": _is("medicationCodeableConcept"),
            "dosage": _is("dosageInstruction"),
        },
        subject=_is("subject"),
        performer=_is("performer"),
        performer_type=_is("performerType"),
    ),
    "ServiceRequest": Kind(
        _OPTION,
        {
            **_PRIORITY,
            **_NOT,
            **_TIMES,
            "code": _is("code"),
            "location": _among("locationReference"),
            "quantity": _is("quantityQuantity"),
            "bodySite": _among("bodySite"),
        },
        subject=_is("subject"),
        subjects=("Patient", "Group", "Location", "Device"),
        performer=_among("performer"),
        performer_type=_is("performerType"),
    ),
    "DeviceRequest": Kind(
        _OPTION,
        {
            **_PRIORITY,
            **_TIMES,
            "code": _is("codeCodeableConcept"),
            "productCodeableConcept": _is("codeCodeableConcept"),
        },
        subject=_is("subject"),
        subjects=("Patient", "Group", "Location", "Device"),
        performer=_is("performer"),
        performer_type=_is("performerType"),
    ),
    "Task": Kind(
        _OPTION,
        {
            **_PRIORITY,
            "code": _is("code"),
            "timingPeriod": lambda value: {"restriction": {"period": value}},
            "location": _is("location"),
        },
        subject=_is("for"),
        subjects=(),
        reason=_is("reasonCode"),
        canonical=_is("instantiatesCanonical"),
        performer=_is("owner"),
        performer_type=_among("performerType"),
        text=_is("description"),
    ),
    "SupplyRequest": Kind(
        {"status": "draft"},
        {
            **_PRIORITY,
            **_TIMES,
            "code": _is("category"),
            "productReference": _is("itemReference"),
            "productCodeableConcept": _is("itemCodeableConcept"),
            "quantity": _is("quantity"),
        },
        subject=_is("deliverTo"),
        subjects=("Patient", "Organization", "Location"),
        encounter=None,
        canonical=None,
    ),
    "CommunicationRequest": Kind(
        {"status": "draft"},
        {
            **_PRIORITY,
            **_NOT,
            "timingDateTime": _is("occurrenceDateTime"),
            "timingPeriod": _is("occurrencePeriod"),
            "code": _among("category"),
        },
        subject=_is("subject"),
        canonical=None,
        performer=_among("recipient"),
        text=lambda value: {"payload": [{"contentString": value}]},
    ),
    "Appointment": Kind(
        {"status": "proposed"},
        {
            "code": _among("serviceType"),
            "timingDateTime": lambda value: {"requestedPeriod": [{"start": value}]},
            "timingPeriod": _among("requestedPeriod"),
            "location": _participant,
        },
        subject=_participant,
        subjects=("Patient",),
        authored="created",
        requester=None,
        encounter=None,
        canonical=None,
        performer=lambda _value: {},
        performer_type=_participant,
        text=_is("description"),
    ),
}
"""Those in which hospitals order: https://hl7.org/fhir/R4/valueset-request-resource-types.html."""
