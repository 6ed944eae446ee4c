"""One request by its ActivityDefinition.

What has no place in a request of its kind is refused, not left out: a dose that gets lost is an error.
https://hl7.org/fhir/R4/activitydefinition-operation-apply.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.made import concept
from fhir_server.workflows.order_sets.case import Case
from fhir_server.workflows.order_sets.kinds import KINDS, Kind, Place
from fhir_server.workflows.order_sets.rules import CONTENT, SUBJECT
from resources.operation_outcome import FhirError

Resource = Mapping[str, Any]

TIMINGS = ("timingTiming", "timingDateTime", "timingAge", "timingPeriod", "timingRange", "timingDuration")
_MAPPED = (
    *("priority", "doNotPerform", "code", *TIMINGS, "location", "productReference"),
    *("productCodeableConcept", "quantity", "dosage", "bodySite"),
)
_UNABLE = ("transform", "modifierExtension")
_PARTICIPANTS = "http://hl7.org/fhir/action-participant-type"
_EXPRESSION = "http://hl7.org/fhir/StructureDefinition/cqf-expression"


def request(
    definition: Resource, action: Resource, subject: str, reasons: Sequence[Resource], case: Case, place: str
) -> dict[str, Any]:
    """Return the draft that a definition defines; what the action says as well counts instead.

    `subject` is the type of whom it is about. Raises the refusal of CONTENT for what has no place in it,
    of SUBJECT if its kind is not about such a subject.
    """
    name = definition.get("kind", "")
    kind = KINDS.get(name)
    if kind is None:
        raise CONTENT.error(f"The definition defines none of {', '.join(KINDS)}", place)
    if kind.subjects and subject not in kind.subjects:
        raise SUBJECT.error(f"A {name} is not about a {subject}", place)
    refuse(definition, _UNABLE, place)
    if _EXPRESSION in _texts(definition):
        raise CONTENT.error("The definition has values to be calculated that are no dynamicValue", place)
    found: dict[str, Any] = {"resourceType": name, **kind.fixed, kind.authored: instant(case.now)}
    if "profile" in definition:
        found["meta"] = {"profile": [definition["profile"]]}
    for where, value in (
        *_circumstances(kind, definition, action, subject, case),
        *_performers(kind, definition, action, subject, case, place),
        *((kind.reason, one) for one in reasons),
        *_contents(kind, name, definition, action, place),
    ):
        _add(found, where(value), place)
    return found


def refuse(element: Resource, names: Iterable[str], place: str) -> None:
    """Raise the refusal of CONTENT if an element has one of `names`."""
    for name in names:
        if name in element:
            raise CONTENT.error(f"{name} is not carried out here", place)


def canonical_of(definition: Resource) -> str | None:
    """Return the canonical URL of a definition, with its version if it has one; None if it has no URL."""
    version = f"|{definition['version']}" if "version" in definition else ""
    return f"{definition['url']}{version}" if "url" in definition else None


def _circumstances(
    kind: Kind, definition: Resource, action: Resource, subject: str, case: Case
) -> Iterator[tuple[Place, Any]]:
    told = (action.get("description"), definition.get("description"), action.get("textEquivalent"))
    names = (action.get("title"), definition.get("title"))
    for where, value in (
        (kind.canonical, canonical_of(definition)),
        (kind.subject, case.reference(subject)),
        (kind.encounter, case.in_encounter),
        (kind.requester, case.requester),
        (kind.text, next((one for one in (*told, *names) if one), None)),
    ):
        if where is not None and value is not None:
            yield where, value


def _performers(
    kind: Kind, definition: Resource, action: Resource, subject: str, case: Case, place: str
) -> Iterator[tuple[Place, Any]]:
    """Yield who is to carry it out: the subject where it is the patient, else somebody of a kind."""
    has_place = kind.performer is not None or kind.performer_type is not None
    own = action.get("participant", ()) if has_place else ()
    for one in own or definition.get("participant", ()):
        is_subject = one["type"] == "patient" == subject.lower() and "role" not in one
        where = kind.performer if is_subject else kind.performer_type
        if where is None:
            raise CONTENT.error(f"participant has no place in a {definition['kind']}", place)
        who = one.get("role") or concept(_PARTICIPANTS, one["type"])
        yield where, case.reference(subject) if is_subject else who


def _contents(
    kind: Kind, name: str, definition: Resource, action: Resource, place: str
) -> Iterator[tuple[Place, Any]]:
    told = {one: definition[one] for one in _MAPPED if one in definition}
    timing = next((one for one in TIMINGS if one in action and one in kind.places), None)
    if timing is not None:
        told = {one: value for one, value in told.items() if one not in TIMINGS} | {timing: action[timing]}
    if "priority" in action and "priority" in kind.places:
        told["priority"] = action["priority"]
    if name == "MedicationRequest":
        told = _dosed(told, place)
    for one, value in told.items():
        if one not in kind.places:
            raise CONTENT.error(f"{one} has no place in a {name}", place)
        yield kind.places[one], value


def _dosed(told: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the elements of a medicine's definition with a dosage of what stands beside none.

    "Quantity expected to be consumed at once"; with a dosage there should be neither it nor a timing:
    https://hl7.org/fhir/R4/activitydefinition-definitions.html#ActivityDefinition.dosage
    """
    loose = {name: told[name] for name in (*TIMINGS, "quantity", "bodySite") if name in told}
    if not loose:
        return told
    if "dosage" in told:
        raise CONTENT.error(f"{', '.join(loose)} stands in the dosage, not beside it", place)
    dosage: dict[str, Any] = {}
    for name, value in loose.items():
        if name == "quantity":
            dosage["doseAndRate"] = [{"doseQuantity": value}]
        elif name == "bodySite" and len(value) == 1:
            dosage["site"] = value[0]
        elif name == "timingTiming":
            dosage["timing"] = value
        elif name == "timingDateTime":
            dosage["timing"] = {"event": [value]}
        elif name in ("timingPeriod", "timingRange", "timingDuration"):
            dosage["timing"] = {"repeat": {name.replace("timing", "bounds"): value}}
        else:
            raise CONTENT.error(f"{name} has no place in a dosage", place)
    return {name: value for name, value in told.items() if name not in loose} | {"dosage": [dosage]}


def _add(found: dict[str, Any], more: Mapping[str, Any], place: str) -> None:
    """Add elements: those of lists to what is there, of which others there may be one only."""
    for name, value in more.items():
        if name in found and not (isinstance(value, list) and isinstance(found[name], list)):
            raise _twice(name, place)
        found[name] = [*found[name], *value] if name in found else value


def _twice(name: str, place: str) -> FhirError:
    return CONTENT.error(f"The request has one {name}, and more are said", place)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
