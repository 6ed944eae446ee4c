"""Which messages wait for one another: those about one person, in the order in which they came.

What is about different people goes on at the same time.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence

from hl7.message import Message

# Numbers of one person that are looked at; more are not of any use.
_MOST_NUMBERS = 12
_QUERIES = frozenset({"QBP", "QRY", "QCK"})


def lanes_of(message: Message, channel: str) -> tuple[str, ...]:
    """Return the lanes of a message: one for each number of each person that it is about.

    Somebody is known by one number here and by another there, so that all of PID-3 count, and of MRG-1 in a
    merge, with the authority that gave them. What is about nobody waits for the others of its channel; a
    query and an answer wait for nothing.
    """
    if message.header.message_code in _QUERIES or message.first("MSA") is not None:
        return ()
    numbers: dict[str, None] = {}
    for name, field in (("PID", 3), ("MRG", 1)):
        for segment in message.all(name):
            for repetition in segment[field].repetitions:
                if repetition[1].text:
                    numbers[f"{repetition[1].text}^{repetition[4].text}"] = None
    if not numbers:
        return (f"channel {channel}",)
    return tuple(_hash(one) for one in list(numbers)[:_MOST_NUMBERS])


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Lanes:
    """The lanes of one process: each piece of work begins when those before it in its lanes have ended."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._last: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how much is waiting or under way."""
        return len(self._tasks)

    def add(self, lanes: Sequence[str], work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Have `work` done, behind what was added to its lanes before; what it raises stays in the task."""
        before = {self._last[lane] for lane in lanes if lane in self._last}
        task = asyncio.create_task(self._turn(before, work))
        self._tasks.add(task)
        for lane in lanes:
            self._last[lane] = task
        task.add_done_callback(lambda done: self._ended(done, lanes))
        return task

    async def _turn(self, before: set[asyncio.Task[None]], work: Callable[[], Awaitable[None]]) -> None:
        if before:
            await asyncio.wait(before)
        before.clear()  # else each would keep all that ever were before it
        await work()

    def _ended(self, task: asyncio.Task[None], lanes: Sequence[str]) -> None:
        self._tasks.discard(task)
        for lane in lanes:
            if self._last.get(lane) is task:
                del self._last[lane]

    async def stop(self, seconds: float) -> None:
        """Let what is under way end, for some seconds at most; then break it off."""
        tasks = set(self._tasks)
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=seconds)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=seconds)
