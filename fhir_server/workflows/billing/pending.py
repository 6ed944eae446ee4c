"""Payments that are under way: what the gateway tells of them, and what becomes of those that nobody ends.

https://docs.stripe.com/webhooks
"""

from datetime import timedelta
from typing import Any

import structlog

from adapters.payments.gateway import Asked, Gateway, GatewayError, Taken
from adapters.payments.stripe_gateway import Told
from fhir_server.context import Context
from fhir_server.store.ruling import Entry
from fhir_server.workflows.agenda import NotYet
from fhir_server.workflows.billing.gateways import gateways, stripe_of
from fhir_server.workflows.billing.making import amount_of, asked, conclude, method_of, reference_of
from fhir_server.workflows.billing.tariff import load_tariff
from fhir_server.workflows.rulebook import unfinished
from fhir_server.workflows.services import Services
from resources.operation_outcome import Conflict, UnprocessableContent

_GIVEN_UP = ("cancelled", "entered-in-error")


async def told_by_stripe(told: Told, context: Context) -> None:
    """Carry on with the payment that Stripe tells of; what was told before changes nothing.

    Money that came for a payment which was given up meanwhile, or which the invoice does not take any more,
    goes back.
    """
    gateway = stripe_of(context.settings)
    if gateway is None or told.payment is None:
        return
    version = await context.store.read("PaymentReconciliation", told.payment)
    payment = None if version is None else version.resource
    if payment is None or method_of(payment) != gateway.method:
        return  # of another system that uses the same account
    if reference_of(payment) not in (None, told.reference):
        return
    if told.kind == "payment_intent.canceled":
        await conclude(payment["id"], Taken("declined", told.reference), gateway.method, context)
    if told.kind != "payment_intent.succeeded":
        return
    if payment["status"] == "draft":
        try:
            payment = await conclude(payment["id"], Taken("settled", told.reference), gateway.method, context)
        except (Conflict, UnprocessableContent):
            payment = await conclude(
                payment["id"], Taken("declined", told.reference), gateway.method, context
            )
    if payment["status"] in _GIVEN_UP:
        await _return(payment, told.reference, gateway)


async def _return(payment: dict[str, Any], reference: str, gateway: Gateway) -> None:
    """Give back what came for a payment that counts no more; asked again, it is given back once."""
    structlog.get_logger("fhir_server.billing").warning("a payment came too late and is given back")
    one = asked(payment)
    await gateway.give_back(Asked(one.payment, f"{one.key}-late", one.amount, one.currency), reference)


async def give_up(entry: Entry, context: Context, _services: Services) -> None:
    """End a payment that was not ended in time; one that was paid after all counts.

    One that cannot be ended now, as the payer's bank is at it, is looked at again later.
    """
    payment_id = entry.subject.partition("/")[2]
    version = await context.store.read("PaymentReconciliation", payment_id)
    payment = None if version is None else version.resource
    if payment is None or payment["status"] != "draft":
        return
    method = method_of(payment)
    gateway = gateways(context.settings).get(method or "")
    taken = Taken("declined", "")
    if gateway is not None and not gateway.is_immediate:
        taken = await _asked_again(payment, gateway)
    if method is not None and taken.state == "pending":
        # What the gateway calls it is kept: it knows a key for a day only.
        await conclude(payment_id, taken, method, unfinished(context))
        again = timedelta(minutes=load_tariff(context.settings.tariff).card_minutes)
        raise NotYet(context.now() + again)
    if method is not None:
        await conclude(payment_id, taken, method, context)


async def _asked_again(payment: dict[str, Any], gateway: Gateway) -> Taken:
    """Take back what is pending at a gateway; return what became of it."""
    reference = reference_of(payment)
    if amount_of(payment) < 0:
        raise GatewayError("a refund waits for its gateway; ask $refund again with the same key")
    if reference is None:
        # It may have been asked for without the answer having come: the same key names the same payment.
        taken = await gateway.take(asked(payment))
        if taken.state != "pending":
            return taken
        reference = taken.reference
    return Taken(await gateway.drop(reference), reference)
