"""The ways to pay that the hospital has set up, by their names."""

from collections.abc import Mapping
from functools import cache

from pydantic import SecretStr

from adapters.payments.card_terminal import CardTerminal, SimulatedTerminal
from adapters.payments.cash import Cash
from adapters.payments.gateway import Gateway
from adapters.payments.stripe_gateway import Stripe
from fhir_server.settings import Settings


def gateways(settings: Settings) -> Mapping[str, Gateway]:
    """Return the ways to pay of a hospital with these settings."""
    found: dict[str, Gateway] = {"cash": _cash()}
    if settings.card_terminal == "simulated":
        found["card-terminal"] = _simulated_terminal()
    stripe = stripe_of(settings)
    if stripe is not None:
        found["card"] = stripe
    return found


def stripe_of(settings: Settings) -> Stripe | None:
    """Return the gateway to Stripe, None without its keys."""
    if settings.stripe_secret_key is None or settings.stripe_webhook_secret is None:
        return None
    return _stripe(settings.stripe_secret_key, settings.stripe_webhook_secret, settings.stripe_url)


@cache
def _cash() -> Cash:
    return Cash()


@cache
def _simulated_terminal() -> CardTerminal:
    return CardTerminal(SimulatedTerminal())


@cache
def _stripe(secret_key: SecretStr, webhook_secret: SecretStr, url: str | None) -> Stripe:
    return Stripe(secret_key.get_secret_value(), webhook_secret.get_secret_value(), url)
