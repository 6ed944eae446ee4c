"""Accepting connections from a socket that other processes accept from too, in turns.

Left to chance, the first process to wake accepts all that wait: of 4 connections that a client opened at
once to 2 workers, one worker got all 4 in 10 of 12 trials, and half of the machine was idle.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine, MutableSequence
from typing import Any

# What a worker that accepts nothing at present has in its slot: nobody waits for it.
NOT_ACCEPTING = 2**31 - 1

# A worker with more connections than another lets that one go first, looking again after each step, but no
# longer than its patience lasts: the other may be busy.
_STEP_SECONDS = 0.001
_PATIENCE_SECONDS = 0.02

# The system has no descriptor or no memory for another connection; some will end.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_EXHAUSTED_SECONDS = 0.1


class Accepting:
    """Accepts from one socket, from `start` to `stop`.

    `counts` is seen by all processes; the one at `slot` says how many connections this one has open.
    """

    def __init__(
        self,
        listener: socket.socket,
        counts: MutableSequence[int],
        slot: int,
        begin: Callable[[socket.socket], Coroutine[Any, Any, Any]],
        size: Callable[[], int],
    ) -> None:
        """Hand each connection to `begin`; `size` tells how many there are."""
        self._listener = listener
        self._counts = counts
        self._slot = slot
        self._begin = begin
        self._size = size
        self._patient_until = 0.0
        self._opening: set[asyncio.Task[Any]] = set()
        self._is_stopped = False

    def start(self) -> None:
        """Begin, on the event loop that runs now."""
        self._listener.setblocking(False)
        self.count()
        self._listen()

    def stop(self) -> None:
        """Accept no more."""
        self._is_stopped = True
        asyncio.get_running_loop().remove_reader(self._listener)
        self._counts[self._slot] = NOT_ACCEPTING

    def count(self) -> None:
        """Tell the other processes how many connections there are."""
        if not self._is_stopped:
            self._counts[self._slot] = self._size() + len(self._opening)

    def _listen(self) -> None:
        if not self._is_stopped:
            asyncio.get_running_loop().add_reader(self._listener, self._on_waiting)

    def _on_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        if self._counts[self._slot] > min(self._counts) and self._is_patient(loop.time()):
            loop.remove_reader(self._listener)
            loop.call_later(_STEP_SECONDS, self._listen)
            return
        self._patient_until = 0.0
        try:
            connection, _ = self._listener.accept()
        except OSError as failure:
            if failure.errno in _EXHAUSTED:
                loop.remove_reader(self._listener)  # else we would be called without end
                loop.call_later(_EXHAUSTED_SECONDS, self._listen)
            return  # or another worker was faster, or the client is gone
        task = loop.create_task(self._begin(connection))
        self._opening.add(task)
        self.count()
        task.add_done_callback(self._opened)

    def _is_patient(self, now: float) -> bool:
        # Another worker may have accepted what this one waited over; the next connection is waited for anew.
        if now > self._patient_until + _PATIENCE_SECONDS:
            self._patient_until = now + _PATIENCE_SECONDS
        return now < self._patient_until

    def _opened(self, task: asyncio.Task[Any]) -> None:
        self._opening.discard(task)
        self.count()
        if not task.cancelled():
            task.exception()  # the client went away while its connection was opened
