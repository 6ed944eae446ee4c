"""What is on hand, as Observations that everybody may read who keeps stock, and nobody writes but the ledger.

https://hl7.org/fhir/R4/observation.html: the subject is the place, the focus the lot.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fhir_server.store import instant
from fhir_server.store.stock import Shelf
from fhir_server.workflows.made import concept, has_code, made
from fhir_server.workflows.pattern import Change, Violation
from fhir_server.workflows.records import Records
from fhir_server.workflows.supplies.items import UNKNOWN_LOT, Item, item_of
from fhir_server.workflows.supplies.terms import PROJECTION, STOCK

Resource = Mapping[str, Any]

ON_HAND = concept(STOCK, "on-hand", "Stock on hand")


def on_hand(shelf: Shelf, now: datetime, item: Item | None = None) -> dict[str, Any]:
    """Return the Observation of what is on a shelf; with `item` also the number and expiry of the lot."""
    parts: list[dict[str, Any]] = []
    if shelf.concept:
        parts.append({"code": concept(STOCK, "item"), "valueCodeableConcept": dict(shelf.concept)})
    if item is not None and item.number is not None:
        parts.append({"code": concept(STOCK, "lot-number"), "valueString": item.number})
    if item is not None and item.expires is not None:
        parts.append({"code": concept(STOCK, "expires"), "valueDateTime": instant(item.expires)})
    is_resource = shelf.lot is not None and not shelf.lot.startswith(UNKNOWN_LOT)
    return made(
        "Observation",
        id=shelf.id,
        status="final",
        code=ON_HAND,
        subject={"reference": shelf.place},
        focus=[{"reference": shelf.lot}] if is_resource else None,
        effectiveDateTime=instant(now),
        valueQuantity={"value": shelf.quantity} | ({"unit": shelf.unit} if shelf.unit else {}),
        component=parts or None,
    )


def is_on_hand(resource: Resource | None) -> bool:
    """Tell whether an Observation says what is on hand."""
    return resource is not None and has_code(resource.get("code"), STOCK, "on-hand")


async def lot_of(shelf: Shelf, records: Records) -> Item | None:
    """Return the lot that is on a shelf, None where it has none."""
    resource = None if shelf.lot is None else await records.read(shelf.lot)
    return None if resource is None else item_of(resource)


def projection_broken(change: Change, shelf: Shelf | None) -> Iterable[Violation]:
    """Refuse an Observation of stock that does not say what the ledger says."""
    if not is_on_hand(change.before) and not is_on_hand(change.after):
        return
    after = change.after
    if (
        after is None
        or shelf is None
        or not is_on_hand(after)
        or after.get("subject", {}).get("reference") != shelf.place
        or after.get("valueQuantity", {}).get("value") != shelf.quantity
        or after.get("status") != "final"
    ):
        yield PROJECTION.broken("What is on hand follows from deliveries, dispenses and use")
