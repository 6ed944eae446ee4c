"""history-instance, history-type and history-system: all versions, newest first.

https://hl7.org/fhir/R4/http.html#history
"""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from fhir_server.context import Context, Request, Response
from fhir_server.history_parameters import HistoryParameters, parse_history_parameters
from fhir_server.list_versions import listed_versions
from fhir_server.negotiation import entity_tag
from fhir_server.query_parameters import FORM_PARAMETERS
from fhir_server.query_string import Pairs
from fhir_server.search.page_links import KEY_NAME, PAGE, PageLink, Place, link_in, new_key, opened, sealed
from fhir_server.search.positions import Position
from fhir_server.search.subsetting import Subsetting, subset
from fhir_server.store import HistoryPosition, HistoryScope, Version, instant
from resources.bundle import bundle
from resources.operation_outcome import ResourceNotFound, error

_STATUS = {"POST": "201 Created", "DELETE": "204 No Content"}


async def history(request: Request, context: Context) -> Response:
    """Answer with a Bundle of type history; 404 for a resource that never was."""
    text = link_in(request.query)
    link = None if text is None else await _opened(text, request, context)
    parameters = parse_history_parameters(request if link is None else _asked(request, link), context)
    resource_type, resource_id = (*request.path[:-1], None, None)[:2]
    listed = None if parameters.list_id is None else await listed_versions(parameters.list_id, context)
    scope = HistoryScope(resource_type, resource_id, parameters.since, parameters.at, listed)
    size, after = parameters.size, None if link is None else _position(link)
    versions = await context.store.history(scope, after, size + 1)
    if resource_type and resource_id and not versions and after is None:
        await _check_existence(resource_type, resource_id, context)
    page = versions[:size]
    links = [("self", _url(request, context, parameters.used if text is None else ((PAGE, text),)))]
    if len(versions) > size and page:
        links.append(("next", await _next(page[-1], request, parameters, context)))
    total = len(page) if after is None and len(versions) <= size else await _total(scope, parameters, context)
    entries = [_entry(version, context.base_url, parameters.subsetting) for version in page]
    return Response(200, bundle("history", entries, links=links, total=total))


async def _opened(text: str, request: Request, context: Context) -> PageLink:
    key = await context.store.shared_key(KEY_NAME, new_key())
    return opened(text, request.path, key, context.now(), context.settings.page_link_seconds)


def _asked(request: Request, link: PageLink) -> Request:
    return replace(request, query=link.pairs)


def _position(link: PageLink) -> HistoryPosition | None:
    position = link.place.position
    return None if position is None else HistoryPosition(position.values[0], position.sequence)


async def _next(last: Version, request: Request, parameters: HistoryParameters, context: Context) -> str:
    """Return the link to the page after the version `last`; pages are stable, as new versions come before."""
    now = context.now()
    place = Place(Position((last.updated,), last.sequence))
    key = await context.store.shared_key(KEY_NAME, new_key())
    page = sealed(PageLink(request.path, parameters.used, now, place), key, now)
    form = tuple(pair for pair in request.query if pair[0] in FORM_PARAMETERS)
    return _url(request, context, ((PAGE, page), *form))


async def _check_existence(resource_type: str, resource_id: str, context: Context) -> None:
    if await context.store.read(resource_type, resource_id) is None:
        raise ResourceNotFound(error("not-found", f"There is no {resource_type}/{resource_id}"))


async def _total(scope: HistoryScope, parameters: HistoryParameters, context: Context) -> int | None:
    """Return the number of versions where it costs little to know, or where nothing else was asked for."""
    return await context.store.count_history(scope) if scope.id or not parameters.size else None


def _url(request: Request, context: Context, pairs: Pairs) -> str:
    query = f"?{urlencode(pairs)}" if pairs else ""
    return f"{context.base_url}/{'/'.join(request.path)}{query}"


def _entry(version: Version, base_url: str, wanted: Subsetting) -> dict[str, Any]:
    address = f"{version.resource_type}/{version.id}"
    is_create = version.method == "POST"
    entry: dict[str, Any] = {"fullUrl": f"{base_url}/{address}"}
    if version.resource is not None:
        entry["resource"] = subset(version.resource, wanted)
    entry["request"] = {
        "method": version.method,
        "url": version.resource_type if is_create else address,
    }
    status = "201 Created" if version.number == 1 else _STATUS.get(version.method, "200 OK")
    entry["response"] = {
        "status": status,
        "etag": entity_tag(version.number),
        "lastModified": instant(version.updated),
    }
    return entry
