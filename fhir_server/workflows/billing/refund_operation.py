"""PaymentReconciliation/$refund: giving back what was paid, the way that it came."""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.gateways import gateways
from fhir_server.workflows.billing.invoice_operations import all_records, seen, situation_of
from fhir_server.workflows.billing.ledger import amounts, refunds
from fhir_server.workflows.billing.making import (
    Wanted,
    amount_of,
    make,
    method_of,
    payment_resource,
    reference_of,
)
from fhir_server.workflows.billing.pay_operation import answered, sum_of
from fhir_server.workflows.billing.payments import refunds_of
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.made import key_id
from resources.operation_outcome import InvalidContent, error


async def refund(request: Request, context: Context) -> Response:
    """Give back a payment, or a part of it, once for each `key`; `amount` is what is left without it.

    `invoice` says on whose account it is if that is not the one that was paid: that of a credit note.
    """
    given = inputs(request, REFUND.parameters, lenient=context.preferences.lenient)
    key = given.text("key")
    if key is None:
        raise InvalidContent(error("required", "The parameter key is missing"))
    payment = await seen("PaymentReconciliation", request.path[1], context)
    if payment.get("status") != "active" or amount_of(payment) <= 0:
        raise rules.REFUND.error("Only a payment that was made is given back", "PaymentReconciliation.status")
    method = method_of(payment) or "cash"
    gateway = gateways(context.settings).get(method)
    if gateway is None:
        raise rules.NO_GATEWAY.error("The way by which it was paid is not set up any more")
    target = _target(given.one("invoice"), payment, context.base_url)
    refund_id = key_id("refund", payment["id"], key)
    amount, currency = sum_of(given, "amount")
    records = all_records(context)
    there = await records.read(f"PaymentReconciliation/{refund_id}")
    if there is not None:
        if amount is not None and amount != -amount_of(there):
            raise rules.PAYMENT_KEY.error("Another refund of this payment has this key")
        resource = there
    else:
        given_back = refunds(await refunds_of(payment["id"], records)).get(
            payment["id"], amount_of(payment) * 0
        )
        rest = amount_of(payment) - given_back
        if rest <= 0:
            raise rules.REFUND.error("All of it is given back already")
        wanted = Wanted(refund_id, -(amount or rest), currency or payment["paymentAmount"]["currency"])
        resource = payment_resource(
            wanted,
            method,
            target,
            situation_of(context),
            immediate=gateway.is_immediate,
            refunds=payment["id"],
            reason=given.text("reason"),
        )
    return answered(await make(resource, gateway, context, reference_of(payment)))


def _target(told: Any, payment: dict[str, Any], base_url: str) -> str:
    """Return the invoice on whose account something is given back."""
    if told is not None:
        found = short(told, base_url)
        if found is None or not found.startswith("Invoice/"):
            raise InvalidContent(error("value", "The parameter invoice is a reference to an Invoice"))
        return found
    paid = list(amounts(payment, base_url))
    if len(paid) != 1:
        raise InvalidContent(error("required", "The payment is for several invoices: invoice says for which"))
    return paid[0]


REFUND = Operation(
    code="refund",
    definition="metadata/OperationDefinition/refund",
    handler=refund,
    types=frozenset({"PaymentReconciliation"}),
    parameters=("amount", "key", "reason", "invoice"),
    parameter_types={"amount": "Money", "invoice": "Reference"},
    on_instance=True,
    affects_state=True,
)
