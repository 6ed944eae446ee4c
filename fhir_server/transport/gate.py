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
from fhir_server.transport.cors import CORS_HEADERS, Cors, IsRegistered
from fhir_server.transport.proxies import TrustedProxies, network_of
from fhir_server.transport.safe_headers import SAFE_HEADERS, safe_headers
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
_HEALTH = frozenset({"/health", "/health/live", "/health/ready", "/ready", "/metrics"})
_ADDED = frozenset(SAFE_HEADERS | CORS_HEADERS)


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
        self._has_proxies = bool(self._proxies)
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
        if self._has_proxies:
            self._find_client(scope)
        origin, path = _header(scope, b"origin"), scope["path"]
        added = self._secure if self._is_public_https or scope["scheme"] == "https" else self._plain
        shared = added
        if origin is not None or self._cors.varies:
            shared = added + await self._cors.answer_headers(origin, path)
        if wait := self._wait(scope, path):
            await self._refuse(scope, _adding(shared, send), wait)
            return
        if origin is not None and scope["method"] == "OPTIONS":
            allowed = await self._preflight(scope, origin, path)
            if allowed is not None:
                await _answer(_adding(added, send), 204, allowed)
                return
        await self._application(scope, receive, _adding(shared, send))

    async def _preflight(self, scope: Scope, origin: str, path: str) -> Headers | None:
        if _header(scope, b"access-control-request-method") is None:
            return None
        return await self._cors.preflight_headers(origin, path)

    def _find_client(self, scope: Scope) -> None:
        """Put the client's own address and scheme in the place of the proxy's."""
        if not scope.get("client"):
            return
        hop = self._proxies.client(scope["client"][0], scope["headers"])
        if hop.address != scope["client"][0]:
            scope["client"] = (hop.address, 0)
        if hop.scheme is not None:
            scope["scheme"] = hop.scheme

    def _wait(self, scope: Scope, path: str) -> float:
        if path in _HEALTH:
            return 0.0
        return self._throttle.wait(network_of((scope.get("client") or ("",))[0]))

    async def _refuse(self, scope: Scope, send: Send, wait: float) -> None:
        seconds = math.ceil(wait)
        format_ = best_format(_header(scope, b"accept")) or JSON
        body = format_.dumps(operation_outcome([error("throttled", f"Too many requests; wait {seconds} s")]))
        headers = [
            (b"content-type", f"{format_.media_type}; charset=utf-8".encode()),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", str(seconds).encode()),
        ]
        await _answer(send, _TOO_MANY, headers, b"" if scope["method"] == "HEAD" else body)
        self._log.info("request", method=scope["method"], interaction="throttled", status=_TOO_MANY)


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text
    return None


def _adding(added: Headers, send: Send) -> Send:
    """Return `send` with the headers in `added` on the answer, where it has no such headers itself."""

    def sending(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message["headers"] = _completed(message["headers"], added)
        return send(message)

    return sending


def _completed(headers: Headers, added: Headers) -> Headers:
    present = {name for name, _ in headers}
    if present.isdisjoint(_ADDED):
        return [*headers, *added]
    present.discard(b"vary")  # of which there may be several
    return [*headers, *(header for header in added if header[0] not in present)]


async def _answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
