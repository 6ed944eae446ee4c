"""Requests through the gate to an application that only says what it was asked."""

import asyncio
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.settings import Settings
from fhir_server.transport.cors import IsRegistered
from fhir_server.transport.gate import Gate

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out of the gate, and the scope as the application got it, None if it got nothing."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    scope: MutableMapping[str, Any] | None

    def header(self, name: str) -> str | None:
        """The value of a header, which may stand there once at most."""
        values = [value for other, value in self.headers if other == name]
        assert len(values) <= 1, values
        return values[0] if values else None


class Gated:
    """A gate with settings of its own."""

    def __init__(self, *, is_registered: IsRegistered | None = None, **settings: Any) -> None:
        """Make it; the application behind answers 200, with `headers` if a test sets them."""
        self.headers: list[tuple[bytes, bytes]] = []
        self._scope: MutableMapping[str, Any] | None = None
        self._gate = Gate(
            self._application, Settings(**settings), prefix="/fhir", is_registered=is_registered
        )

    def ask(
        self,
        method: str = "GET",
        path: str = "/fhir/Patient/1",
        headers: Sequence[tuple[str, str]] = (),
        *,
        peer: str = "192.0.2.1",
        scheme: str = "http",
    ) -> Answer:
        """Send one request from the address `peer`."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "scheme": scheme,
            "client": (peer, 50_000),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            sent.append(message)

        self._scope = None
        asyncio.run(self._gate(scope, receive, send))
        told = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        body = b"".join(message["body"] for message in sent[1:])
        return Answer(sent[0]["status"], told, body, self._scope)

    async def _application(self, scope: Any, _receive: Any, send: Any) -> None:
        self._scope = scope
        await send({"type": "http.response.start", "status": 200, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"from within"})
