"""DocumentReference/$docref: the documents of a patient, as US Core has it.

https://hl7.org/fhir/us/core/OperationDefinition-docref.html
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.search.intervals import Interval, interval
from fhir_server.search.parameters import parse_search
from fhir_server.write_path import check_id
from resources.bundle import bundle
from resources.operation_outcome import InvalidContent, Issue, error, operation_outcome

_PARAMETERS = ("patient", "start", "end", "type", "on-demand", "profile")

Resource = dict[str, Any]


async def docref(request: Request, context: Context) -> Response:
    """Answer 200 with a searchset of documents: of the dates asked for, else the newest of each type."""
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    patient = str(given.required("patient")).removeprefix(f"{context.base_url}/").removeprefix("Patient/")
    check_id(patient)
    await read(Request("GET", ("Patient", patient)), context)
    issues: list[Issue] = []
    found = [] if given.boolean("on-demand", default=False) else await _stored(patient, given, context)
    if given.boolean("on-demand", default=False):
        issues.append(Issue("warning", "not-supported", "No documents are made on demand here"))
    start, end = given.interval("start"), given.interval("end")
    if start is None and end is None:
        found = _newest_of_each_type(found)
    else:
        found = [one for one in found if _is_between(one, start, end)]
    limit = context.settings.max_page_size
    if len(found) > limit:
        issues.append(Issue("warning", "incomplete", f"These are the newest {limit}; ask for fewer dates"))
    entries = [entry("match", one, context.base_url) for one in found[:limit]]
    if issues:
        entries.append({"resource": operation_outcome(issues), "search": {"mode": "outcome"}})
    links = [("self", f"{context.base_url}/DocumentReference/$docref")]
    return Response(200, bundle("searchset", entries, links=links, total=len(found[:limit])))


async def _stored(patient: str, given: Inputs, context: Context) -> list[Resource]:
    """Return the current references that the caller sees, the newest first."""
    pairs = [("patient", patient), ("status", "current"), ("_sort", "-date")]
    pairs += [("type", _token(one)) for one in [given.one("type")] if one is not None]
    query = parse_search(
        "DocumentReference", pairs, lenient=False, base_url=context.base_url, now=context.now()
    )
    keys = [(path, key.direction) for key in query.results.sort for path in key.paths]
    limit = context.settings.max_page_size + 1
    documents = await context.store.find("DocumentReference", query.filter, keys, {"resource": 1}, limit)
    return [one["resource"] for one in documents]


def _token(value: Any) -> str:
    """Return the search for a type, which is a CodeableConcept, a Coding, or written as in a search."""
    if isinstance(value, dict):
        codings = value.get("coding") or [value]
        return ",".join(f"{one.get('system', '')}|{one['code']}" for one in codings if one.get("code"))
    if not isinstance(value, str) or not value:
        raise InvalidContent(error("value", "The parameter type is a code"))
    return value


def _newest_of_each_type(found: list[Resource]) -> list[Resource]:
    newest: dict[tuple[str, ...], Resource] = {}
    for one in found:
        codings = (one.get("type") or {}).get("coding") or [{}]
        newest.setdefault(tuple(sorted(str(coding.get("code", "")) for coding in codings)), one)
    return list(newest.values())


def _is_between(document: Resource, start: Interval | None, end: Interval | None) -> bool:
    """Tell whether the care that a document is about, else the document, is of the dates."""
    period = (document.get("context") or {}).get("period") or {}
    first, last = period.get("start") or document.get("date"), period.get("end") or period.get("start")
    last = last or document.get("date")
    if first is None or last is None:
        return False
    return (end is None or interval(first)[0] < end[1]) and (start is None or interval(last)[1] > start[0])


DOCREF = Operation(
    code="docref",
    definition="http://hl7.org/fhir/us/core/OperationDefinition/docref",
    handler=docref,
    types=frozenset({"DocumentReference"}),
    parameters=_PARAMETERS,
    on_type=True,
)
