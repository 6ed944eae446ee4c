"""Worker processes that take turns in accepting connections, so that each has its share of them.

Left to chance, the first process to wake accepts all that wait: of 4 connections that a client opened at
once to 2 workers, one worker got all 4 in 10 of 12 trials, and half of the machine was idle.
"""

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, MutableSequence
from typing import Any

from fhir_server.processes.serving import Configuration, Server

# What a worker that accepts nothing at present has in its slot: nobody waits for it.
NOT_ACCEPTING = 2**31 - 1

# A worker with more connections than another lets that one go first, looking again after each step, but no
# longer than its patience lasts: the other may be busy.
_STEP_SECONDS = 0.001
_PATIENCE_SECONDS = 0.02

# The system has no descriptor or no memory for another connection; some will end.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_EXHAUSTED_SECONDS = 0.1


class SharingServer(Server):
    """Serves on a socket that other processes accept from too; lives as long as its process.

    `counts` is seen by all of them; the one at `slot` says how many connections this one has open.
    """

    stop_signals = (signal.SIGTERM,)

    def __init__(
        self, config: Configuration, listener: socket.socket, counts: MutableSequence[int], slot: int
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._counts = counts
        self._slot = slot
        self._patient_until = 0.0
        self._opening: set[asyncio.Task[Any]] = set()
        self.server_state.connections = _Watched(self._count)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Start the application, then accept."""
        await super().startup(sockets=[])
        self._listener.setblocking(False)
        self._count()
        self._listen()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and finish what is under way."""
        asyncio.get_running_loop().remove_reader(self._listener)
        self._counts[self._slot] = NOT_ACCEPTING
        await super().shutdown(sockets)

    def _count(self) -> None:
        if not self.should_exit:
            self._counts[self._slot] = len(self.server_state.connections) + len(self._opening)

    def _listen(self) -> None:
        if not self.should_exit:
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
        task = loop.create_task(self._open(connection))
        self._opening.add(task)
        self._count()
        task.add_done_callback(self._opened)

    def _is_patient(self, now: float) -> bool:
        # Another worker may have accepted what this one waited over; the next connection is waited for anew.
        if now > self._patient_until + _PATIENCE_SECONDS:
            self._patient_until = now + _PATIENCE_SECONDS
        return now < self._patient_until

    async def _open(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self.protocol, connection, **self.encryption())

    def _opened(self, task: asyncio.Task[Any]) -> None:
        self._opening.discard(task)
        self._count()
        if not task.cancelled():
            task.exception()  # the client went away while its connection was opened


class _Watched(set[Any]):
    """A set, here of connections, that says when it changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def add(self, element: Any) -> None:
        """Add, and say so."""
        super().add(element)
        self._changed()

    def discard(self, element: Any) -> None:
        """Remove, and say so."""
        super().discard(element)
        self._changed()
