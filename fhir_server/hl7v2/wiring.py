"""HL7 v2 put together for one process: channels, inbox, work, ports."""

import asyncio
import ssl
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from adapters.answering import Answering
from adapters.applying import Apply
from adapters.channels import LOCAL, Channels, Listener
from adapters.file_drop import FileDrop
from adapters.inbound import Inbound
from adapters.mllp.encryption import server_context
from adapters.mllp.server import MllpServer
from adapters.to_fhir.catalogue import is_read
from adapters.working import Working
from fhir_server import metrics
from fhir_server.hl7v2.quarantine import Preview
from fhir_server.processes.accepting import Accepting
from fhir_server.processes.ending import end
from fhir_server.processes.serving import MessagePort
from fhir_server.store import Store
from fhir_server.transport.tls import RenewedCertificate

_PARTING_SECONDS = 10.0
_CERTIFICATE_SECONDS = 1.0


class Messages:
    """Takes the messages of one process; started and stopped with it."""

    def __init__(
        self,
        channels: Channels,
        store: Store,
        apply: Apply,
        preview: Preview,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """Take messages of `channels` into the inbox of `store`, and have them applied by `apply`.

        `preview` tells what would change if one were applied now.
        """
        self.preview = preview
        clock = now or _now
        observer = metrics.messages
        answering = Answering(clock, new_control_id)
        self.channels = channels
        self._observer = observer
        self._working = Working(channels, store.hl7_inbox, apply, answering, observer, clock, is_read)
        self.inbound = Inbound(channels, store.hl7_inbox, self._working, answering, observer, clock)
        # A file is from whoever may write into its folder.
        self._drops = [
            FileDrop(one, self.inbound.receive, replace(LOCAL, listener=one.name)) for one in channels.drops
        ]
        self._watching: list[asyncio.Task[None]] = []
        self._servers: list[MllpServer] = []
        self._accepting: list[Accepting] = []

    def start(self) -> None:
        """Begin to work on what lies in the inbox."""
        self._working.start()
        self._watching = [asyncio.create_task(one.run()) for one in self._drops]

    async def stop(self) -> None:
        """Finish what is under way; leave the rest to other processes, or to the next start."""
        await asyncio.gather(*(end(one, _PARTING_SECONDS) for one in self._watching))
        await self.close_ports()
        await self._working.stop()

    def open_ports(self, ports: Sequence[MessagePort]) -> None:
        """Take messages on `ports`."""
        for port in ports:
            server = MllpServer(port.listener, self.channels.on(port.listener), self.inbound, self._observer)
            context = server_context(port.listener)
            self._watch_certificate(port.listener, context)
            begin = partial(server.open, context=context)
            accepting = Accepting(port.socket, port.counts, port.slot, begin, server.__len__)
            server.changed = accepting.count
            self._servers.append(server)
            self._accepting.append(accepting)
            accepting.start()

    def _watch_certificate(self, listener: Listener, context: ssl.SSLContext | None) -> None:
        """Use a new certificate for new connections once its files have changed."""
        if context is None or listener.certificate is None or listener.key is None:
            return
        renewed = RenewedCertificate(context, listener.certificate, listener.key)

        async def look() -> None:
            while True:
                await asyncio.sleep(_CERTIFICATE_SECONDS)
                await asyncio.to_thread(renewed.look_again)

        self._watching.append(asyncio.create_task(look()))

    async def close_ports(self) -> None:
        """Accept no more connections, answer what was read, and close them."""
        for accepting in self._accepting:
            accepting.stop()
        servers, self._servers, self._accepting = self._servers, [], []
        await asyncio.gather(*(server.stop(_PARTING_SECONDS) for server in servers))


def new_control_id() -> str:
    """Return a control id for a message of ours: 20 characters, as versions before 2.7 allow (MSH-10)."""
    return uuid.uuid4().hex[:20].upper()


def _now() -> datetime:
    return datetime.now(UTC)
