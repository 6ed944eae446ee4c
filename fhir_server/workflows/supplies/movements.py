"""What moves stock: which resource takes what from where, or brings it there.

A delivery is a receipt unless its type says otherwise, or it names a patient, for whom something is used. A
dispense and an administration take. https://hl7.org/fhir/R4/supplydelivery.html,
https://hl7.org/fhir/R4/medicationdispense.html, https://hl7.org/fhir/R4/medicationadministration.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.workflows.records import Records, local
from fhir_server.workflows.supplies.items import Item, named
from fhir_server.workflows.supplies.terms import MOVEMENT, SOURCE

Resource = Mapping[str, Any]

KINDS = ("receipt", "use", "waste", "adjustment", "transfer")
MOVING_TYPES = frozenset({"SupplyDelivery", "MedicationDispense", "MedicationAdministration"})
_MOST_STOREYS = 8


@dataclass(frozen=True, slots=True)
class Movement:
    """What a resource moves: `quantity` of an item out of one of `sources` (None: anywhere), to `target`.

    One that `is_strict` is about nothing but stock: of what was never received it takes nothing. Others, such
    as a dispense, are left alone then, as a hospital need not keep everything in stock here. For waste and
    adjustments it `takes_expired` lots too.
    """

    kind: str
    item: Item | None
    quantity: Decimal | None
    unit: str
    sources: tuple[str, ...] | None = None
    target: str | None = None
    order: str | None = None
    is_strict: bool = False
    takes_expired: bool = False
    problem: str | None = None


async def movement_of(resource: Resource, records: Records) -> Movement:
    """Return what a resource moves if it is completed."""
    match resource["resourceType"]:
        case "SupplyDelivery":
            return await _delivery(resource, records)
        case "MedicationDispense":
            return await _dispense(resource, records)
        case _:
            return await _administration(resource, records)


def kind_of(delivery: Resource) -> str:
    """Return what a SupplyDelivery is, by the code that we give to its type; `unknown` for another code."""
    codes = [
        coding.get("code")
        for coding in delivery.get("type", {}).get("coding", ())
        if coding.get("system") == MOVEMENT
    ]
    if not codes:
        return "use" if "patient" in delivery else "receipt"
    return str(codes[0]) if codes[0] in KINDS else "unknown"


def is_marked(delivery: Resource) -> bool:
    """Tell whether a SupplyDelivery says itself what kind of movement it is."""
    return any(one.get("system") == MOVEMENT for one in delivery.get("type", {}).get("coding", ()))


async def _delivery(delivery: Resource, records: Records) -> Movement:
    kind, supplied = kind_of(delivery), delivery.get("suppliedItem", {})
    item = await named(delivery, supplied.get("itemReference"), supplied.get("itemCodeableConcept"), records)
    number, unit = _amount(supplied.get("quantity"))
    base_url = records.situation.base_url
    destination = _place(delivery.get("destination"), base_url)
    stated = [one.get("valueReference") for one in delivery.get("extension", ()) if one.get("url") == SOURCE]
    source = _place(stated[0], base_url) if stated else destination
    sources = None if source is None else (source,)
    strict, anyway = is_marked(delivery), kind in ("waste", "adjustment")
    if kind == "receipt" or (kind == "adjustment" and number is not None and number > 0):
        order = _order(delivery, base_url) if kind == "receipt" else None
        problem = "This movement names no Location as its destination" if destination is None else None
        return Movement(kind, item, number, unit, (), destination, order, strict, problem=problem)
    problem = None
    if strict and source is None:
        problem = "This movement names no Location from which something is taken"
    target = destination if kind == "transfer" else None
    if kind == "transfer" and (target is None or not stated or source == target):
        problem = "A transfer goes from one Location, that of the extension, to another, its destination"
    number = abs(number) if kind == "adjustment" and number is not None else number
    return Movement(kind, item, number, unit, sources, target, None, strict, anyway, problem)


async def _dispense(dispense: Resource, records: Records) -> Movement:
    item = await named(
        dispense, dispense.get("medicationReference"), dispense.get("medicationCodeableConcept"), records
    )
    number, unit = _amount(dispense.get("quantity"))
    place = _place(dispense.get("location"), records.situation.base_url)
    return Movement("dispense", item, number, unit, None if place is None else (place,))


async def _administration(administration: Resource, records: Records) -> Movement:
    """Return what was given; nothing, if the pharmacy handed it out for the same order before."""
    item = await named(
        administration,
        administration.get("medicationReference"),
        administration.get("medicationCodeableConcept"),
        records,
    )
    number, unit = _amount(administration.get("dosage", {}).get("dose"))
    order = local((administration.get("request") or {}).get("reference"), records.situation.base_url)
    if order is not None and await records.count(
        "MedicationDispense", ("prescription", "/".join(order)), ("status", "completed")
    ):
        item = None
    sources = await _ward(administration.get("context"), item, records)
    return Movement("administration", item, number, unit, sources)


async def _ward(context: Any, item: Item | None, records: Records) -> tuple[str, ...] | None:
    """Return where the patient is, from the bed to the house, if the item is kept there; or None."""
    encounter = await records.read(context) if item is not None and context else None
    if item is None or encounter is None or encounter["resourceType"] != "Encounter":
        return None
    places: list[str] = []
    for one in encounter.get("location", ()):
        place: Any = one.get("location") if one.get("status", "active") == "active" else None
        for _ in range(_MOST_STOREYS):
            reference = _place(place, records.situation.base_url)
            if reference is None or reference in places:
                break
            places.append(reference)
            location = await records.read(reference)
            place = None if location is None else location.get("partOf")
    kept = await records.stock.shelves(codes=item.codes, places=places)
    return tuple(places) if kept else None


def _amount(quantity: Any) -> tuple[Decimal | None, str]:
    """Return value and unit of a Quantity; the unit as text to compare, empty if it has none."""
    if not isinstance(quantity, Mapping) or "value" not in quantity:
        return None, ""
    unit = quantity.get("unit") or quantity.get("code") or ""
    return Decimal(str(quantity["value"])), str(unit).strip().casefold()


def _place(reference: Any, base_url: str) -> str | None:
    text = reference.get("reference") if isinstance(reference, Mapping) else reference
    key = local(text, base_url)
    return "/".join(key) if key is not None and key[0] == "Location" else None


def _order(delivery: Resource, base_url: str) -> str | None:
    keys = [local(one.get("reference"), base_url) for one in delivery.get("basedOn", ())]
    return next(("/".join(key) for key in keys if key is not None and key[0] == "SupplyRequest"), None)
