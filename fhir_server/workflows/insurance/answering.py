"""Asking the insurer about a claim, and writing down the answer with the money that comes of it.

https://hl7.org/fhir/R4/claimresponse.html, https://hl7.org/fhir/R4/explanationofbenefit.html
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from adapters.payers.payer import Item, Member, Payer, PayerUnavailable, Verdict
from adapters.payers.rule_based import load_payer
from fhir_server.context import Context
from fhir_server.settings import Settings
from fhir_server.store import Reads, instant
from fhir_server.workflows.billing.invoice_operations import all_records
from fhir_server.workflows.billing.ledger import ISSUED, payments_of, sums
from fhir_server.workflows.billing.money import ZERO, money, value_of
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.insurance import rules
from fhir_server.workflows.insurance.claims import invoices_of, preauthorized
from fhir_server.workflows.insurance.coverages import insurer_of, plan_of
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.records import Records
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import UnprocessableContent

Resource = dict[str, Any]
_ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
_PAYMENT = "http://terminology.hl7.org/CodeSystem/payment-type"


# As often as another claim of the same coverage may be settled while the insurer thinks about this one.
_ATTEMPTS = 10
# For how long whoever submits a claim waits for the insurer, before it is asked again by the agenda.
_PATIENCE_SECONDS = 20.0

Told = TypeVar("Told")


class _Overtaken(Exception):
    """Another claim used up a part of the deductible while the insurer was asked: ask again."""


@dataclass(frozen=True, slots=True)
class Question:
    """A claim with what has to be known about it: the coverage, who insures, and who is insured."""

    claim: Resource
    coverage: Resource
    insurer: str
    member: Member
    items: tuple[Item, ...]
    currency: str

    @property
    def reference(self) -> str:
        """The address of the claim."""
        return f"Claim/{self.claim['id']}"


def payer_of(settings: Settings) -> Payer:
    """Return the insurer that a hospital with these settings asks."""
    return load_payer(settings.payers)


async def question(claim: Resource, records: Records) -> Question:
    """Return what an insurer is asked by a claim; raise the refusal of `NOT_INSURED` if nobody is."""
    base_url = records.situation.base_url
    focal = sorted(claim.get("insurance", ()), key=lambda one: not one.get("focal"))
    coverage = await records.read(focal[0]["coverage"]) if focal else None
    insurer = None if coverage is None else insurer_of(coverage, base_url)
    if coverage is None or insurer is None:
        raise rules.NOT_INSURED.error(
            "Nobody but the patient pays by this coverage", "Claim.insurance.coverage"
        )
    named = {ref for one in claim.get("insurance", ()) for ref in one.get("preAuthRef", ())}
    known = await preauthorized(short(claim.get("patient"), base_url), records) if named else set()
    agreed = bool(named & known)
    items = tuple(
        Item(one["sequence"], _codes(one), value_of(one.get("net")), agreed) for one in claim.get("item", ())
    )
    currency = claim.get("total", {}).get("currency", "")
    member = await member_of(coverage, records)
    return Question(claim, coverage, insurer, member, items, currency)


async def member_of(coverage: Resource, records: Records) -> Member:
    """Return who is insured by a coverage, with what they paid themselves this year."""
    met = await _deductible_met(f"Coverage/{coverage['id']}", records)
    number = coverage.get("subscriberId") or next(
        (one.get("value", "") for one in coverage.get("identifier", ())), ""
    )
    return Member(number, plan_of(coverage), met)


async def _deductible_met(coverage: str, records: Records, but: str | None = None) -> Decimal:
    """Return what of the deductible of a coverage is used up this year, by other benefits than `but`."""
    pairs = ("coverage", coverage), ("created", str(records.situation.now.year))
    met = ZERO
    for benefit in await records.search("ExplanationOfBenefit", *pairs):
        counts = benefit.get("status") == "active" and benefit.get("use") == "claim"
        if counts and benefit["id"] != but:
            met += _total(benefit, "deductible")
    return met


def _total(benefit: Mapping[str, Any], code: str) -> Decimal:
    return sum(
        (value_of(one["amount"]) for one in benefit.get("total", ()) if _is(one["category"], code)), ZERO
    )


def _is(category: Mapping[str, Any], code: str) -> bool:
    return any(one.get("code") == code for one in category.get("coding", ()))


def _codes(item: Mapping[str, Any]) -> frozenset[str]:
    codings = item.get("productOrService", {}).get("coding", ())
    return frozenset(one["code"] for one in codings if "code" in one)


async def answer(claim: Resource, context: Context) -> Resource:
    """Ask the insurer about a claim, store the answer and what comes of it; return the ClaimResponse.

    If the insurer does not answer, that is the answer for now: `queued`, and the agenda asks again.
    """
    try:
        return await settled(claim, context)
    except PayerUnavailable:
        asked = await question(claim, all_records(context))
        return await _stored([_response(asked, (), "queued", context)], context)


async def settled(claim: Resource, context: Context) -> Resource:
    """See `answer`; raise PayerUnavailable, with nothing stored, if the insurer does not answer."""
    for _ in range(_ATTEMPTS):
        try:
            return await _answered(claim, context)
        except _Overtaken:
            continue
    raise PayerUnavailable("Other claims of this coverage are settled all the time")


async def told_by(asking: Awaitable[Told]) -> Told:
    """Return what an insurer says to a question; raise PayerUnavailable if it takes too long to say it."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await asking
    except TimeoutError:
        raise PayerUnavailable("The insurer does not answer in time") from None


async def _answered(claim: Resource, context: Context) -> Resource:
    """See `settled`; raise _Overtaken if another claim used up the deductible meanwhile."""
    asked = await question(claim, all_records(context))
    payer = payer_of(context.settings)
    is_claim = claim["use"] == "claim"
    ask = payer.adjudicate if is_claim else payer.preauthorize
    verdicts = await told_by(ask(asked.member, asked.items))
    outcome = "partial" if any(one.denied for one in verdicts) else "complete"
    response = _response(asked, verdicts, outcome, context)
    if not is_claim:
        return await _stored([response], context)
    benefit = _benefit(asked, verdicts, response, context)

    async def unchanged() -> None:
        """Raise _Overtaken unless the deductible is what the insurer was told; within the transaction."""
        records, coverage = all_records(context), f"Coverage/{asked.coverage['id']}"
        await records.lock(f"W9/deductible/{coverage}")
        if await _deductible_met(coverage, records, but=benefit["id"]) != asked.member.deductible_met:
            raise _Overtaken

    try:
        remittance = await _remittance(asked, verdicts, context)
        return await _stored([response, benefit, *remittance], context, unchanged)
    except UnprocessableContent:
        # Somebody paid the invoice meanwhile: less of it is left than a moment ago.
        remittance = await _remittance(asked, verdicts, context)
        return await _stored([response, benefit, *remittance], context, unchanged)


async def _stored(resources: list[Resource], context: Context, reads: Reads | None = None) -> Resource:
    writes = [replacement(one["resourceType"], one["id"], one) for one in resources]
    written = await commit(context, writes, reads=reads)
    version = written[0].version
    assert version is not None  # noqa: S101 - an update always stores a version
    assert version.resource is not None  # noqa: S101
    return version.resource


def response_id(claim: str) -> str:
    """Return the id of the ClaimResponse to a claim."""
    return key_id("claim-response", claim)


def _response(asked: Question, verdicts: tuple[Verdict, ...], outcome: str, context: Context) -> Resource:
    claim = asked.claim
    agreed = claim["use"] == "preauthorization" and outcome != "queued"
    paid = sum((one.benefit for one in verdicts), ZERO)
    payment = {
        "type": concept("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete"),
        "date": context.now().date().isoformat(),
        "amount": money(paid, asked.currency),
    }
    return made(
        "ClaimResponse",
        id=response_id(asked.reference),
        status="active",
        type=claim["type"],
        use=claim["use"],
        patient=claim["patient"],
        created=instant(context.now()),
        insurer={"reference": asked.insurer},
        requestor=claim.get("provider"),
        request={"reference": asked.reference},
        outcome=outcome,
        disposition=_disposition(outcome),
        preAuthRef=f"PA-{claim['id']}" if agreed else None,
        item=[_item(one, asked) for one in verdicts] or None,
        total=_totals(asked, verdicts) or None,
        payment=payment if claim["use"] == "claim" and paid > 0 else None,
    )


def _disposition(outcome: str) -> str:
    told = {
        "queued": "The insurer does not answer yet; the claim is sent again",
        "partial": "Some items are not paid",
        "complete": "Settled as the plan says",
    }
    return told[outcome]


def _item(verdict: Verdict, asked: Question) -> Resource:
    return {
        "itemSequence": verdict.sequence,
        "adjudication": list(_adjudication(verdict, asked)),
    }


def _adjudication(verdict: Verdict, asked: Question) -> Iterable[Resource]:
    net = next(one.net for one in asked.items if one.sequence == verdict.sequence)
    amounts = {
        "submitted": net,
        "deductible": verdict.deductible,
        "copay": verdict.copay,
        "benefit": verdict.benefit,
    }
    for code, amount in amounts.items():
        told = {"category": concept(_ADJUDICATION, code), "amount": money(amount, asked.currency)}
        if code == "benefit" and verdict.denied:
            told["reason"] = {"text": verdict.denied}
        yield told


def _totals(asked: Question, verdicts: tuple[Verdict, ...]) -> list[Resource]:
    if not verdicts:
        return []
    amounts = {
        "submitted": sum((one.net for one in asked.items), ZERO),
        "deductible": sum((one.deductible for one in verdicts), ZERO),
        "copay": sum((one.copay for one in verdicts), ZERO),
        "benefit": sum((one.benefit for one in verdicts), ZERO),
    }
    return [
        {"category": concept(_ADJUDICATION, code), "amount": money(amount, asked.currency)}
        for code, amount in amounts.items()
    ]


def _benefit(
    asked: Question, verdicts: tuple[Verdict, ...], response: Resource, context: Context
) -> Resource:
    """Return the ExplanationOfBenefit, by which the patient sees what the insurer pays."""
    claim = asked.claim
    by_sequence = {one.sequence: one for one in verdicts}
    items = [
        {
            "sequence": one["sequence"],
            "productOrService": one["productOrService"],
            "net": one.get("net"),
            "adjudication": list(_adjudication(by_sequence[one["sequence"]], asked)),
        }
        for one in claim.get("item", ())
    ]
    return made(
        "ExplanationOfBenefit",
        id=key_id("explanation-of-benefit", asked.reference),
        status="active",
        type=claim["type"],
        use=claim["use"],
        patient=claim["patient"],
        created=instant(context.now()),
        insurer={"reference": asked.insurer},
        provider=claim["provider"],
        claim={"reference": asked.reference},
        claimResponse={"reference": f"ClaimResponse/{response['id']}"},
        outcome=response["outcome"],
        disposition=response["disposition"],
        insurance=[{"focal": True, "coverage": {"reference": f"Coverage/{asked.coverage['id']}"}}],
        item=items or None,
        total=response.get("total"),
        payment={"amount": response["payment"]["amount"]} if "payment" in response else None,
    )


async def _remittance(asked: Question, verdicts: tuple[Verdict, ...], context: Context) -> list[Resource]:
    """Return the payment of the insurer, for the invoices of the claim as far as they are not paid yet."""
    paid = sum((one.benefit for one in verdicts), ZERO)
    if paid <= ZERO:
        return []
    left, details = paid, []
    records = all_records(context)
    for reference in invoices_of(asked.claim, context.base_url):
        invoice = await records.read(reference)
        if invoice is None or invoice.get("status") not in ISSUED:
            continue
        told = sums(reference, await payments_of(reference, records), context.base_url)
        amount = min(left, value_of(invoice.get("totalGross")) - told.paid - told.coming)
        if amount > ZERO:
            left -= amount
            details.append(_detail(asked, amount, "payment", context) | {"request": {"reference": reference}})
    if left > ZERO:
        details.append(_detail(asked, left, "advance", context))
    return [
        made(
            "PaymentReconciliation",
            id=key_id("remittance", asked.reference),
            status="active",
            created=instant(context.now()),
            paymentIssuer={"reference": asked.insurer},
            outcome="complete",
            paymentDate=context.now().date().isoformat(),
            paymentAmount=money(paid, asked.currency),
            detail=details,
        )
    ]


def _detail(asked: Question, amount: Decimal, kind: str, context: Context) -> Resource:
    return {
        "type": concept(_PAYMENT, kind),
        "response": {"reference": f"ClaimResponse/{response_id(asked.reference)}"},
        "date": context.now().date().isoformat(),
        "amount": money(amount, asked.currency),
    }
