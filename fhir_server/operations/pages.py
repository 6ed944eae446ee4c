"""Pages of what an operation answers, linked as those of searches are: opaque, and good for a time.

https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlencode

from fhir_server.context import Context, Request
from fhir_server.search.page_links import KEY_NAME, PAGE, PageLink, Place, link_in, new_key, opened, sealed
from fhir_server.search.positions import Position

_FORM = ("_format", "_pretty")


async def first_request(request: Request, context: Context) -> tuple[Request, Position | None]:
    """Return what was asked for at first, and after which position the page that is asked for now begins.

    Raises InvalidSearch for a link that was not made here, and PageLinkExpired for one that is too old.
    """
    text = link_in(request.query)
    if text is None:
        return request, None
    key = await context.store.shared_key(KEY_NAME, new_key())
    link = opened(text, request.path, key, context.now(), context.settings.page_link_seconds)
    return replace(request, query=link.pairs, body=None), link.place.position


async def page_links(
    request: Request, pairs: Iterable[tuple[str, str]], after: Position | None, context: Context
) -> list[tuple[str, str]]:
    """Return the links of a page of what `pairs` ask for: to itself, and to what comes `after`, if anything.

    `request` is the one that asks for this page.
    """
    asked = tuple(pairs)
    address = "/".join((context.base_url, *request.path))
    form = [pair for pair in request.query if pair[0] in _FORM]
    link = link_in(request.query)
    text = urlencode(asked if link is None else [(PAGE, link)], safe=":,|/")
    links = [("self", f"{address}?{text}" if text else address)]
    if after is not None:
        key = await context.store.shared_key(KEY_NAME, new_key())
        now = context.now()
        page = sealed(PageLink(request.path, asked, now, Place(after)), key, now)
        links.append(("next", f"{address}?{urlencode([(PAGE, page), *form])}"))
    return links
