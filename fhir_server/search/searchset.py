"""search-type: a page of matches as a Bundle, with links to itself and the next.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#return
"""

from typing import Any
from urllib.parse import urlencode

from fhir_server.context import Context
from fhir_server.search.parameters import Query
from fhir_server.search.plan import finds, pipeline, position_of
from fhir_server.search.positions import Position, encode_position
from resources.bundle import bundle
from resources.operation_outcome import operation_outcome

Document = dict[str, Any]

# Without a condition MongoDB counts by reading each document; this one makes it count the keys of an index.
_EVERYTHING = {"seq": {"$gt": 0}}


async def searchset(query: Query, after: Position | None, context: Context) -> dict[str, Any]:
    """Return the Bundle with the page of `query` that begins after `after`."""
    links = [("self", _url(query, context, after))]
    if query.results.counts_only:
        return bundle("searchset", _outcome(query), links=links, total=await _count(query, context))
    settings, wanted = context.settings, query.results.count
    size = min(settings.default_page_size if wanted is None else wanted, settings.max_page_size)
    documents = await _documents(query, after, size + 1, context)
    page = documents[:size]
    if len(documents) > size:
        links.append(("next", _url(query, context, position_of(query, page[-1]))))
    entries = [_entry(document, context.base_url) for document in page] + _outcome(query)
    total_known = await _total(query, after, len(documents), size, context)
    return bundle("searchset", entries, links=links, total=total_known)


async def _documents(query: Query, after: Position | None, limit: int, context: Context) -> list[Document]:
    steps = finds(query, after)
    if steps is None:
        return await context.store.aggregate(query.resource_type, pipeline(query, after, limit))
    documents: list[Document] = []
    for step in steps:
        if len(documents) < limit:
            documents += await context.store.find(
                query.resource_type, step.filter, step.sort, step.projection, limit - len(documents)
            )
    return documents


async def _total(query: Query, after: Position | None, found: int, size: int, context: Context) -> int | None:
    """Return the number of all matches if it was asked for, or if it costs nothing to know."""
    if query.results.total == "none":
        return None
    if after is None and found <= size:
        return found
    return None if query.results.total is None else await _count(query, context)


async def _count(query: Query, context: Context) -> int:
    return await context.store.count(query.resource_type, query.filter or _EVERYTHING)


def _entry(document: Document, base_url: str) -> dict[str, Any]:
    resource = document["resource"]
    return {
        "fullUrl": f"{base_url}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
        "search": {"mode": "match"},
    }


def _outcome(query: Query) -> list[dict[str, Any]]:
    """Return the entry that says what was ignored, if anything was."""
    if not query.ignored:
        return []
    return [{"resource": operation_outcome(query.ignored), "search": {"mode": "outcome"}}]


def _url(query: Query, context: Context, after: Position | None) -> str:
    pairs = [*query.used, *([("_page", encode_position(after))] if after else [])]
    text = urlencode(pairs, safe=":,|/")
    return f"{context.base_url}/{query.resource_type}" + (f"?{text}" if text else "")
