"""DFT^P03: charges, credits and reversals. HL7 v2.5.1 §6.4.3, §6.5.1 (FT1)

A charge and what takes it back have the same transaction number (FT1-2): the id of the ChargeItem. FT1-6
tells them apart (table 0017: CG charge, CD credit), so that amounts are never negative.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from adapters.from_fhir.datatypes import active_identifiers, cwe, cx, money, quantity_number, repeated, units
from adapters.from_fhir.header import evn, msh
from adapters.from_fhir.people import person_of, pid
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import moment, timestamp
from adapters.from_fhir.visits import pv1
from hl7.building import Component, FieldValue

CHARGES = "DFT^P03"
CHARGE, CREDIT = "CG", "CD"
_OWED = frozenset({"billable", "billed"})
_ISSUED = frozenset({"issued", "balanced"})
_COUNTED = ("code", "quantity", "priceOverride", "factorOverride", "subject", "context", "occurrenceDateTime")
_LONGEST_FRACTION = 4  # digits behind the point of a price for one


def charge_is_told(before: Resource | None, after: Resource | None) -> bool:
    """Tell whether a change of a ChargeItem is one of what is owed."""
    was, now = _is_owed(before), _is_owed(after)
    return was != now or (was and now and _counted(before) != _counted(after))


def invoice_is_told(before: Resource | None, after: Resource | None) -> bool:
    """Tell whether an Invoice is issued, or is taken back after that."""
    return _is_issued(before) != _is_issued(after)


def _is_owed(charge: Resource | None) -> bool:
    return charge is not None and charge.get("status") in _OWED


def _is_issued(invoice: Resource | None) -> bool:
    return invoice is not None and invoice.get("status") in _ISSUED


def _counted(charge: Resource | None) -> list[Any]:
    return [(charge or {}).get(name) for name in _COUNTED]


def charges(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments that tell of charges: of one ChargeItem, or of all that an Invoice bills."""
    resource = telling.told.resource
    yield msh(telling)
    yield evn(telling)
    yield pid(telling, telling.patient, _account(telling, resource))
    if telling.encounter is not None:
        yield pv1(telling, telling.encounter)
    told = _of_invoice(telling) if resource["resourceType"] == "Invoice" else _of_charge(telling)
    for place, (kind, charge, number, price) in enumerate(told, 1):
        yield _ft1(telling, place, kind, charge, number, price)


def _of_charge(telling: Telling) -> Iterator[tuple[str, Resource, str, Resource | None]]:
    """Yield what is taken back, and what is charged: kind, ChargeItem, number, and its price."""
    before, after = telling.told.before, telling.told.after
    for is_taken_back, one in ((True, before), (False, after)):
        if one is not None and _is_owed(one):
            kind, number = _kind(one)
            if is_taken_back:
                kind = {CHARGE: CREDIT, CREDIT: CHARGE}[kind]
            yield kind, one, number, _price(one)


def _kind(charge: Resource) -> tuple[str, str]:
    """Return whether it is a charge or a credit, and its number.

    A credit has that of the charge it is a part of.
    """
    total = charge.get("priceOverride", {}).get("value", 0)
    whole = next((one.get("reference") for one in charge.get("partOf", ())), None)
    if _decimal(total) < 0:
        return CREDIT, str(whole).rpartition("/")[2] if whole else charge["id"]
    return CHARGE, charge["id"]


def _price(charge: Resource) -> Resource | None:
    """Return what all of it costs, without a sign."""
    told = charge.get("priceOverride")
    if not told or "value" not in told:
        return None
    total = abs(_decimal(told["value"])) * _decimal(charge.get("factorOverride", 1))
    return {**told, "value": total}


def _of_invoice(telling: Telling) -> Iterator[tuple[str, Resource, str, Resource | None]]:
    invoice = telling.told.resource
    is_taken_back = not _is_issued(telling.told.after)
    for place, line in enumerate(invoice.get("lineItem", ()), 1):
        charge = telling.get(line.get("chargeItemReference"), invoice)
        if charge is None:
            charge = {"code": line.get("chargeItemCodeableConcept"), "id": f"{invoice['id']}-{place}"}
        kind, number = _kind(charge)
        price = _price(charge)
        parts = [
            one
            for one in line.get("priceComponent", ())
            if one.get("type") in ("base", "surcharge", "discount", "deduction")
        ]
        if parts:
            total = sum((_decimal(one.get("amount", {}).get("value", 0)) for one in parts), Decimal(0))
            currency = parts[0].get("amount", {}).get("currency", "")
            kind = CREDIT if total < 0 else CHARGE
            price = {"value": abs(total), "currency": currency}
        if is_taken_back:
            kind = {CHARGE: CREDIT, CREDIT: CHARGE}[kind]
        yield kind, charge, number, price


def _ft1(
    telling: Telling, place: int, kind: str, charge: Resource, number: str, price: Resource | None
) -> SegmentFields:
    period: Mapping[str, Any] = charge.get("occurrencePeriod", {})
    resource = telling.told.resource
    when = timestamp(
        charge.get("occurrenceDateTime")
        or period.get("start")
        or charge.get("enteredDate")
        or resource.get("date")
    )
    entered = timestamp(charge.get("enteredDate"))
    quantity = charge.get("quantity", {})
    count = quantity_number(quantity["value"]) if "value" in quantity else ""
    performers = [person_of(telling, one.get("actor")) for one in charge.get("performer", ())]
    code = cwe(charge.get("code")) or ["", "charge"]
    return [
        "FT1", place, number, "", when or moment(telling.now, telling.destination.time_zone), entered, kind,
        code, "", "", count,
        money(price), money(_of_one(price, quantity)), _department(telling, charge), "", "", "", "", "",
        repeated(cwe(one) for one in charge.get("reason", ())), repeated(performers),
        "", "", _invoice_number(telling), "", [procedure] if (procedure := _procedure(charge)) else "",
    ]  # fmt: skip


def _of_one(price: Resource | None, quantity: Resource) -> Resource | None:
    """Return what one of them costs, None if that is no decimal of a few digits."""
    if price is None:
        return None
    count = _decimal(quantity.get("value", 1))
    if count <= 0:
        return None
    each = _decimal(price["value"]) / count
    if each != round(each, _LONGEST_FRACTION):
        return None
    return {**price, "value": each if count != 1 else price["value"]}


def _invoice_number(telling: Telling) -> list[Component]:
    """Return the invoice (FT1-23) that a message tells of, by which payments of it are told."""
    invoice = telling.told.resource
    numbers = active_identifiers(invoice) if invoice["resourceType"] == "Invoice" else []
    return cx(numbers[0], telling.destination) if numbers else []


def _procedure(charge: Resource) -> str:
    """Return the procedure (FT1-25) if the charge is of one by its code of CPT."""
    codings = (charge.get("code") or {}).get("coding", ())
    found = (one.get("code", "") for one in codings if one.get("system") == "http://www.ama-assn.org/go/cpt")
    return str(next(found, ""))


def _department(telling: Telling, charge: Resource) -> FieldValue:
    found = telling.get(charge.get("performingOrganization"))
    if found is None:
        return ""
    numbers = active_identifiers(found)
    return [numbers[0]["value"] if numbers else found["id"], found.get("name", "")]


def _account(telling: Telling, resource: Resource) -> str:
    """Return the number of the account that is charged."""
    accounts = resource.get("account", ())
    reference = next(iter(accounts), None) if isinstance(accounts, list | tuple) else accounts
    found = telling.get(reference)
    if found is None:
        return str((reference or {}).get("reference", "")).rpartition("/")[2]
    numbers = active_identifiers(found)
    return str(numbers[0]["value"] if numbers else found["id"])


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


__all__ = ["CHARGES", "charge_is_told", "charges", "invoice_is_told", "units"]
