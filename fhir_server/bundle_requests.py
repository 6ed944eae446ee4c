"""The entries of a batch or transaction as requests, and the order in which they are carried out.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import unquote

from fhir_server.context import Context, Request, Route
from fhir_server.negotiation import http_date
from fhir_server.patches import entry_patch
from fhir_server.query_string import parse_pairs
from resources.bundle import Entry
from resources.operation_outcome import InvalidContent, error

_ORDER = (("DELETE",), ("POST",), ("PUT", "PATCH"), ("GET", "HEAD"))


def in_processing_order(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return the entries in groups by method: deletions, creates, updates, reads."""
    groups = [[entry for entry in entries if entry.method in methods] for methods in _ORDER]
    return [group for group in groups if group]


def is_reading(request: Request, route: Route) -> bool:
    """Tell whether `request` changes nothing, so that it may come last and be answered with a resource."""
    return request.method in ("GET", "HEAD") or request.path[-1:] == ("_search",) or route.is_safe


def entry_request(entry: Entry, context: Context) -> Request:
    """Return what `entry` asks for; its URL is relative to the base, or absolute with the base in front."""
    address, _, query = entry.url.removeprefix(context.base_url).partition("?")
    if ":" in address:
        raise InvalidContent(
            error("value", "The URL is not one of this server", f"{entry.expression}.request.url")
        )
    path = tuple(unquote(segment) for segment in address.strip("/").split("/") if segment)
    is_patch = entry.method == "PATCH"
    body = entry_patch(entry.resource, f"{entry.expression}.resource") if is_patch else entry.resource
    return Request(
        entry.method,
        path,
        parse_pairs(query),
        body,
        if_match=entry.if_match,
        if_none_match=entry.if_none_match,
        if_modified_since=_as_http_date(entry.if_modified_since),
        if_none_exist=entry.if_none_exist,
    )


def _as_http_date(moment: str | None) -> str | None:
    """Return the instant of an entry as the header has it: in seconds, and rather too early than too late."""
    if moment is None:
        return None
    try:
        since = datetime.fromisoformat(moment)
        return http_date(since - timedelta(seconds=1) if since.microsecond else since)
    except (ValueError, OverflowError):  # an instant by its form, but beyond what a header can say
        return None
