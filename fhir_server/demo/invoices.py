"""Invoices, and the payments that balance them.

https://hl7.org/fhir/R4/invoice.html, https://hl7.org/fhir/R4/paymentreconciliation.html
"""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fhir_server.demo.chart import Chart
from fhir_server.demo.coverage import Policy
from fhir_server.demo.datatypes import Resource, concept, hl7, identifier, money, refer, stamp
from fhir_server.demo.departments import head_office

CENT = Decimal("0.01")
# Who pays without an insurer is let off a tenth.
_DISCOUNT = Decimal("0.10")


def write(
    chart: Chart, account: Resource, items: list[Resource], billed: datetime, policy: Policy, *, paid: bool
) -> None:
    """Write the invoice for the charged `items`; if it is `paid`, the payment too."""
    lines = [_line(number, item, policy) for number, item in enumerate(items, start=1)]
    total = sum((part["amount"]["value"] for line in lines for part in line["priceComponent"]), Decimal(0))
    elements = {
        "identifier": [identifier(None, "invoice", f"IN-{chart.number:04d}-{len(chart.resources):04d}")],
        "status": "balanced" if paid else "issued",
        "type": concept(text="Patient invoice"),
        "subject": chart.patient,
        "recipient": policy.payer,
        "date": stamp(billed),
        "issuer": head_office(),
        "account": refer(account),
        "lineItem": lines,
        "totalNet": money(total),
        "totalGross": money(total),
        "paymentTerms": "Payable within 30 days",
    }
    invoice = chart.add("Invoice", elements)
    if paid:
        _pay(chart, invoice, billed + timedelta(days=chart.random.randint(3, 20)), policy)


def _line(number: int, item: Resource, policy: Policy) -> dict[str, Any]:
    price: Decimal = item["priceOverride"]["value"]
    parts = [{"type": "base", "amount": money(price)}]
    if policy.insurer is None:
        discount = (price * _DISCOUNT).quantize(CENT, ROUND_HALF_UP)
        parts.append({"type": "discount", "code": concept(text="Self-pay"), "amount": money(-discount)})
    return {"sequence": number, "chargeItemReference": refer(item), "priceComponent": parts}


def _pay(chart: Chart, invoice: Resource, moment: datetime, policy: Policy) -> None:
    when = min(moment, chart.timeline.now)
    detail = {
        "type": concept(hl7("payment-type", "payment", "Payment")),
        "request": refer(invoice),
        "date": stamp(when.date()),
        "amount": invoice["totalGross"],
    }
    elements = {
        "status": "active",
        "created": stamp(when),
        "paymentIssuer": policy.insurer.reference if policy.insurer else None,
        "outcome": "complete",
        "paymentDate": stamp(when.date()),
        "paymentAmount": invoice["totalGross"],
        "detail": [detail],
    }
    chart.add("PaymentReconciliation", elements)
