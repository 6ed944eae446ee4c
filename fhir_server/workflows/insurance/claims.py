"""Claims and requests as resources: for whom, of what, and once. https://hl7.org/fhir/R4/claim.html"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.store.ruling import Claim as Claimed
from fhir_server.workflows.billing.ledger import ISSUED
from fhir_server.workflows.billing.money import ZERO, currencies, value_of
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.insurance import rules
from fhir_server.workflows.insurance.coverages import insuring, unfit
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_MAY_CHANGE = frozenset({"status", "meta", "text"})

STATES = StateTable(
    "Claim",
    rules.CLAIM_STATE,
    {"draft": ("active", "cancelled", "entered-in-error"), "active": ("cancelled", "entered-in-error")},
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The coverages, invoices and preauthorizations that a claim names."""

    coverages: Mapping[str, Resource | None] = field(default_factory=dict)
    invoices: tuple[Resource | None, ...] = ()
    unknown: tuple[str, ...] = ()


def claims(claim: Resource) -> Iterable[Claimed]:
    """Claim the identifiers, which stand for one claim."""
    if claim.get("status") == "entered-in-error":
        return
    refusal = rules.DUPLICATE.error("A claim with this identifier was submitted already", "Claim.identifier")
    for one in claim.get("identifier", ()):
        if "value" in one:
            name = f"{one.get('system', '')}|{one['value']}"
            yield Claimed(f"W9/claim/{name}", f"Claim/{claim['id']}", refusal)


async def gather(change: Change, records: Records) -> Facts:
    """Look up what a claim names, when it is submitted."""
    after = change.after
    if after is None or not change.became("active"):
        return Facts()
    insurance = after.get("insurance", ())
    patient = short(after.get("patient"), records.situation.base_url)
    named = {ref for one in insurance for ref in one.get("preAuthRef", ())}
    unknown = named - await preauthorized(patient, records) if named else set()
    invoices = [await records.read(one) for one in invoices_of(after, records.situation.base_url)]
    return Facts(await insuring(insurance, records), tuple(invoices), tuple(sorted(unknown)))


async def preauthorized(patient: str | None, records: Records) -> set[str]:
    """Return the preauthorizations that insurers gave for a patient."""
    if patient is None:
        return set()
    found = await records.search("ClaimResponse", ("patient", patient), ("use", "preauthorization"))
    return {one["preAuthRef"] for one in found if one.get("status") == "active" and "preAuthRef" in one}


def invoices_of(claim: Resource, base_url: str) -> list[str]:
    """Return the invoices that a claim is for, which stand among its further information."""
    told = (short(one.get("valueReference"), base_url) for one in claim.get("supportingInfo", ()))
    return [one for one in told if one is not None and one.startswith("Invoice/")]


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a claim."""
    before, after = change.before, change.after
    if before is not None and before.get("status") in ("active", "cancelled") and not _fixed(before, after):
        yield rules.CLAIM_FIXED.broken("It was submitted; cancel it, and write another one", "Claim")
        return
    if after is None or not change.became("active"):
        return
    patient = short(after.get("patient"), situation.base_url)
    day = served(after)
    yield from unfit(facts.coverages, patient, day, "Claim.insurance.coverage", situation.base_url)
    yield from _sums(after)
    if facts.unknown:
        yield rules.PREAUTHORIZATION.broken("It was not given for this patient", "Claim.insurance.preAuthRef")
    for invoice in facts.invoices:
        if (
            invoice is None
            or invoice.get("status") not in ISSUED
            or short(invoice.get("subject"), situation.base_url) != patient
        ):
            message = "It is no invoice that is issued to this patient"
            yield rules.CLAIMED_INVOICE.broken(message, "Claim.supportingInfo")
        elif value_of(after.get("total")) > value_of(invoice.get("totalGross")):
            yield rules.CLAIMED_INVOICE.broken("More is claimed than the invoice says", "Claim.total")


def served(claim: Resource) -> str:
    """Return the day from which something is claimed: when it was done, or the claim was written."""
    told = [one.get("servicedPeriod", {}).get("start") for one in claim.get("item", ())]
    told += [one.get("servicedDate") for one in claim.get("item", ())]
    days = [one for one in told if one]
    period = claim.get("billablePeriod", {}).get("start")
    return str(min(days, default=None) or period or claim.get("created", ""))[:10]


def _sums(claim: Resource) -> Iterable[Violation]:
    items = claim.get("item", ())
    sequences = [one.get("sequence") for one in items]
    if len(set(sequences)) < len(sequences):
        yield rules.SEQUENCE.broken("Two items have the same sequence", "Claim.item.sequence")
    total = sum((value_of(one.get("net")) for one in items), ZERO)
    if "total" not in claim or value_of(claim["total"]) != total:
        yield rules.TOTAL.broken(f"The items add up to {total}", "Claim.total")
    if len(currencies([claim.get("total"), *(one.get("net") for one in items)])) > 1:
        yield rules.TOTAL.broken("A claim has one currency", "Claim.total")


def _fixed(before: Resource, after: Resource | None) -> bool:
    if after is None:
        return False
    names = (before.keys() | after.keys()) - _MAY_CHANGE
    return all(before.get(name) == after.get(name) for name in names)


async def gather_request(change: Change, records: Records) -> Mapping[str, Resource | None]:
    """Look up the coverages that are asked about."""
    if change.after is None or not change.became("active"):
        return {}
    return await insuring(change.after.get("insurance", ()), records)


def check_request(
    change: Change, facts: Mapping[str, Resource | None], situation: Situation
) -> Iterable[Violation]:
    """Yield what is wrong with the question whether somebody is insured."""
    after = change.after
    if after is None or not change.became("active"):
        return
    told = (
        after.get("servicedDate") or after.get("servicedPeriod", {}).get("start") or after.get("created", "")
    )
    where = "CoverageEligibilityRequest.insurance.coverage"
    patient = short(after.get("patient"), situation.base_url)
    yield from unfit(facts, patient, str(told)[:10], where, situation.base_url)


CLAIMS = Watch(types=frozenset({"Claim"}), claims=claims, gather=gather, check=check)
REQUESTS = Watch(types=frozenset({"CoverageEligibilityRequest"}), gather=gather_request, check=check_request)
