"""Which pages of other sites may read the answers, as the settings and the registered applications say.

A framework's own answers to preflights know neither what each address takes nor that some addresses are for
everybody. https://fetch.spec.whatwg.org/#http-cors-protocol,
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
"""

from collections.abc import Awaitable, Callable

from fhir_server.routes import allowed_methods
from fhir_server.transport.origins import ANY_ORIGIN, is_origin, parse_origins
from resources.operation_outcome import FhirError

Headers = list[tuple[bytes, bytes]]
IsRegistered = Callable[[str], Awaitable[bool]]

_METADATA = ("/metadata", "/.well-known/smart-configuration")
_DISCOVERY = ("/.well-known/openid-configuration", "/oauth/jwks")
# For browsers; introspection is asked by servers.
_TOKENS = ("/oauth/token", "/oauth/revoke")

_ALLOWED_HEADERS = (
    b"Accept, Authorization, Cache-Control, Content-Type, If-Match, If-Modified-Since, If-None-Exist, "
    b"If-None-Match, Prefer, X-Request-Id, X-Requested-With, X-Security-Context"
)
_EXPOSED_HEADERS = (
    b"Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Correlation-Id, "
    b"X-Request-Id"
)
# Chromium keeps the answer to a preflight no longer.
_PREFLIGHT_SECONDS = b"7200"
_VARY: Headers = [(b"vary", b"Origin")]

CORS_HEADERS = frozenset((b"access-control-allow-origin", b"access-control-expose-headers", b"vary"))
"""The names of the headers that an answer to a page of another site may get."""


class Cors:
    """Says what a page of another site may do.

    Cookies are never asked for: the FHIR interface is used by tokens, which a page adds itself.
    """

    def __init__(
        self, origins: str | None, *, prefix: str, is_registered: IsRegistered | None = None
    ) -> None:
        """Allow `origins` what is below `prefix`, the path of the FHIR interface, and the token endpoint.

        `is_registered` tells whether an origin that is not in the list belongs to a registered application.
        Raises ValueError as `parse_origins` does.
        """
        self._origins = parse_origins(origins)
        self._prefix = prefix
        self._is_registered = is_registered
        self.varies = ANY_ORIGIN not in self._origins and bool(self._origins or is_registered)
        """Whether answers differ by the origin of who asks."""

        self._for_all = frozenset((*(prefix + path for path in _METADATA), *_DISCOVERY))

    async def answer_headers(self, origin: str | None, path: str) -> Headers:
        """Return what is added to the answer at `path` to a page of `origin`, None if no browser told one."""
        allowed = await self._allowed(origin, path)
        if allowed is None:
            return _VARY if self._depends_on_origin(path) else []
        headers = [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
        ]
        return headers if allowed == b"*" else headers + _VARY

    async def preflight_headers(self, origin: str, path: str) -> Headers | None:
        """Return the headers that answer a preflight, or None if nothing is allowed.

        https://fetch.spec.whatwg.org/#cors-preflight-fetch
        """
        methods = self._methods(path)
        allowed = await self._allowed(origin, path) if methods else None
        if allowed is None:
            return None
        headers = [
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
        return headers if allowed == b"*" else headers + _VARY

    async def _allowed(self, origin: str | None, path: str) -> bytes | None:
        if origin is None:
            return None
        if path in self._for_all:
            return b"*"
        if not self._is_shared(path):
            return None
        if ANY_ORIGIN in self._origins:
            return b"*"
        if origin in self._origins:
            return origin.encode()
        if self._is_registered is None or not is_origin(origin) or not await self._is_registered(origin):
            return None
        return origin.encode()

    def _is_shared(self, path: str) -> bool:
        return path == self._prefix or path.startswith(f"{self._prefix}/") or path in _TOKENS

    def _depends_on_origin(self, path: str) -> bool:
        return self.varies and path not in self._for_all and self._is_shared(path)

    def _methods(self, path: str) -> tuple[str, ...]:
        if path in self._for_all:
            return ("GET", "HEAD")
        if path in _TOKENS:
            return ("POST",)
        if not self._is_shared(path):
            return ()
        segments = path.removeprefix(self._prefix).strip("/")
        try:
            return allowed_methods(tuple(segments.split("/")) if segments else ())
        except FhirError:
            return ()  # there is nothing at this address, which the request itself will be told
