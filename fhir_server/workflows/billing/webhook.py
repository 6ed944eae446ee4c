"""What Stripe tells by its webhook: believed if it is signed, and carried out once.

https://docs.stripe.com/webhooks#verify-events
"""

from collections.abc import AsyncIterator

from adapters.payments.gateway import GatewayError
from adapters.payments.stripe_gateway import BadSignature, Stripe
from fhir_server.context import Context
from fhir_server.workflows.billing.pending import told_by_stripe

_MOST_BYTES = 256 * 1024


async def answer(stripe: Stripe, chunks: AsyncIterator[bytes], signature: str, context: Context) -> int:
    """Return the status of the answer: 200 for what is done, or was; 401 for what Stripe did not sign.

    For anything but 2xx Stripe sends it again, for some days.
    """
    body = b""
    async for chunk in chunks:
        body += chunk
        if len(body) > _MOST_BYTES:
            return 413
    try:
        told = stripe.told(body, signature)
    except BadSignature:
        return 401
    try:
        await told_by_stripe(told, context)
    except GatewayError:
        return 503
    return 200
