"""Charges that follow from events, each of them once, and what becomes of them if the event was an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog

from fhir_server.store import instant
from fhir_server.workflows.billing import events
from fhir_server.workflows.billing.accounts import account_for
from fhir_server.workflows.billing.definitions import best, by_service, definitions
from fhir_server.workflows.billing.invoicing import invoice as invoice_of_lines
from fhir_server.workflows.billing.invoicing import lines
from fhir_server.workflows.billing.ledger import locked_sums
from fhir_server.workflows.billing.money import decimal, money, value_of
from fhir_server.workflows.billing.pricing import currency_of, price
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.billing.tariff import Service, Tariff, load_tariff
from fhir_server.workflows.consequences import Consequence, Create, Put
from fhir_server.workflows.made import changed, key_id, made
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = dict[str, Any]
_WARDS_ABOVE = 4
_NOT_REVERSED = frozenset({"entered-in-error", "aborted", "not-billable"})


@dataclass(frozen=True, slots=True)
class Found:
    """What has to be known about an event: `new` charges with the account for them, or those it has.

    `invoice` is the one that a visit by video is paid by before it begins: to be written, or to be cancelled.
    """

    new: list[Resource] = field(default_factory=list)
    account: Resource | None = None
    there: list[Resource] = field(default_factory=list)
    invoice: Resource | None = None


async def gather(change: Change, records: Records) -> Found:
    """Look up what an event is to be charged as, if it is to be charged; and what it was charged as."""
    after, before = change.after, change.before
    if after is None:
        return Found()
    becomes_done = events.is_done(after) and (before is None or not events.is_done(before))
    becomes_undone = before is not None and events.is_undone(after) and not events.is_undone(before)
    if not becomes_done and not becomes_undone:
        return Found()
    there = await charges_of(change.reference, records)
    if becomes_undone:
        return Found(there=there, invoice=await _unpaid(change, records))
    patient = short(events.patient_of(after), records.situation.base_url)
    if there or patient is None or await _was_charged_as_visit(after, records):
        return Found(there=there)
    return await _charges(dict(after), patient, records)


async def charges_of(reference: str, records: Records) -> list[Resource]:
    """Return all charges for an event, by whomever they were written."""
    kind = reference.partition("/")[0]
    if kind in events.SERVICES:
        return await records.search("ChargeItem", ("service", reference))
    if kind == "Encounter":
        found = await records.search("ChargeItem", ("context", reference))
        return [one for one in found if "service" not in one]
    charge = await records.read(f"ChargeItem/{key_id('charge', reference)}")
    return [] if charge is None else [charge]


async def _was_charged_as_visit(event: Mapping[str, Any], records: Records) -> bool:
    """Tell whether a visit by video was charged when it was booked."""
    if event["resourceType"] != "Encounter":
        return False
    for appointment in event.get("appointment", ()):
        reference = short(appointment, records.situation.base_url)
        found = await charges_of(reference, records) if reference else []
        if any(one.get("status") not in _NOT_REVERSED for one in found):
            return True
    return False


async def _charges(event: Resource, patient: str, records: Records) -> Found:
    situation = records.situation
    tariff = load_tariff(situation.settings.tariff)
    item = await records.read(events.item_of(event))
    told = events.codings(events.concepts(event, item))
    instance = short(events.item_of(event), situation.base_url)
    instances = [instance] if instance else []
    services = events.services(event, tariff)
    named = [one.service for one in services]
    listed = await definitions(records, [*(code for _, code in told), *named], instances)
    moment = events.moment(_time(event), situation.now)
    found: list[tuple[Resource, str, Decimal]] = []
    exact = best(listed, told, instances, moment)
    if exact is not None:
        per_day = bool(services) and services[0].per_day
        number = Decimal(len(events.days(event, situation.now))) if per_day else events.quantity(event)
        found.append((exact, "", number))
    elif services:
        found += await _by_services(event, services, listed, moment, records)
    if not found:
        structlog.get_logger("fhir_server.billing").info("no price for an event", type=event["resourceType"])
        return Found()
    visit = await records.read(events.encounter_of(event))
    account, opened = await account_for(patient, visit, records)
    new = [
        _charge(event, patient, account, definition, key, quantity, tariff, situation)
        for definition, key, quantity in found
    ]
    charges = [one for one in new if one is not None]
    invoice = None
    if charges and event["resourceType"] == "Appointment":
        invoice = await _in_advance(event, charges, patient, account, records)
    return Found(charges, opened, invoice=invoice)


async def _in_advance(
    event: Resource, charges: list[Resource], patient: str, account: str, records: Records
) -> Resource:
    """Return the invoice of a visit by video, which is paid before it begins."""
    coverages = await records.search("Coverage", ("beneficiary", patient), ("status", "active"))
    return invoice_of_lines(
        key_id("invoice", f"Appointment/{event['id']}"),
        await lines(charges, coverages, records),
        patient,
        status="issued",
        date=instant(records.situation.now),
        account=account,
        recipient={"reference": patient},
    )


async def _unpaid(change: Change, records: Records) -> Resource | None:
    """Return the invoice of a visit that is off, if it is issued and nothing was paid of it."""
    if change.resource_type != "Appointment":
        return None
    reference = f"Invoice/{key_id('invoice', change.reference)}"
    sums = await locked_sums(reference, records)
    invoice = await records.read(reference)
    is_open = invoice is not None and invoice.get("status") == "issued"
    return invoice if is_open and not any((sums.paid, sums.coming, sums.going)) else None


def _time(event: Resource) -> Any:
    told = events.occurrence(event)
    return told.get("occurrenceDateTime") or told.get("occurrencePeriod", {}).get("start")


async def _by_services(
    event: Resource, services: list[Service], listed: list[Resource], moment: datetime, records: Records
) -> list[tuple[Resource, str, Decimal]]:
    """Return the definitions of the services of the table, and how often each is charged."""
    if not any(one.per_day for one in services):
        for one in services:
            definition = by_service(listed, one.service, moment)
            if definition is not None:
                return [(definition, "", Decimal(1))]
        return []
    counted: dict[str, tuple[Resource, int]] = {}
    now = records.situation.now
    by_place: dict[str | None, frozenset[str]] = {}
    for day in events.days(event, now):
        place = short(events.location_at(event, day), records.situation.base_url)
        if place not in by_place:
            by_place[place] = await _ward(place, records)
        for one in services:
            definition = by_service(listed, one.service, day)
            if definition is not None and (one.ward is None or one.ward in by_place[place]):
                _, number = counted.get(one.service, (definition, 0))
                counted[one.service] = (definition, number + 1)
                break
    return [(definition, key, Decimal(number)) for key, (definition, number) in counted.items()]


async def _ward(place: str | None, records: Records) -> frozenset[str]:
    """Return the codes of the types of a place, and of the places that it is part of."""
    codes: set[str] = set()
    for _ in range(_WARDS_ABOVE):
        location = await records.read(place) if place else None
        if location is None:
            break
        codes.update(code for _, code in events.codings(location.get("type", ())))
        place = short(location.get("partOf"), records.situation.base_url)
    return frozenset(codes)


def _charge(
    event: Resource,
    patient: str,
    account: str,
    definition: Resource,
    key: str,
    quantity: Decimal,
    tariff: Tariff,
    situation: Situation,
) -> Resource | None:
    """Return the charge of an event by a definition; None if the definition has no price for it."""
    reference = f"{event['resourceType']}/{event['id']}"
    version = f"|{definition['version']}" if "version" in definition else ""
    code = definition.get("code") or next((one for one in events.concepts(event, None) if one), None)
    element = {"service": [{"reference": reference}]} if event["resourceType"] in events.SERVICES else {}
    if event["resourceType"] == "Appointment":
        element = {"supportingInformation": [{"reference": reference}]}
    charge = made(
        "ChargeItem",
        id=key_id("charge", reference, *([key] if key else [])),
        status="billable",
        definitionCanonical=[definition["url"] + version],
        code=code or {"text": definition.get("title", "service")},
        subject={"reference": patient},
        context=events.encounter_of(event),
        **events.occurrence(event),
        **element,
        quantity={"value": quantity},
        account=[{"reference": account}],
        enteredDate=instant(situation.now),
    )
    if not any("amount" in one for one in _bases(definition)):
        return None
    amount, currency = price(charge, definition), currency_of(charge, definition, tariff.currency)
    return {**charge, "priceOverride": money(amount, currency)}


def _bases(definition: Resource) -> Iterable[Resource]:
    for group in definition.get("propertyGroup", ()):
        yield from (one for one in group.get("priceComponent", ()) if one["type"] == "base")


def follows(change: Change, facts: Found, situation: Situation) -> Iterable[Consequence]:
    """Create the charges of an event; take back those of one that was an error."""
    if change.after is None:
        return
    if facts.new:
        if facts.account is not None:
            yield Create(facts.account)
        yield from (Create(charge) for charge in facts.new)
        if facts.invoice is not None:
            yield Create(facts.invoice)
        return
    if events.is_undone(change.after) and facts.invoice is not None:
        yield Put(changed(facts.invoice, status="cancelled", cancelledReason="The appointment is off"))
        yield from (Put(changed(charge, status="entered-in-error")) for charge in facts.there)
    elif events.is_undone(change.after):
        for charge in facts.there:
            yield from reversed_charge(charge, situation)


def reversed_charge(charge: Resource, situation: Situation) -> Iterable[Consequence]:
    """Take a charge back: one that is billed already by another one that is to be credited."""
    status = charge.get("status")
    if status == "billed":
        credit = reversal(charge, situation)
        if credit is not None:
            yield Create(credit)
    elif status not in _NOT_REVERSED and "partOf" not in charge:
        yield Put(changed(charge, status="entered-in-error"))


def reversal(charge: Resource, situation: Situation) -> Resource | None:
    """Return the charge that gives back what `charge` took; None if that is one itself."""
    if "partOf" in charge and value_of(charge.get("priceOverride")) < 0:
        return None
    taken = charge.get("priceOverride") or {}
    currency = taken.get("currency", load_tariff(situation.settings.tariff).currency)
    kept = ("definitionCanonical", "definitionUri", "code", "subject", "context", "service", "account")
    return made(
        "ChargeItem",
        id=key_id("credit", f"ChargeItem/{charge['id']}"),
        status="billable",
        partOf=[{"reference": f"ChargeItem/{charge['id']}"}],
        **{name: charge[name] for name in kept if name in charge},
        quantity=charge.get("quantity"),
        priceOverride=money(-value_of(taken) * decimal(charge.get("factorOverride", 1)), currency),
        overrideReason="credit",
        enteredDate=instant(situation.now),
    )


EVENTS = Watch(types=frozenset(events.DONE), gather=gather, follows=follows)

__all__ = ["EVENTS", "charges_of", "reversal", "reversed_charge"]
