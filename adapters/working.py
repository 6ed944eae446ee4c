"""Has messages applied that lie in the inbox: each once, those about one person one after the other.

A process works on the messages that it took in, and on those of processes that are dead. Before a message is
applied, those that came before it about the same person have to be done, whichever process has them.
"""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from adapters import supported
from adapters.answering import Answering, reasons_of
from adapters.applying import Applied, Apply, Received, TryLater, distinct
from adapters.channels import Channel, Channels
from adapters.forgetting import forget
from adapters.inboxes import OPEN, Entry, Inbox, NotOurs
from adapters.lanes import Lanes
from adapters.lull import Lull
from adapters.observing import Observer
from adapters.strict import strict_violations
from hl7.errors import INTERNAL_ERROR, HL7Error, InvalidMessage
from hl7.message import Message
from hl7.parser import parse
from hl7.validation import IsRead, violations
from resources.operation_outcome import StoreUnavailable

# So many are applied at the same time in a process: more would only wait for the gate of transactions.
_AT_ONCE = 8
# Beyond this, messages wait in the database and not in memory.
_MOST_OPEN = 5_000
_MOST_BYTES = 64 * 1024 * 1024
# What takes the processor for longer than others should wait.
_LONG_BYTES = 256 * 1024
_TAKEN_AT_ONCE = 500
# Who was told that a message is safe does not wait for it: as long as more come, they are kept safe first.
_LULL_SECONDS = 0.05
_MOST_COURTESY_SECONDS = 5.0
_BEAT_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 60.0
# With pauses that double, about half an hour; then a person has to look.
_MOST_ATTEMPTS = 36
_PARTING_SECONDS = 15.0


@dataclass(eq=False, slots=True)
class Job:
    """A message that is to be done by this process; without `message` it is read from the inbox.

    `answer` is told when it is done: the application acknowledgment, None if none is wanted. Its sender
    `can_wait` if it was told already that the message is safe.
    """

    entry: Entry
    message: Message | None = None
    channel: Channel | None = None
    answer: "asyncio.Future[bytes | None]" = field(default_factory=lambda: _future())
    is_begun: bool = False
    can_wait: bool = False


def _future() -> "asyncio.Future[bytes | None]":
    return asyncio.get_running_loop().create_future()


class Working:
    """Works on the messages of one process, from `start` to `stop`."""

    def __init__(
        self,
        channels: Channels,
        inbox: Inbox,
        apply: Apply,
        answering: Answering,
        observer: Observer,
        now: Callable[[], datetime],
        is_read: IsRead,
    ) -> None:
        """Do what lies in `inbox` by `apply`, and answer by `answering`.

        What is wrong in a field that nothing `is_read` of is told as a warning.
        """
        self._channels = channels
        self._inbox = inbox
        self._apply = apply
        self._answering = answering
        self._observer = observer
        self._now = now
        self._is_read = is_read
        self._lanes = Lanes()
        self._open: dict[str, Job] = {}
        self._waiting: dict[str, Job] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._lull = Lull(_LULL_SECONDS)
        self._is_spilled = False
        self._bytes = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("fhir_server.hl7v2")

    def begin(self, job: Job) -> Job:
        """Have a message done in its turn; return the job that is about it, which may be another one."""
        if job.can_wait:
            self._lull.disturb()
        known = self._open.get(job.entry.id) or self._waiting.get(job.entry.id)
        if known is not None:
            return known
        if len(self._open) >= _MOST_OPEN or self._is_spilled:
            # Whatever waits in the database comes before this one.
            self._is_spilled = True
            job.message = None
            self._waiting[job.entry.id] = job
            return job
        self._submit(job)
        return job

    def look_again(self) -> None:
        """Look for messages that may have been kept although the database did not say so."""
        self._is_spilled = True

    def _submit(self, job: Job) -> None:
        if job.message is not None:
            if self._bytes > _MOST_BYTES:
                job.message = None  # it is read again when its turn comes
            else:
                self._bytes += len(job.message.data)
        self._open[job.entry.id] = job
        self._lanes.add(job.entry.lanes, lambda: self._done(job))

    def start(self) -> None:
        """Begin to look after what others left, on the event loop that runs now."""
        self._tasks = [asyncio.create_task(self._keep_alive()), asyncio.create_task(self._look_after())]

    async def stop(self) -> None:
        """Finish what is under way, if it does soon; what is not done is left to others."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lanes.stop(_PARTING_SECONDS)
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._inbox.leave()

    async def _keep_alive(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self._inbox.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _look_after(self) -> None:
        while True:
            try:
                await self.look_once()
            except StoreUnavailable:
                pass  # senders are told; what is kept waits
            except Exception:
                self._log.exception("messages are not looked after")
            await asyncio.sleep(_LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - processes differ

    async def look_once(self) -> None:
        """Take up what waits in the database, and what dead processes left."""
        room = _MOST_OPEN - len(self._open)
        if self._is_spilled and room > _MOST_OPEN // 2:
            await self._take_up(room)
        if room > _TAKEN_AT_ONCE:
            for entry in await self._inbox.abandoned(_TAKEN_AT_ONCE):
                if entry.id not in self._open:
                    self._submit(Job(entry))

    async def _take_up(self, room: int) -> None:
        """Take up messages of this process that it does not know of, or has left in the database."""
        before = set(self._waiting)
        found = await self._inbox.own(self._open.__contains__, room)
        for entry in found:
            if entry.id not in self._open:
                job = self._waiting.pop(entry.id) if entry.id in self._waiting else Job(entry)
                self._submit(job)
        if len(found) < room:
            for entry_id in before & set(self._waiting):  # another process has them by now
                self._submit(self._waiting.pop(entry_id))
            self._is_spilled = bool(self._waiting)

    async def _done(self, job: Job) -> None:
        """Do a message, or wait until it is done if that goes on already."""
        if job.is_begun:
            await asyncio.wait({job.answer})
            return
        job.is_begun = True
        answer: bytes | None = None
        try:
            answer = await self._worked(job)
        except Exception:
            self._log.exception("a message is left to be done later", entry=job.entry.id)
            self._is_spilled = True
        finally:
            self._inbox.expect(job.entry.id, None)
            self._bytes -= 0 if job.message is None else len(job.message.data)
            job.message = None
            self._open.pop(job.entry.id, None)
            if not job.answer.done():
                job.answer.set_result(answer)

    async def _worked(self, job: Job) -> bytes | None:
        attempt, pause = 0, _FIRST_PAUSE
        is_ours = job.entry.is_ours
        if job.can_wait:
            # By its age, lest each of those that wait behind one another begins to count anew.
            age = (self._now() - job.entry.received).total_seconds()
            await self._lull.wait(max(0.0, _MOST_COURTESY_SECONDS - age))
        while True:
            try:
                if not is_ours:
                    entry = await self._elsewhere(job.entry.id)
                    if entry is None or entry.state != OPEN:
                        return None if entry is None else entry.answer
                    is_ours = True
                async with self._slots:
                    earlier = await self._inbox.earlier(job.entry)
                    if earlier is None:
                        attempt += 1
                        return await self._attempt(job, is_last=attempt >= _MOST_ATTEMPTS)
                await self._wait_for(earlier)
                continue
            except NotOurs:
                is_ours = False
                continue
            except StoreUnavailable:
                attempt = max(0, attempt - 1)  # which says nothing of the message
            except TryLater as failure:
                self._log.warning("a message is applied later", entry=job.entry.id, reason=str(failure))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _wait_for(self, earlier: Entry) -> None:
        """Return when another message may be done: see to it if it is ours, or if nobody else does."""
        known = self._open.get(earlier.id)
        if known is not None:
            await self._done(known)
            return
        adopted = await self._inbox.adopt(earlier.id)
        if adopted is None:
            self._is_spilled = True  # it may be one of ours that we do not know of
            await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - jitter
            return
        job = Job(adopted)
        self._open[adopted.id] = job
        await self._done(job)

    async def _elsewhere(self, entry_id: str) -> Entry | None:
        """Return a message when the process that has it is done with it, or dead, so that it is ours."""
        while True:
            entry = await self._inbox.entry(entry_id)
            if entry is None or entry.state != OPEN or entry.is_ours:
                return entry
            adopted = await self._inbox.adopt(entry_id)
            if adopted is not None:
                return adopted
            await asyncio.sleep(0.1)

    async def _attempt(self, job: Job, *, is_last: bool) -> bytes | None:
        entry, message = job.entry, job.message
        try:
            message = message or await self._read(job)
            channel = job.channel or self._channel(entry, message)
            supported.check(message.header)
            warnings = await self._check(message, channel)
            return await self._applied(entry, message, channel, warnings)
        except HL7Error as failure:
            forget(failure)
            return await self._refused(entry, message, failure)
        except (TryLater, StoreUnavailable, NotOurs):
            if not is_last:
                raise
            text = "this could not be applied, however often it was tried"
            return await self._refused(entry, message, HL7Error(text, code=INTERNAL_ERROR))
        except Exception:
            number = uuid.uuid4().hex
            self._log.exception("a message failed", entry=entry.id, number=number)
            text = f"something went wrong here; its number is {number}"
            return await self._refused(entry, message, HL7Error(text, code=INTERNAL_ERROR))

    async def _read(self, job: Job) -> Message:
        data = await self._inbox.body(job.entry.id)
        channel = self._channels.named(job.entry.channel)
        job.channel = channel
        return await asyncio.to_thread(parse, data, None if channel is None else channel.charset)

    def _channel(self, entry: Entry, message: Message) -> Channel:
        """Return the channel of a message that was let in before, or that an operator sends again."""
        return self._channels.named(entry.channel) or self._channels.of(message.header, None)

    async def _check(self, message: Message, channel: Channel) -> tuple[HL7Error, ...]:
        """Return what is odd about a message; raise InvalidMessage with what is wrong."""
        required = channel.required_fields
        if len(message.data) > _LONG_BYTES:
            found = await asyncio.to_thread(violations, message, required, is_read=self._is_read)
        else:
            found = violations(message, required, is_read=self._is_read)
        wrong = [one for one in found if one.severity in ("E", "F")]
        if channel.strict and not wrong:
            wrong = await asyncio.to_thread(strict_violations, message)
        if wrong:
            raise InvalidMessage(wrong)
        return (*message.warnings, *found)

    async def _applied(
        self, entry: Entry, message: Message, channel: Channel, warnings: tuple[HL7Error, ...]
    ) -> bytes | None:
        answers: list[bytes | None] = []

        def render(applied: Applied) -> bytes | None:
            told = distinct((*warnings, *applied.warnings))
            answers[:] = [self._answering.applied(message, replace(applied, warnings=told))]
            return answers[0]

        self._inbox.expect(entry.id, render)
        received = Received(entry.id, entry.received, entry.sha256, warnings)
        applied = await self._apply(message, channel, received)
        await self._inbox.settle(entry.id, applied)
        for one in distinct((*warnings, *applied.warnings)):
            self._observer.warned(channel.name, one.code)
        self._observer.lag(channel.name, (self._now() - entry.received).total_seconds())
        answer = answers[0] if answers else None
        if answer is not None:
            self._observer.answered(channel.name, "AA")
        return answer

    async def _refused(self, entry: Entry, message: Message | None, failure: HL7Error) -> bytes | None:
        answer = None if message is None else self._answering.refused(message, failure)
        rejected = failure.answer == "AR"
        await self._inbox.refuse(entry.id, reasons_of(failure), answer, rejected=rejected)
        self._observer.refused(entry.channel, failure.code)
        if answer is not None:
            self._observer.answered(entry.channel, failure.answer)
        self._log.warning(
            "a message is in quarantine", entry=entry.id, channel=entry.channel, code=failure.code
        )
        return answer
