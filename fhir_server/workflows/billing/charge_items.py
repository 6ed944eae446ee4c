"""Charges as resources: their states, and that each event is charged once by a code.

https://hl7.org/fhir/R4/chargeitem.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.store.ruling import Claim
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.invoicing import Line, invoice_of, line_of
from fhir_server.workflows.billing.ledger import live_lines
from fhir_server.workflows.billing.money import ZERO, decimal, value_of
from fhir_server.workflows.billing.references import short, tail
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_GIVEN_UP = frozenset({"entered-in-error", "aborted", "not-billable"})
_MAY_CHANGE = frozenset({"status", "meta", "text", "note", "account"})

STATES = StateTable(
    "ChargeItem",
    rules.CHARGE_STATE,
    {
        "planned": ("billable", "not-billable", "aborted", "entered-in-error"),
        "billable": ("billed", "planned", "not-billable", "aborted", "entered-in-error"),
        "not-billable": ("billable", "entered-in-error"),
        "billed": ("billable", "entered-in-error"),
        "unknown": ("planned", "billable", "not-billable", "aborted", "billed", "entered-in-error"),
    },
)


@dataclass(frozen=True, slots=True)
class Standing:
    """On which invoice that is not cancelled a charge stands, None if on none; whether it is issued.

    Of a credit, `taken` is the line of an issued invoice that it gives back, None if there is none.
    """

    invoice: str | None = None
    is_issued: bool = False
    taken: Line | None = None


def claims(charge: Resource) -> Iterable[Claim]:
    """Claim the events of a charge for its codes, and the charge that it gives back."""
    if charge.get("status") in _GIVEN_UP:
        return
    owner = f"ChargeItem/{charge['id']}"
    if is_credit(charge):
        for part in charge["partOf"]:
            yield Claim(f"W8/credit/{tail(part)}", owner, rules.CREDITED.error("It is credited already"))
        return
    if "partOf" in charge:
        return
    refusal = rules.CHARGED_TWICE.error("This event is charged by this code already", "ChargeItem.service")
    for service in charge.get("service", ()):
        for coding in charge.get("code", {}).get("coding", ()):
            name = f"{coding.get('system', '')}|{coding.get('code', '')}"
            yield Claim(f"W8/event/{tail(service)}/{name}", owner, refusal)


def is_credit(charge: Resource) -> bool:
    """Tell whether a charge gives back what another one took."""
    return "partOf" in charge and value_of(charge.get("priceOverride")) < 0


async def gather(change: Change, records: Records) -> Standing:
    """Look on which invoice the charge stands, or that which it credits, where that matters."""
    before, after = change.before, change.after
    taken = await _taken(after, records) if after is not None and _gives_anew(change) else None
    was, becomes = (None if one is None else one.get("status") for one in (before, after))
    if "billed" not in (was, becomes) or before is None:
        return Standing(taken=taken)
    if was == becomes and _same(before, after):
        return Standing(taken=taken)
    lines = await live_lines(short(before.get("subject"), records.situation.base_url), records)
    invoice, is_issued = lines.get(change.reference, (None, False))
    return Standing(invoice, is_issued, taken)


def _gives_anew(change: Change) -> bool:
    """Tell whether somebody, and not the server for an event that was an error, writes a credit."""
    after, before = change.after, change.before
    if after is None or change.is_ours or not is_credit(after):
        return False
    return before is None or not _same(before, after)


async def _taken(credit: Resource, records: Records) -> Line | None:
    """Return the line that a credit gives back, None if it names no charge of its patient that is billed."""
    base_url = records.situation.base_url
    original = short(credit["partOf"][0], base_url) if len(credit["partOf"]) == 1 else None
    charge = await records.read(original)
    if original is None or charge is None or charge.get("status") != "billed":
        return None
    if short(charge.get("subject"), base_url) != short(credit.get("subject"), base_url):
        return None
    invoice = await invoice_of(original, records)
    return None if invoice is None else line_of(invoice, original, base_url)


def check(change: Change, facts: Standing, situation: Situation) -> Iterable[Violation]:
    """Yield what may not become of a charge that is billed, or that nothing bills."""
    before, after = change.before, change.after
    if after is not None:
        yield from _below_nought(change, after, facts, situation)
    if before is None:
        if change.became("billed") and not change.is_ours:
            message = "It is not billed yet; Account/$invoice writes the invoice that bills it"
            yield rules.CHARGE_BILLED.broken(message, "ChargeItem.status")
        return
    if change.became("billed") and not facts.is_issued:
        message = "It is on no invoice that is issued; Account/$invoice writes one"
        yield rules.CHARGE_BILLED.broken(message, "ChargeItem.status")
    if before.get("status") != "billed" or facts.invoice is None:
        return
    if after is None:
        yield rules.CHARGE_BILLED.broken(f"It stands on {facts.invoice}")
    elif after.get("status") != "billed" or not _same(before, after):
        message = f"It stands on {facts.invoice}; cancel or credit that first"
        yield rules.CHARGE_BILLED.broken(message, "ChargeItem.status")


def _below_nought(
    change: Change, charge: Resource, facts: Standing, situation: Situation
) -> Iterable[Violation]:
    """Yield what is wrong with a charge that gives money, or would by a quantity or factor below nought."""
    if change.is_ours:
        return
    if value_of(charge.get("priceOverride")) < 0 and not situation.has_role("BC", "AD"):
        yield rules.CREDIT_ROLE.broken("Your role does not give credits", "ChargeItem.priceOverride")
    if change.before is not None and _same(change.before, charge):
        return
    multipliers = {
        "quantity": value_of(charge.get("quantity")),
        "factorOverride": decimal(charge.get("factorOverride", 1)),
    }
    for name, number in multipliers.items():
        if number < 0:
            message = f"{name} is not below nought; a credit says by its price what it gives"
            yield rules.CREDIT_AMOUNT.broken(message, f"ChargeItem.{name}")
    if not is_credit(charge):
        return
    if facts.taken is None:
        message = "It is part of no charge of this patient that stands on an issued invoice"
        yield rules.CREDIT_AMOUNT.broken(message, "ChargeItem.partOf")
    elif not _gives_back(charge, facts.taken, multipliers["factorOverride"]):
        message = "A credit gives back what its charge took, neither more nor less"
        yield rules.CREDIT_AMOUNT.broken(message, "ChargeItem.priceOverride")


def _gives_back(credit: Resource, taken: Line, factor: Decimal) -> bool:
    base = sum((one.amount for one in taken.parts if one.type == "base"), ZERO)
    price = credit["priceOverride"]
    return value_of(price) * factor == -base and price.get("currency", taken.currency) == taken.currency


def _same(before: Resource, after: Resource | None) -> bool:
    """Tell whether nothing but what may change did."""
    if after is None:
        return False
    names = (before.keys() | after.keys()) - _MAY_CHANGE
    return all(before.get(name) == after.get(name) for name in names)


CHARGES = Watch(types=frozenset({"ChargeItem"}), claims=claims, gather=gather, check=check)
