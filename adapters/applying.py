"""What happens to an HL7 v2 message once it is safe: the interface between those who take and who apply it.

`inbound` stores, answers and orders messages; whoever implements `Apply` makes resources of them. Neither
knows the other.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from adapters.channels import Channel
from hl7.errors import HL7Error
from hl7.message import Message

Status = Literal["applied", "unchanged", "ignored"]
"""What became of a message that was accepted.

`applied`: resources were stored; `unchanged`: they said already what it says; `ignored`: it is of no concern
here, or older than what is known.
"""


class TryLater(Exception):
    """The message cannot be applied now, for reasons that are not its own; the same one may be later.

    The text goes into the log and to operators: it names no patient and no value.
    """


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it lies in the inbox.

    `inbox_id` names it there, `received` is when it came (aware, UTC), and `raw_sha256` is the hash of its
    bytes in hexadecimal digits. `warnings` are what is odd about it, before anything is made of it.
    """

    inbox_id: str
    received: datetime
    raw_sha256: str
    warnings: tuple[HL7Error, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What is said of one order of a message: ORC-1 of an ORL or ORR (table 0119: OK, UA, CR, UC, ...).

    There is one for each of `hl7.order_answers.orders`, in that order, whose numbers the answer repeats.
    `placer` and `filler` are for the log: ORC-2 and ORC-3, with their components between `^`.
    """

    control: str
    placer: str = ""
    filler: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a message: `references` are the resources, such as `Patient/1`, that it made or changed.

    `warnings` are told in ERR segments beside the acceptance. `answers` are those about its orders, and
    `response` is the whole answer to a query, as bytes. If it `is_noted`, the inbox knows of it already.
    """

    status: Status
    references: tuple[str, ...] = ()
    warnings: tuple[HL7Error, ...] = ()
    answers: tuple[OrderAnswer, ...] = ()
    response: bytes | None = None
    is_noted: bool = False


def distinct(warnings: Iterable[HL7Error]) -> tuple[HL7Error, ...]:
    """Return warnings, each once: the parser and the mapping may find one thing both."""
    return tuple({(one.code, str(one.location), one.text): one for one in warnings}.values())


Apply = Callable[[Message, Channel, Received], Awaitable[Applied]]
"""Applies a message, once: its resources and the inbox's note of it are one transaction.

Raises HL7Error for a message that is refused (it then waits for a person in quarantine, and its sender gets
AE or AR by the code), and TryLater.
"""
