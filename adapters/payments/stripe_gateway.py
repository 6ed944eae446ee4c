"""Cards through Stripe, by its official package: payment intents, refunds, and what its webhook tells.

https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/webhooks
"""

import json
from dataclasses import dataclass
from typing import Any

import stripe

from adapters.payments.card_terminal import cents
from adapters.payments.gateway import Asked, GatewayError, Taken

_STATES = {
    "succeeded": "settled",
    "canceled": "declined",
    "failed": "declined",
}
# https://docs.stripe.com/currencies#zero-decimal
_WHOLE = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
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
        return Taken(_STATES.get(intent.status, "pending"), intent.id, intent.client_secret)  # type: ignore[arg-type]

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
        return Taken(state, refund.id)  # type: ignore[arg-type]

    async def drop(self, reference: str) -> bool:
        """Cancel an intent; False if it was paid meanwhile."""
        try:
            await self._client.v1.payment_intents.cancel_async(reference)
        except stripe.InvalidRequestError:
            intent = await self._client.v1.payment_intents.retrieve_async(reference)
            return intent.status == "canceled"
        except stripe.StripeError as failure:
            raise GatewayError(type(failure).__name__) from failure
        return True

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
    """Return the amount in the smallest unit of its currency."""
    return int(asked.amount) if asked.currency.upper() in _WHOLE else cents(asked.amount)
