"""Takes messages of other systems: keeps each safe, has it applied once and in its turn, and answers it.

Bytes come from MLLP, HTTP or a file; whoever brings them asks `take` (or `receive`, which waits for all of
the answer). The order of things for a message: read its MSH, find its channel, keep it in the inbox; CA; wait
for the messages before it about the same person; check it; apply it; AA. What is refused is kept with its
reason. docs/hl7v2.md, HL7 v2.5.1 §2.9
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from adapters import supported
from adapters.answering import Answering, reasons_of
from adapters.channels import Channel, Channels, Peer
from adapters.inboxes import OPEN, Arrival, Entry, Inbox
from adapters.lanes import lanes_of
from adapters.observing import Observer
from adapters.working import Job, Working
from hl7.errors import (
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    REQUIRED_FIELD_MISSING,
    HL7Error,
    Location,
    MessageTooLong,
)
from hl7.message import Message
from hl7.parser import parse
from resources.operation_outcome import StoreUnavailable

# Nobody waits longer than this for an application acknowledgment: most senders give up after 30 seconds.
_PATIENCE_SECONDS = 25.0
# Reading a long message takes the processor for a while, in which others want to be answered.
_LONG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answers:
    """The acknowledgments of a message: at the accept level, and at the application level; None for none."""

    accept: bytes | None
    application: bytes | None


class Taken:
    """A message that was taken: the answer for now, and the one that comes when it is done.

    `accept` is to be sent at once. `is_unanswerable` says that whoever sent this cannot be answered at all.
    """

    def __init__(
        self,
        accept: bytes | None = None,
        application: bytes | None = None,
        pending: "asyncio.Future[bytes | None] | None" = None,
        late: bytes | None = None,
        *,
        is_unanswerable: bool = False,
    ) -> None:
        self.accept = accept
        self.is_unanswerable = is_unanswerable
        self._application = application
        self._pending = pending
        self._late = late

    @property
    def is_in_turn(self) -> bool:
        """Whether the application acknowledgment is the answer itself, and others wait behind it.

        In enhanced mode it is a message of its own, and comes when it comes.
        """
        return self._pending is None or self._late is not None

    async def application(self) -> bytes | None:
        """Return the application acknowledgment when the message is done; None if none is wanted.

        In original mode whoever waits too long is told to send the message again (AR, 207).
        """
        if self._pending is None:
            return self._application
        seconds = None if self._late is None else _PATIENCE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._pending)
        return self._late


class Inbound:
    """Takes the messages of one process, from `start` to `stop`."""

    def __init__(
        self,
        channels: Channels,
        inbox: Inbox,
        working: Working,
        answering: Answering,
        observer: Observer,
        now: Callable[[], datetime],
    ) -> None:
        """Take messages of `channels` into `inbox`, and have them done by `working`."""
        self.channels = channels
        self._inbox = inbox
        self._working = working
        self._answering = answering
        self._observer = observer
        self._now = now

    async def receive(self, data: bytes, peer: Peer) -> Answers:
        """Take a message and wait until it is done; return what its sender is to be told."""
        taken = await self.take(data, peer)
        return Answers(taken.accept, await taken.application())

    async def take(self, data: bytes, peer: Peer, channels: Channels | None = None) -> Taken:
        """Keep a message safe and have it done soon; `channels` are those that may be meant, else all.

        Whatever the bytes are, nothing is raised, and nothing but what is kept durably is accepted.
        """
        digest = hashlib.sha256(data).hexdigest()
        message: Message | None = None
        channel: Channel | None = None
        try:
            message = await _parsed(data, None)
            channel = (channels or self.channels).of(message.header, peer)
            self._observer.received(channel.name)
            if channel.charset is not None:
                message = await _parsed(data, channel.charset)
            if _is_of_accept_level(message):
                return Taken()
            _check_control_id(message)
            supported.check(message.header)
        except HL7Error as failure:
            if channel is None:
                self._observer.received("")
            return await self._turned_away(data, digest, message, channel, peer, failure)
        return await self._kept(message, digest, channel, peer)

    async def too_long(self, head: bytes, size: int, peer: Peer, most: int) -> Taken:
        """Answer a message that was not taken for its length; its beginning goes into quarantine."""
        failure = MessageTooLong(f"the message has {size} bytes, and {most} are taken at most")
        digest = hashlib.sha256(head).hexdigest()
        self._observer.received("")
        message: Message | None = None
        with suppress(HL7Error):
            message = parse(head)
        return await self._turned_away(head, digest, message, None, peer, failure, is_cut=True)

    async def _kept(self, message: Message, digest: str, channel: Channel, peer: Peer) -> Taken:
        arrival = self._arrival(message.data, digest, message, channel, peer)
        try:
            added = await self._inbox.add(arrival)
            if added.is_new:
                return self._begun(added.entry, message, channel)
            if added.entry.sha256 != digest:
                return await self._conflicting(arrival, added.entry, message)
            return await self._again(added.entry, message, channel)
        except StoreUnavailable:
            return self._unavailable(message, channel)

    def _begun(self, entry: Entry, message: Message, channel: Channel) -> Taken:
        accept = self._answering.accept(message)
        self._count(channel.name, accept)
        job = self._working.begin(Job(entry, message, channel, can_wait=accept is not None))
        if not self._answering.may_answer(message):
            return Taken(accept)
        late = None
        if not message.header.is_enhanced:
            late = self._answering.turned_away(message, _busy())
        return Taken(accept, pending=job.answer, late=late)

    async def _again(self, entry: Entry, message: Message, channel: Channel) -> Taken:
        """Answer a message that came before: as then, or by trying again what was rejected."""
        if entry.state == "refused" and entry.rejected and await self._inbox.reopen(entry):
            entry = await self._inbox.entry(entry.id) or entry
        if entry.state == OPEN:
            return self._begun(entry, message, channel)
        accept = self._answering.accept(message)
        self._count(channel.name, accept, entry.answer)
        return Taken(accept, entry.answer)

    async def _conflicting(self, arrival: Arrival, other: Entry, message: Message) -> Taken:
        """Refuse a message that has the control id of another one: table 0357, 205."""
        text = "another message of this sender had this control id, with other content"
        failure = HL7Error(text, code=DUPLICATE_KEY, location=Location("MSH", 1, 10))
        answer = self._answering.refused(message, failure)
        refused = Arrival(
            arrival.data,
            arrival.sha256,
            arrival.received,
            arrival.key,
            arrival.channel,
            arrival.event,
            arrival.version,
            peer=arrival.peer,
            state="refused",
            reasons=reasons_of(failure),
            answer=answer,
            conflicts_with=other.id,
        )
        await self._inbox.add(refused)
        self._observer.refused(arrival.channel, failure.code)
        accept = self._answering.accept(message)
        self._count(arrival.channel, accept, answer)
        return Taken(accept, answer)

    async def _turned_away(
        self,
        data: bytes,
        digest: str,
        message: Message | None,
        channel: Channel | None,
        peer: Peer,
        failure: HL7Error,
        *,
        is_cut: bool = False,
    ) -> Taken:
        """Put a message into quarantine that is not let in, and answer it if that is possible."""
        answer = self._answering.turned_away(message or data, failure)
        arrival = self._arrival(data, digest, None if is_cut else message, channel, peer)
        refused = Arrival(
            arrival.data,
            arrival.sha256,
            arrival.received,
            arrival.key or ("", "", digest),
            arrival.channel,
            arrival.event,
            arrival.version,
            peer=arrival.peer,
            state="refused",
            reasons=reasons_of(failure),
            answer=answer,
            rejected=failure.answer == "AR",
        )
        name = "" if channel is None else channel.name
        with suppress(StoreUnavailable):  # its sender has it still, and is told that it was not taken
            await self._inbox.add(refused)
        self._observer.refused(name, failure.code)
        self._count(name, answer)
        has_control_id = message is not None and bool(message.header.control_id)
        return Taken(answer, is_unanswerable=answer is None and not has_control_id)

    def _unavailable(self, message: Message, channel: Channel) -> Taken:
        failure = HL7Error("the database does not answer; send the message again later", code=INTERNAL_ERROR)
        answer = self._answering.turned_away(message, failure)
        self._working.look_again()
        self._count(channel.name, answer)
        return Taken(answer)

    def _arrival(
        self, data: bytes, digest: str, message: Message | None, channel: Channel | None, peer: Peer
    ) -> Arrival:
        name = "" if channel is None else channel.name
        told = peer.common_name or peer.client or peer.address
        if message is None:
            return Arrival(data, digest, self._now(), channel=name, peer=told)
        header = message.header
        sender = header.sending_application.text, header.sending_facility.text
        key = (*sender, header.control_id) if header.control_id else None
        event = "^".join(part for part in (header.message_code, header.trigger_event) if part)
        lanes = lanes_of(message, name)
        return Arrival(data, digest, self._now(), key, name, event[:20], header.version[:20], lanes, told)

    def _count(self, channel: str, *answers: bytes | None) -> None:
        for answer in answers:
            if answer is not None:
                self._observer.answered(channel, code_of(answer))


def code_of(answer: bytes) -> str:
    """Return MSA-1 of an acknowledgment of ours (table 0008); "" if it has none.

    It is looked for, as reading each answer anew would take a fifth of the time that keeping a message does.
    """
    start = answer.find(b"\rMSA")
    return answer[start + 5 : start + 7].decode("ascii", "replace") if start >= 0 else ""


def _check_control_id(message: Message) -> None:
    """Raise HL7Error (101) without MSH-10: nobody could tell which message an answer is about."""
    if not message.header.control_id:
        text = "there is no control id"
        raise HL7Error(text, code=REQUIRED_FIELD_MISSING, location=Location("MSH", 1, 10))


def _busy() -> HL7Error:
    return HL7Error("the message is safe, but not done yet; send it again to hear of it", code=INTERNAL_ERROR)


def _is_of_accept_level(message: Message) -> bool:
    """Tell whether it is an accept acknowledgment, for an answer of ours: there is nothing to do."""
    msa = message.first("MSA")
    return msa is not None and msa.get(1).startswith("C")


async def _parsed(data: bytes, charset: str | None) -> Message:
    if len(data) > _LONG_BYTES:
        return await asyncio.to_thread(parse, data, charset)
    return parse(data, charset)
