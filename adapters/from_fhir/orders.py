"""Orders: OML^O21, and ORM^O01 up to version 2.3.1.

HL7 v2.5.1 §4.4.6, §4.5.1 (ORC), §4.5.3 (OBR), §4.5.4 (TQ1)
"""

from collections.abc import Iterator

from adapters.destinations import Destination
from adapters.from_fhir.adt import changed_elements
from adapters.from_fhir.datatypes import (
    active_identifiers,
    any_code,
    coded,
    cwe,
    ei,
    ei_of,
    quantity_number,
    repeated,
    texts,
    units,
)
from adapters.from_fhir.header import msh
from adapters.from_fhir.people import person_of, pid
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import timestamp
from adapters.from_fhir.visits import diagnosis, pv1
from hl7.building import Component, FieldValue

ORDER, ORDER_OF_OLD = "OML^O21", "ORM^O01"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_ORDERING = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
_OVER = frozenset({"revoked", "cancelled", "stopped", "entered-in-error"})
# What the one who carries out an order has to know if it changes.
_ORDERED = frozenset(
    {
        *("code", "orderDetail", "priority", "quantityQuantity", "quantityRatio", "occurrenceDateTime"),
        *(
            "occurrencePeriod",
            "occurrenceTiming",
            "bodySite",
            "specimen",
            "reasonCode",
            "reasonReference",
            "note",
        ),
        *(
            "patientInstruction",
            "doNotPerform",
            "asNeededBoolean",
            "subject",
            "encounter",
            "requester",
            "category",
        ),
        *(
            "medicationCodeableConcept",
            "medicationReference",
            "dosageInstruction",
            "dispenseRequest",
            "substitution",
        ),
    }
)
NEW, CANCEL, DISCONTINUE, CHANGE, HOLD, RELEASE = "NW", "CA", "DC", "XO", "HD", "RL"


def control(before: Resource | None, after: Resource | None) -> str | None:
    """Return what is asked of the one who carries out an order (ORC-1, table 0119), None if nothing is.

    For ServiceRequest and MedicationRequest, of which only orders count, and no plans or proposals.
    """
    was = None if before is None or before.get("intent") not in _ORDERING else before.get("status")
    now = None if after is None or after.get("intent") not in _ORDERING else after.get("status")
    if now == "active":
        if was not in ("active", "on-hold"):
            return NEW
        if was == "on-hold":
            return RELEASE
        return CHANGE if changed_elements(before or {}, after or {}) & _ORDERED else None
    if was not in ("active", "on-hold"):
        return None
    if now == "on-hold":
        return HOLD if was == "active" else None
    if now == "stopped":
        return DISCONTINUE
    return CANCEL if now is None or now in _OVER else None


def order_message(destination: Destination) -> str:
    """Return the message by which a destination gets orders."""
    return ORDER_OF_OLD if destination.is_before("2.4") else ORDER


def placer_number(request: Resource, destination: Destination) -> list[Component]:
    """Return ORC-2: the number that another placer gave, or the request's id here, with our application."""
    for one in active_identifiers(request):
        if coded(one.get("type"), _TYPES) == "PLAC":
            return ei_of(one, destination)
    return ei(request["id"], destination)


def filler_number(request: Resource, destination: Destination) -> list[Component]:
    """Return ORC-3: the number that who carries it out gave, if it is known."""
    for one in active_identifiers(request):
        if coded(one.get("type"), _TYPES) == "FILL":
            return ei_of(one, destination)
    return []


def orc(telling: Telling, request: Resource, what: str, when: str = "") -> SegmentFields:
    """Return the common part of an order; `what` is ORC-1."""
    destination = telling.destination
    group: FieldValue = ""
    requisition = request.get("requisition") or request.get("groupIdentifier")
    if requisition and requisition.get("value"):
        group = ei_of(requisition, destination)
    timing = old_timing(request) if destination.is_before("2.5") else ""
    authored = timestamp(request.get("authoredOn")) or when
    return [
        "ORC", what, placer_number(request, destination), filler_number(request, destination), group, "", "",
        timing, "", authored, "", "", repeated([person_of(telling, request.get("requester"))]),
    ]  # fmt: skip


def old_timing(request: Resource) -> list[Component]:
    """Return quantity and timing as they stood in one field before 2.5: start and priority.

    HL7 v2.3.1 §4.4
    """
    start, end = _occurrence(request)
    return ["", "", "", start, end, code("request_priority", request.get("priority", "routine"))]


def tq1(request: Resource) -> SegmentFields:
    """Return quantity, time and priority of an order."""
    quantity = request.get("quantityQuantity", {})
    amount = _amount(quantity)
    start, end = _occurrence(request)
    priority = code("request_priority", request.get("priority", "routine"))
    return ["TQ1", 1, amount, "", "", "", "", start, end, [priority] if priority else ""]


def _amount(quantity: Resource) -> FieldValue:
    """Return a quantity as CQ, its unit as subcomponents. HL7 v2.5.1 §2.A.10"""
    if "value" not in quantity:
        return ""
    return [quantity_number(quantity["value"]), [str(one) for one in units(quantity)]]


def _occurrence(request: Resource) -> tuple[str, str]:
    period = request.get("occurrencePeriod", {})
    start = request.get("occurrenceDateTime") or period.get("start")
    return timestamp(start), timestamp(period.get("end"))


def obr(telling: Telling, request: Resource, place: int = 1) -> SegmentFields:
    """Return what is ordered."""
    destination = telling.destination
    specimen = _specimen(telling, request)
    collected = (specimen or {}).get("collection", {})
    period = collected.get("collectedPeriod", {})
    start = timestamp(collected.get("collectedDateTime") or period.get("start"))
    reasons = repeated(cwe(one) for one in request.get("reasonCode", ()))
    timing = old_timing(request) if destination.is_before("2.5") else ""
    return [
        "OBR", place, placer_number(request, destination), filler_number(request, destination),
        cwe(request.get("code")), "", "", start, timestamp(period.get("end")), "", "", "", "",
        request.get("patientInstruction", ""), "", _old_source(destination, specimen),
        repeated([person_of(telling, request.get("requester"))]),
        *([""] * 10), timing, "", "", "", reasons,
    ]  # fmt: skip


def _old_source(destination: Destination, specimen: Resource | None) -> FieldValue:
    """Return OBR-15, where specimens stood before SPM came with 2.5."""
    if specimen is None or not destination.is_before("2.5"):
        return ""
    kind = cwe(specimen.get("type"))
    return [[str(one) for one in kind[:3]]] if kind else ""


def _specimen(telling: Telling, request: Resource) -> Resource | None:
    found = (telling.get(one, request) for one in request.get("specimen", ()))
    return next((one for one in found if one is not None), None)


def spm(telling: Telling, specimen: Resource, place: int) -> SegmentFields:
    """Return a specimen. HL7 v2.5.1 §7.4.3"""
    destination = telling.destination
    collection = specimen.get("collection", {})
    period, quantity = collection.get("collectedPeriod", {}), collection.get("quantity", {})
    numbers = active_identifiers(specimen)
    number = ei_of(numbers[0], destination) if numbers else ei(specimen["id"], destination)
    start = timestamp(collection.get("collectedDateTime") or period.get("start"))
    amount = _amount(quantity)
    return [
        "SPM", place, [[str(one) for one in number], ""], "", cwe(specimen.get("type")) or ["", "unknown"],
        "", "",
        cwe(collection.get("method")), cwe(collection.get("bodySite")), "", "", "", amount, "", "", "", "",
        [start, timestamp(period.get("end"))] if start else "", timestamp(specimen.get("receivedTime")),
    ]  # fmt: skip


def notes(resource: Resource, source: str = "P") -> Iterator[SegmentFields]:
    """Yield the comments on something; NTE-2 (table 0105) says who writes.

    P the orderer, L the one who carries out.
    """
    for place, text in enumerate(texts(resource.get("note", ())), 1):
        yield ["NTE", place, source, text]


def reasons(telling: Telling, request: Resource) -> Iterator[SegmentFields]:
    """Yield the diagnoses for which something is ordered."""
    place = 0
    for one in request.get("reasonReference", ()):
        condition = telling.get(one, request)
        if condition is not None and condition["resourceType"] == "Condition":
            place += 1
            yield diagnosis(place, condition)


def order(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments of an order, its change or its cancellation."""
    request, destination = telling.told.resource, telling.destination
    what = control(telling.told.before, telling.told.after) or CHANGE
    yield msh(telling)
    yield pid(telling, telling.patient)
    if telling.encounter is not None:
        yield pv1(telling, telling.encounter)
    yield orc(telling, request, what)
    is_old = telling.told.message == ORDER_OF_OLD
    if not is_old and not destination.is_before("2.5"):
        yield tq1(request)
    yield obr(telling, request)
    yield from notes(request)
    yield from reasons(telling, request)
    if not is_old and not destination.is_before("2.5"):
        specimens = [telling.get(one, request) for one in request.get("specimen", ())]
        for place, one in enumerate((one for one in specimens if one is not None), 1):
            yield spm(telling, one, place)


def has_category(resource: Resource, categories: tuple[str, ...]) -> bool:
    """Tell whether an order or report is of one of `categories`; of none, all are."""
    found = resource.get("category", ())
    concepts = found if isinstance(found, list | tuple) else [found]
    codes = {one.get("code") for concept in concepts for one in concept.get("coding", ())}
    return not categories or not codes.isdisjoint(categories)


__all__ = ["any_code", "control", "has_category", "order", "order_message"]
