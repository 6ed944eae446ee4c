"""$lastn: the latest observations of a subject, so and so many of each code.

https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, given_parameters, quoted
from fhir_server.operations.latest import Latest, latest, latest_pipeline
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.operations.pages import first_request, page_links
from fhir_server.search.joins import resolved
from fhir_server.search.parameters import Query, parse_search
from fhir_server.search.positions import Position
from fhir_server.search.results import RESULT_PARAMETERS
from resources.bundle import bundle
from resources.operation_outcome import InvalidContent, InvalidSearch, error, operation_outcome

_PARAMETERS = ("max",)
_SUBJECTS = frozenset({"patient", "subject"})
# A larger number is better asked for by a search.
_LARGEST_MAX = 1_000
_NO_SUBJECT = frozenset({"missing", "not"})


async def lastn(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of type searchset, the latest first; without a match it is empty."""
    asked, position = await first_request(request, context)
    given = given_parameters(asked)
    query = await resolved(_query(given, context), context)
    most = _most(Inputs(given))
    rows = await context.store.aggregate("Observation", latest_pipeline(query.filter, most))
    chosen = latest(rows, most, context.base_url)
    after = (position.values[0], position.sequence) if position else None
    rest = [one for one in chosen if after is None or (one.time, one.sequence) < after]
    page = rest[: _size(query, context)]
    pairs = [*query.used, *(("max", str(value)) for value in given.get("max", ()))]
    has_more = len(rest) > len(page) > 0
    end = Position((page[-1].time,), page[-1].sequence) if has_more else None
    links = await page_links(request, pairs, end, context)
    entries = await _entries(page, context)
    if query.ignored:
        entries.append({"resource": operation_outcome(query.ignored), "search": {"mode": "outcome"}})
    return Response(200, bundle("searchset", entries, links=links, total=len(chosen)))


def _most(given: Inputs) -> int:
    most = given.count("max")
    if most is not None and not 1 <= most <= _LARGEST_MAX:
        raise InvalidContent(error("value", f"The parameter max is a whole number from 1 to {_LARGEST_MAX}"))
    return most or 1


def _query(given: Mapping[str, tuple[Any, ...]], context: Context) -> Query:
    """Return the search that says which observations count; raise InvalidSearch if it lacks a part."""
    pairs = [
        (name, _text(name, value)) for name, values in given.items() if name != "max" for value in values
    ]
    unwanted = sorted({name for name, _ in pairs if name.partition(":")[0] in RESULT_PARAMETERS - {"_count"}})
    if unwanted:
        message = (
            f"The results of $lastn come as they are, the latest first: {', '.join(unwanted)} is not for it"
        )
        raise InvalidSearch(error("not-supported", message))
    if not any(_names_subject(name) for name, text in pairs if text):
        raise InvalidSearch(error("required", "$lastn needs a subject: the parameter patient or subject"))
    if not any(_names_code(name) for name, text in pairs if text):
        message = "$lastn needs a parameter that says what was observed: category, code, combo-code and so on"
        raise InvalidSearch(error("required", message))
    return parse_search(
        "Observation",
        pairs,
        lenient=context.preferences.lenient,
        base_url=context.base_url,
        now=context.now(),
    )


def _text(name: str, value: Any) -> str:
    """Return a value from Parameters as it would stand in an address."""
    match value:
        case bool():
            return "true" if value else "false"
        case {"reference": str(reference)}:
            return reference
        case {"code": str(code)}:
            return f"{value['system']}|{code}" if "system" in value else code
        case dict() | list() | None:
            raise InvalidContent(error("value", f"The parameter {quoted(name)} is text, as in a search"))
    return str(value)


def _names_subject(name: str) -> bool:
    code, _, modifier = name.replace(".", ":").partition(":")
    return code in _SUBJECTS and modifier not in _NO_SUBJECT


def _names_code(name: str) -> bool:
    """Tell whether a parameter is the category, or has an element `code` in its expression."""
    code = name.partition(":")[0]
    return code == "category" or "code" in code.split("-")


def _size(query: Query, context: Context) -> int:
    most = context.settings.max_page_size
    return most if query.results.count is None else min(query.results.count, most)


async def _entries(page: list[Latest], context: Context) -> list[dict[str, Any]]:
    ids = [one.id for one in page]
    found = await context.store.find("Observation", {"_id": {"$in": ids}}, (), {"resource": 1}, len(ids))
    resources = {document["_id"]: document["resource"] for document in found}
    return [entry("match", resources[one], context.base_url) for one in ids if one in resources]


LASTN = Operation(
    code="lastn",
    definition="http://hl7.org/fhir/OperationDefinition/Observation-lastn",
    handler=lastn,
    types=frozenset({"Observation"}),
    parameters=_PARAMETERS,
    on_type=True,
    takes_search=True,
)
