"""What is kept in stock: an item by its codes, and the lot of it that a Medication or Device is.

https://hl7.org/fhir/R4/medication.html, https://hl7.org/fhir/R4/device.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.made import key_id
from fhir_server.workflows.records import Records, local

Resource = Mapping[str, Any]

UNKNOWN_LOT = "lot|"
"""How a lot begins that is only named, and is no resource here."""

# By an ATC code one knows a substance, not what is in the box: 250 mg is not 500 mg.
_CLASSES = frozenset({"http://www.whocc.no/atc"})


@dataclass(frozen=True, slots=True)
class Item:
    """An item, known by any of `codes`; `lot` is the resource of the lot, `expires` the moment it is over.

    `is_lot` says that this very lot was named; one without a lot number stands for any lot of the item.
    """

    codes: tuple[str, ...]
    concept: Mapping[str, Any] = field(hash=False)
    lot: str | None = None
    number: str | None = None
    expires: datetime | None = None
    is_lot: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All by which the item is found: its codes, and its text for who has no code for it."""
        return tuple(dict.fromkeys((*self.codes, *_text_of(self.concept))))

    @property
    def key(self) -> str:
        """The code by which the item is counted."""
        return self.codes[0]

    def shelf_id(self, place: str) -> str:
        """Return the id of what is on hand of the lot in a place."""
        return key_id("stock", self.lot or self.key, place)


def item_of(resource: Resource) -> Item:
    """Return the item that a Medication or Device is (a lot of)."""
    resource_type, reference = resource["resourceType"], f"{resource['resourceType']}/{resource.get('id')}"
    if resource_type == "Device":
        concept = resource.get("type") or _named(resource)
        number, expires = resource.get("lotNumber"), resource.get("expirationDate")
        udi = [one["deviceIdentifier"] for one in resource.get("udiCarrier", ()) if "deviceIdentifier" in one]
        codes = [*(f"udi|{one}" for one in udi), *codes_of(concept)]
    else:
        concept = resource.get("code") or {}
        batch = resource.get("batch", {})
        number, expires = batch.get("lotNumber"), batch.get("expirationDate")
        codes = list(codes_of(concept))
    over = None if expires is None else interval(expires)[1]
    return Item(tuple(codes) or (reference,), concept, reference, number, over, number is not None)


def _named(device: Resource) -> Mapping[str, Any]:
    names = [one["name"] for one in device.get("deviceName", ()) if "name" in one]
    return {"text": names[0]} if names else {}


def codes_of(concept: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the codes by which an item is known, `system|code`; its text if there are none."""
    codes = tuple(
        f"{coding.get('system', '')}|{coding['code']}"
        for coding in concept.get("coding", ())
        if "code" in coding and coding.get("system") not in _CLASSES
    )
    return codes or _text_of(concept)


def _text_of(concept: Mapping[str, Any]) -> tuple[str, ...]:
    text = concept.get("text")
    return (f"text|{' '.join(str(text).split()).casefold()}",) if text else ()


async def named(holder: Resource, reference: Any, concept: Any, records: Records) -> Item | None:
    """Return the item that `holder` names by a reference (perhaps to what it contains) or by a concept."""
    if isinstance(reference, Mapping):
        text = str(reference.get("reference", ""))
        if text.startswith("#"):
            found = [one for one in holder.get("contained", ()) if f"#{one.get('id')}" == text]
            return await _contained(found[0], records) if found else None
        key = local(text, records.situation.base_url)
        resource = None if key is None else await records.read(reference)
        if resource is None or resource["resourceType"] not in ("Medication", "Device"):
            return None
        return item_of(resource)
    if isinstance(concept, Mapping) and codes_of(concept):
        return Item(codes_of(concept), concept)
    return None


async def _contained(resource: Resource, records: Records) -> Item | None:
    """Return what a contained Medication or Device is: a lot that is kept here, by its number, or any."""
    if resource.get("resourceType") not in ("Medication", "Device"):
        return None
    item = item_of(resource)
    if item.number is not None:
        for lot in {shelf.lot for shelf in await records.stock.shelves(codes=item.codes)} - {None}:
            stored = await records.read(lot)
            if stored is not None and item_of(stored).number == item.number:
                return item_of(stored)
        return replace(item, lot=f"{UNKNOWN_LOT}{item.number}")
    return Item(item.codes, item.concept)
