"""Worker processes that take turns in accepting connections, so that each has its share of them."""

import asyncio
import signal
import socket
from collections.abc import Callable, MutableSequence, Sequence
from typing import Any

from fhir_server.processes.accepting import NOT_ACCEPTING, Accepting
from fhir_server.processes.serving import Configuration, MessagePort, Server

__all__ = ["NOT_ACCEPTING", "SharingServer"]


class SharingServer(Server):
    """Serves on a socket that other processes accept from too; lives as long as its process.

    `counts` is seen by all of them; the one at `slot` says how many connections this one has open.
    """

    stop_signals = (signal.SIGTERM,)

    def __init__(
        self,
        config: Configuration,
        listener: socket.socket,
        counts: MutableSequence[int],
        slot: int,
        ports: Sequence[MessagePort] = (),
    ) -> None:
        super().__init__(config, ports)
        self._accepting = Accepting(
            listener, counts, slot, self._open, lambda: len(self.server_state.connections)
        )
        self.server_state.connections = _Watched(self._count)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Start the application, then accept."""
        await super().startup(sockets=[])
        self._accepting.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and finish what is under way."""
        self._accepting.stop()
        await super().shutdown(sockets)

    def _count(self) -> None:
        if not self.should_exit:
            self._accepting.count()

    async def _open(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self.protocol, connection, **self.encryption())


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
