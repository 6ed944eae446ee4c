"""Charges as resources: their states, and that each event is charged once by a code.

https://hl7.org/fhir/R4/chargeitem.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store.ruling import Claim
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.ledger import live_lines
from fhir_server.workflows.billing.money import value_of
from fhir_server.workflows.billing.references import short, tail
from fhir_server.workflows.made import key_id
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
    """On which invoice that is not cancelled a charge stands, None if on none; whether it is issued."""

    invoice: str | None = None
    is_issued: bool = False


def claims(charge: Resource) -> Iterable[Claim]:
    """Claim the events of a charge for its codes, and the charge that it gives back."""
    if charge.get("status") in _GIVEN_UP:
        return
    owner = f"ChargeItem/{charge['id']}"
    if _is_credit(charge):
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


def _is_credit(charge: Resource) -> bool:
    return "partOf" in charge and value_of(charge.get("priceOverride")) < 0


async def gather(change: Change, records: Records) -> Standing:
    """Look on which invoice the charge stands, where that matters."""
    before, after = change.before, change.after
    was, becomes = (None if one is None else one.get("status") for one in (before, after))
    if "billed" not in (was, becomes) or before is None:
        return Standing()
    if was == becomes and _same(before, after):
        return Standing()
    lines = await live_lines(short(before.get("subject"), records.situation.base_url), records)
    return Standing(*lines.get(change.reference, (None, False)))


def check(change: Change, facts: Standing, situation: Situation) -> Iterable[Violation]:
    """Yield what may not become of a charge that is billed, or that nothing bills."""
    before, after = change.before, change.after
    if after is not None and value_of(after.get("priceOverride")) < 0 and not _may_credit(after, situation):
        yield rules.CREDIT_ROLE.broken("Your role does not give credits", "ChargeItem.priceOverride")
    if before is None:
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


def _may_credit(charge: Resource, situation: Situation) -> bool:
    """Tell whether the caller may give a credit, or the server gives it for an event that was an error."""
    made_for = [key_id("credit", tail(part) or "") for part in charge.get("partOf", ())]
    return situation.has_role("BC", "AD") or charge["id"] in made_for


def _same(before: Resource, after: Resource | None) -> bool:
    """Tell whether nothing but what may change did."""
    if after is None:
        return False
    names = (before.keys() | after.keys()) - _MAY_CHANGE
    return all(before.get(name) == after.get(name) for name in names)


CHARGES = Watch(types=frozenset({"ChargeItem"}), claims=claims, gather=gather, check=check)
