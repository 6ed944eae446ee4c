"""Parameters that are sent to the endpoints, by address or as a form, each of them once.

https://www.rfc-editor.org/rfc/rfc6749#section-3.1: "Request and response parameters MUST NOT be included more
than once."
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from fhir_server.smart.oauth.errors import invalid_request

Pairs = tuple[tuple[str, str], ...]

_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 64 * 1024
_MOST_PAIRS = 200


def query_pairs(request: Request) -> Pairs:
    """Return the parameters of the address; raise OAuthError for what is no UTF-8."""
    return _parsed(request.url.query)


async def form_pairs(request: Request) -> Pairs:
    """Return the parameters of the form that was sent; raise OAuthError if it is none, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise invalid_request(f"This address takes {_FORM}")
    return _parsed((await body_of(request)).decode("latin-1"))


async def body_of(request: Request) -> bytes:
    """Return the body of a request; raise OAuthError if it has more than 64 KiB."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise invalid_request("The body is too large")
    return bytes(body)


def _parsed(text: str) -> Pairs:
    if not text.isascii():
        raise invalid_request("Parameters are percent-encoded UTF-8")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS)
    except ValueError:
        raise invalid_request("Parameters are percent-encoded UTF-8") from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise invalid_request("Parameters have no null characters")
    return tuple(pairs)


def once_each(pairs: Pairs) -> Mapping[str, str]:
    """Return parameters by name, without empty ones; raise OAuthError if one is there twice."""
    given = dict(pairs)
    if len(given) != len(pairs):
        raise invalid_request("A parameter is there more than once")
    return {name: value for name, value in given.items() if value}
