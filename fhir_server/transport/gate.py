"""The way into the application: who asks, how often, from which page; and headers on the way out.

Around everything else, so that errors and the framework's own answers pass it too.
https://asgi.readthedocs.io/en/stable/specs/www.html
"""

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from fhir_server.formats import JSON, best_format
from fhir_server.settings import Settings
from fhir_server.transport.cors import Cors, IsRegistered
from fhir_server.transport.proxies import TrustedProxies, network_of
from fhir_server.transport.safe_headers import safe_headers
from fhir_server.transport.throttling import Throttle
from resources.operation_outcome import error, operation_outcome

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_TOO_MANY = 429
# Asked by the machines that look after the server, which would take a refusal for a failure.
_HEALTH = "/health/"


class Gate:
    """An application in front of another one."""

    def __init__(
        self,
        application: Application,
        settings: Settings,
        *,
        prefix: str,
        is_registered: IsRegistered | None = None,
    ) -> None:
        """Guard `application` as `settings` say; `prefix` is the path of the FHIR interface.

        `is_registered` tells which origins belong to registered applications, for CORS.
        """
        self._application = application
        self._proxies = TrustedProxies(settings.trusted_proxies or "", settings.forwarded_header)
        self._throttle = Throttle(settings.requests_per_second, settings.request_burst)
        self._cors = Cors(settings.cors_origins, prefix=prefix, is_registered=is_registered)
        self._is_public_https = (settings.base_url or "").startswith("https:")
        self._plain = safe_headers(settings, is_https=False)
        self._secure = safe_headers(settings, is_https=True)
        self._log = structlog.get_logger("fhir_server.requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        self._find_client(scope)
        headers, path = scope["headers"], scope["path"]
        origin = preflight = accept = None
        for name, value in headers:
            if name == b"origin":
                origin = value.decode("latin-1")
            elif name == b"access-control-request-method":
                preflight = value
            elif name == b"accept":
                accept = value.decode("latin-1")
        added = self._secure if self._is_public_https or scope["scheme"] == "https" else self._plain
        if wait := self._wait(scope, path):
            cors = await self._cors.answer_headers(origin, path)
            await self._refuse(scope, _adding([*added, *cors], send), wait, accept)
            return
        if preflight is not None and origin is not None and scope["method"] == "OPTIONS":
            cors_headers = await self._cors.preflight_headers(origin, path)
            if cors_headers is not None:
                await _answer(_adding(added, send), 204, cors_headers)
                return
        cors = await self._cors.answer_headers(origin, path)
        await self._application(scope, receive, _adding([*added, *cors] if cors else added, send))

    def _find_client(self, scope: Scope) -> None:
        """Put the client's own address and scheme in the place of the proxy's."""
        if not self._proxies or not scope.get("client"):
            return
        hop = self._proxies.client(scope["client"][0], scope["headers"])
        if hop.address != scope["client"][0]:
            scope["client"] = (hop.address, 0)
        if hop.scheme is not None:
            scope["scheme"] = hop.scheme

    def _wait(self, scope: Scope, path: str) -> float:
        if path.startswith(_HEALTH):
            return 0.0
        return self._throttle.wait(network_of((scope.get("client") or ("",))[0]))

    async def _refuse(self, scope: Scope, send: Send, wait: float, accept: str | None) -> None:
        seconds = math.ceil(wait)
        format_ = best_format(accept) or JSON
        body = format_.dumps(operation_outcome([error("throttled", f"Too many requests; wait {seconds} s")]))
        headers = [
            (b"content-type", f"{format_.media_type}; charset=utf-8".encode()),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", str(seconds).encode()),
        ]
        await _answer(send, _TOO_MANY, headers, b"" if scope["method"] == "HEAD" else body)
        self._log.info("request", method=scope["method"], interaction="throttled", status=_TOO_MANY)


def _adding(added: Headers, send: Send) -> Send:
    """Return `send` with the headers in `added` on the answer, where it has no such headers itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            present = {name for name, _ in headers} - {b"vary"}
            message["headers"] = [*headers, *(header for header in added if header[0] not in present)]
        await send(message)

    return sending


async def _answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
