"""The hash chain over AuditEvents: blocks of events, each sealed with a key over the block before it.

Nothing here reads or writes; the blocks are kept by `fhir_server/store/audit/log.py`. The reasons are in
docs/decisions/0022-audit.md. HMAC-SHA-256: https://doi.org/10.6028/NIST.FIPS.198-1
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

GENESIS = "0" * 64
"""What stands in the place of the seal before the first block."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in a block: the id of the AuditEvent, and the digest of what it said when it was written."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Block:
    """The events that were sealed together, in their order; `number` counts from 1.

    `previous` is the seal of the block before, `seal` its own. `moment` (aware, UTC, milliseconds) is when.
    """

    number: int
    previous: str
    moment: datetime
    entries: tuple[Entry, ...]
    seal: str


def digest(resource: Mapping[str, Any]) -> str:
    """Return the digest of a resource, the same whatever the order of its elements."""
    text = orjson.dumps(resource, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


class ChainKey:
    """The key of one chain. Whoever does not have it can neither seal a block nor stamp an event."""

    def __init__(self, key: bytes) -> None:
        """Seal with `key`, 32 random bytes."""
        self._key = key

    def __repr__(self) -> str:
        return "ChainKey(...)"

    def stamp(self, entry: Entry) -> str:
        """Return what an event carries to show that it was written by this server."""
        return self._mac("event", entry.id, entry.digest)

    def block(self, number: int, previous: str, moment: datetime, entries: Sequence[Entry]) -> Block:
        """Return the block of `entries` that follows the one with the seal `previous`."""
        found = tuple(entries)
        return Block(number, previous, moment, found, self._seal(number, previous, moment, found))

    def holds(self, block: Block) -> bool:
        """Tell whether nothing in a block was changed since it was sealed."""
        seal = self._seal(block.number, block.previous, block.moment, block.entries)
        return hmac.compare_digest(seal, block.seal)

    def has_stamped(self, entry: Entry, stamp: str) -> bool:
        """Tell whether `stamp` is the one for an event."""
        return hmac.compare_digest(self.stamp(entry), stamp)

    def _seal(self, number: int, previous: str, moment: datetime, entries: Sequence[Entry]) -> str:
        listed = [part for entry in entries for part in (entry.id, entry.digest)]
        return self._mac("block", str(number), previous, moment.isoformat(timespec="milliseconds"), *listed)

    def _mac(self, *parts: str) -> str:
        # None of the parts has a line feed: ids, digests, numbers and times.
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
