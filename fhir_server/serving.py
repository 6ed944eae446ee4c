"""Runs the server's processes on one listening socket: uvicorn, in this process or in several below it.

https://www.uvicorn.org/settings/
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from fhir_server.settings import Settings

_BACKLOG = 2048
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Clients keep connections for their next request; closing them soon costs a POST that comes just then.
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 20
# A worker that parses the largest body holds the interpreter for a second or two; it is not dead.
_WORKER_SILENCE_SECONDS = 60


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`. Raises OSError if the address cannot be had."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    listener.set_inheritable(True)
    return listener


def serve_on(listener: socket.socket, settings: Settings) -> bool:
    """Answer requests until SIGTERM or SIGINT, then finish those under way; False if it did not start."""
    config = uvicorn.Config(
        "fhir_server.worker:create_worker",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_worker_healthcheck=_WORKER_SILENCE_SECONDS,
    )
    if settings.workers == 1:
        server = _Server(config)
        server.run(sockets=[listener])
        return server.started
    supervisor = Multiprocess(config, sockets=[listener])
    supervisor.run()
    return all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)


class _Server(uvicorn.Server):
    """Ends by returning, where uvicorn's own sends itself the signal again and MongoDB would be left."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals that ask to stop, as long as the block runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
