"""Going over the chain of the audit log: is every event there, as it was written, and in its place?

What the chain cannot show by itself is that its end was cut off, with the events in it; so whoever has kept
the number and seal of a block, from an earlier verification or from the server's own log lines, gives it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fhir_server.store.audit.chain import GENESIS, Block, ChainKey
from fhir_server.store.audit.log import AuditLog

Kind = Literal["changed", "missing", "forged", "block-changed", "block-missing", "anchor"]

MOST_FINDINGS = 100
"""How many findings are listed; one is enough to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: with an event, given by its id, or with a block, by its number.

    An event was `changed` since it was written, is `missing`, or was `forged`: it is there, but was not
    written by this server. A block was changed (or moved, or events in it were put into another order), or is
    missing. `anchor` says that a block is not the one that somebody has kept.
    """

    kind: Kind
    block: int | None = None
    event: str | None = None


@dataclass(slots=True)
class Verification:
    """What was found: how many blocks and events were looked at, where the chain ends, and what is wrong.

    `unsealed` are events that are not in a block yet: of the last moments, or of a process that was killed.
    """

    blocks: int = 0
    events: int = 0
    unsealed: int = 0
    head: tuple[int, str] = (0, GENESIS)
    findings: list[Finding] = field(default_factory=list)
    has_more: bool = False

    def add(self, finding: Finding) -> None:
        """Add a finding, as long as there is room for it."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
        else:
            self.has_more = True

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


async def verified(log: AuditLog, anchor: tuple[int, str] | None = None) -> Verification:
    """Return what is wrong with the log, if anything; `anchor` is a block, and the seal that it had once.

    Raises StoreUnavailable, and CannotOpen if the key of the chain cannot be opened.
    """
    key = await log.prepare()
    found, strays = Verification(), _Strays(log.all_ids())
    async for block in log.blocks(1):
        _check_block(block, key, found)
        await _check_events(block, log, key, found)
        await strays.take_out(block)
        if anchor is not None and block.number == anchor[0] and block.seal != anchor[1]:
            found.add(Finding("anchor", block.number))
    if anchor is not None and anchor[0] > found.head[0]:
        found.add(Finding("anchor", anchor[0]))
    await _check_strays(await strays.left(), log, key, found)
    return found


class _Strays:
    """The events that no block has; held is only what comes early in one order and late in the other."""

    def __init__(self, ids: AsyncIterator[str]) -> None:
        """Compare with `ids`, those of all events, which are sorted; those in blocks nearly are."""
        self._ids = ids
        self._stored: set[str] = set()
        self._sealed: set[str] = set()
        self._newest = ""

    async def take_out(self, block: Block) -> None:
        """Take out the events of a block."""
        for entry in block.entries:
            if entry.id in self._stored:
                self._stored.remove(entry.id)
            else:
                self._sealed.add(entry.id)
        await self._go_on(max((entry.id for entry in block.entries), default=""))

    async def left(self) -> list[str]:
        """Return the ids of the events that were in no block."""
        await self._go_on(None)
        return sorted(self._stored)

    async def _go_on(self, until: str | None) -> None:
        while until is None or self._newest < until:
            try:
                self._newest = await anext(self._ids)
            except StopAsyncIteration:
                return
            if self._newest in self._sealed:
                self._sealed.remove(self._newest)
            else:
                self._stored.add(self._newest)


def _check_block(block: Block, key: ChainKey, found: Verification) -> None:
    number, previous = found.head
    for missing in range(number + 1, min(block.number, number + MOST_FINDINGS)):
        found.add(Finding("block-missing", missing))
    follows = block.number != number + 1 or block.previous == previous
    if not key.holds(block) or not follows:
        found.add(Finding("block-changed", block.number))
    found.blocks += 1
    found.head = block.number, block.seal


async def _check_events(block: Block, log: AuditLog, key: ChainKey, found: Verification) -> None:
    stored = await log.events([entry.id for entry in block.entries])
    for entry in block.entries:
        event = stored.get(entry.id)
        if event is None:
            found.add(Finding("missing", block.number, entry.id))
        elif event.entry != entry or not key.has_stamped(entry, event.stamp):
            found.add(Finding("changed", block.number, entry.id))
        found.events += 1


async def _check_strays(ids: Sequence[str], log: AuditLog, key: ChainKey, found: Verification) -> None:
    """Look at the events that no block has: they are new, or nobody's."""
    for start in range(0, len(ids), MOST_FINDINGS):
        stored = await log.events(ids[start : start + MOST_FINDINGS])
        for event_id, event in stored.items():
            found.events += 1
            if key.has_stamped(event.entry, event.stamp):
                found.unsealed += 1
            else:
                found.add(Finding("forged", None, event_id))
