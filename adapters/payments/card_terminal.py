"""A card terminal at the desk, behind the few messages that such devices understand."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from adapters.payments.gateway import Asked, GatewayError, State, Taken

_CENTS = 100


@dataclass(frozen=True, slots=True)
class Authorisation:
    """The terminal's answer: whether the card pays, and under which number the terminal keeps it."""

    outcome: Literal["approved", "declined", "unreachable"]
    number: str = ""


class Terminal(Protocol):
    """The messages. `receipt` stands for one payment: the same one asked again is not taken again."""

    async def authorise(self, receipt: str, cents: int, currency: str, /) -> Authorisation:
        """Ask the card for money."""

    async def reverse(self, receipt: str, number: str, cents: int, currency: str, /) -> Authorisation:
        """Give money back to the card of an earlier authorisation."""


@dataclass(slots=True)
class SimulatedTerminal:
    """A terminal without a device, for tests and demonstrations: amounts that end on .13 are declined."""

    answers: dict[str, Authorisation] = field(default_factory=dict)
    taken: int = 0

    async def authorise(self, receipt: str, cents: int, _currency: str) -> Authorisation:
        """Approve, once for each receipt."""
        if receipt not in self.answers:
            declined = cents % _CENTS == 13
            self.answers[receipt] = Authorisation("declined" if declined else "approved", f"T-{receipt}")
            self.taken += 0 if declined else cents
        return self.answers[receipt]

    async def reverse(self, receipt: str, _number: str, cents: int, _currency: str) -> Authorisation:
        """Give it back, once for each receipt."""
        if receipt not in self.answers:
            self.answers[receipt] = Authorisation("approved", f"T-{receipt}")
            self.taken -= cents
        return self.answers[receipt]


class CardTerminal:
    """Payments by a terminal."""

    method = "card-terminal"
    is_immediate = False

    def __init__(self, terminal: Terminal) -> None:
        """Ask `terminal`."""
        self._terminal = terminal

    async def take(self, asked: Asked) -> Taken:
        """Ask the card; raise GatewayError if the terminal cannot be reached."""
        answer = await self._terminal.authorise(asked.payment, cents(asked.amount), asked.currency)
        return _taken(answer)

    async def give_back(self, asked: Asked, reference: str) -> Taken:
        """Give it back to the card."""
        answer = await self._terminal.reverse(asked.payment, reference, cents(asked.amount), asked.currency)
        return _taken(answer)

    async def drop(self, _reference: str) -> State:
        """Say that nothing is pending at a terminal for long: what is not answered was not taken."""
        return "declined"


def cents(amount: Decimal) -> int:
    """Return an amount in the smallest unit, as machines reckon."""
    return int(amount.scaleb(2).to_integral_exact())


def _taken(answer: Authorisation) -> Taken:
    if answer.outcome == "unreachable":
        raise GatewayError("the terminal does not answer")
    return Taken("settled" if answer.outcome == "approved" else "declined", answer.number)
