"""What orders and results have in common: the order itself, its numbers, its specimens, its notes."""

from typing import Any

from adapters.to_fhir.datatypes.identifiers import ei, identities_of
from adapters.to_fhir.drafts import OWN, Draft, Identity, Presence
from adapters.to_fhir.messages.clinical import told
from adapters.to_fhir.messages.common import ENCOUNTER, filled, subject_parts
from adapters.to_fhir.messages.orders_walk import Order, Result, Sample
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.orders import OBR, ORC, SPM, TQ1, note
from adapters.to_fhir.segments.results import observation
from adapters.to_fhir.value import NULL, Value
from hl7.message import Segment


def number(scope: Scope, segment: Segment | None, field: int) -> Identity | None:
    """Return the identity that an EI of a segment gives; one of our own numbers names the resource itself."""
    raw = segment[field].repetition(1).raw if segment is not None else ""
    if not raw or raw == NULL:
        return None
    made = ei(Value(raw, scope.reader), scope)
    if made is None:
        return None
    namespace = Value(raw, scope.reader)[2]
    destination = scope.channel.destination
    if destination is not None and namespace == destination.sending_application:
        return Identity(OWN, made["value"])
    return Identity(made["system"], made["value"])


def placer(scope: Scope, order: Order) -> Identity | None:
    """Return the number that the one who ordered gave: ORC-2, else OBR-2."""
    return number(scope, order.orc, 2) or (number(scope, order.detail, 2) if _is_obr(order) else None)


def filler(scope: Scope, order: Order) -> Identity | None:
    """Return the number that the one who carries it out gave: ORC-3, else OBR-3."""
    return (number(scope, order.detail, 3) if _is_obr(order) else None) or number(scope, order.orc, 3)


def _is_obr(order: Order) -> bool:
    return order.detail is not None and order.detail.name == "OBR"


def about(scope: Scope, element: str = "subject") -> dict[str, Any]:
    """Return the elements that say whom, and which visit, something is about."""
    made: dict[str, Any] = {element: scope.drafts[scope.subject].reference}
    if ENCOUNTER in scope.drafts:
        made["encounter"] = scope.drafts[ENCOUNTER].reference
    return made


def supporting(scope: Scope, result: Result, key: str, category: dict[str, Any]) -> dict[str, Any] | None:
    """Return the Observation of an OBX that goes with an order, None if it says nothing.

    It is final, and of `category`, unless it says something else itself.
    """
    with scope.within(key):
        resource = observation(result.obx, scope)
    if resource is None:
        return None
    return {"status": "final", "category": [category], **resource, **about(scope)}


def service_request(scope: Scope, order: Order, place: int, presence: Presence) -> Draft | None:
    """Add the order as a ServiceRequest; None if nothing tells it from others.

    `place` counts the orders of the message, from 1.
    """
    numbers = [one for one in (placer(scope, order), filler(scope, order)) if one is not None]
    if not numbers:
        return None
    key = f"order:{place}"
    draft = Draft(key, {"resourceType": "ServiceRequest"}, tuple(dict.fromkeys(numbers)), presence=presence)
    if order.orc is not None:
        filled(scope, draft, ORC, order.orc)
    if order.detail is not None and order.detail.name == "OBR":
        filled(scope, draft, OBR, order.detail)
    for timing in order.all("TQ1"):
        filled(scope, draft, TQ1, timing)
    resource = draft.resource
    resource.setdefault("intent", "order")
    if "occurrenceTiming" in resource:
        resource.pop("occurrenceDateTime", None)  # TQ1 says more than OBR-6
    resource |= about(scope)
    if order.notes:
        add_notes(scope, draft, "note", order.notes)
    _numbers_once(resource)
    scope.drafts[key] = draft
    return draft


def _numbers_once(resource: dict[str, Any]) -> None:
    """Keep of identifiers that are the same number the first."""
    seen: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in resource.get("identifier", ()):
        kind = next((each["code"] for each in one.get("type", {}).get("coding", ())), "")
        seen.setdefault((one.get("system", ""), one["value"], kind), one)
    if seen:
        resource["identifier"] = list(seen.values())


def add_notes(scope: Scope, draft: Draft, element: str, notes: list[Segment]) -> None:
    """Add NTEs to a draft."""
    listed: list[dict[str, Any]] = draft.resource.setdefault(element, [])
    for segment in notes:
        scope.place.segment, scope.place.sequence = "NTE", segment.sequence
        with scope.within(draft.key, f"{element}.{len(listed)}"):
            made = note(segment, scope)
        if made is not None:
            listed.append(made)
    if not listed:
        del draft.resource[element]


def specimen(scope: Scope, sample: Sample, order: Draft | None) -> Draft:
    """Add an SPM as a Specimen; one without numbers is known by its kind and when it was taken."""
    key = f"specimen:{sample.spm.sequence}"
    if key in scope.drafts:
        return scope.drafts[key]
    draft = Draft(key, {"resourceType": "Specimen"})
    filled(scope, draft, SPM, sample.spm)
    resource = draft.resource
    resource["subject"] = scope.drafts[scope.subject].reference
    if order is not None:
        resource["request"] = [order.reference]
    found = [*resource.get("identifier", ()), *filter(None, [resource.get("accessionIdentifier")])]
    if found:
        draft.identities = identities_of(found)
    else:
        taken = resource.get("collection", {})
        when = taken.get("collectedDateTime") or taken.get("collectedPeriod", {}).get("start", "")
        kind = told(resource.get("type"))[1]
        orders = (order.identities[0].system, order.identities[0].value) if order is not None else ()
        draft.parts = ("specimen", *subject_parts(scope), *orders, kind, when, sample.spm.get(1))
    scope.drafts[key] = draft
    return draft
