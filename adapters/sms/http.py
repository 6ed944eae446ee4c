"""Text messages by an HTTP gateway: a POST of JSON, as docs/workflows/messages.md describes it.

Gateways differ; one that speaks otherwise is reached by a small translator, or another class like this one.
https://www.rfc-editor.org/rfc/rfc6750 (Authorization), the header Idempotency-Key as in
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import asyncio
from urllib.parse import urlsplit

import httpx

from adapters.sms.text import NotAccepted, TextMessage

_SECONDS = 10.0
# Soon, while somebody waits; after these, the one who asked tries again later.
_PAUSES = (0.2, 1.0)
_ITS_OWN = frozenset({"localhost", "127.0.0.1", "::1"})
_FINAL = frozenset({400, 404, 410, 422})


class HttpTextGateway:
    """Sends by one gateway."""

    def __init__(
        self, url: str, token: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Post to `url`, which is https unless it is on this machine, with `token`; `transport` is for tests.

        Raises ValueError for any other address.
        """
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _ITS_OWN):
            raise ValueError("the gateway for text messages is reached by https only")
        self._url = url
        self._token = token
        self._transport = transport

    async def send(self, message: TextMessage) -> None:
        """Send it; raise NotAccepted, or httpx.HTTPError if it may go well later."""
        for pause in (*_PAUSES, None):
            try:
                await self._post(message)
            except httpx.HTTPError as failure:
                if pause is None or not _may_go_well_soon(failure):
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _post(self, message: TextMessage) -> None:
        headers = {"idempotency-key": message.key}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        body = {"to": message.to, "text": message.text, "reference": message.key}
        async with httpx.AsyncClient(timeout=_SECONDS, transport=self._transport) as client:
            answer = await client.post(self._url, json=body, headers=headers)
        if answer.status_code in _FINAL:
            raise NotAccepted("refused")
        if answer.is_redirect:
            raise httpx.HTTPStatusError("redirected", request=answer.request, response=answer)
        answer.raise_for_status()


def _may_go_well_soon(failure: httpx.HTTPError) -> bool:
    if isinstance(failure, httpx.HTTPStatusError):
        return failure.response.is_server_error
    return isinstance(failure, httpx.TransportError)
