"""Making a payment: first it is written down and kept free, then the money moves, then it counts.

Whatever fails between two of these steps is carried on by the next call with the same key, or ended by the
agenda. https://hl7.org/fhir/R4/paymentreconciliation.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.payments.gateway import Asked, Gateway, GatewayError, Taken
from fhir_server.context import Context
from fhir_server.store import instant
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.ledger import PAYMENT_ID
from fhir_server.workflows.billing.money import money, value_of
from fhir_server.workflows.billing.payments import GATEWAY
from fhir_server.workflows.made import changed, made
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import Conflict, PreconditionFailed, ServiceUnavailable, error

Resource = dict[str, Any]
METHOD = "urn:fhir-hospital-server:payment-method"
_TYPE = "http://terminology.hl7.org/CodeSystem/payment-type"
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be paid, and the id of the payment."""

    id: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A payment as it is now, `settled` or `pending`, with the secret for the payer's browser."""

    payment: Resource
    state: str
    secret: str | None = None


def payment_resource(
    wanted: Wanted,
    method: str,
    invoice: str,
    situation: Situation,
    *,
    immediate: bool,
    refunds: str | None = None,
    reason: str | None = None,
) -> Resource:
    """Return the PaymentReconciliation of a payment, of one that gives back what `refunds` names."""
    kind = "payment" if refunds is None else "adjustment"
    amount = money(wanted.amount, wanted.currency)
    clerk = situation.person or ""
    detail = {
        "identifier": {"system": PAYMENT_ID, "value": wanted.id},
        "type": {"coding": [{"system": _TYPE, "code": kind}, {"system": METHOD, "code": method}]},
        "request": {"reference": invoice},
        "date": situation.now.date().isoformat(),
        "amount": amount,
    }
    if refunds is not None:
        detail["predecessor"] = {"system": PAYMENT_ID, "value": refunds}
    return made(
        "PaymentReconciliation",
        id=wanted.id,
        status="active" if immediate else "draft",
        created=instant(situation.now),
        outcome="complete" if immediate else "queued",
        requestor={"reference": clerk} if clerk.startswith("Practitioner/") else None,
        paymentDate=situation.now.date().isoformat(),
        paymentAmount=amount,
        detail=[detail],
        disposition=reason,
    )


def method_of(payment: Mapping[str, Any]) -> str | None:
    """Return by which method a payment was made, None if that was not here."""
    for detail in payment.get("detail", ()):
        for coding in detail.get("type", {}).get("coding", ()):
            if coding.get("system") == METHOD:
                return str(coding.get("code"))
    return None


def amount_of(payment: Mapping[str, Any]) -> Decimal:
    """Return what a payment is."""
    return value_of(payment.get("paymentAmount"))


def reference_of(payment: Mapping[str, Any]) -> str | None:
    """Return the gateway's name of a payment, None if it has not told one."""
    for one in payment.get("identifier", ()):
        if one.get("system", "").startswith(GATEWAY):
            return str(one["value"])
    return None


async def make(
    payment: Resource, gateway: Gateway, context: Context, taken_from: str | None = None
) -> Answer:
    """Make a payment, or carry on with it; of one that gives back, `taken_from` is the gateway's name of it.

    Raises the refusal of `DECLINED` if the other side declines, and ServiceUnavailable if it does not answer.
    """
    payment = await _written(payment, context)
    if payment["status"] == "active":
        return Answer(payment, "settled")
    if payment["status"] != "draft":
        raise rules.DECLINED.error("This payment was declined or given up; make another one")
    try:
        taken = await _move(payment, gateway, taken_from)
    except GatewayError as failure:
        message = "It is not known yet whether the payment went through; send it again with the same key"
        raise ServiceUnavailable(error("transient", message)) from failure
    payment = await conclude(payment["id"], taken, gateway.method, context)
    if payment["status"] not in ("active", "draft"):
        raise rules.DECLINED.error("The payment was declined")
    return Answer(payment, "settled" if payment["status"] == "active" else "pending", taken.secret)


async def _written(payment: Resource, context: Context) -> Resource:
    """Store a payment if it is not there; return it as it is."""
    if "meta" in payment:
        return payment
    write = replacement("PaymentReconciliation", payment["id"], payment, must_be_new=True)
    try:
        [written] = await commit(context, [write])
    except PreconditionFailed:
        # The same key came twice at once.
        return await _current(payment["id"], context)
    return _resource(written)


async def _current(payment_id: str, context: Context) -> Resource:
    version = await context.store.unguarded().read("PaymentReconciliation", payment_id)
    if version is None or version.resource is None:
        raise Conflict(error("conflict", "The payment is gone"))
    return version.resource


def _resource(written: Any) -> Resource:
    found: Resource = written.version.resource
    return found


def asked(payment: Mapping[str, Any]) -> Asked:
    """Return what a gateway is asked for a payment."""
    amount = payment["paymentAmount"]
    return Asked(payment["id"], payment["id"], abs(value_of(amount)), amount["currency"])


async def _move(payment: Resource, gateway: Gateway, taken_from: str | None) -> Taken:
    if amount_of(payment) < 0:
        return await gateway.give_back(asked(payment), taken_from or "")
    return await gateway.take(asked(payment))


async def conclude(payment_id: str, taken: Taken, method: str, context: Context) -> Resource:
    """Write down what became of a payment that is under way; return it as it is then."""

    def change(payment: Resource) -> Resource:
        named = {"system": GATEWAY + method, "value": taken.reference}
        identifiers = payment.get("identifier") or ([named] if taken.reference else None)
        if payment["status"] != "draft" or taken.state == "pending":
            return changed(payment, identifier=identifiers)
        status, outcome = ("active", "complete") if taken.state == "settled" else ("cancelled", "error")
        return changed(payment, identifier=identifiers, status=status, outcome=outcome)

    return await advance(payment_id, change, context)


async def advance(payment_id: str, change: Callable[[Resource], Resource], context: Context) -> Resource:
    """Change a payment as it is now, whoever else changes it; return it as it is then."""
    for _ in range(_ATTEMPTS):
        version = await context.store.unguarded().read("PaymentReconciliation", payment_id)
        if version is None or version.resource is None:
            raise Conflict(error("conflict", "The payment is gone"))
        after = change(version.resource)
        if after == version.resource:
            return after
        write = replacement("PaymentReconciliation", payment_id, after, if_match=version.number)
        try:
            [written] = await commit(context, [write])
        except PreconditionFailed:
            continue
        return _resource(written)
    raise Conflict(error("conflict", "Others change this payment now; try again"))
