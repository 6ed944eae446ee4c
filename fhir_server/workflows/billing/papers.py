"""Invoices and receipts as papers, from what the resources say.

https://hl7.org/fhir/R4/invoice.html, https://hl7.org/fhir/R4/paymentreconciliation.html
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fhir_server.papers.paper import Column, Facts, Paper, Section, Table
from fhir_server.papers.words import name_of, text_of
from fhir_server.workflows.billing.money import rounded, value_of

Resource = Mapping[str, Any]
_LINES = (
    Column("No.", 0.5),
    Column("Service", 3.5),
    Column("Quantity", 0.9, "right"),
    Column("Part", 1.2),
    Column("Amount", 1.6, "right"),
)
_PAID = (Column("Invoice", 3), Column("Amount", 1.6, "right"))


def invoice_paper(
    invoice: Resource, charges: Mapping[str, Resource], patient: Resource, issuer: str
) -> Paper:
    """Return an invoice: each charge with the parts of its price, and what they add up to."""
    total = value_of(invoice.get("totalGross"))
    currency = invoice.get("totalGross", {}).get("currency", "")
    rows: list[list[str]] = []
    for line in invoice.get("lineItem", ()):
        charge = charges.get(line.get("chargeItemReference", {}).get("reference", ""), {})
        quantity = str(charge.get("quantity", {}).get("value", ""))
        for place, part in enumerate(line.get("priceComponent", ())):
            first = [str(line.get("sequence", "")), text_of(charge.get("code")), quantity]
            amount = written(value_of(part.get("amount")), currency)
            rows.append([*(first if place == 0 else ["", "", ""]), part["type"], amount])
    sums = [
        ["", "", "", "Net", written(value_of(invoice.get("totalNet")), currency)],
        ["", "", "", "Total", written(total, currency)],
    ]
    number, date = number_of(invoice), invoice.get("date", "")[:10]
    facts = [*whom(patient), ("Number", number), ("Date", date)]
    return Paper(
        title="Credit note" if total < 0 else "Invoice",
        issuer=[issuer],
        number=number,
        date=date,
        sections=[Section("", [Facts(facts)]), Section("", [Table(_LINES, [*rows, *sums], sums=2)])],
    )


def receipt_paper(
    payment: Resource, invoices: Mapping[str, Resource], patient: Resource, issuer: str, method: str
) -> Paper:
    """Return the receipt of a payment: what was paid of which invoice."""
    currency = payment["paymentAmount"].get("currency", "")
    amount = value_of(payment["paymentAmount"])
    rows = [
        [number_of(invoice), written(value_of(detail.get("amount")), currency)]
        for detail in payment.get("detail", ())
        if (invoice := invoices.get(detail.get("request", {}).get("reference", ""))) is not None
    ]
    date = payment.get("paymentDate", "")
    facts = [*whom(patient), ("Method", method), ("Date", date)]
    return Paper(
        title="Refund" if amount < 0 else "Receipt",
        issuer=[issuer],
        number=payment["id"],
        date=date,
        sections=[
            Section("", [Facts(facts)]),
            Section("", [Table(_PAID, [*rows, ["Total", written(amount, currency)]], sums=1)]),
        ],
    )


def written(amount: Decimal, currency: str) -> str:
    """Return an amount as people read it."""
    return f"{rounded(amount):,} {currency}".strip()


def number_of(invoice: Resource) -> str:
    """Return the number of an invoice."""
    return next((str(one["value"]) for one in invoice.get("identifier", ()) if "value" in one), invoice["id"])


def whom(patient: Resource) -> list[tuple[str, str]]:
    """Return name and address of a patient."""
    address: Resource = next(iter(patient.get("address", ())), {})
    town = " ".join(one for one in (address.get("postalCode"), address.get("city")) if one)
    lines = [one for one in (*address.get("line", ()), town, address.get("country")) if one]
    return [("For", name_of(patient)), *([("Address", "\n".join(lines))] if lines else [])]
