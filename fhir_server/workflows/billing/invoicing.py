"""Writing an invoice for charges: one line for each, part by part, and what they add up to.

https://hl7.org/fhir/R4/invoice.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.accounts import is_self_pay
from fhir_server.workflows.billing.definitions import by_url
from fhir_server.workflows.billing.money import ZERO, money, value_of
from fhir_server.workflows.billing.pricing import (
    Component,
    components,
    currency_of,
    definition_urls,
    gross,
    net,
    read_components,
)
from fhir_server.workflows.billing.references import forms, short
from fhir_server.workflows.billing.tariff import load_tariff
from fhir_server.workflows.made import concept, made
from fhir_server.workflows.records import Records

Resource = Mapping[str, Any]
TYPE = "urn:fhir-hospital-server:invoice-type"
CREDIT_NOTE = "credit-note"
_ORDER = ("base", "surcharge", "deduction", "discount", "tax")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice: its charge, and the parts of its price."""

    charge: str
    parts: tuple[Component, ...]
    currency: str

    def element(self, sequence: int) -> dict[str, Any]:
        """Return it as an element of an Invoice."""
        return {
            "sequence": sequence,
            "chargeItemReference": {"reference": self.charge},
            "priceComponent": [one.element(self.currency) for one in self.parts],
        }

    def negated(self, charge: str) -> "Line":
        """Return the line that gives back what this one takes, for the charge of the credit."""
        parts = tuple(Component(one.type, -one.amount, one.code, one.factor) for one in self.parts)
        return Line(charge, parts, self.currency)


async def lines(charges: Sequence[Resource], coverages: list[dict[str, Any]], records: Records) -> list[Line]:
    """Return the lines for `charges`, as the price list and the hospital's table are now.

    A credit gives back what the line of its charge took, whatever things cost now.
    """
    base_url, tariff = records.situation.base_url, load_tariff(records.situation.settings.tariff)
    definitions = await by_url(records, [url for one in charges for url in definition_urls(one)])
    self_pay = is_self_pay(coverages, base_url)
    found = []
    for charge in charges:
        reference = f"ChargeItem/{charge['id']}"
        credited = await _credited(charge, records)
        if credited is not None:
            found.append(credited.negated(reference))
            continue
        definition = next((definitions[one] for one in definition_urls(charge) if one in definitions), None)
        parts = components(charge, definition, tariff, self_pay=self_pay)
        found.append(Line(reference, tuple(parts), currency_of(charge, definition, tariff.currency)))
    return found


async def _credited(charge: Resource, records: Records) -> Line | None:
    """Return the line that a charge gives back, None if it is no credit of one that stands on an invoice."""
    if value_of(charge.get("priceOverride")) >= 0:
        return None
    for part in charge.get("partOf", ()):
        original = short(part, records.situation.base_url)
        invoice = await invoice_of(original, records) if original else None
        if original and invoice is not None:
            return line_of(invoice, original, records.situation.base_url)
    return None


async def invoice_of(charge: str, records: Records) -> dict[str, Any] | None:
    """Return the invoice that is issued on which a charge stands, None if there is none."""
    written = forms(charge, records.situation.base_url)
    condition = {
        "resource.lineItem.chargeItemReference.reference": {"$in": written},
        "resource.status": {"$in": ["issued", "balanced"]},
    }
    found = await records.aggregate("Invoice", [{"$match": condition}, {"$project": {"resource": 1}}])
    return found[0]["resource"] if found else None


def line_of(invoice: Resource, charge: str, base_url: str) -> Line | None:
    """Return the line of an invoice on which a charge stands."""
    for line in invoice.get("lineItem", ()):
        if short(line.get("chargeItemReference"), base_url) == charge:
            parts = tuple(read_components(line.get("priceComponent", ())))
            return Line(charge, parts, invoice.get("totalGross", {}).get("currency", ""))
    return None


def invoice(
    invoice_id: str,
    found: Sequence[Line],
    subject: str,
    *,
    status: str,
    date: str,
    account: str | None = None,
    **elements: Any,
) -> dict[str, Any]:
    """Return the Invoice of some lines; raise the refusal of `TOTALS` if they are in several currencies."""
    currencies = {line.currency for line in found}
    if len(currencies) > 1:
        raise rules.TOTALS.error("The charges are in several currencies", "Invoice.lineItem")
    [currency] = currencies
    parts = [part for line in found for part in line.parts]
    return made(
        "Invoice",
        id=invoice_id,
        status=status,
        subject={"reference": subject},
        date=date,
        account={"reference": account} if account else None,
        lineItem=[line.element(number) for number, line in enumerate(found, start=1)],
        totalPriceComponent=_totals(parts, currency),
        totalNet=money(net(parts), currency),
        totalGross=money(gross(parts), currency),
        **elements,
    )


def _totals(parts: Iterable[Component], currency: str) -> list[dict[str, Any]]:
    """Return what the lines add up to by kind."""
    sums: dict[str, Decimal] = {}
    for one in parts:
        sums[one.type] = sums.get(one.type, ZERO) + one.amount
    return [{"type": kind, "amount": money(sums[kind], currency)} for kind in _ORDER if kind in sums]


def credit_note() -> dict[str, Any]:
    """Return the type of an invoice that gives something back."""
    return concept(TYPE, CREDIT_NOTE, "Credit note")


__all__ = ["CREDIT_NOTE", "Line", "credit_note", "invoice", "invoice_of", "line_of", "lines"]
