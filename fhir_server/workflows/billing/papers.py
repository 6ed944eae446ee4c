"""Invoices and receipts as PDF, from what the resources say.

https://hl7.org/fhir/R4/invoice.html, https://hl7.org/fhir/R4/paymentreconciliation.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from fhir_server.workflows.billing.money import rounded, value_of

Resource = Mapping[str, Any]
_KINDS = ("base", "surcharge", "deduction", "discount", "tax")
_STYLES = getSampleStyleSheet()
_GRID = TableStyle(
    [
        ("FONTSIZE", (0, 0), (-1, -1), 8),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ("ALIGN", (2, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)


@dataclass(frozen=True, slots=True)
class Paper:
    """A page or several: the title, who it is from and for, lines of text above, a table, and sums below."""

    title: str
    issuer: str
    recipient: Sequence[str]
    above: Sequence[str]
    table: Sequence[Sequence[str]]
    sums: Sequence[tuple[str, str]]


def invoice_paper(
    invoice: Resource, charges: Mapping[str, Resource], patient: Resource, issuer: str
) -> Paper:
    """Return an invoice: each charge with the parts of its price, and what they add up to."""
    total = value_of(invoice.get("totalGross"))
    currency = invoice.get("totalGross", {}).get("currency", "")
    rows: list[Sequence[str]] = [["No.", "Service", "Quantity", "Part", "Amount"]]
    for line in invoice.get("lineItem", ()):
        charge = charges.get(line.get("chargeItemReference", {}).get("reference", ""), {})
        quantity = charge.get("quantity", {}).get("value", "")
        for place, part in enumerate(line.get("priceComponent", ())):
            first = [str(line.get("sequence", "")), text_of(charge.get("code")), str(quantity)]
            amount = written(value_of(part.get("amount")), currency)
            rows.append([*(first if place == 0 else ["", "", ""]), part["type"], amount])
    parts = [
        (part["type"], written(value_of(part.get("amount")), currency))
        for part in invoice.get("totalPriceComponent", ())
    ]
    net = written(value_of(invoice.get("totalNet")), currency)
    return Paper(
        "Credit note" if total < 0 else "Invoice",
        issuer,
        address_of(patient),
        [f"Number: {number_of(invoice)}", f"Date: {invoice.get('date', '')[:10]}"],
        rows,
        [
            *parts,
            ("Net", net),
            ("Total", written(total, currency)),
        ],
    )


def receipt_paper(
    payment: Resource, invoices: Mapping[str, Resource], patient: Resource, issuer: str, method: str
) -> Paper:
    """Return the receipt of a payment: what was paid of which invoice."""
    currency = payment["paymentAmount"].get("currency", "")
    amount = value_of(payment["paymentAmount"])
    rows: list[Sequence[str]] = [["No.", "Invoice", "", "", "Amount"]]
    for place, detail in enumerate(payment.get("detail", ()), start=1):
        invoice = invoices.get(detail.get("request", {}).get("reference", ""))
        if invoice is not None:
            paid = written(value_of(detail.get("amount")), currency)
            rows.append([str(place), number_of(invoice), "", "", paid])
    return Paper(
        "Refund" if amount < 0 else "Receipt",
        issuer,
        address_of(patient),
        [f"Payment: {payment['id']}", f"Date: {payment.get('paymentDate', '')}", f"Method: {method}"],
        rows,
        [("Total", written(amount, currency))],
    )


def pdf(paper: Paper) -> bytes:
    """Return a paper as PDF; the same paper gives the same bytes."""
    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        title=paper.title,
        author=paper.issuer,
        invariant=1,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
    )
    widths = [12 * mm, 80 * mm, 20 * mm, 25 * mm, 33 * mm]
    table = Table([_row(row) for row in paper.table], colWidths=widths, repeatRows=1)
    table.setStyle(_GRID)
    below = Table([list(row) for row in paper.sums], colWidths=[137 * mm, 33 * mm])
    below.setStyle(TableStyle([("ALIGN", (1, 0), (1, -1), "RIGHT"), ("FONTSIZE", (0, 0), (-1, -1), 9)]))
    told = [paper.issuer, *paper.recipient, "", *paper.above]
    document.build(
        [
            Paragraph(escape(paper.title), _STYLES["Title"]),
            *(Paragraph(escape(line) or "&nbsp;", _STYLES["Normal"]) for line in told),
            Spacer(1, 8 * mm),
            table,
            Spacer(1, 5 * mm),
            below,
        ]
    )
    return file.getvalue()


def _row(row: Sequence[str]) -> list[Any]:
    number, name, *rest = row
    return [number, Paragraph(escape(name), _STYLES["BodyText"]), *rest]


def written(amount: Decimal, currency: str) -> str:
    """Return an amount as people read it."""
    return f"{rounded(amount):,} {currency}".strip()


def number_of(invoice: Resource) -> str:
    """Return the number of an invoice."""
    return next((str(one["value"]) for one in invoice.get("identifier", ()) if "value" in one), invoice["id"])


def text_of(concept: Any) -> str:
    """Return what a CodeableConcept says to people."""
    if not concept:
        return ""
    told = [concept.get("text"), *(one.get("display") for one in concept.get("coding", ()))]
    codes = (one.get("code") for one in concept.get("coding", ()))
    return next((str(one) for one in (*told, *codes) if one), "")


def address_of(patient: Resource) -> list[str]:
    """Return name and address of a patient, line by line."""
    name: Resource = next(iter(patient.get("name", ())), {})
    whole = name.get("text") or " ".join([*name.get("given", ()), name.get("family", "")]).strip()
    address: Resource = next(iter(patient.get("address", ())), {})
    town = " ".join(one for one in (address.get("postalCode"), address.get("city")) if one)
    return [one for one in (whole, *address.get("line", ()), town, address.get("country")) if one]
