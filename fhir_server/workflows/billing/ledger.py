"""What is owed and paid: the lines of invoices, and the payments of each of them.

A payment is a PaymentReconciliation whose details say which invoices it pays; nothing else is added up.
https://hl7.org/fhir/R4/paymentreconciliation.html
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.workflows.billing.money import ZERO, value_of
from fhir_server.workflows.billing.references import forms, short
from fhir_server.workflows.records import Records

Resource = Mapping[str, Any]
LIVE = ("draft", "issued", "balanced")
"""The states of an invoice whose charges stand on no other one."""
ISSUED = ("issued", "balanced")
PAYMENT_ID = "urn:fhir-hospital-server:payment"
"""The system of the identifiers by which a refund names the payment that it gives back."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What is paid of an invoice: `paid` for good, `coming` and `going` by payments that are under way.

    `insurers` have paid a part of `paid`.
    """

    paid: Decimal = ZERO
    coming: Decimal = ZERO
    going: Decimal = ZERO
    insurers: Decimal = ZERO


async def live_lines(patient: str | None, records: Records) -> dict[str, tuple[str, bool]]:
    """Return on which invoice that is not cancelled each charge of a patient stands; if it is issued."""
    if patient is None:
        return {}

    async def look() -> dict[str, tuple[str, bool]]:
        pairs = ("subject", patient), ("status", ",".join(LIVE))
        found = await records.search("Invoice", *pairs, without=("lineItem.priceComponent",))
        return {
            reference: (f"Invoice/{invoice['id']}", invoice["status"] in ISSUED)
            for invoice in found
            for reference in charges_on(invoice, records.situation.base_url)
        }

    return await records.once(("billing.live-lines", patient), look)


def charges_on(invoice: Resource, base_url: str) -> list[str]:
    """Return the references of the charges that stand on an invoice."""
    found = (short(one.get("chargeItemReference"), base_url) for one in invoice.get("lineItem", ()))
    return [one for one in found if one is not None]


async def payments_of(invoice: str, records: Records) -> list[dict[str, Any]]:
    """Return all payments of an invoice, whatever their state."""
    written = forms(invoice, records.situation.base_url)
    stages: list[dict[str, Any]] = [
        {"$match": {"resource.detail.request.reference": {"$in": written}}},
        {"$project": {"resource": 1}},
    ]
    return [one["resource"] for one in await records.aggregate("PaymentReconciliation", stages)]


def amounts(payment: Resource, base_url: str) -> dict[str, Decimal]:
    """Return what a payment pays of each invoice."""
    found: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for detail in payment.get("detail", ()):
        target = short(detail.get("request"), base_url)
        if target is not None and target.startswith("Invoice/"):
            found[target] += value_of(detail.get("amount"))
    return dict(found)


def sums(invoice: str, payments: Iterable[Resource], base_url: str) -> Sums:
    """Add up what is paid of an invoice."""
    paid = coming = going = insurers = ZERO
    for payment in payments:
        amount = amounts(payment, base_url).get(invoice, ZERO)
        if payment.get("status") == "active":
            paid += amount
            issuer = short(payment.get("paymentIssuer"), base_url) or ""
            insurers += amount if issuer.startswith("Organization/") else ZERO
        elif payment.get("status") == "draft":
            coming += max(amount, ZERO)
            going += min(amount, ZERO)
    return Sums(paid, coming, going, insurers)


async def locked_sums(invoice: str, records: Records) -> Sums:
    """Return what is paid of an invoice; nobody else pays it before the transaction ends."""
    await records.lock(f"W8/{invoice}")
    return sums(invoice, await payments_of(invoice, records), records.situation.base_url)


def refunds(payments: Iterable[Resource]) -> dict[str, Decimal]:
    """Return how much is refunded, or about to be, of each payment, by its id."""
    found: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for payment in payments:
        if payment.get("status") in ("active", "draft"):
            for detail in payment.get("detail", ()):
                predecessor = detail.get("predecessor", {})
                if predecessor.get("system") == PAYMENT_ID and "value" in predecessor:
                    found[predecessor["value"]] -= value_of(detail.get("amount"))
    return dict(found)
