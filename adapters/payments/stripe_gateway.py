"""Cards through Stripe, by its official package: payment intents, refunds, and what its webhook tells.

https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/webhooks
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import stripe

from adapters.payments.card_terminal import cents
from adapters.payments.gateway import Asked, GatewayError, State, Taken

_STATES: Mapping[str, State] = {
    "succeeded": "settled",
    "canceled": "declined",
    "failed": "declined",
}
# https://docs.stripe.com/currencies#zero-decimal
_WHOLE = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"],
)
# Whole as well, but asked for in hundredths: https://docs.stripe.com/currencies#special-cases
_WHOLE_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
# Asked for in thousandths, the last digit being nought: https://docs.stripe.com/currencies#three-decimal
_IN_THOUSANDTHS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_SECONDS = 20.0


class BadSignature(Exception):
    """What came to the webhook was not sent by Stripe, or a while ago."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Stripe tells: its `kind` (`payment_intent.succeeded`), and which payment it is about."""

    kind: str
    reference: str
    payment: str | None


class Stripe:
    """Payments by card over the internet."""

    method = "card"
    is_immediate = False

    def __init__(self, secret_key: str, webhook_secret: str, url: str | None = None) -> None:
        """Speak to Stripe as the account of `secret_key`; `url` is where, if not at Stripe's own address."""
        self._webhook_secret = webhook_secret
        self._client = stripe.StripeClient(
            secret_key,
            http_client=stripe.HTTPXClient(timeout=_SECONDS),
            base_addresses={"api": url} if url else None,
            max_network_retries=1,
        )

    async def take(self, asked: Asked) -> Taken:
        """Ask for a payment intent, which the payer's browser confirms by its secret."""
        try:
            intent = await self._client.v1.payment_intents.create_async(
                {
                    "amount": units(asked),
                    "currency": asked.currency.lower(),
                    "automatic_payment_methods": {"enabled": True},
                    "metadata": {"payment": asked.payment},
                },
                {"idempotency_key": asked.key},
            )
        except stripe.CardError:
            return Taken("declined", "")
        except stripe.StripeError as failure:
            raise GatewayError(type(failure).__name__) from failure
        return Taken(_STATES.get(intent.status, "pending"), intent.id, intent.client_secret)

    async def give_back(self, asked: Asked, reference: str) -> Taken:
        """Refund a part of an intent, or all of it."""
        try:
            refund = await self._client.v1.refunds.create_async(
                {"payment_intent": reference, "amount": units(asked), "metadata": {"payment": asked.payment}},
                {"idempotency_key": asked.key},
            )
        except stripe.InvalidRequestError:
            return Taken("declined", "")
        except stripe.StripeError as failure:
            raise GatewayError(type(failure).__name__) from failure
        # What the bank still has to carry out is on its way for good.
        state = _STATES.get(refund.status or "", "settled")
        return Taken(state, refund.id)

    async def drop(self, reference: str) -> State:
        """Cancel an intent; return what became of it if it is paid, or about to be, so that it cannot be."""
        intents = self._client.v1.payment_intents
        try:
            try:
                intent = await intents.cancel_async(reference)
            except stripe.InvalidRequestError:
                intent = await intents.retrieve_async(reference)
        except stripe.StripeError as failure:
            raise GatewayError(type(failure).__name__) from failure
        return _STATES.get(intent.status, "pending")

    def told(self, body: bytes, signature: str) -> Told:
        """Return what a message to the webhook says; raise BadSignature unless Stripe signed it just now."""
        try:
            stripe.Webhook.construct_event(body, signature, self._webhook_secret)
        except (stripe.SignatureVerificationError, ValueError) as failure:
            raise BadSignature from failure
        event: dict[str, Any] = json.loads(body)
        about = event.get("data", {}).get("object", {})
        return Told(event.get("type", ""), about.get("id", ""), about.get("metadata", {}).get("payment"))


def units(asked: Asked) -> int:
    """Return the amount as Stripe counts it: in the smallest unit of its currency that cards pay.

    What is finer than that is rounded half up. https://docs.stripe.com/currencies#minor-units
    """
    currency = asked.currency.upper()
    if currency in _IN_THOUSANDTHS:
        return 10 * cents(asked.amount.quantize(Decimal("0.01"), ROUND_HALF_UP))
    if currency in _WHOLE or currency in _WHOLE_IN_HUNDREDTHS:
        whole = int(asked.amount.quantize(Decimal(1), ROUND_HALF_UP))
        return whole if currency in _WHOLE else 100 * whole
    return cents(asked.amount)
