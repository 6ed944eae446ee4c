"""The renderings of an answer: as HTTP, and as an entry of a batch-response or transaction-response.

https://hl7.org/fhir/R4/http.html#3.1.0.1.9, https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.response
"""

import base64
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from fhir_server.binary_content import content_of
from fhir_server.context import Context, Response
from fhir_server.formats import Format
from fhir_server.negotiation import entity_tag, http_date
from fhir_server.store import instant
from resources import json_format
from resources.operation_outcome import Issue, operation_outcome
from resources.references import is_id

Headers = list[tuple[bytes, bytes]]

_RETRY_AFTER = (b"retry-after", b"2")
_STORED = Issue("information", "informational", "The resource was stored")
_DELETED = Issue("information", "informational", "The resource is deleted")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer ready to be sent: status, headers in lower case, and the body (b"" for none)."""

    status: int
    headers: Headers
    body: bytes


def as_http(response: Response, context: Context, format_: Format, *, pretty: bool = False) -> HttpAnswer:
    """Return `response` as HTTP, the body in `format_`; what is no resource is JSON in any case."""
    headers = _headers(response, context)
    if response.document is not None:
        headers.append((b"content-type", b"application/json; charset=utf-8"))
        return _answer(response.status, headers, json_format.dumps(response.document, pretty=pretty))
    body = b"" if response.resource is None else format_.dumps(response.resource, pretty=pretty)
    if body:
        headers.append((b"content-type", f"{format_.media_type}; charset=utf-8".encode()))
    return _answer(response.status, headers, body)


def as_file(response: Response, context: Context) -> HttpAnswer:
    """Return `response`, which carries a Binary, as the file that is in it."""
    headers = _headers(response, context)
    body, content_type, more = content_of(response.resource or {})
    headers.append((b"content-type", content_type.encode()))
    headers += [(name.encode(), value.encode()) for name, value in more]
    return _answer(response.status, headers, body)


def _answer(status: int, headers: Headers, body: bytes) -> HttpAnswer:
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append((b"content-length", str(len(body)).encode()))
    return HttpAnswer(status, headers, body)


def _headers(response: Response, context: Context) -> Headers:
    headers: Headers = []
    if response.version is not None:
        headers.append((b"etag", entity_tag(response.version).encode()))
    if response.last_modified is not None:
        headers.append((b"last-modified", http_date(response.last_modified).encode()))
    if response.location is not None:
        headers.append((b"location", f"{context.base_url}/{response.location}".encode()))
    if response.allow:
        headers.append((b"allow", ", ".join(response.allow).encode()))
    if response.accept_patch:
        headers.append((b"accept-patch", ", ".join(response.accept_patch).encode()))
    more = [(name.encode(), value.encode()) for name, value in response.headers]
    is_for_later = response.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    if is_for_later and all(name != _RETRY_AFTER[0] for name, _ in more):
        headers.append(_RETRY_AFTER)
    return headers + more


def add_request_ids(headers: Headers, request_id: str, sent: str | None) -> None:
    """Add the number under which the request is in the log, and beside it the one that the client `sent`.

    https://hl7.org/fhir/R4/http.html#custom
    """
    headers.append((b"x-request-id", request_id.encode()))
    if sent is not None and is_id(sent):
        headers.append((b"x-correlation-id", sent.encode()))


def as_entry(response: Response, base_url: str, *, with_resource: bool) -> dict[str, Any]:
    """Return `response` as a Bundle.entry; errors carry their outcome, others the resource if asked for."""
    rendered: dict[str, Any] = {"status": _status_line(response.status)}
    if response.location is not None:
        rendered["location"] = f"{base_url}/{response.location}"
    if response.version is not None:
        rendered["etag"] = entity_tag(response.version)
    if response.last_modified is not None:
        rendered["lastModified"] = instant(response.last_modified)
    entry: dict[str, Any] = {"response": rendered}
    if response.status >= HTTPStatus.BAD_REQUEST:
        rendered["outcome"] = response.resource
    elif response.document is not None:
        entry = {"resource": _as_binary(response.document), "response": rendered}
    elif with_resource and response.resource is not None:
        entry = {"resource": response.resource, "response": rendered}
    return entry


def _as_binary(document: Any) -> dict[str, Any]:
    # "result ... Binary": https://hl7.org/fhir/R4/resource-operation-graphql.html
    data = base64.b64encode(json_format.dumps(document)).decode("ascii")
    return {"resourceType": "Binary", "contentType": "application/json", "data": data}


@cache
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def as_preferred(response: Response, context: Context) -> Response:
    """Return the answer to a write with the body that `Prefer: return=` asks for; a resource by default.

    https://hl7.org/fhir/R4/http.html#return
    """
    returns = context.preferences.returns
    if returns == "minimal" and response.status != HTTPStatus.NO_CONTENT:
        return _with_body(response, None)
    if returns == "OperationOutcome":
        is_deletion = response.status == HTTPStatus.NO_CONTENT
        outcome = operation_outcome([_DELETED if is_deletion else _STORED])
        return _with_body(response, outcome, HTTPStatus.OK if is_deletion else response.status)
    return response


def _with_body(response: Response, resource: dict[str, Any] | None, status: int | None = None) -> Response:
    return Response(
        status or response.status, resource, response.version, response.last_modified, response.location
    )
