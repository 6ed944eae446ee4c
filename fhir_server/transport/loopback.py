"""Without tokens the server is for its own machine: what comes by another address is refused.

The address is that of the connection, which no header changes; so it holds whatever program serves the
application, and on whatever address. A page of another site, whose name leads to this machine for a moment,
is known by that name: browsers tell it in the Host header (https://dl.acm.org/doi/10.1145/1315245.1315298).
https://www.rfc-editor.org/rfc/rfc1122#section-3.2.1.3, https://www.rfc-editor.org/rfc/rfc4291#section-2.5.3
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fhir_server.formats import JSON
from resources.operation_outcome import error, operation_outcome

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# As `negotiation.check_host` has it, of whom what is no host hears.
_HOST = re.compile(rb"(?P<name>[a-z0-9][a-z0-9._-]{0,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_REFUSED = "Without tokens (FHIR_AUTH=off) this server answers on its own machine only"
_STRANGE = f"{_REFUSED}, by the names of that: 127.0.0.1, ::1, localhost, or as FHIR_BASE_URL says"


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address is that of the machine itself, whichever it is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class LoopbackOnly:
    """An application that is for requests from its own machine."""

    def __init__(self, application: Application, base_url: str | None = None) -> None:
        """Stand in front of `application`; a proxy may give it the name in `base_url`."""
        self._application = application
        self._name = None if base_url is None else urlsplit(base_url).hostname

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass that came to an address of this machine itself, or to a socket in a folder."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self._application(scope, receive, send)
            return
        body = JSON.dumps(operation_outcome([error("forbidden", problem)]))
        headers = [
            (b"content-type", f"{JSON.media_type}; charset=utf-8".encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _problem(self, scope: Scope) -> str | None:
        """Return why a request is refused, None if it is not."""
        address = (scope.get("server") or ("", None))[0]
        if not is_loopback(address) and not address.startswith("/"):
            return _REFUSED
        name = next((_host_name(value) for header, value in scope["headers"] if header == b"host"), None)
        return None if name is None or name == self._name or is_loopback(name) else _STRANGE


def _host_name(header: bytes) -> str | None:
    """Return the name in a Host header; None for what no browser sends, and the application refuses."""
    found = _HOST.fullmatch(header.lower())
    return None if found is None else found["name"].decode().strip("[]")
