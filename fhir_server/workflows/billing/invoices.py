"""Invoices as resources: what may stand on them, that they add up, and that they stay as they were issued.

https://hl7.org/fhir/R4/invoice.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.store.ruling import Claim, Entry
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.ledger import ISSUED, LIVE, Sums, charges_on, locked_sums
from fhir_server.workflows.billing.money import ZERO, currencies, value_of
from fhir_server.workflows.billing.pricing import gross, net, read_components
from fhir_server.workflows.billing.references import paper_id, short, tail
from fhir_server.workflows.billing.told import INVOICE_ISSUED
from fhir_server.workflows.consequences import Consequence, Later, Put, Strike
from fhir_server.workflows.made import changed
from fhir_server.workflows.notices import no_notice, notice
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
NUMBER = "urn:fhir-hospital-server:invoice-number"
"""The system of the numbers that the server gives to the invoices that are issued."""
_COUNTER = "invoice"
_MAY_CHANGE = frozenset({"status", "cancelledReason", "meta", "text"})

STATES = StateTable(
    "Invoice",
    rules.INVOICE_STATE,
    {
        "draft": ("issued", "balanced", "cancelled", "entered-in-error"),
        "issued": ("balanced", "cancelled", "entered-in-error"),
        "balanced": ("issued",),
    },
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The charges on an invoice by their references, those that it bills no more, and what is paid of it."""

    charges: Mapping[str, Resource] = field(default_factory=dict)
    freed: tuple[Resource, ...] = ()
    sums: Sums | None = None
    paper: Resource | None = None


def draws(invoice: Resource) -> Iterable[str]:
    """Take a number for an invoice that is issued and has none."""
    if invoice.get("status") in ISSUED and not _number(invoice):
        yield _COUNTER


def completes(invoice: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Give an invoice its number when it is issued; it keeps the one that it has."""
    others = [one for one in invoice.get("identifier", ()) if one.get("system") != NUMBER]
    had = _number(before) if before else None
    if had is None and (invoice.get("status") not in ISSUED or _number(invoice)):
        return invoice
    if had is not None and had in invoice.get("identifier", ()):
        return invoice
    if had is None:
        number = situation.drawn(_COUNTER, invoice)
        had = {"system": NUMBER, "value": f"{situation.now.year}-{number:07d}"}
    return {**invoice, "identifier": [*others, had]}


def _number(invoice: Resource) -> Any:
    return next((one for one in invoice.get("identifier", ()) if one.get("system") == NUMBER), None)


def claims(invoice: Resource) -> Iterable[Claim]:
    """Claim the charges on an invoice that is not cancelled, and its number."""
    if invoice.get("status") not in LIVE:
        return
    owner = f"Invoice/{invoice['id']}"
    refusal = rules.DOUBLE_BILL.error("One of the charges stands on another invoice", "Invoice.lineItem")
    for line in invoice.get("lineItem", ()):
        charge = tail(line.get("chargeItemReference"))
        if charge is not None:
            yield Claim(f"W8/line/{charge}", owner, refusal)
    number = _number(invoice)
    if number:
        taken = rules.DOUBLE_BILL.error("Another invoice has this number", "Invoice.identifier")
        yield Claim(f"W8/number/{number.get('value')}", owner, taken)


async def gather(change: Change, records: Records) -> Facts:
    """Look up the charges whose states the change may change, and what is paid."""
    before, after = change.before, change.after
    was, becomes = (None if one is None else one.get("status") for one in (before, after))
    wanted = set() if after is None else set(charges_on(after, records.situation.base_url))
    had = set() if before is None else set(charges_on(before, records.situation.base_url))
    if (
        was == becomes
        and wanted == had
        and before is not None
        and after is not None
        and _fixed(before, after)
    ):
        return Facts()
    charges = await _read_charges(wanted | had, records)
    gone = had if becomes not in LIVE else had - wanted
    freed = tuple(charges[one] for one in sorted(gone) if one in charges) if was in LIVE else ()
    sums = None
    if before is not None or becomes in ISSUED:
        sums = await locked_sums(change.reference, records)
    paper = None
    if was in ISSUED and becomes not in ISSUED:
        paper = await records.read(f"DocumentReference/{paper_id(change.reference)}")
    return Facts({one: charges[one] for one in wanted if one in charges}, freed, sums, paper)


async def _read_charges(references: set[str], records: Records) -> dict[str, Resource]:
    ids = sorted(one.partition("/")[2] for one in references if one.startswith("ChargeItem/"))
    if not ids:
        return {}
    stages: list[dict[str, Any]] = [{"$match": {"_id": {"$in": ids}}}, {"$project": {"resource": 1}}]
    found = await records.aggregate("ChargeItem", stages)
    return {f"ChargeItem/{one['_id']}": one["resource"] for one in found}


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with an invoice, or with how it changes."""
    before, after = change.before, change.after
    was_issued = before is not None and before.get("status") not in ("draft", None)
    if before is not None and was_issued and (after is None or not _fixed(before, after)):
        yield rules.ISSUED.broken("It was issued; cancel it, or credit it, and write it anew", "Invoice")
        return
    if after is None:
        return
    if after.get("status") in LIVE:
        yield from _lines(change, facts, situation)
        yield from _totals(after)
    if before is None and after.get("status") in ISSUED and not change.is_ours:
        message = "It begins as a draft; Account/$invoice writes one that is issued at once"
        yield rules.INVOICE_STATE.broken(message, "Invoice.status")
    if change.became("cancelled") and before is not None and not after.get("cancelledReason"):
        yield rules.CANCEL_REASON.broken("cancelledReason says why", "Invoice.cancelledReason")
    if facts.sums is not None and before is not None:
        yield from _balance(after, facts.sums)


def _lines(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield which charges may not stand on the invoice."""
    after = change.after or {}
    patient = short(after.get("subject"), situation.base_url)
    had = set(charges_on(change.before, situation.base_url)) if change.before else set()
    listed = charges_on(after, situation.base_url)
    if len(set(listed)) < len(listed):
        yield rules.DOUBLE_BILL.broken("A charge stands on it twice", "Invoice.lineItem")
    for reference in dict.fromkeys(listed):
        charge = facts.charges.get(reference)
        if charge is None:
            if reference not in had:
                yield rules.NOT_BILLABLE.broken(f"There is no {reference}", "Invoice.lineItem")
        elif short(charge.get("subject"), situation.base_url) != patient:
            yield rules.NOT_BILLABLE.broken(f"{reference} is not of this patient", "Invoice.lineItem")
        elif reference not in had and charge.get("status") not in ("billable", "billed"):
            yield rules.NOT_BILLABLE.broken(f"{reference} is {charge.get('status')}", "Invoice.lineItem")


def _totals(invoice: Resource) -> Iterable[Violation]:
    """Yield what does not add up."""
    lines = invoice.get("lineItem", ())
    if not lines:
        return
    parts = [read_components(line.get("priceComponent", ())) for line in lines]
    wanted = {"totalNet": sum(map(net, parts), ZERO), "totalGross": sum(map(gross, parts), ZERO)}
    for name, total in wanted.items():
        if name in invoice and value_of(invoice[name]) != total:
            yield rules.TOTALS.broken(
                f"{name} is not the sum of the lines, which is {total}", f"Invoice.{name}"
            )
        elif name not in invoice and invoice.get("status") in ISSUED:
            yield rules.TOTALS.broken(f"{name} is missing", f"Invoice.{name}")
    amounts = [one.get("amount") for line in lines for one in line.get("priceComponent", ())]
    if len(currencies([*amounts, invoice.get("totalNet"), invoice.get("totalGross")])) > 1:
        yield rules.TOTALS.broken("An invoice has one currency", "Invoice.totalGross")


def _balance(invoice: Resource, sums: Sums) -> Iterable[Violation]:
    """Yield that the state does not say what is paid."""
    total, status = value_of(invoice.get("totalGross")), invoice.get("status")
    if status == "balanced" and sums.paid != total:
        yield rules.BALANCE.broken("It is not paid yet", "Invoice.status")
    is_under_way = any((sums.paid, sums.coming, sums.going))
    if status in ("cancelled", "entered-in-error") and is_under_way:
        yield rules.CANCEL_PAID.broken("Something is paid on it; refund or credit it", "Invoice.status")


def _fixed(before: Resource, after: Resource) -> bool:
    names = (before.keys() | after.keys()) - _MAY_CHANGE
    return all(before.get(name) == after.get(name) for name in names)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Mark charges as billed or free again; say that there is a bill, and have it put on paper."""
    after = change.after
    for charge in facts.freed:
        if charge.get("status") == "billed":
            yield Put(changed(charge, status="billable"))
    if after is None or after.get("status") not in ISSUED:
        if change.before is not None:
            yield from _withdrawn(change.reference, facts)
        return
    for charge in facts.charges.values():
        if charge.get("status") == "billable":
            yield Put(changed(charge, status="billed"))
    paid = facts.sums is not None and facts.sums.paid == value_of(after.get("totalGross"))
    if after["status"] == "issued" and paid and after.get("lineItem"):
        yield Put(changed(after, status="balanced"))
    if change.before is None or change.before.get("status") not in ISSUED:
        yield from _told(change.reference, after, situation)


def _withdrawn(reference: str, facts: Facts) -> Iterable[Consequence]:
    """Take back what says that there is a bill."""
    yield no_notice(reference)
    yield Strike(f"invoice-paper/{reference}")
    if facts.paper is not None and facts.paper.get("status") == "current":
        yield Put(changed(facts.paper, status="superseded"))


def _told(reference: str, invoice: Resource, situation: Situation) -> Iterable[Consequence]:
    patient = short(invoice.get("subject"), situation.base_url)
    if patient is None or not invoice.get("lineItem"):
        return
    yield notice(INVOICE_ISSUED, reference, patient, situation.now)
    yield Later(Entry(f"invoice-paper/{reference}", situation.now, "W8.invoice-paper", reference))


INVOICES = Watch(
    types=frozenset({"Invoice"}),
    draws=draws,
    completes=completes,
    claims=claims,
    gather=gather,
    check=check,
    follows=follows,
)
