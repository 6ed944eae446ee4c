"""What a store that keeps the rules of the hospital's work asks of them, within each transaction.

The rules themselves are in `fhir_server/workflows`; here stands only where they are asked: of every change,
whichever way it came, before it is stored for good.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fhir_server.store.documents import Write
from fhir_server.store.witnessing import Change
from resources.operation_outcome import FhirError, Forbidden, error

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What only one resource may have at a time: a bed, a number, or somebody's time.

    `key` names the thing. With `start` and `end` (aware, UTC; from, and until but without) it is claimed for
    that time, and others may have it at others; without these for as long as `owner`, a reference such as
    `Appointment/1`, is as it is. `refusal` is what whoever comes second is told. A thing that `has_state`,
    which follows from who has it, does not go from one to another within one transaction: the consequences
    would undo each other.
    """

    key: str
    owner: str
    refusal: FhirError = field(compare=False)
    start: datetime | None = None
    end: datetime | None = None
    has_state: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is to be done at a time: an entry of the agenda that all processes share.

    `key` says what it is done for: of several entries of one key the first counts, and it is done once.
    `action` is the name under which a workflow knows what to do, `subject` the resource that it is about, and
    `data` what else has to be known (JSON).
    """

    key: str
    due: datetime
    action: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """A message for another system, which goes out if the transaction is stored, and not otherwise.

    `destination` names the system, and `lane` what is kept in order on the way to it, such as `Patient/1`;
    what went before into the lanes of `after` goes first as well. `control_id` is how the receiver tells this
    message from others, `kind` what it is (`ADT^A01`), and `subject` the resource that it tells of. Of
    several that one transaction has for a destination, of one kind and about one subject, the last counts. A
    message that could not be made is None, and `problem` says why, without anything of a patient: it waits
    for a person.
    """

    destination: str
    lane: str
    control_id: str
    kind: str
    subject: str
    message: bytes | None
    after: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from changes: further `writes`, `entries` of the agenda, and what is struck out of it.

    `struck` are beginnings of keys; what is done already stays. `done` are the keys of those entries that the
    transaction carries out, each with the lease under which it does; `held` are those on which it only works.
    """

    writes: Sequence[Write] = ()
    entries: Sequence[Entry] = ()
    struck: Sequence[str] = ()
    done: Sequence[tuple[str, str]] = ()
    held: Sequence[tuple[str, str]] = ()


def reserving(
    labels: frozenset[tuple[str, str]],
    change: Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]],
) -> Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]:
    """Return `change` of a resource's `meta`, which must leave `labels` as they are."""

    def checked(resource: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        meta, search = change(resource)
        if _labels(meta) & labels != _labels(resource["meta"]) & labels:
            message = "This label is given and taken by the rules of the hospital's work only"
            raise Forbidden(error("forbidden", message, "Resource.meta"))
        return meta, search

    return checked


def _labels(meta: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    listed = [*meta.get("security", ()), *meta.get("tag", ())]
    return frozenset((one.get("system", ""), one.get("code", "")) for one in listed if one)


class Rules(Protocol):
    """The rules for one transaction; all but `prepare` are asked again if the transaction is tried again."""

    @property
    def types_of_consequences(self) -> frozenset[str]:
        """The resource types that consequences may create: a collection cannot be made in a transaction."""

    async def prepare(self, writes: Sequence[Write]) -> None:
        """Get ready what is taken from outside of the transaction, such as numbers that are given once."""

    def completed(self, write: Write, before: Resource | None) -> Write:
        """Return `write` with what the server itself fills in; raise the FhirError of what may not be."""

    def completes(self, resource_type: str) -> bool:
        """Tell whether `completed` may fill in something of resources of a type."""

    def concern(self, resource_type: str) -> bool:
        """Tell whether there is any rule about resources of a type."""

    def reserved(self, resource_type: str) -> frozenset[tuple[str, str]]:
        """Return the labels, by system and code, that only the rules give to resources of a type."""

    def claims(self, changes: Sequence[Change]) -> tuple[Sequence[Claim], Sequence[Claim]]:
        """Return what `changes` give up, and what they need for themselves."""

    @property
    def sends_messages(self) -> bool:
        """Whether there are other systems that may have to be told of changes."""

    async def messages(self, changes: Sequence[Change]) -> Sequence[Send]:
        """Return what other systems are told of all changes of a transaction, asked once at its end."""

    async def consequences(self, changes: Sequence[Change]) -> Outcome:
        """Check `changes`, which are stored for the transaction to see, and return what follows from them.

        What follows is checked in turn, and may have consequences of its own.
        """
