"""From a request to the search that it asks for, over one resource type or several, on any page.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#all
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from fhir_server.context import Context, Request, Response
from fhir_server.query_string import Pairs
from fhir_server.search import explaining
from fhir_server.search.asked import Condition, both
from fhir_server.search.criteria import problem
from fhir_server.search.known import supported_codes
from fhir_server.search.page_links import KEY_NAME, Place, link_in, new_key, opened
from fhir_server.search.parameters import parse_search
from fhir_server.search.plan import contained_queries
from fhir_server.search.ranges import in_order_of_range
from fhir_server.search.results import is_result_parameter
from fhir_server.search.searchset import Search, searchset
from resources.custom_parameters import once_for_all_types
from resources.definitions import resource_types
from resources.operation_outcome import InvalidSearch, Issue, error

_TYPE = "_type"
_FORM = ("_format", "_pretty")
# In a database where nothing is stored yet a search over all types is one over this one.
_ANY_TYPE = ("Basic",)

Restriction = Callable[[str, datetime], Condition]
"""From a resource type and the present to the condition that its resources have to meet beside the search."""


async def answer(
    request: Request,
    context: Context,
    types: Sequence[str] | None,
    restriction: Restriction | None = None,
    among: Sequence[str] | None = None,
) -> Response:
    """Answer 200 with a Bundle of type searchset: of resources of `types`, or of those that `_type` names.

    The latter are `among` some, or among all of R4. Raises InvalidSearch for what is not understood, and
    PageLinkExpired for a link that was followed too late.
    """
    address = _address(request.path)
    form = tuple(pair for pair in request.query if pair[0] in _FORM)
    text = link_in(request.query)
    if text is None:
        beside = (*_FORM, explaining.EXPLAIN)
        pairs = tuple(pair for pair in request.query if pair[0] not in beside and pair[1])
        place, now, lenient = Place(), context.now(), context.preferences.lenient
    else:
        key = await context.store.shared_key(KEY_NAME, new_key())
        link = opened(text, address, key, context.now(), context.settings.page_link_seconds)
        pairs, place, now, lenient = link.pairs, link.place, link.now, False
    search = Search(address, (), (), now, place, form, text)
    if types is None:
        search = await _over_types(search, pairs, among, context, lenient=lenient)
    else:
        search = _understood(search, pairs, types, context, lenient=lenient)
    search = await _with_contained(search, context, is_possible=types is not None and restriction is None)
    if restriction is not None:
        restricted = (
            replace(query, filter=both([restriction(query.resource_type, now), query.filter]))
            for query in search.queries
        )
        search = replace(search, queries=tuple(restricted))
    if len(search.queries) == 1:
        search = replace(search, queries=(in_order_of_range(search.queries[0]),))
    if explaining.is_wanted(request.query):
        return Response(200, await explaining.explanation(search, context))
    return Response(200, await searchset(search, context))


def _address(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path at which a search, if it was posted, goes on by GET."""
    if path[-1:] != ("_search",):
        return path
    return (*path[:-1], "*") if len(path) == 3 else path[:-1]


async def _over_types(
    search: Search, pairs: Pairs, among: Sequence[str] | None, context: Context, *, lenient: bool
) -> Search:
    """Return `search` with the queries that `pairs` ask for of the types that `_type` names, or of all."""
    named = _types(text for name, text in pairs if name == _TYPE)
    if among is not None and set(named) - set(among):
        raise InvalidSearch(error("value", f"_type: these may be in the compartment: {', '.join(among)}"))
    stored = [name for name in await context.store.stored_types() if among is None or name in among]
    types = named or tuple(stored) or (among or _ANY_TYPE)[:1]
    rest, ignored = _known_to_all(tuple(pair for pair in pairs if pair[0] != _TYPE), named, lenient=lenient)
    search = _understood(search, rest, types, context, lenient=lenient)
    first, *others = search.queries
    first = replace(first, ignored=(*ignored, *first.ignored))
    used = [pair for pair in pairs if pair[0] == _TYPE]
    return replace(search, queries=(first, *others), pairs=(*used, *search.pairs))


def _understood(
    search: Search, pairs: Pairs, types: Sequence[str], context: Context, *, lenient: bool
) -> Search:
    """Return `search` with the queries that `pairs` ask for, one for each type."""
    queries = tuple(
        parse_search(
            name, pairs, lenient=lenient, base_url=context.base_url, now=search.now, types=tuple(types)
        )
        for name in types
    )
    return replace(search, queries=queries, pairs=queries[0].used)


async def _with_contained(search: Search, context: Context, *, is_possible: bool) -> Search:
    """Return `search` with the queries of what is contained in resources of any type, if it asks for them."""
    if search.results.containment.searched == "false":
        return search
    if not is_possible:
        message = "_contained is for searches over one resource type, such as Medication?_contained=true"
        raise InvalidSearch(error("not-supported", message))
    [query] = search.queries
    stored = await context.store.stored_types() or [query.resource_type]
    return replace(search, queries=contained_queries(query, stored))


def _types(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the types that `_type` names, each once; raise InvalidSearch for what is none."""
    names = [name for text in texts for name in text.split(",") if name]
    wrong = [name for name in names if name not in resource_types()]
    if wrong:
        shown = f"'{wrong[0]}'" if len(wrong[0]) < 64 and wrong[0].isalnum() else "a value"
        raise InvalidSearch(error("value", f"_type is names of resource types; {shown} is none"))
    return tuple(dict.fromkeys(names))


def _known_to_all(pairs: Pairs, named: Sequence[str], *, lenient: bool) -> tuple[Pairs, list[Issue]]:
    """Return those of `pairs` that may be asked of all types together, and what is said of the others.

    Without types that are named it is what all types of R4 have, not those that happen to be stored.
    """
    refused: Mapping[str, Issue] = {
        name: found
        for name in dict.fromkeys(name for name, _ in pairs)
        if not is_result_parameter(name) and (found := _refusal(name, named))
    }
    if refused and not lenient:
        raise InvalidSearch(*refused.values())
    issues = [Issue("warning", found.code, found.diagnostics) for found in refused.values()]
    return tuple(pair for pair in pairs if pair[0] not in refused), issues


def _refusal(name: str, named: Sequence[str]) -> Issue | None:
    for resource_type in named or resource_types():
        found = problem(resource_type, name)
        if found is not None and named:
            return found
        if found is not None:
            common = ", ".join(_common_codes())
            message = f"A search over all types takes {common}; for other parameters name types by _type"
            return error("not-supported", message)
    return None


@once_for_all_types
def _common_codes() -> tuple[str, ...]:
    found = set(supported_codes(resource_types()[0]))
    for resource_type in resource_types():
        found &= set(supported_codes(resource_type))
    return tuple(sorted(found))
