"""Runs the server's processes on one listening socket: uvicorn, in this process or in several below it.

https://www.uvicorn.org/settings/
"""

import asyncio
import os
import resource
import signal
import socket
import ssl
import time
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn

from adapters.channels import Listener
from fhir_server.metrics import SHARED
from fhir_server.processes.protocol import FhirHttpProtocol
from fhir_server.settings import Settings
from fhir_server.transport.connections import Connections
from fhir_server.transport.tls import CannotUseCertificate, RenewedCertificate, tls_context

_BACKLOG = 2048
# Clients keep connections for their next request; closing them soon costs a POST that comes just then.
_KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 20
MESSAGES = "hl7v2"
"""The name under which the application tells, in the state of its lifespan, what takes HL7 v2 messages."""

_HANDSHAKE_SECONDS = 10.0
_TRIES, _TRY_SECONDS = 40, 0.5
_TICKS_BETWEEN_LOOKS = 5  # uvicorn's tick is a tenth of a second
# Connections to MongoDB, files, and what waits in queues.
_OTHER_DESCRIPTORS = 512


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`. Raises OSError if the address cannot be had."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)


@dataclass(frozen=True, slots=True)
class MessagePort:
    """A socket on which HL7 v2 messages are taken, as `listener` says.

    `counts` is seen by all processes; the one at `slot` says how many connections this one has open.
    """

    listener: Listener
    socket: socket.socket
    counts: MutableSequence[int] = field(default_factory=lambda: [0])
    slot: int = 0


class Configuration(uvicorn.Config):
    """How uvicorn runs the application, which reads its settings from the environment."""

    def __init__(self, settings: Settings) -> None:
        """Set uvicorn as `settings` say, with the defaults of this server."""
        self._settings = settings
        self.certificate: RenewedCertificate | None = None
        protocol: Any = partial(FhirHttpProtocol, connections=Connections(settings))
        super().__init__(
            "fhir_server.app:create_app",
            factory=True,
            loop="uvloop",
            http=protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )

    def load(self) -> None:
        """Load the application, and the certificate; raise CannotUseCertificate if that is none."""
        super().load()
        certificate, key = self._settings.tls_certificate, self._settings.tls_key
        if certificate is not None and key is not None:
            self.ssl = _context_once_usable(certificate, key)
            self.certificate = RenewedCertificate(self.ssl, certificate, key)


def _context_once_usable(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a pair that was fine when the server started, but may just be being replaced."""
    for _ in range(_TRIES):
        try:
            return tls_context(certificate, key)
        except CannotUseCertificate:
            time.sleep(_TRY_SECONDS)
    return tls_context(certificate, key)


def serve_on(listener: socket.socket, settings: Settings, ports: Sequence[MessagePort] = ()) -> bool:
    """Answer requests until SIGTERM or SIGINT, then finish those under way; False if it did not start.

    On `ports` HL7 v2 messages are taken beside them.
    """
    _allow_connections(settings.max_connections)
    if settings.workers > 1:
        from fhir_server.processes.workers import supervise

        with shared_metrics():
            return supervise(listener, settings.workers, ports)
    server = Server(Configuration(settings), ports)
    try:
        server.run(sockets=[listener])
    except SystemExit as ended:  # uvicorn's way to say that the application did not start
        return ended.code == 0
    return server.started


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Have the processes that are started in the block share what they count, by files in a folder."""
    with TemporaryDirectory(prefix="fhir-metrics-") as folder:
        os.environ[SHARED] = folder
        try:
            yield
        finally:
            del os.environ[SHARED]


def _allow_connections(number: int) -> None:
    """Have the system let this process, and its workers, open as many; as far as it does."""
    wanted = number + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Server(uvicorn.Server):
    """Ends by returning, where uvicorn's own sends itself the signal again and MongoDB would be left."""

    stop_signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
    config: Configuration

    def __init__(self, config: Configuration, ports: Sequence[MessagePort] = ()) -> None:
        """Serve as `config` says, and take messages on `ports`, if the application does."""
        super().__init__(config)
        self._ports = ports

    @property
    def _messages(self) -> Any:
        """What takes HL7 v2 messages: the application says so in the state of its lifespan, if anything."""
        return self.lifespan.state.get(MESSAGES)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more messages, and finish what is under way."""
        if self._messages is not None:
            await self._messages.close_ports()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen on `sockets`."""
        await super().startup(sockets=[])
        if self._messages is not None and self.started:
            self._messages.open_ports(self._ports)
        loop = asyncio.get_running_loop()
        for listener in sockets or ():
            self.servers.append(
                await loop.create_server(self.protocol, sock=listener, backlog=_BACKLOG, **self.encryption())
            )

    def protocol(self) -> asyncio.Protocol:
        """Return what reads from a new connection."""
        kind: type[Any] = self.config.http_protocol_class
        made: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def encryption(self) -> dict[str, Any]:
        """Return the arguments by which the loop encrypts connections, if that is set."""
        if self.config.ssl is None:
            return {}
        return {"ssl": self.config.ssl, "ssl_handshake_timeout": _HANDSHAKE_SECONDS}

    async def on_tick(self, counter: int) -> bool:
        """Look at the clock, for clients that are too slow, and at the certificate, which may be new."""
        if counter % _TICKS_BETWEEN_LOOKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, FhirHttpProtocol):
                    connection.look_at_clock(now)
            if self.config.certificate is not None:
                self.config.certificate.look_again()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals that ask to stop, as long as the block runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in self.stop_signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
