"""DocumentReference/$docref: the documents of a patient, as US Core has it.

https://hl7.org/fhir/us/core/OperationDefinition-docref.html
"""

from datetime import timedelta
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.search.asked import either
from fhir_server.search.parameters import parse_search
from fhir_server.store import instant
from fhir_server.write_path import check_id
from resources.bundle import bundle
from resources.operation_outcome import InvalidContent, Issue, error, operation_outcome

_PARAMETERS = ("patient", "start", "end", "type", "on-demand", "profile")

_MOMENT = timedelta(milliseconds=1)

Resource = dict[str, Any]


async def docref(request: Request, context: Context) -> Response:
    """Answer 200 with a searchset of documents: of the dates asked for, else the newest of each type."""
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    patient = str(given.required("patient")).removeprefix(f"{context.base_url}/").removeprefix("Patient/")
    check_id(patient)
    await read(Request("GET", ("Patient", patient)), context)
    issues: list[Issue] = []
    if given.boolean("on-demand", default=False):
        found: list[Resource] = []
        issues.append(Issue("warning", "not-supported", "No documents are made on demand here"))
    else:
        found = await _stored(patient, given, context)
    limit = context.settings.max_page_size
    is_cut = len(found) > limit
    found = found[:limit]
    if is_cut:
        message = f"Of more than {limit} documents only the newest were looked at; ask for fewer dates"
        issues.append(Issue("warning", "incomplete", message))
    if given.one("start") is None and given.one("end") is None:
        found = _newest_of_each_type(found)
    entries = [entry("match", one, context.base_url) for one in found]
    if issues:
        entries.append({"resource": operation_outcome(issues), "search": {"mode": "outcome"}})
    links = [("self", f"{context.base_url}/DocumentReference/$docref")]
    # How many there are is not known of those that are cut off.
    return Response(200, bundle("searchset", entries, links=links, total=None if is_cut else len(found)))


async def _stored(patient: str, given: Inputs, context: Context) -> list[Resource]:
    """Return the current references that the caller sees, the newest first: one more than a page at most."""
    pairs = [("patient", patient), ("status", "current"), ("_sort", "-date")]
    pairs += [("type", _token(one)) for one in [given.one("type")] if one is not None]
    queries = [
        parse_search(
            "DocumentReference",
            [*pairs, *dates],
            lenient=False,
            base_url=context.base_url,
            now=context.now(),
        )
        for dates in _of_dates(given)
    ]
    keys = [(path, key.direction) for key in queries[0].results.sort for path in key.paths]
    condition = either(one.filter for one in queries)
    limit = context.settings.max_page_size + 1
    documents = await context.store.find("DocumentReference", condition, keys, {"resource": 1}, limit)
    return [one["resource"] for one in documents]


def _of_dates(given: Inputs) -> list[list[tuple[str, str]]]:
    """Return the searches for what is of the dates: the care that a document is about, else the document."""
    start, end = given.interval("start"), given.interval("end")
    # Moments, as what ends on a day is not ge that day (https://hl7.org/fhir/R4/search.html#prefix).
    bounds = [] if start is None else [f"ge{instant(start[0])}"]
    bounds += [] if end is None else [f"le{instant(end[1] - _MOMENT)}"]
    if not bounds:
        return [[]]
    of_care = [("period", one) for one in bounds]
    of_document = [("period:missing", "true"), *(("date", one) for one in bounds)]
    return [of_care, of_document]


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


DOCREF = Operation(
    code="docref",
    definition="http://hl7.org/fhir/us/core/OperationDefinition/docref",
    handler=docref,
    types=frozenset({"DocumentReference"}),
    parameters=_PARAMETERS,
    on_type=True,
)
