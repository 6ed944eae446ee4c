"""What is in store: devices, consumables with lot and expiry, orders from suppliers, and warnings when low.

https://hl7.org/fhir/R4/supplydelivery.html; the number on hand is what was delivered less what was used.
"""

from typing import Any

from fhir_server.demo.clinical import find_medicine
from fhir_server.demo.datatypes import (
    Code,
    Resource,
    concept,
    count,
    hl7,
    identifier,
    link,
    refer,
    resource,
    snomed,
    stamp,
)
from fhir_server.demo.departments import DEVICES_SUPPLIER, MEDICINES_SUPPLIER, Partner, find_department
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.places import room
from fhir_server.demo.staff import ADMINISTRATOR, PHARMACIST
from fhir_server.demo.tables import rows
from fhir_server.workflows.supplies.items import item_of
from fhir_server.workflows.supplies.reordering import low_stock_id
from fhir_server.workflows.supplies.terms import MOVEMENT, SOURCE, STOCK

# What is left on the shelf of medicines that are nearly used up, and of all others.
_NEARLY_GONE = {"ceftriaxone": 14, "enoxaparin": 9, "salbutamol": 3}
_PLENTY = 500
_REORDER_POINT = 50
_MEDICATION = hl7("supply-item-type", "medication", "Medication")
_FULFILL = Code("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request")
_DEVICE = hl7("supply-item-type", "device", "Device")


def devices(hospital: Hospital) -> list[Resource]:
    """Return the machines of the hospital, each in its place, and the lots of consumables."""
    machines = [
        _machine(hospital, row, number, place)
        for row in rows("devices")
        for number, place in enumerate(row["rooms"].split(), start=1)
    ]
    return machines + [_consumable(hospital, row, number) for number, row in enumerate(rows("consumables"))]


def _kind(row: dict[str, str]) -> dict[str, Any]:
    return concept(snomed(row["snomed"], row["display"])) if row["snomed"] else concept(text=row["display"])


def _machine(hospital: Hospital, row: dict[str, str], number: int, place: str) -> Resource:
    made = hospital.timeline.at(-900 - 40 * number)
    elements = {
        "identifier": [identifier(None, "device", f"{row['key']}/{number}")],
        "status": "active",
        "manufacturer": DEVICES_SUPPLIER.name,
        "manufactureDate": stamp(made),
        "serialNumber": f"{row['key'][:3].upper()}-{1000 + number}",
        "deviceName": [{"name": f"{row['name']} {number}", "type": "user-friendly-name"}],
        "type": _kind(row),
        "owner": find_department("supplies").organization,
        "location": link("Location", place),
    }
    return resource("Device", f"device-{row['key']}-{number}", elements)


def _consumable(hospital: Hospital, row: dict[str, str], number: int) -> Resource:
    elements = {
        "identifier": [identifier(None, "stock-item", row["key"])],
        "status": "active",
        "manufacturer": DEVICES_SUPPLIER.name,
        "expirationDate": stamp(hospital.timeline.at(20 + 90 * number)),
        "lotNumber": f"{row['key'][:3].upper()}-{200 + number}",
        "deviceName": [{"name": row["display"], "type": "user-friendly-name"}],
        "type": _kind(row),
        "owner": find_department("supplies").organization,
        "location": room("store"),
    }
    return resource("Device", f"device-{row['key']}", elements)


def movements(hospital: Hospital) -> list[Resource]:
    """Return deliveries, orders and warnings; to be asked for when all that was given out is known."""
    return [*_medicine_movements(hospital), *_consumable_movements(hospital)]


def _medicine_movements(hospital: Hospital) -> list[Resource]:
    written: list[Resource] = []
    for row in rows("medicines"):
        key = row["key"]
        item = link("Medication", hospital.pharmacy.lot(key), find_medicine(key).name)
        left = _NEARLY_GONE.get(key, _PLENTY)
        delivered = hospital.pharmacy.issued[hospital.pharmacy.lot(key)] + left
        written.append(_delivery(hospital, key, item, delivered, find_medicine(key).unit, _MEDICATION))
        if left <= _REORDER_POINT:
            written += _reorder(hospital, key, item, left, find_medicine(key).unit, MEDICINES_SUPPLIER)
    return written


def _consumable_movements(hospital: Hospital) -> list[Resource]:
    written: list[Resource] = []
    for row in rows("consumables"):
        key, stock, reorder = row["key"], int(row["stock"]), int(row["reorder"])
        item = link("Device", f"device-{key}", row["display"])
        used = reorder // 4
        written.append(_delivery(hospital, key, item, stock + used, "piece", _DEVICE))
        written.append(_use(hospital, key, item, used))
        if stock <= reorder:
            written += _reorder(hospital, key, item, stock, "piece", DEVICES_SUPPLIER)
    return written


def _delivery(
    hospital: Hospital, key: str, item: dict[str, str], number: int, unit: str, kind: Code
) -> Resource:
    medicines = kind is _MEDICATION
    elements = {
        "identifier": [identifier(None, "delivery", f"D-{key}")],
        "status": "completed",
        "type": concept(kind),
        "suppliedItem": {"quantity": count(number, unit), "itemReference": item},
        "occurrenceDateTime": stamp(hospital.timeline.at(-800, 8)),
        "supplier": (MEDICINES_SUPPLIER if medicines else DEVICES_SUPPLIER).reference,
        "destination": room("pharmacy" if medicines else "store"),
        "receiver": [_buyer(hospital, medicines=medicines)],
    }
    return resource("SupplyDelivery", f"delivery-{key}", elements)


def _buyer(hospital: Hospital, *, medicines: bool) -> dict[str, str]:
    job = (
        hospital.staff.of("pharmacy", PHARMACIST)
        if medicines
        else hospital.staff.of("administration", ADMINISTRATOR)
    )
    return job[0].practitioner


def _use(hospital: Hospital, key: str, item: dict[str, str], number: int) -> Resource:
    elements = {
        "identifier": [identifier(None, "delivery", f"U-{key}")],
        "status": "completed",
        "extension": [{"url": SOURCE, "valueReference": room("store")}],
        "type": concept(_DEVICE, Code(MOVEMENT, "use", "Use")),
        "suppliedItem": {"quantity": count(number, "piece"), "itemReference": item},
        "occurrenceDateTime": stamp(hospital.timeline.at(-3, 7)),
        "supplier": find_department("supplies").organization,
        "destination": link("Location", "ward-2a", "Ward 2A Internal Medicine"),
    }
    return resource("SupplyDelivery", f"delivery-{key}-ward", elements)


def reorder_points(hospital: Hospital) -> list[Resource]:
    """Return how little of each item may be left: https://hl7.org/fhir/R4/observationdefinition.html"""
    lots = {row["key"]: hospital.pharmacy.lot_resource(row["key"]) for row in rows("medicines")}
    points = [
        _reorder_point(key, lot["code"], _REORDER_POINT, find_medicine(key).unit) for key, lot in lots.items()
    ]
    return points + [
        _reorder_point(row["key"], _kind(row), int(row["reorder"]), "piece") for row in rows("consumables")
    ]


def _reorder_point(key: str, item: dict[str, Any], number: int, unit: str) -> Resource:
    elements = {
        "category": [concept(Code(STOCK, "on-hand", "Stock on hand"))],
        "code": item,
        "qualifiedInterval": [{"category": "reference", "range": {"low": count(number, unit)}}],
    }
    return resource("ObservationDefinition", f"reorder-{key}", elements)


def _low_stock_flag(hospital: Hospital, key: str, *, medicines: bool) -> str:
    """Return the id of the flag, the one that the server itself would put up."""
    if medicines:
        return low_stock_id(item_of(hospital.pharmacy.lot_resource(key)).key)
    row = next(row for row in rows("consumables") if row["key"] == key)
    return low_stock_id(item_of(_consumable(hospital, row, 0)).key)


def _reorder(
    hospital: Hospital, key: str, item: dict[str, str], left: int, unit: str, supplier: Partner
) -> list[Resource]:
    """Return what happens when something runs low: an order, a task for who buys it, and a warning."""
    asked = stamp(hospital.timeline.at(-1, 8, 30))
    medicines = supplier is MEDICINES_SUPPLIER
    place = room("pharmacy" if medicines else "store")
    order = {
        "identifier": [identifier(None, "supply-order", f"SO-{key}")],
        "status": "active",
        "category": concept(hl7("supply-kind", "central", "Central Supply")),
        "priority": "urgent" if left < _REORDER_POINT // 5 else "routine",
        "itemReference": item,
        "quantity": count(_PLENTY, unit),
        "authoredOn": asked,
        "requester": _buyer(hospital, medicines=medicines),
        "supplier": [supplier.reference],
        "reasonCode": [concept(hl7("supplyrequest-reason", "ward-stock", "Ward Stock"))],
        "deliverTo": place,
    }
    written = resource("SupplyRequest", f"supply-order-{key}", order)
    subject = item if medicines else place
    return [
        written,
        _task(written, key, f"Only {left} left: buy {item['display']}"),
        _flag(_low_stock_flag(hospital, key, medicines=medicines), subject, left, asked),
    ]


def _task(order: Resource, key: str, description: str) -> Resource:
    elements = {
        "status": "requested",
        "intent": "order",
        "code": concept(_FULFILL),
        "description": description,
        "focus": refer(order),
        "authoredOn": order["authoredOn"],
        "lastModified": order["authoredOn"],
        "requester": find_department("supplies").organization,
        "owner": order["requester"],
    }
    return resource("Task", f"task-buy-{key}", elements)


def _flag(identity: str, subject: dict[str, str], left: int, since: str) -> Resource:
    elements = {
        "status": "active",
        "category": [concept(hl7("flag-category", "admin", "Administrative"))],
        "code": concept(Code(STOCK, "low-stock", "Low stock"), text=f"Low stock: {left} left"),
        "subject": subject,
        "period": {"start": since},
        "author": find_department("supplies").organization,
    }
    return resource("Flag", identity, elements)
