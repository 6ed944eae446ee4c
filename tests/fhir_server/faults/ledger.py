"""What the writers of a crash test tried, what they were told, and whether the server's records agree.

Every write has a token of its own, which stands in each resource that it stores. So whatever is found later
can be laid at one write's door: all of it must be there if the write was acknowledged, all or nothing if its
outcome is unknown, and nothing if it was refused.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

SYSTEM = "urn:example:crash-test"

Resource = dict[str, Any]


def patient(token: str, resource_id: str | None = None) -> Resource:
    """Return the Patient that the write `token` stores."""
    resource: Resource = {
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": token}],
        "name": [{"family": f"Größe 𝔘 {token}", "given": ["a", None], "_given": [None, {"id": "x"}]}],
    }
    resource["name"][0]["_given"][1]["extension"] = [
        {"url": "urn:example:e", "valueDecimal": Decimal("1.00")}
    ]
    return resource if resource_id is None else {**resource, "id": resource_id}


def observation(token: str, subject: str, *performers: str) -> Resource:
    """Return the Observation of `subject` that the write `token` stores."""
    resource: Resource = {
        "resourceType": "Observation",
        "identifier": [{"system": SYSTEM, "value": token}],
        "status": "final",
        "code": {"text": token},
        "valueQuantity": {"value": Decimal("36.60"), "unit": "Cel"},
        "subject": {"reference": subject},
    }
    return (
        {**resource, "performer": [{"reference": performer} for performer in performers]}
        if performers
        else resource
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one resource: `address` is `Type/id`."""

    address: str
    number: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A version as the server's history has it; `resource` is None for a deletion."""

    stored: Stored
    method: str
    resource: Resource | None

    @property
    def token(self) -> str | None:
        """The token of the write that made this version; None for a deletion."""
        return self.resource["identifier"][0]["value"] if self.resource is not None else None


@dataclass(slots=True)
class Ledger:
    """What was tried and told, by all writers together; safe to use from several threads.

    `sizes` has, by token, how many versions the write stores if it is carried out. `shared` are the tokens
    of conditional creates, which many writes ask for and one at most carries out.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    deletions_tried: Counter[str] = field(default_factory=Counter)
    deleted: list[Stored] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unavailable: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def tried(self, token: str, size: int, deletion: str | None = None) -> None:
        """Remember, before it is sent, a write of `size` versions that may also delete `deletion`."""
        with self._changed:
            self.sizes[token] = size
            if deletion is not None:
                self.deletions_tried[deletion] += 1

    def told(self, token: str, stored: Sequence[Stored], deleted: Sequence[Stored] = ()) -> None:
        """Remember that the server acknowledged the write, and which versions it says it stored."""
        with self._changed:
            self.acknowledged[token] = tuple(stored)
            self.deleted += deleted
            self._changed.notify_all()

    def was_refused(self, token: str) -> None:
        """Remember that the server said it would not carry out the write."""
        with self._changed:
            self.refused.add(token)

    def was_unavailable(self) -> None:
        """Count an answer 503: the outcome of that write is unknown."""
        with self._changed:
            self.unavailable += 1

    def is_unexpected(self, what: str) -> None:
        """Remember something that must never happen."""
        with self._changed:
            self.unexpected.append(what)
            self._changed.notify_all()

    def await_more(self, number: int, seconds: float) -> None:
        """Return when `number` more writes were acknowledged; fail after `seconds`, or on a surprise."""
        with self._changed:
            wanted = len(self.acknowledged) + number
            self._changed.wait_for(lambda: len(self.acknowledged) >= wanted or self.unexpected, seconds)
            assert not self.unexpected, self.unexpected[:5]
            missing = wanted - len(self.acknowledged)
            assert missing <= 0, f"{missing} of {number} writes were not acknowledged in {seconds} seconds"


def disagreements(ledger: Ledger, history: Sequence[HistoryEntry]) -> Iterator[str]:
    """Yield, in words, each thing in which the server's whole history and the ledger disagree."""
    yield from ledger.unexpected
    yield from _wrong_numbers(history)
    yield from _wrong_writes(ledger, history)
    yield from _wrong_deletions(ledger, history)
    yield from _wrong_contents(history)
    yield from _dangling_references(history)


def _wrong_numbers(history: Sequence[HistoryEntry]) -> Iterator[str]:
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for entry in history:
        numbers[entry.stored.address].append(entry.stored.number)
    for address, found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"{address} has the versions {sorted(found)}"


def _wrong_writes(ledger: Ledger, history: Sequence[HistoryEntry]) -> Iterator[str]:
    made: defaultdict[str, set[Stored]] = defaultdict(set)
    for entry in history:
        if entry.token is not None:
            made[entry.token].add(entry.stored)
    for token in made.keys() - ledger.sizes.keys() - ledger.shared:
        yield f"{token} was never written"
    for token in ledger.shared:
        if len(made[token]) > 1:
            yield f"the conditional create of {token} was carried out {len(made[token])} times"
    for token, size in ledger.sizes.items():
        found = made[token]
        if token in ledger.acknowledged and found != set(ledger.acknowledged[token]):
            yield f"{token} was acknowledged as {ledger.acknowledged[token]} and is {found}"
        if token in ledger.refused and found:
            yield f"{token} was refused and is {found}"
        if len(found) not in (0, size):
            yield f"{token} made {len(found)} of {size} versions"


def _wrong_deletions(ledger: Ledger, history: Sequence[HistoryEntry]) -> Iterator[str]:
    found = {entry.stored for entry in history if entry.resource is None}
    for stored in ledger.deleted:
        if stored not in found:
            yield f"the deletion {stored} was acknowledged and is not there"
    counts = Counter(stored.address for stored in found)
    for address, count in counts.items():
        if count > ledger.deletions_tried[address]:
            yield f"{address} was deleted {count} times"


def _wrong_contents(history: Sequence[HistoryEntry]) -> Iterator[str]:
    for entry in history:
        if entry.resource is None or entry.token is None:
            continue
        ignored = {"id", "meta", "subject", "performer"}
        found = {name: value for name, value in entry.resource.items() if name not in ignored}
        make = patient if found["resourceType"] == "Patient" else observation
        sent = make(entry.token, "")
        if found != {name: value for name, value in sent.items() if name not in ignored}:
            yield f"{entry.stored} has another content than was sent"


def _dangling_references(history: Sequence[HistoryEntry]) -> Iterator[str]:
    addresses = {entry.stored.address for entry in history}
    for entry in history:
        for reference in _references(entry.resource or {}):
            if reference not in addresses:
                yield f"{entry.stored} refers to {reference}, which is not there"


def _references(resource: Resource) -> Iterator[str]:
    for holder in (resource.get("subject"), *resource.get("performer", ())):
        if holder is not None:
            yield holder["reference"]
