"""The inbox of messages as `inbound` uses it; the server keeps it in its database.

Everything that comes is in it before it is answered, and stays there with what became of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from adapters.applying import Applied

State = Literal["received", "applied", "unchanged", "ignored", "refused", "discarded"]
"""Where a message is: on its way, accepted in one of three ways, in quarantine, or put away by a person."""

OPEN: State = "received"


class NotOurs(Exception):
    """Another process works on the message, or it is done already; nothing of this was stored."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong with a message, as ERR tells it: no value of the message is in it.

    `code` is of table 0357, `location` an ERL such as `PID^1^3`, `severity` of table 0516. `rule` is the id
    of a rule of the hospital's work that refused it.
    """

    code: str
    text: str
    location: str = ""
    severity: str = "E"
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came: its bytes, and what is known of it without understanding it.

    `sha256` is the hash of the bytes in hexadecimal digits. `key` is what makes it one message with others
    that are sent again (MSH-3, MSH-4 and MSH-10), None if these cannot be read. `event` is such as `ADT^A01`.
    `lanes` name those whose messages are applied one after the other. `peer` tells where it came from.
    One that is refused already has its `reasons`, and the `answer` that its sender gets; `rejected` says that
    it is told to send it again (AR). `conflicts_with` is the entry that has its key already, with other
    bytes.
    """

    data: bytes
    sha256: str
    received: datetime
    key: tuple[str, str, str] | None = None
    channel: str = ""
    event: str = ""
    version: str = ""
    lanes: tuple[str, ...] = ()
    peer: str = ""
    state: State = OPEN
    reasons: tuple[Reason, ...] = ()
    answer: bytes | None = None
    rejected: bool = False
    conflicts_with: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in the inbox, without its bytes; `order` is when it came, in a number that goes up.

    `attempts` counts how often it was applied or refused. `rejected` says that its sender was told to send it
    again (AR). `answer` is the application acknowledgment that it got, None if there is none (yet). One that
    `is_ours` is worked on by this process.
    """

    id: str
    sha256: str
    order: int
    received: datetime
    channel: str
    lanes: tuple[str, ...]
    state: State
    attempts: int = 0
    rejected: bool = False
    answer: bytes | None = None
    peer: str = ""
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an arrival: a new entry, or the one that was there under its key."""

    entry: Entry
    is_new: bool


Render = Callable[[Applied], bytes | None]
"""Makes the answer that goes with what became of a message."""


class Inbox(Protocol):
    """The inbox as one process sees it; everything but `add` is about entries that this process works on.

    All raise `resources.operation_outcome.StoreUnavailable` if the database does not answer.
    """

    async def add(self, arrival: Arrival) -> Added:
        """Keep an arrival durably; several that come together are kept in one go.

        An arrival with a key that is there already is not kept: the other entry is returned.
        """

    async def body(self, entry_id: str) -> bytes:
        """Return the bytes of a message as they are to be applied: edited by an operator, or as they came."""

    async def entry(self, entry_id: str) -> Entry | None:
        """Return an entry as it is now, None if it is gone."""

    async def earlier(self, entry: Entry) -> Entry | None:
        """Return an open entry that shares a lane with `entry` and came before it, None if there is none."""

    def expect(self, entry_id: str, render: Render | None) -> None:
        """Have the answer that `render` makes stored with what becomes of an entry; None ends that."""

    async def settle(self, entry_id: str, applied: Applied) -> None:
        """Note what became of an entry, unless its transaction did; raise NotOurs if it is not ours."""

    async def refuse(
        self, entry_id: str, reasons: Sequence[Reason], answer: bytes | None, *, rejected: bool
    ) -> None:
        """Put an entry into quarantine; raise NotOurs if it is not ours."""

    async def reopen(self, entry: Entry) -> bool:
        """Have a refused entry that its sender sends again tried again; False if it is refused no more."""

    async def adopt(self, entry_id: str) -> Entry | None:
        """Take an open entry over whose process is dead; None if it is alive, or the entry is not open."""

    async def abandoned(self, limit: int) -> Sequence[Entry]:
        """Take over open entries that no living process works on, the oldest first."""

    async def own(self, known: Callable[[str], bool], limit: int) -> Sequence[Entry]:
        """Return open entries of this process that are not `known` to it, the oldest first."""

    async def beat(self) -> None:
        """Say that this process is alive."""

    async def leave(self) -> None:
        """Give back what this process has not done."""
