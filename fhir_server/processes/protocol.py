"""HTTP/1.1 as uvicorn reads it, with a bound on what comes before a body and refusals in FHIR's form.

uvicorn's parser collects addresses and headers for as long as they come, so one client could take all the
memory. https://www.rfc-editor.org/rfc/rfc6585#section-5, https://hl7.org/fhir/R4/http.html#Status-Codes
"""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_server.formats import JSON
from resources.operation_outcome import error, operation_outcome

# Of a request line and its headers, of trailers, and of all that is no content; browsers and proxies stay
# below 16 kB. More than one read of the socket brings is needed to go beyond.
_MOST_OVERHEAD_BYTES = 64 * 1024


class FhirHttpProtocol(HttpToolsProtocol):
    """One connection; what the application never sees is refused here, with an OperationOutcome."""

    _overhead = 0
    """Bytes since the parser last got to the end of a head, a piece of a body, or a message."""

    _is_within_message = False
    """Whether a head was read whose body has not ended yet."""

    def data_received(self, data: bytes) -> None:
        """Read what came, unless it is the head of a request that is far too long."""
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > _MOST_OVERHEAD_BYTES and not self.transport.is_closing():
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, "too-long", f"Address and headers have {_MOST_OVERHEAD_BYTES} bytes at most")

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._overhead = 0
        self._is_within_message = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._overhead = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._overhead = 0
        self._is_within_message = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; the parser's own message is in the log."""
        del msg
        self._refuse(HTTPStatus.BAD_REQUEST, "structure", "This is not a request as HTTP/1.1 has it")

    def _refuse(self, status: HTTPStatus, code: str, diagnostics: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete and not self._is_within_message:
            # A complete request came before this, and may be stored: its answer must not be taken for ours.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        body = JSON.dumps(operation_outcome([error(code, diagnostics)]))
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {JSON.media_type}; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
