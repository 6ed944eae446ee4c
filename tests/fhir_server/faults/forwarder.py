"""A TCP port that leads to MongoDB, or to nobody, or to silence: a network that can be taken away.

The server under test knows MongoDB by this port only.
"""

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType

from pymongo.uri_parser import parse_uri

from tests.fhir_server.faults.server_process import free_port

_CHUNK = 65_536


class Forwarder:
    """Listens on `port` between `open` and `close`, and joins each connection to the MongoDB at a URL."""

    def __init__(self, mongo_url: str) -> None:
        """Choose a port, on which nobody listens yet, for the first server that `mongo_url` names."""
        name, port = parse_uri(mongo_url)["nodelist"][0]
        self._target: str | tuple[str, int] = (name, port) if port is not None else name
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._silent = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address of MongoDB as the server under test knows it."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def __enter__(self) -> "Forwarder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Let MongoDB be there."""
        self._silent.clear()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Let MongoDB be gone: break all connections, and listen no more."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            for connection in self._connections:
                _break(connection)
            self._connections.clear()

    def be_silent(self) -> None:
        """Let connections stay, and nothing come through them any more, as behind a cut cable."""
        self._silent.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            mongo = self._connect()
            with self._lock:
                if self._listener is not listener:
                    _break(client)
                    _break(mongo)
                    return
                self._connections |= {client, mongo}
            threading.Thread(target=self._join, args=(client, mongo), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._target)
        return connection

    def _join(self, client: socket.socket, mongo: socket.socket) -> None:
        other = {client: mongo, mongo: client}
        with selectors.DefaultSelector() as selector:
            try:
                # Closed by a cut of the cable before it is looked at, a connection cannot be registered.
                for one in other:
                    selector.register(one, selectors.EVENT_READ, one)
                while True:
                    for key, _ in selector.select():
                        end: socket.socket = key.data
                        data = end.recv(_CHUNK)
                        if not data:
                            return
                        if not self._silent.is_set():
                            other[end].sendall(data)
            except (OSError, ValueError):
                return
            finally:
                _break(client)
                _break(mongo)


def _break(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be broken already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
