"""Runs the server's processes on one listening socket: uvicorn, in this process or in several below it.

https://www.uvicorn.org/settings/
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from fhir_server.processes.protocol import FhirHttpProtocol
from fhir_server.settings import Settings

_BACKLOG = 2048
# Clients keep connections for their next request; closing them soon costs a POST that comes just then.
_KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 20


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`. Raises OSError if the address cannot be had."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)


def configuration() -> uvicorn.Config:
    """Return how uvicorn runs the application, which reads its settings from the environment."""
    return uvicorn.Config(
        "fhir_server.app:create_app",
        factory=True,
        loop="uvloop",
        http=FhirHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def serve_on(listener: socket.socket, settings: Settings) -> bool:
    """Answer requests until SIGTERM or SIGINT, then finish those under way; False if it did not start."""
    if settings.workers > 1:
        from fhir_server.processes.workers import supervise

        return supervise(listener, settings.workers)
    server = Server(configuration())
    try:
        server.run(sockets=[listener])
    except SystemExit as ended:  # uvicorn's way to say that the application did not start
        return ended.code == 0
    return server.started


class Server(uvicorn.Server):
    """Ends by returning, where uvicorn's own sends itself the signal again and MongoDB would be left."""

    stop_signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals that ask to stop, as long as the block runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in self.stop_signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
