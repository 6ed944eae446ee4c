"""history-instance, history-type and history-system: all versions, newest first.

https://hl7.org/fhir/R4/http.html#history
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fhir_server.context import Context, Request, Response
from fhir_server.negotiation import entity_tag
from fhir_server.paging import decode_position, encode_position, page_size
from fhir_server.store import HistoryPosition, HistoryScope, Version, instant
from resources.bundle import bundle
from resources.operation_outcome import InvalidSearch, ResourceNotFound, error

_PARAMETERS = frozenset({"_count", "_since", "_page", "_format", "_pretty"})
_STATUS = {"POST": "201 Created", "PUT": "200 OK", "DELETE": "204 No Content"}


async def history(request: Request, context: Context) -> Response:
    """Answer with a Bundle of type history; 404 for a resource that never was."""
    parameters = _parameters(request, context)
    resource_type, resource_id = (*request.path[:-1], None, None)[:2]
    scope = HistoryScope(resource_type, resource_id, _since(parameters.get("_since")))
    after = _position(parameters.get("_page"))
    size = page_size(parameters.get("_count"), context.settings)
    versions = await context.store.history(scope, after, size + 1)
    if not versions and scope.id is not None and after is None and scope.since is None:
        raise ResourceNotFound(error("not-found", f"There is no {scope.resource_type}/{scope.id}"))
    page = versions[:size]
    links = [("self", _url(request, context, parameters))]
    if len(versions) > size and page:
        position = encode_position(page[-1].updated, page[-1].sequence)
        links.append(("next", _url(request, context, parameters | {"_page": position})))
    entries = [_entry(version, context.base_url) for version in page]
    return Response(200, bundle("history", entries, links=links))


def _parameters(request: Request, context: Context) -> dict[str, str]:
    known = dict(pair for pair in request.query if pair[0] in _PARAMETERS)
    unknown = sorted({name for name, _ in request.query} - _PARAMETERS)
    if unknown and not context.preferences.lenient:
        raise InvalidSearch(error("not-supported", "A history knows these parameters: _count, _since"))
    return {name: value for name, value in known.items() if name not in ("_format", "_pretty")}


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidSearch(error("value", "_since is an instant such as 2026-01-31T12:00:00Z")) from None


def _position(text: str | None) -> HistoryPosition | None:
    return HistoryPosition(*decode_position(text)) if text is not None else None


def _url(request: Request, context: Context, parameters: dict[str, str]) -> str:
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{context.base_url}/{'/'.join(request.path)}{query}"


def _entry(version: Version, base_url: str) -> dict[str, Any]:
    address = f"{version.resource_type}/{version.id}"
    is_create = version.method == "POST"
    entry: dict[str, Any] = {"fullUrl": f"{base_url}/{address}"}
    if version.resource is not None:
        entry["resource"] = version.resource
    entry["request"] = {
        "method": version.method,
        "url": version.resource_type if is_create else address,
    }
    status = "201 Created" if version.number == 1 else _STATUS[version.method]
    entry["response"] = {
        "status": status,
        "etag": entity_tag(version.number),
        "lastModified": instant(version.updated),
    }
    return entry
