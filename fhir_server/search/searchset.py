"""A page of a search as a Bundle: the matches, what is included with them, what is to be said, and the links.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#return,
https://hl7.org/fhir/R4/bundle.html#searchset
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fhir_server.context import Context
from fhir_server.query_string import Pairs
from fhir_server.search.cost import needs_scan
from fhir_server.search.included import Found, included
from fhir_server.search.joins import has_lookups, resolved
from fhir_server.search.page_links import KEY_NAME, PAGE, PageLink, Place, new_key, sealed
from fhir_server.search.pages import Match, matches
from fhir_server.search.parameters import Query
from fhir_server.search.plan import found as all_found
from fhir_server.search.results import Results
from fhir_server.search.subsetting import Subsetting, subset
from fhir_server.store import SnapshotGone
from resources.bundle import bundle
from resources.operation_outcome import Issue, operation_outcome

# Without a condition MongoDB counts by reading each document; this one makes it count the keys of an index.
_EVERYTHING = {"seq": {"$gt": 0}}


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was understood `now`, and the place in it: a query for each type that is searched.

    `address` are the path segments after the base, `pairs` what was used of the query, `form` what it says
    of the form of the answer, which goes into links to other pages. `link` is the page link that led here.
    """

    address: tuple[str, ...]
    queries: tuple[Query, ...]
    pairs: Pairs
    now: datetime
    place: Place
    form: Pairs = ()
    link: str | None = None

    @property
    def is_first(self) -> bool:
        """Tell whether this is the search itself, without a page link."""
        return self.link is None

    @property
    def results(self) -> Results:
        """What is wanted of the matches, which is the same for all types but for their order."""
        return self.queries[0].results


async def searchset(search: Search, context: Context) -> dict[str, Any]:
    """Return the Bundle with the page of `search`, as of the moment that its place says.

    When MongoDB does not know that moment any more, the search goes on in the present.
    """
    try:
        async with context.store.as_of(search.place.moment) as store:
            return await _searchset(search, replace(context, store=store))
    except SnapshotGone:
        return await _searchset(replace(search, place=replace(search.place, moment=None)), context)


async def _searchset(search: Search, context: Context) -> dict[str, Any]:
    if any(needs_scan(query.filter) for query in search.queries):
        async with context.store.scanning() as store:
            return await _page(search, replace(context, store=store))
    return await _page(search, context)


async def _page(search: Search, context: Context) -> dict[str, Any]:
    if any(has_lookups(query) for query in search.queries) or len(search.queries) > 1:
        await context.store.fix_moment()
    queries = [await resolved(query, context) for query in search.queries]
    results, issues = search.results, [issue for query in search.queries for issue in query.ignored]
    if results.counts_only:
        number = await _count(queries, context)
        links = [("self", _address(search, context))]
        return bundle("searchset", _outcomes(issues), links=links, total=number)
    size = _size(results, context)
    found = await matches(queries, search.place, size + 1, context)
    page = found[:size][:: -1 if search.place.backwards else 1]
    total = await _total(search, queries, len(found), size, context)
    beside = await included([match.resource for match in page], results.includes, context)
    entries = [
        *(_entry(match.address, match.resource, "match", results.subsetting, context) for match in page),
        *_included_entries(beside, results.subsetting, context),
        *_outcomes([*dict.fromkeys(issues), *beside.issues]),
    ]
    links = await _links(search, page, total, context, has_more=len(found) > size)
    return bundle("searchset", entries, links=links, total=total)


def _size(results: Results, context: Context) -> int:
    settings = context.settings
    wanted = settings.default_page_size if results.count is None else results.count
    return min(wanted, settings.max_page_size)


async def _total(
    search: Search, queries: Sequence[Query], found: int, size: int, context: Context
) -> int | None:
    """Return the number of all matches if it was asked for, or if it costs nothing to know."""
    if search.results.total == "none":
        return None
    if search.place.total is not None:
        return search.place.total
    if search.is_first and found <= size:
        return found
    if search.results.total == "estimate" and not any(query.container for query in queries):
        return sum([await context.store.estimate(query.resource_type, query.filter) for query in queries])
    return None if search.results.total is None else await _count(queries, context)


async def _count(queries: Sequence[Query], context: Context) -> int:
    return sum([await _count_of(query, context) for query in queries])


async def _count_of(query: Query, context: Context) -> int:
    if not query.container:
        return await context.store.count(query.resource_type, query.filter or _EVERYTHING)
    counted = await context.store.aggregate(query.container, [*all_found(query), {"$count": "number"}])
    return int(counted[0]["number"]) if counted else 0


def _entry(
    address: str, resource: dict[str, Any], mode: str, wanted: Subsetting, context: Context
) -> dict[str, Any]:
    return {
        "fullUrl": f"{context.base_url}/{address}",
        "resource": subset(resource, wanted),
        "search": {"mode": mode},
    }


def _included_entries(found: Found, wanted: Subsetting, context: Context) -> list[dict[str, Any]]:
    # "_elements ... does not apply to included resources"
    summary = replace(wanted, elements=())
    return [
        _entry(f"{resource['resourceType']}/{resource['id']}", resource, "include", summary, context)
        for resource in found.resources
    ]


def _outcomes(issues: Sequence[Issue]) -> list[dict[str, Any]]:
    """Return the entry that says what was ignored or left out, if anything was."""
    if not issues:
        return []
    return [{"resource": operation_outcome(issues), "search": {"mode": "outcome"}}]


async def _links(
    search: Search, page: Sequence[Match], total: int | None, context: Context, *, has_more: bool
) -> list[tuple[str, str]]:
    """Return the links to this page and to others; there are others only if the page is not all there is."""
    key = await _key(context)
    moment = context.store.moment

    def link(relation: str, place: Place) -> tuple[str, str]:
        return relation, _page_address(search, replace(place, moment=moment), key, context)

    start = Place(total=total)
    links = [("self", _address(search, context))]
    if search.is_first and not has_more:
        return links
    links.append(link("first", start))
    is_back = search.place.backwards
    if page and (has_more if is_back else not search.is_first and search.place.position is not None):
        links.append(link("previous", replace(start, position=page[0].position, backwards=True)))
    if page and (search.place.position is not None if is_back else has_more):
        links.append(link("next", replace(start, position=page[-1].position)))
    links.append(link("last", replace(start, backwards=True)))
    return links


async def _key(context: Context) -> str:
    return await context.store.shared_key(KEY_NAME, new_key())


def _address(search: Search, context: Context) -> str:
    pairs = search.pairs if search.link is None else ((PAGE, search.link),)
    text = urlencode(pairs, safe=":,|/*")
    return "/".join((context.base_url, *search.address)) + (f"?{text}" if text else "")


def _page_address(search: Search, place: Place, key: str, context: Context) -> str:
    link = PageLink(search.address, search.pairs, search.now, place)
    pairs = [(PAGE, sealed(link, key, context.now())), *search.form]
    return "/".join((context.base_url, *search.address)) + f"?{urlencode(pairs)}"
