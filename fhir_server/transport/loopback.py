"""Without tokens the server is for its own machine: what comes by another address is refused.

The address is that of the connection, which no header changes; so it holds whatever program serves the
application, and on whatever address.
https://www.rfc-editor.org/rfc/rfc1122#section-3.2.1.3, https://www.rfc-editor.org/rfc/rfc4291#section-2.5.3
"""

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fhir_server.formats import JSON
from resources.operation_outcome import error, operation_outcome

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_REFUSED = "Without tokens (FHIR_AUTH=off) this server answers on its own machine only"


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address is that of the machine itself, whichever it is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class LoopbackOnly:
    """An application that is for requests from its own machine."""

    def __init__(self, application: Application) -> None:
        """Stand in front of `application`."""
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass that came to an address of this machine itself, or to a socket in a folder."""
        address = (scope.get("server") or ("", None))[0]
        if scope["type"] != "http" or is_loopback(address) or address.startswith("/"):
            await self._application(scope, receive, send)
            return
        body = JSON.dumps(operation_outcome([error("forbidden", _REFUSED)]))
        headers = [
            (b"content-type", f"{JSON.media_type}; charset=utf-8".encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
