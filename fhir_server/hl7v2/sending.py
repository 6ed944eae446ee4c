"""The part of each server process that sends what is in the outbox: in order for each patient, at least once.

A connection to a destination belongs to one process at a time, under a lease, so that a destination never has
more of them than the file of channels says. Whoever has the connection takes lanes (destination and patient),
one after the other, and sends what is in them. A lane that waits for another attempt holds up no other.
docs/decisions/0044-outbox-of-messages.md
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from adapters.destinations import Destination
from adapters.file_drop import FolderLine
from adapters.mllp.client import Answered, MllpClient, NoAnswer, NotConnected
from adapters.outbound import Breaker, described, pause, verdict
from fhir_server import metrics
from fhir_server.context import Context
from fhir_server.hl7v2.answering import answer_document, answered, follow_order, undone
from fhir_server.processes.ending import end
from fhir_server.store.hl7_outbox import ACCEPTED, PARKED, SENT, Lane, MessageOutbox, Outgoing
from fhir_server.workflows.hl7v2.alerts import alert
from hl7.ack import Ack
from hl7.errors import HL7Error
from hl7.message import Message
from resources.operation_outcome import FhirError, StoreUnavailable

_LEASE = timedelta(seconds=10)
_RENEWED_SECONDS = 3.0
_IDLE_SECONDS = 0.1
# So long a lane waits for what goes before it in another one.
_TURN_SECONDS = 0.2
# After so many messages others have their turn, however much one patient's lane has.
_MOST_IN_A_ROW = 50
_WATCH_SECONDS = 20.0
_PARTING_SECONDS = 5.0
_MOST_UNANSWERED = 100
# A restart of the other system is nothing to tell anybody of.
_AWAY_SECONDS = 300.0

NewContext = Callable[[], Context]
"""Makes the context in which is written down what others report, by the rules."""


class Line(Protocol):
    """A way to a destination: a connection, or a folder."""

    async def send(self, data: bytes, control_id: str) -> Answered | None:
        """Send a message; return its acknowledgment, None where nobody gives one (see `MllpClient`)."""

    async def close(self) -> None:
        """Let go of it."""


NewLine = Callable[[Destination, Callable[[Message, Ack], Awaitable[None]]], Line]


class Courier:
    """One connection to a destination, and the work on it, as far as this process has it."""

    def __init__(
        self, destination: Destination, slot: int, new_context: NewContext, breaker: Breaker, line: NewLine
    ) -> None:
        """Send to `destination` over the connection number `slot`."""
        self._destination = destination
        self._slot = f"{destination.name}/{slot}"
        self._new_context = new_context
        self._breaker = breaker
        self._lease = uuid.uuid4().hex
        context = new_context()
        self._outbox: MessageOutbox = context.store.hl7_outbox
        self._now = context.now
        self._line = line(destination, self._unexpected)
        self._lane: Lane | None = None
        self._is_ours = False
        self._log = structlog.get_logger("fhir_server.hl7v2")

    async def run(self) -> None:
        """Send what there is, until told to stop."""
        keeping = asyncio.create_task(self._keep())
        try:
            while True:
                worked = False
                try:
                    worked = self._is_ours and await self.work_once()
                except StoreUnavailable:
                    await self._line.close()  # and what was under way is sent again
                except Exception:
                    self._log.exception("sending failed", destination=self._destination.name)
                    await asyncio.sleep(_RENEWED_SECONDS)
                if not worked:
                    await asyncio.sleep(_IDLE_SECONDS)
        finally:
            keeping.cancel()
            await self._part()

    async def _part(self) -> None:
        """Close the connection, and let others have it at once."""
        with contextlib.suppress(FhirError, TimeoutError):
            async with asyncio.timeout(_PARTING_SECONDS):
                await self._line.close()
                now = self._now()
                if self._lane is not None:
                    await self._outbox.release(self._lane, now)
                await self._outbox.disconnect(self._slot, self._lease)

    async def _keep(self) -> None:
        """Take the connection when nobody has it, and keep it, and the lane that is worked on."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                now = self._now()
                await self._outbox.prepare()
                self._is_ours = await self._outbox.connect(self._slot, now, now + _LEASE, self._lease)
                lane = self._lane
                if lane is not None and not await self._outbox.hold(lane, now + _LEASE):
                    self._lane = None
            await asyncio.sleep(_RENEWED_SECONDS if self._is_ours else _RENEWED_SECONDS / 3)

    async def work_once(self) -> bool:
        """Send what is in the lane that has waited longest; return whether there was one."""
        if not self._breaker.allows(time.monotonic()):
            return False
        now = self._now()
        lane = await self._outbox.take(self._destination.name, now, now + _LEASE, uuid.uuid4().hex)
        if lane is None:
            return False
        self._lane = lane
        self._breaker.tries(time.monotonic())
        try:
            await self._work(lane)
        finally:
            self._lane = None
        return True

    async def _work(self, lane: Lane) -> None:
        for _ in range(_MOST_IN_A_ROW):
            if self._lane is None:
                return  # it is another process's by now
            stops = self._destination.after_error == "hold"
            entry = await self._outbox.first(lane, stops_at_parked=stops)
            if entry is None:
                last = await self._outbox.close(lane)
                if last is None:
                    return
                lane = replace(lane, last=last)
                continue
            if not await self._outbox.is_free(entry):
                await self._outbox.release(lane, self._in(_TURN_SECONDS))
                return
            seconds = await self._deliver(entry)
            if seconds is not None:
                await self._outbox.release(lane, self._in(seconds))
                return
        await self._outbox.release(lane, self._now())

    def _in(self, seconds: float) -> datetime:
        return self._now() + timedelta(seconds=seconds)

    async def _deliver(self, entry: Outgoing) -> float | None:
        """Send one message.

        Return None if the next one may go, or the seconds until this one is tried again.
        """
        text = await self._outbox.opened(entry)
        if text is None:
            await self._park(entry, entry.problem or "there is no message")
            return None
        try:
            got = await self._line.send(text, entry.id)
        except NotConnected as failure:
            # Nothing went out: this is about the destination, and no attempt of the message.
            return self._away(str(failure))
        except NoAnswer as failure:
            return await self._unanswered(entry, str(failure))
        except HL7Error as failure:
            await self._park(entry, f"{failure.code}: {failure.text}")
            return None
        except OSError as failure:
            return self._away(type(failure).__name__)
        self._breaker.succeeded()
        if got is None:
            await self._outbox.settle(entry.id, SENT, self._now())
            metrics.told(self._destination.name, "sent")
            return None
        return await self._after(entry, got)

    async def _after(self, entry: Outgoing, got: Answered) -> float | None:
        decided = verdict(got.ack, self._destination)
        metrics.told(self._destination.name, decided)
        if decided == "retry":
            if entry.attempts + 1 > self._destination.retries:
                await self._park(entry, described(got.ack), got.ack)
                return None
            await self._outbox.attempted(entry, described(got.ack))
            return pause(self._destination, entry.attempts + 1)
        # First what follows: after a crash in between the message is sent and answered again.
        try:
            await follow_order(entry, got.message, self._destination, self._new_context())
        except StoreUnavailable:
            raise
        except FhirError as failure:  # a rule does not want it: the message went all the same
            rules = [one.rule or one.code for one in failure.issues]
            self._log.warning("answer not followed", destination=self._destination.name, rules=rules)
        if decided == "park":
            await self._park(entry, described(got.ack), got.ack)
        else:
            state = SENT if decided == "sent" else ACCEPTED
            await self._outbox.settle(
                entry.id, state, self._now(), problem=undone(got.message), answer=answer_document(got.ack)
            )
        return None

    async def _unanswered(self, entry: Outgoing, problem: str) -> float | None:
        """Note that a message was sent in vain; it is parked only if others are answered meanwhile."""
        metrics.told(self._destination.name, "unanswered")
        self._failed(problem)
        if entry.attempts + 1 > self._destination.retries and not self._breaker.is_open:
            await self._park(entry, problem)
            return None
        await self._outbox.attempted(entry, problem)
        return pause(self._destination, entry.attempts + 1)

    def _away(self, problem: str) -> float:
        metrics.told(self._destination.name, "unreachable")
        self._failed(problem)
        return 0.0 if self._breaker.is_open else self._destination.first_pause

    def _failed(self, problem: str) -> None:
        if self._breaker.failed(time.monotonic()):
            self._log.warning("destination is away", destination=self._destination.name, reason=problem)

    async def _park(self, entry: Outgoing, problem: str, ack: Ack | None = None) -> None:
        """Give up on a message until a person looks at it, who is told first: twice is better than never."""
        context = self._new_context()
        await context.store.agenda.add(alert("parked", self._destination.name, context.now()))
        answer = None if ack is None else answer_document(ack)
        await self._outbox.settle(entry.id, PARKED, context.now(), problem=problem, answer=answer)
        self._log.warning(
            "message parked",
            destination=self._destination.name,
            kind=entry.kind,
            control_id=entry.id,
            reason=problem,
        )

    async def _unexpected(self, message: Message, _ack: Ack) -> None:
        """Take an answer that came on the connection while nobody waited for it."""
        try:
            await answered(message, self._new_context(), [self._destination])
        except (FhirError, HL7Error) as failure:
            self._log.warning(
                "answer not taken", destination=self._destination.name, reason=type(failure).__name__
            )


class Sender:
    """Sends to all destinations from `start` to `stop`."""

    def __init__(
        self, destinations: Sequence[Destination], new_context: NewContext, line: NewLine | None = None
    ) -> None:
        """Send to `destinations`.

        `new_context` makes contexts in which is written down what others report, by the rules.
        """
        self._destinations = tuple(destinations)
        self._new_context = new_context
        self._line_of = line or _line
        self._breakers = {one.name: Breaker(one) for one in self._destinations}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, on the event loop that runs now."""
        for destination in self._destinations:
            breaker = self._breakers[destination.name]
            for slot in range(destination.connections if destination.folder is None else 1):
                courier = Courier(destination, slot, self._new_context, breaker, self._line_of)
                self._tasks.append(asyncio.create_task(courier.run()))
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """Stop at once: what is not answered yet is sent again later, by whoever comes next."""
        await asyncio.gather(*(end(task, _PARTING_SECONDS) for task in self._tasks))

    async def _watch(self) -> None:
        """Tell operators of messages that could not be made, or that were taken and no more."""
        log = structlog.get_logger("fhir_server.hl7v2")
        while True:
            try:
                for one in self._destinations:
                    await self.look(one)
            except StoreUnavailable:
                pass
            except Exception:
                log.exception("the outbox cannot be watched")
            await asyncio.sleep(_WATCH_SECONDS)

    async def look(self, destination: Destination) -> None:
        """Look once at what waits for a person, and whether the destination is there."""
        context = self._new_context()
        outbox, agenda, now = context.store.hl7_outbox, context.store.agenda, context.now()
        if await outbox.untold(destination.name):
            await agenda.add(alert("parked", destination.name, now))
            await outbox.tell(destination.name)
        if self._breakers[destination.name].away_seconds(time.monotonic()) > _AWAY_SECONDS:
            await agenda.add(alert("away", destination.name, now))
        before = now - timedelta(seconds=destination.application_seconds)
        if await outbox.unanswered(destination.name, before, _MOST_UNANSWERED):
            await agenda.add(alert("unanswered", destination.name, now))


def _line(destination: Destination, unexpected: Callable[[Message, Ack], Awaitable[None]]) -> Line:
    return (
        MllpClient(destination, unexpected) if destination.folder is None else FolderLine(destination.folder)
    )
