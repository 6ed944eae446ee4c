"""HTTP/1.1 as uvicorn reads it, with bounds that it lacks: on heads, on waiting, and on connections.

uvicorn's parser collects addresses and headers for as long as they come, waits for them for ever, and takes
any number of connections: one client could take all the memory. What is refused here is told in FHIR's form.
https://www.rfc-editor.org/rfc/rfc6585#section-5, https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9,
https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import asyncio
import enum
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_server.formats import JSON
from fhir_server.transport.connections import Connections
from resources.operation_outcome import error, operation_outcome

# Of a request line and its headers, of trailers, and of all that is no content; browsers and proxies stay
# below 16 kB. More than one read of the socket brings is needed to go beyond.
_MOST_OVERHEAD_BYTES = 64 * 1024
_RETRY_SECONDS = 2


class _Awaited(enum.Enum):
    """What the client is to send next."""

    NOTHING = enum.auto()
    """It waits for its answer, or has nothing to ask: uvicorn's own clock is for that."""

    HEAD = enum.auto()
    BODY = enum.auto()


class FhirHttpProtocol(HttpToolsProtocol):
    """One connection; what the application never sees is refused here, with an OperationOutcome."""

    _overhead = 0
    """Bytes since the parser last got to the end of a head, a piece of a body, or a message."""

    _awaited = _Awaited.HEAD
    _since = 0.0
    """When the client began to be awaited, in the loop's time."""

    _received = 0
    """Bytes of the body since then."""

    _unsent = 0
    """Bytes that waited for the client to read them at `_unsent_since`."""

    _unsent_since = 0.0
    _address = ""
    _is_counted = False

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        """Be one of `connections`; the other arguments are uvicorn's."""
        super().__init__(*arguments, **named)
        self._all = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse if there are too many already."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._address = self.client[0] if self.client else ""
        self._is_counted = True
        status = self._all.opened(self._address)
        if status is not None:
            self._refuse(status, "throttled", "There are too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._is_counted:
            self._is_counted = False
            self._all.closed(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, unless it is the head of a request that is far too long."""
        if self.transport.is_closing():
            return
        if self._awaited is _Awaited.NOTHING:
            self._await(_Awaited.HEAD)
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > _MOST_OVERHEAD_BYTES and not self.transport.is_closing():
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, "too-long", f"Address and headers have {_MOST_OVERHEAD_BYTES} bytes at most")

    def on_message_begin(self) -> None:
        """Note the beginning of a request, maybe behind another one."""
        self._await(_Awaited.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._overhead = 0
        self._await(_Awaited.BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._overhead = 0
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._overhead = 0
        self._awaited = _Awaited.NOTHING
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; the parser's own message is in the log."""
        del msg
        self._refuse(HTTPStatus.BAD_REQUEST, "structure", "This is not a request as HTTP/1.1 has it")

    def look_at_clock(self, now: float) -> None:
        """Give up a client that is too slow; called about twice a second, with the loop's time."""
        if self._is_unread(now):
            self.transport.abort()
        elif self._awaited is _Awaited.NOTHING or self.transport.is_closing():
            return
        elif self.flow.read_paused:
            self._await(self._awaited)  # it is us who are slow
        elif now > self._since + self._all.patience.for_bytes(self._received):
            self._give_up()

    def _is_unread(self, now: float) -> bool:
        """Tell whether the client has not read what was sent to it for too long."""
        unsent = self.transport.get_write_buffer_size()
        patience = self._all.patience
        if not unsent or unsent > self._unsent or unsent <= self._unsent - patience.least_bytes:
            self._unsent, self._unsent_since = unsent, now
        return bool(unsent) and now > self._unsent_since + patience.seconds

    def _await(self, awaited: _Awaited) -> None:
        self._awaited = awaited
        self._since = self.loop.time()
        self._received = 0

    def _give_up(self) -> None:
        is_answered = self._awaited is _Awaited.BODY and self.cycle.response_started
        if is_answered or not (self._overhead or self._awaited is _Awaited.BODY):
            self.transport.close()  # its answer is on the way, or it has not begun to ask
            return
        seconds = self._all.patience.seconds
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "timeout", f"Nothing, or too little, came for {seconds:g} s")

    def _refuse(self, status: HTTPStatus, code: str, diagnostics: str) -> None:
        is_within_message = self._awaited is _Awaited.BODY
        if self.cycle is not None and not self.cycle.response_complete and not is_within_message:
            # A complete request came before this, and may be stored: its answer must not be taken for ours.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        body = JSON.dumps(operation_outcome([error(code, diagnostics)]))
        retry = f"retry-after: {_RETRY_SECONDS}\r\n" if code == "throttled" else ""
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {JSON.media_type}; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n{retry}"
        )
        self.transport.write(head.encode() + self._all.headers + b"\r\n" + body)
        self.transport.close()
