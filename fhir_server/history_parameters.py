"""The parameters of a history: _since, _at, _count and _list, and what is wanted of each resource.

R4 gives a history no `_sort`: the newest version always comes first. A deletion is current at its own moment
alone, so that `_at` shows it in a period in which it happened, and not after.
https://hl7.org/fhir/R4/http.html#history
"""

from dataclasses import dataclass
from datetime import datetime

from fhir_server.context import Context, Request
from fhir_server.paging import page_size
from fhir_server.query_parameters import SUBSETTING_PARAMETERS, check_parameters, subsetting_of
from fhir_server.query_string import Pairs
from fhir_server.search.intervals import Interval, interval
from fhir_server.search.subsetting import Subsetting
from resources.definitions import resource_types
from resources.operation_outcome import InvalidSearch, error
from resources.references import is_id

_KNOWN = ("_at", "_count", "_list", "_since")
_DATE = "a date such as 2026-01-31 or 2026-01-31T12:00:00Z"


@dataclass(frozen=True, slots=True)
class HistoryParameters:
    """What a history was asked for with; `used` are the pairs that links repeat."""

    size: int
    since: datetime | None
    at: Interval | None
    list_id: str | None
    subsetting: Subsetting
    used: Pairs


def parse_history_parameters(request: Request, context: Context) -> HistoryParameters:
    """Return what the query of `request` asks for; raise InvalidSearch for what is not understood."""
    known = (*_KNOWN, *SUBSETTING_PARAMETERS)
    check_parameters(request, context, known)
    types = request.path[:1] if len(request.path) > 1 else resource_types()
    given: dict[str, str] = {}
    for name, text in request.query:
        if name in known and text and given.setdefault(name, text) != text:
            raise InvalidSearch(error("invalid", f"{name} is given twice"))
    since = _interval("_since", given)
    return HistoryParameters(
        page_size(given.get("_count"), context.settings),
        since[0] if since else None,
        _interval("_at", given),
        _list_id(given.get("_list"), context.base_url),
        subsetting_of(request, types),
        tuple(given.items()),
    )


def _interval(name: str, given: dict[str, str]) -> Interval | None:
    if name not in given:
        return None
    try:
        # A "+" that was not encoded, as in 2026-01-31T12:00:00+02:00, arrives as a space.
        return interval(given[name].replace(" ", "+"))
    except ValueError:
        raise InvalidSearch(error("value", f"{name} is {_DATE}")) from None


def _list_id(reference: str | None, base_url: str) -> str | None:
    if reference is None:
        return None
    if reference.startswith("$"):
        message = "_list names a List by its id; this server keeps no lists such as $current-medications"
        raise InvalidSearch(error("not-supported", message))
    list_id = reference.removeprefix(f"{base_url}/").removeprefix("List/")
    if not is_id(list_id):
        raise InvalidSearch(error("value", "_list is the id of a List, such as 42 or List/42"))
    return list_id
