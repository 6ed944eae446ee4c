"""The inbox as operators see it: messages listed, shown, corrected, sent again, put away.

Whatever is done with a message, the bytes that came stay as they are, and who did it stands beside them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING

from adapters.inboxes import OPEN, Reason
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.hl7_inbox import INBOX, MessageInbox, record_of
from fhir_server.store.hl7_sealing import SealedMessages

# An edited message stands in its entry; one of 16 MB would not fit.
_MOST_EDITED_BYTES = 4 * 1024 * 1024
_DONE = ("applied", "unchanged", "ignored")
_REPEATED = (*_DONE, "refused")


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that an operator did with a message: `kind` is `resubmit`, `edit`, `discard` or `replay`."""

    kind: str
    who: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as a list shows it: nothing of its content but what says which one it is."""

    id: str
    received: datetime
    channel: str
    event: str
    control_id: str
    sender: str
    peer: str
    state: str
    size: int
    attempts: int
    is_edited: bool = False
    reasons: Sequence[Reason] = ()
    references: Sequence[str] = ()
    edits: Sequence[Edit] = ()
    conflicts_with: str = ""
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages are asked for; what is None or "" does not matter.

    They came from `since` on, and before `until`.
    """

    state: str = ""
    channel: str = ""
    control_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


class Quarantine:
    """What operators do with the messages of one database."""

    def __init__(
        self,
        database: Database,
        inbox: MessageInbox,
        messages: SealedMessages,
        now: Callable[[], datetime],
        keep: timedelta | None,
    ) -> None:
        """Look after the entries of `inbox`."""
        self._entries = database[INBOX]
        self._inbox = inbox
        self._messages = messages
        self._now = now
        self._keep = keep

    async def listed(self, wanted: Wanted, limit: int) -> list[Listed]:
        """Return up to `limit` messages, the newest first."""
        with translated_failures():
            found = self._entries.find(_filter(wanted), {"data": 0, "edited": 0, "answer": 0})
            return [_listed(one) async for one in found.sort("received", DESCENDING).limit(limit)]

    async def one(self, entry_id: str) -> Listed | None:
        """Return one message, None if there is none of this id."""
        with translated_failures():
            found = await self._entries.find_one({"_id": entry_id}, {"data": 0, "edited": 0, "answer": 0})
        return None if found is None else _listed(found)

    async def content(self, entry_id: str, *, edited: bool) -> bytes:
        """Return the bytes of a message, as they came or as they were `edited`."""
        return await self._inbox.stored(entry_id, edited=edited)

    async def resubmit(
        self, entry_id: str, who: str, edited: bytes | None, lanes: Sequence[str] | None
    ) -> bool:
        """Have a refused message tried again, maybe with other bytes; False if it is not in quarantine.

        Raises ValueError for edited bytes that are too long.
        """
        kind = "resubmit" if edited is None else "edit"
        change = _again(kind, who, self._now())
        if edited is not None:
            if len(edited) > _MOST_EDITED_BYTES:
                raise ValueError(f"an edited message has {_MOST_EDITED_BYTES} bytes at most")
            await self._inbox.prepare()
            change["$set"]["edited"] = self._messages.seal(edited, record_of(entry_id, "edited"))
        if lanes is not None:
            change["$set"]["lanes"] = list(lanes)
        with translated_failures():
            result = await self._entries.update_one({"_id": entry_id, "state": "refused"}, change)
            await self._messages.let_expire(entry_id, None)
        return result.modified_count == 1

    async def discard(self, entry_id: str, who: str, reason: str) -> bool:
        """Put a refused message away; False if it is not in quarantine."""
        now = self._now()
        told = {"kind": "discard", "who": who, "at": now, "reason": reason}
        values: Document = {"state": "discarded", "finished": now}
        if self._keep is not None:
            values["expires"] = now + self._keep
        with translated_failures():
            result = await self._entries.update_one(
                {"_id": entry_id, "state": "refused"}, {"$set": values, "$push": {"edits": told}}
            )
            if self._keep is not None:
                await self._messages.let_expire(entry_id, now + self._keep)
        return result.modified_count == 1

    async def replay(self, wanted: Wanted, who: str, limit: int) -> list[str]:
        """Have messages that were done applied anew, the oldest first; return the ids of up to `limit`."""
        states = [wanted.state] if wanted.state else list(_DONE)
        chosen = _filter(wanted) | {"state": {"$in": [one for one in states if one in _REPEATED]}}
        with translated_failures():
            found = self._entries.find(chosen, {"_id": 1}).sort("received", ASCENDING).limit(limit)
            ids = [one["_id"] async for one in found]
            change = _again("replay", who, self._now())
            done = {"_id": {"$in": ids}, "state": {"$in": list(_REPEATED)}}
            await self._entries.update_many(done, change)
        return ids

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many messages are open or in quarantine, by state and channel."""
        group = {"$group": {"_id": {"state": "$state", "channel": "$channel"}, "count": {"$sum": 1}}}
        chosen = {"$match": {"state": {"$in": [OPEN, "refused"]}}}
        with translated_failures():
            found = await self._entries.aggregate([chosen, group])
            return {(one["_id"]["state"], one["_id"]["channel"]): one["count"] async for one in found}

    async def oldest_open(self) -> datetime | None:
        """Return since when the message waits that waits longest to be applied; None if none does."""
        with translated_failures():
            found = await self._entries.find_one(
                {"state": OPEN}, {"received": 1}, sort=[("received", ASCENDING)]
            )
        return None if found is None else found["received"]


def _again(kind: str, who: str, now: datetime) -> dict[str, Any]:
    # Of no process: the next that looks takes it, as it takes what dead ones left.
    return {
        "$set": {"state": OPEN, "owner": "", "reasons": [], "attempts": 0},
        "$unset": {"answer": "", "expires": ""},
        "$push": {"edits": {"kind": kind, "who": who, "at": now}},
    }


def _filter(wanted: Wanted) -> Document:
    found: Document = {}
    if wanted.state:
        found["state"] = wanted.state
    if wanted.channel:
        found["channel"] = wanted.channel
    if wanted.control_id:
        found["control_id"] = wanted.control_id
    times = {"$gte": wanted.since, "$lt": wanted.until}
    times = {name: value for name, value in times.items() if value is not None}
    return found | ({"received": times} if times else {})


def _listed(document: Document) -> Listed:
    reasons = [
        Reason(
            one.get("code", ""),
            one.get("text", ""),
            one.get("location", ""),
            one.get("severity", ""),
            one.get("rule", ""),
        )
        for one in document["reasons"]
    ]
    edits = [
        Edit(one["kind"], one["who"], one["at"], one.get("reason", "")) for one in document.get("edits", ())
    ]
    return Listed(
        id=document["_id"],
        received=document["received"],
        channel=document["channel"],
        event=document["event"],
        control_id=document["control_id"],
        sender="|".join(document["sender"]),
        peer=document["peer"],
        state=document["state"],
        size=document["size"],
        attempts=document["attempts"],
        is_edited=any(one.kind == "edit" for one in edits),
        reasons=reasons,
        references=document.get("references", ()),
        edits=edits,
        conflicts_with=document.get("conflicts_with", ""),
        finished=document.get("finished"),
    )
