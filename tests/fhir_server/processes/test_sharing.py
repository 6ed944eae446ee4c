"""A worker that accepts connections when the system has no more room for them."""

import asyncio
import errno
import socket

from fhir_server.processes.serving import Configuration
from fhir_server.processes.sharing import SharingServer
from fhir_server.settings import Settings


class _Full(socket.socket):
    """A listening socket of a process that has no descriptor left."""

    accepted = 0

    def accept(self) -> tuple[socket.socket, object]:
        """Fail, and count it."""
        self.accepted += 1
        raise OSError(errno.EMFILE, "Too many open files")


def test_exhaustion_does_not_keep_a_worker_busy() -> None:
    """It tries again after a while, rather than as fast as it can for as long as a client waits."""

    async def tries() -> int:
        with _Full() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            server = SharingServer(Configuration(Settings(port=1)), listener, [0], 0)
            server._accepting._listen()
            with socket.create_connection(listener.getsockname()):
                await asyncio.sleep(0.25)
            asyncio.get_running_loop().remove_reader(listener)
            server.should_exit = True
            return listener.accepted

    assert 1 <= asyncio.run(tries()) <= 4
