"""Invoice/$pay: one payment of an invoice, once for each key. https://hl7.org/fhir/R4/paymentreconciliation.html"""

from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.gateways import gateways
from fhir_server.workflows.billing.invoice_operations import all_records, on, seen, situation_of
from fhir_server.workflows.billing.ledger import payments_of, sums
from fhir_server.workflows.billing.making import (
    Answer,
    Wanted,
    amount_of,
    make,
    method_of,
    payment_resource,
)
from fhir_server.workflows.billing.money import CENT, ZERO, decimal, value_of
from fhir_server.workflows.made import key_id
from resources.operation_outcome import InvalidContent, error

_LONGEST_KEY = 200
_AT_THE_DESK = frozenset({"BC", "AD"})


async def pay(request: Request, context: Context) -> Response:
    """Pay an invoice, or a part of it, by one of the methods: cash, card-terminal or card.

    `amount` is what is left without it. `key` stands for this payment: who sends it again is answered the
    same, and nothing is paid twice. By card the answer has a `clientSecret`, by which the payer's browser
    ends the payment; the invoice is paid when the gateway says so. Patients pay their own invoices by card.
    """
    given = inputs(request, PAY.parameters, lenient=context.preferences.lenient)
    method, key = _text(given, "method"), _text(given, "key")
    invoice = await seen("Invoice", request.path[1], context)
    situation = situation_of(context)
    at_desk = situation.has_role(*_AT_THE_DESK)
    if not at_desk and method != "card":
        raise rules.METHOD.error("You pay by card; at the billing office also in other ways")
    gateway = gateways(context.settings).get(method)
    if gateway is None:
        known = ", ".join(gateways(context.settings))
        raise rules.NO_GATEWAY.error(f"The parameter method is one of {known}")
    reference = f"Invoice/{invoice['id']}"
    payment_id = key_id("payment", reference, key)
    amount, currency = sum_of(given, "amount")
    # A patient may not write payments: that they may pay what they see is said here.
    acting = context if at_desk else on(context)
    there = await all_records(context).read(f"PaymentReconciliation/{payment_id}")
    if there is None:
        rest = await _rest(reference, invoice, context)
        total = invoice.get("totalGross", {})
        wanted = Wanted(
            payment_id, amount if amount is not None else rest, currency or total.get("currency", "")
        )
        resource = payment_resource(wanted, method, reference, situation, immediate=gateway.is_immediate)
    else:
        same = amount is None or (
            amount == amount_of(there) and currency in (None, there["paymentAmount"]["currency"])
        )
        if not same or method_of(there) != method:
            raise rules.PAYMENT_KEY.error("Another payment of this invoice has this key")
        resource = there
    return answered(await make(resource, gateway, acting))


async def _rest(reference: str, invoice: dict[str, Any], context: Context) -> Decimal:
    told = sums(reference, await payments_of(reference, all_records(context)), context.base_url)
    return value_of(invoice.get("totalGross")) - told.paid - told.coming


def _text(given: Inputs, name: str) -> str:
    found = given.text(name)
    if found is None:
        raise InvalidContent(error("required", f"The parameter {name} is missing"))
    if len(found) > _LONGEST_KEY:
        raise InvalidContent(error("too-long", f"The parameter {name} has {_LONGEST_KEY} characters at most"))
    return found


def sum_of(given: Inputs, name: str) -> tuple[Decimal | None, str | None]:
    """Return amount and currency of a parameter, a Money or a number above nought; None for neither."""
    told = given.one(name)
    if told is None:
        return None, None
    value, currency = (told.get("value"), told.get("currency")) if isinstance(told, dict) else (told, None)
    try:
        amount = decimal(value)
    except InvalidOperation:
        amount = ZERO
    if not amount.is_finite() or amount <= ZERO or amount != amount.quantize(CENT):
        raise InvalidContent(error("value", f"The parameter {name} is more than nought, in whole cents"))
    return amount, currency


def answered(answer: Answer) -> Response:
    """Return what is told of a payment."""
    listed: list[dict[str, Any]] = [
        {"name": "payment", "resource": answer.payment},
        {"name": "state", "valueCode": answer.state},
    ]
    if answer.secret:
        listed.append({"name": "clientSecret", "valueString": answer.secret})
    return Response(200, parameters(listed))


PAY = Operation(
    code="pay",
    definition="metadata/OperationDefinition/pay",
    handler=pay,
    types=frozenset({"Invoice"}),
    parameters=("method", "amount", "key"),
    parameter_types={"method": "code", "amount": "Money"},
    on_instance=True,
    affects_state=True,
)
