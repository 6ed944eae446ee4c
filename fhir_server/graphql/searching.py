"""Searches: from arguments to the pairs of a REST search, and from its Bundle to a list or a connection.

https://hl7.org/fhir/R4/graphql.html#searching, https://hl7.org/fhir/R4/graphql.html#reverse
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fhir_server.graphql.arguments import searched_codes
from fhir_server.graphql.cursors import Cursor, decode_cursor, encode_cursor
from fhir_server.graphql.fields import Arguments
from fhir_server.graphql.filtering import check_syntax
from fhir_server.graphql.reading import is_match, matches
from fhir_server.graphql.scalars import as_text
from fhir_server.search.page_links import PAGE
from fhir_server.settings import Settings
from resources.operation_outcome import InvalidSearch, TooCostly, error
from resources.search_parameters import search_parameters

_COMMA = re.compile(r"(?<!\\)((?:\\\\)*),")
_NAMES_OF_CURSOR = ("_cursor", "cursor")


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it is sent: with its pairs, or with the page link that a cursor held.

    `fhirpath` chooses among its matches. `size` is how many are on a page, if the cursor says so, and
    `offset` how many are on earlier pages, None where that is not known.
    """

    resource_type: str
    pairs: tuple[tuple[str, str], ...]
    fhirpath: str | None = None
    size: int | None = None
    offset: int | None = 0


def asked_search(resource_type: str, arguments: Arguments, referred: str | None, key: str) -> Search:
    """Return the search that the arguments of a field ask for.

    `referred` is what `_reference` is to point to, such as `Patient/1`; `key` is that of the cursors. Raises
    InvalidSearch.
    """
    cursors = [arguments[name] for name in _NAMES_OF_CURSOR if name in arguments]
    if cursors:
        if len(arguments) > 1:
            raise InvalidSearch(
                error("invalid", "A cursor stands alone: it holds the arguments of its search")
            )
        cursor = decode_cursor(cursors[0], resource_type, key)
        return Search(resource_type, ((PAGE, cursor.link),), cursor.fhirpath, cursor.size, cursor.offset)
    fhirpath = arguments.get("fhirpath")
    if fhirpath is not None:
        check_syntax(fhirpath)
    return Search(resource_type, tuple(_pairs(resource_type, arguments, referred)), fhirpath)


def _pairs(resource_type: str, arguments: Arguments, referred: str | None) -> list[tuple[str, str]]:
    codes = searched_codes(resource_type)
    pairs = []
    for name, value in arguments.items():
        if name == "_reference":
            pairs.append((_reference_code(resource_type, value), referred or ""))
        elif name in codes:
            # "Values in an array or ORed"; a comma in one of them is part of it.
            pairs.append((codes[name], ",".join(_COMMA.sub(r"\1\\,", as_text(one)) for one in value)))
        elif name != "fhirpath":
            pairs.append((name, as_text(value)))
    return pairs


def _reference_code(resource_type: str, name: str) -> str:
    code = searched_codes(resource_type).get(name.replace("-", "_"))
    if code is None or search_parameters(resource_type)[code].type != "reference":
        known = ", ".join(sorted(_reference_names(resource_type)))
        raise InvalidSearch(error("value", f"_reference of {resource_type} is one of {known}"))
    return code


def _reference_names(resource_type: str) -> list[str]:
    parameters = search_parameters(resource_type)
    return [
        name for name, code in searched_codes(resource_type).items() if parameters[code].type == "reference"
    ]


def list_pairs(search: Search, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the pairs that give all matches in one page, if the client does not ask for less."""
    if any(name == "_count" for name, _ in search.pairs):
        return search.pairs
    return (*search.pairs, ("_count", str(settings.max_page_size)))


def listed(search: Search, found: Mapping[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """Return the matches of a list; raise TooCostly if there are more than it may hold.

    "Servers may reject the request if there are too many matches ... (rather than silently filtering)"
    """
    asks_for_all = not any(name == "_count" for name, _ in search.pairs)
    if asks_for_all and _page_link(found, "next") is not None:
        most = settings.max_page_size
        message = f"There are more than {most} matches: give _count, or ask {search.resource_type}Connection"
        raise TooCostly(error("too-costly", message))
    return matches(found)


def connection_pairs(search: Search, *, is_counted: bool) -> tuple[tuple[str, str], ...]:
    """Return the pairs for a page, with the number of all matches if somebody wants to know it.

    A page link knows the number if the first page was asked for it, and takes nothing beside it.
    """
    is_linked = any(name == PAGE for name, _ in search.pairs)
    return (*search.pairs, ("_total", "accurate")) if is_counted and not is_linked else search.pairs


def connection(search: Search, found: Mapping[str, Any], settings: Settings, key: str) -> dict[str, Any]:
    """Return a page of matches as an object with the fields of a connection; `edges` keep their entries.

    There are cursors, made with `key`, where REST has links to other pages.
    """
    size = _page_size(search, settings)
    total = found.get("total")
    page: dict[str, Any] = {
        "count": total,
        "offset": search.offset,
        "pagesize": size,
        "edges": [_edge(entry) for entry in found.get("entry", ()) if is_match(entry)],
    }
    offsets = {
        "first": 0,
        "previous": None if search.offset is None else max(search.offset - size, 0),
        "next": None if search.offset is None else search.offset + size,
        "last": None if total is None else max(total - size, 0),
    }
    for relation, offset in offsets.items():
        link = _page_link(found, relation)
        if link is not None:
            cursor = Cursor(search.resource_type, link, search.fhirpath, size, offset)
            page[relation] = encode_cursor(cursor, key)
    return page


def _edge(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry.get("search", {}), "resource": entry["resource"]}


def _page_size(search: Search, settings: Settings) -> int:
    if search.size is not None:
        return search.size
    counts = [text for name, text in search.pairs if name == "_count"]
    return min(int(counts[0]) if counts else settings.default_page_size, settings.max_page_size)


def _page_link(found: Mapping[str, Any], relation: str) -> str | None:
    """Return what stands for another page in the link to it, None if there is no such link."""
    url = next((link["url"] for link in found.get("link", ()) if link["relation"] == relation), None)
    return None if url is None else dict(parse_qsl(urlsplit(url).query)).get(PAGE)
