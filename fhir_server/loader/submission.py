"""What is sent to the server, and what comes of it: plain values that the rest of the loader passes on.

https://hl7.org/fhir/R4/http.html#transaction
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource in a submission; `label` tells a person which one it is in its file."""

    label: str
    resource_type: str


@dataclass(frozen=True, slots=True)
class Submission:
    """One HTTP request: `body` goes to `path` below the server's base ("" for the base itself).

    The entries of a `divisible` one do not depend on each other (a batch); a `repeatable` one can be sent
    twice with the effect of once; `size` is its share, in bytes, of the files to load.
    """

    source: str
    method: Literal["POST", "PUT"]
    path: str
    body: bytes
    entries: tuple[Entry, ...]
    divisible: bool
    repeatable: bool
    size: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What the server made of one entry: an HTTP status, and the reason if that is a refusal.

    Status 0 stands for no answer at all.
    """

    entry: Entry
    status: int
    reason: str = ""

    @property
    def is_saved(self) -> bool:
        """Whether the server took the entry."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was not loaded: in which file, which entry of it ("" for all of it), and why."""

    source: str
    entry: str
    reason: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return ": ".join(part for part in (self.source, self.entry, self.reason) if part)
