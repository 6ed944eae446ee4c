"""A process that takes messages, in a thread of the test: real sockets, the real inbox, a real MongoDB."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from adapters.channels import Channels, Listener
from fhir_server.hl7v2.wiring import Messages
from fhir_server.processes.serving import MessagePort
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from tests.fhir_server.hl7v2.applying import Log, applying, nothing

Result = TypeVar("Result")


@dataclass
class Hospital:
    """A process that takes messages."""

    settings: Settings
    channels: Channels
    store: Store
    messages: Messages
    loop: asyncio.AbstractEventLoop
    ports: dict[str, int]
    log: Log = field(default_factory=Log)

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return next(iter(self.ports.values()))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` does in the process."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)


@contextmanager
def running(
    settings: Settings, channels: Channels, prepare: Callable[[Hospital], None] | None = None
) -> Iterator[Hospital]:
    """Run a process that takes messages of `channels`, on its listeners or on a port of its own."""
    listeners = channels.listeners or (Listener("local", "127.0.0.1", 0),)
    sockets = []
    for listener in listeners:
        opened = socket.create_server((listener.host, 0))
        sockets.append(MessagePort(listener, opened))
    is_ready, is_over = threading.Event(), threading.Event()
    made: list[Hospital] = []

    async def main() -> None:
        store = open_store(settings, str(settings.mongo_url))
        log = Log()
        messages = Messages(channels, store, applying(store, log), nothing)
        ports = {one.listener.name: one.socket.getsockname()[1] for one in sockets}
        loop = asyncio.get_running_loop()
        hospital = Hospital(settings, channels, store, messages, loop, ports, log)
        if prepare is not None:
            prepare(hospital)
        made.append(hospital)
        await store.prepare_new_database()
        messages.start()
        messages.open_ports(sockets)
        is_ready.set()
        while not is_over.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.02)
        await messages.stop()
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        while not is_ready.wait(0.1):
            assert thread.is_alive(), "the process did not start"
        yield made[0]
    finally:
        is_over.set()
        thread.join(timeout=60)
        for one in sockets:
            with suppress(OSError):
                one.socket.close()
        assert not thread.is_alive()
