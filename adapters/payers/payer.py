"""What an insurer is for the rest of the hospital: somebody who says what they pay."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


class PayerUnavailable(Exception):
    """The insurer does not answer; ask again later."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who is insured: the number at the insurer, and the plan."""

    number: str
    plan: str
    deductible_met: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is claimed: its number in the claim, codes, price; whether it was agreed to."""

    sequence: int
    codes: frozenset[str]
    net: Decimal
    preauthorized: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an insurer says of an item: what it pays, what the patient does, and why it pays nothing.

    `benefit`, `copay`, `deductible` and what is left of the price beside them add up to the price.
    """

    sequence: int
    benefit: Decimal
    copay: Decimal = Decimal(0)
    deductible: Decimal = Decimal(0)
    denied: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan pays: a share of what is above the deductible, less a copay for each claim."""

    plan: str
    share: Decimal
    copay: Decimal
    deductible: Decimal
    deductible_left: Decimal
    needs_preauthorization: frozenset[str]


class Payer(Protocol):
    """One insurer, or a clearing house for many."""

    async def terms(self, member: Member, /) -> Terms:
        """Say what a member's plan pays; raise PayerUnavailable."""

    async def preauthorize(self, member: Member, items: tuple[Item, ...], /) -> tuple[Verdict, ...]:
        """Say what would be paid; raise PayerUnavailable."""

    async def adjudicate(self, member: Member, items: tuple[Item, ...], /) -> tuple[Verdict, ...]:
        """Say what is paid; raise PayerUnavailable."""
