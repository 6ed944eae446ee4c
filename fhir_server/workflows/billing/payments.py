"""Payments as resources: never more than is owed, never less than nothing, and fixed once they are made.

https://hl7.org/fhir/R4/paymentreconciliation.html, https://hl7.org/fhir/R4/paymentnotice.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Claim, Entry
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.ledger import (
    ISSUED,
    PAYMENT_ID,
    amounts,
    locked_sums,
    payments_of,
    refunds,
    sums,
)
from fhir_server.workflows.billing.money import ZERO, currencies, money, value_of
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.billing.tariff import load_tariff
from fhir_server.workflows.billing.told import RECEIPT, REFUNDED
from fhir_server.workflows.consequences import Consequence, Create, Later, Put, Strike
from fhir_server.workflows.made import changed, concept, key_id, made
from fhir_server.workflows.notices import notice
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
GATEWAY = "urn:fhir-hospital-server:gateway:"
"""With a method behind it the system of the identifiers that gateways give to payments."""
_COUNTED = ("active", "draft")
_FIXED = ("paymentAmount", "detail", "paymentIssuer", "request", "requestor", "paymentDate")
_STATUS = "http://terminology.hl7.org/CodeSystem/paymentstatus"

STATES = StateTable(
    "PaymentReconciliation",
    rules.PAYMENT_STATE,
    {"draft": ("active", "cancelled", "entered-in-error"), "active": ("cancelled", "entered-in-error")},
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The invoices of a payment, with all payments of each."""

    invoices: Mapping[str, Resource] = field(default_factory=dict)
    payments: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)
    refunded: Mapping[str, tuple[Resource | None, Decimal]] = field(default_factory=dict)


def claims(payment: Resource) -> Iterable[Claim]:
    """Claim the name that a gateway gives to a payment: it is made once."""
    refusal = rules.PAYMENT_KEY.error("This payment of the gateway is written down already")
    for one in payment.get("identifier", ()):
        if str(one.get("system", "")).startswith(GATEWAY):
            name = f"{one['system']}|{one.get('value')}"
            yield Claim(f"W8/gateway/{name}", f"PaymentReconciliation/{payment['id']}", refusal)


async def refunds_of(payment_id: str, records: Records) -> list[dict[str, Any]]:
    """Return the payments that give back one payment."""
    condition = {"resource.detail.predecessor.value": payment_id}
    found = await records.aggregate(
        "PaymentReconciliation", [{"$match": condition}, {"$project": {"resource": 1}}]
    )
    return [one["resource"] for one in found]


def _refunded_by(payment: Resource) -> set[str]:
    """Return the ids of the payments that a payment gives back."""
    told = (one.get("predecessor", {}) for one in payment.get("detail", ()))
    return {one["value"] for one in told if one.get("system") == PAYMENT_ID and "value" in one}


async def gather(change: Change, records: Records) -> Facts:
    """Lock the invoices that are paid, and look up what else is paid of them, or given back."""
    base_url = records.situation.base_url
    targets: set[str] = set()
    for resource in (change.before, change.after):
        if resource is not None:
            targets.update(amounts(resource, base_url))
    invoices: dict[str, Resource] = {}
    payments: dict[str, tuple[Resource, ...]] = {}
    for target in sorted(targets):
        await locked_sums(target, records)
        payments[target] = tuple(await payments_of(target, records))
        invoice = await records.read(target)
        if invoice is not None:
            invoices[target] = invoice
    refunded: dict[str, tuple[Resource | None, Decimal]] = {}
    for payment_id in sorted(_refunded_by(change.after)) if change.after is not None else ():
        await records.lock(f"W8/payment/{payment_id}")
        given = refunds(await refunds_of(payment_id, records))
        original = await records.read(f"PaymentReconciliation/{payment_id}")
        refunded[payment_id] = original, given.get(payment_id, ZERO)
    return Facts(invoices, payments, refunded)


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a payment."""
    before, after = change.before, change.after
    if before is not None and before.get("status") in ("active", "cancelled") and not _fixed(before, after):
        message = "It is made; what is wrong about it is refunded"
        yield rules.PAYMENT_FIXED.broken(message, "PaymentReconciliation")
        return
    counts = after is not None and after.get("status") in _COUNTED
    if after is not None and counts and (before is None or before.get("status") not in _COUNTED):
        yield from _targets(after, facts, situation)
    if after is not None and counts:
        yield from _amount(after)
        yield from _refunds(facts)
    for target, payments in facts.payments.items():
        yield from _sums(target, payments, facts, situation)


def _fixed(before: Resource, after: Resource | None) -> bool:
    return after is not None and all(before.get(name) == after.get(name) for name in _FIXED)


def _targets(payment: Resource, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield which details pay what cannot be paid."""
    where = "PaymentReconciliation.detail.request"
    for target, amount in amounts(payment, situation.base_url).items():
        invoice = facts.invoices.get(target)
        if invoice is None or invoice.get("status") not in ISSUED:
            yield rules.PAYMENT_TARGET.broken(f"{target} is no invoice that is issued", where)
        elif amount == ZERO:
            yield rules.PAYMENT_TARGET.broken(
                f"Nothing is paid of {target}", "PaymentReconciliation.detail.amount"
            )
        elif len(currencies([invoice.get("totalGross"), payment.get("paymentAmount")])) > 1:
            yield rules.PAYMENT_TARGET.broken(f"{target} is in another currency", where)


def _amount(payment: Resource) -> Iterable[Violation]:
    details = payment.get("detail", ())
    total = sum((value_of(one.get("amount")) for one in details), ZERO)
    if details and value_of(payment.get("paymentAmount")) != total:
        message = f"The details add up to {total}"
        yield rules.PAYMENT_AMOUNT.broken(message, "PaymentReconciliation.paymentAmount")
    if any(
        value_of(one.get("amount")) != value_of(one.get("amount")).quantize(Decimal("0.01"))
        for one in details
    ):
        yield rules.PAYMENT_AMOUNT.broken("There is nothing less than a cent", "PaymentReconciliation.detail")


def _sums(
    target: str, payments: tuple[Resource, ...], facts: Facts, situation: Situation
) -> Iterable[Violation]:
    """Yield that an invoice would be paid too much, or given back more than was paid."""
    invoice = facts.invoices.get(target)
    if invoice is None:
        return
    total, found = value_of(invoice.get("totalGross")), sums(target, payments, situation.base_url)
    where = "PaymentReconciliation.paymentAmount"
    if found.paid + found.coming > max(total, ZERO):
        yield rules.OVERPAID.broken(f"More would be paid than {target} says", where)
    if found.paid + found.going < min(total, ZERO):
        yield rules.REFUND.broken(f"More would be given back than was paid of {target}", where)


def _refunds(facts: Facts) -> Iterable[Violation]:
    """Yield that more of a payment would be given back than it was."""
    for original, given in facts.refunded.values():
        if original is None or original.get("status") != "active":
            message = "What is given back was not paid"
            yield rules.REFUND.broken(message, "PaymentReconciliation.detail.predecessor")
        elif given > value_of(original.get("paymentAmount")):
            message = "More would be given back than this payment was"
            yield rules.REFUND.broken(message, "PaymentReconciliation.paymentAmount")


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Set the states of the invoices, and notify and thank whoever paid."""
    for target, invoice in facts.invoices.items():
        paid = sums(target, facts.payments[target], situation.base_url).paid
        state = "balanced" if paid == value_of(invoice.get("totalGross")) else "issued"
        if invoice.get("status") in ISSUED and invoice["status"] != state:
            yield Put(changed(invoice, status=state))
    after = change.after
    if after is None:
        return
    if change.became("draft"):
        due = situation.now + timedelta(minutes=load_tariff(situation.settings.tariff).card_minutes)
        yield Later(Entry(f"payment/{change.reference}/over", due, "W8.payment-over", change.reference))
    elif change.before is not None and change.before.get("status") == "draft" != after.get("status"):
        yield Strike(f"payment/{change.reference}")
    if change.became("active"):
        yield from _receipts(change.reference, after, facts, situation)


def _receipts(reference: str, payment: Resource, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    for target, amount in amounts(payment, situation.base_url).items():
        invoice = facts.invoices.get(target)
        if invoice is None:
            continue
        yield Create(_notice(reference, payment, target, amount, situation))
        if "paymentIssuer" in payment:
            continue  # the insurer has a statement of its own
        patient = short(invoice.get("subject"), situation.base_url)
        if patient is None:
            continue
        currency = payment["paymentAmount"].get("currency", "")
        kind = RECEIPT if amount > 0 else REFUNDED
        told = {"amount": str(abs(amount)), "currency": currency}
        yield notice(kind, reference, patient, situation.now, occasion=target, data=told)
    if "paymentIssuer" not in payment:
        yield Later(Entry(f"receipt/{reference}", situation.now, "W8.receipt-paper", reference))


def _notice(
    reference: str, payment: Resource, target: str, amount: Decimal, situation: Situation
) -> dict[str, Any]:
    """Return the PaymentNotice that tells of a payment of one invoice."""
    return made(
        "PaymentNotice",
        id=key_id("payment-notice", reference, target),
        status="active",
        request={"reference": target},
        created=instant(situation.now),
        payment={"reference": reference},
        paymentDate=payment.get("paymentDate"),
        recipient={"display": "Billing office"},
        amount=money(amount, payment["paymentAmount"].get("currency", "")),
        paymentStatus=concept(_STATUS, "paid" if amount > 0 else "cleared"),
    )


PAYMENTS = Watch(
    types=frozenset({"PaymentReconciliation"}), claims=claims, gather=gather, check=check, follows=follows
)
