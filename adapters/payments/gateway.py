"""What a way to pay is for the rest of the hospital: something that takes money, and gives it back."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

State = Literal["settled", "declined", "pending"]
"""What became of a payment: `pending` until the gateway tells."""


class GatewayError(Exception):
    """The other side did not answer, or not in a way that says what became of the money: ask again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be paid: `key` stands for this payment, which is made once however often it is asked for.

    `payment` is the id under which the hospital knows it.
    """

    payment: str
    key: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it.

    `reference` is the gateway's own name of it. `secret` is for the payer's browser, which ends a payment
    that is pending, and is never kept.
    """

    state: State
    reference: str
    secret: str | None = None


class Gateway(Protocol):
    """One way to pay. `is_immediate` says that the money is there before anybody is asked: cash."""

    method: str
    is_immediate: bool

    async def take(self, asked: Asked, /) -> Taken:
        """Take money; raise GatewayError if it is not known whether it was taken."""

    async def give_back(self, asked: Asked, reference: str, /) -> Taken:
        """Give back money of the payment that the gateway calls `reference`."""

    async def drop(self, reference: str, /) -> State:
        """Take back what is pending; return what became of it: `pending` if it is too late and too early.

        Raises GatewayError if that is not known.
        """
