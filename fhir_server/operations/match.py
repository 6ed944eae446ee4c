"""Patient/$match: who of the patients here may be the one that is described, and why.

https://hl7.org/fhir/R4/patient-operation-match.html, https://hl7.org/fhir/R4/search.html#score
"""

from decimal import Decimal
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.matching.blocking import Pairs, blocks, needed
from fhir_server.matching.comparison import compare
from fhir_server.matching.demographics import Demographics, demographics
from fhir_server.matching.scoring import Score, score
from fhir_server.matching.weights import Weights, load_weights
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.search.parameters import parse_search
from resources.bundle import bundle, refusal
from resources.operation_outcome import InvalidContent, Issue, error, operation_outcome
from resources.validation import validate

Document = dict[str, Any]
_Match = tuple[Score, dict[str, Any]]

_PARAMETERS = ("resource", "onlyCertainMatches", "count")
_MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
# More patients than these are not told from each other by what a block looks at.
_MOST_OF_A_BLOCK = 200
_MOST_MATCHES = 50


async def match(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of type searchset, the likeliest patient first; it may be empty.

    Raises InvalidContent for what is no Patient, or says too little to look for anybody.
    """
    given = inputs(request, _PARAMETERS, resource_name="resource", lenient=context.preferences.lenient)
    patient = _patient(given)
    only_certain = given.boolean("onlyCertainMatches", default=False)
    count = given.count("count")
    if count == 0:
        raise InvalidContent(error("value", "The parameter count is a whole number, 1 at least"))
    known = demographics(patient)
    searches = blocks(patient, known)
    if not searches:
        message = f"The parameter resource says too little: it needs {', or '.join(needed())}"
        raise InvalidContent(error("required", message))
    candidates, issues = await _candidates(searches, context)
    found = _matches(known, candidates, load_weights(context.settings.match_weights))
    if only_certain:
        found = _only_certain(found, issues)
    found = found[: min(count or _MOST_MATCHES, context.settings.max_page_size)]
    entries = [_entry(scored, resource, context) for scored, resource in found]
    issues += [_explanation(scored, index) for index, (scored, _) in enumerate(found)]
    if issues:
        entries.append({"resource": operation_outcome(issues), "search": {"mode": "outcome"}})
    links = [("self", f"{context.base_url}/Patient/$match")]
    return Response(200, bundle("searchset", entries, links=links, total=len(found)))


def _patient(given: Inputs) -> dict[str, Any]:
    given.required("resource")
    patient: dict[str, Any] = given.resource("resource") or {}
    if patient["resourceType"] != "Patient":
        raise InvalidContent(error("value", "The parameter resource is a Patient"))
    # "nor does it need to pass validation (i.e. mandatory fields don't need to be populated)"
    issues = validate(patient)
    failure = refusal(issues) if issues else None
    if isinstance(failure, InvalidContent):
        raise failure
    return patient


async def _candidates(searches: list[Pairs], context: Context) -> tuple[list[Document], list[Issue]]:
    """Return the patients that the searches find, each once, and what is to be said of searches cut short."""
    found: dict[str, Document] = {}
    issues: list[Issue] = []
    for pairs in searches:
        # One after the other, since in a transaction the database allows no two at once.
        documents = await _block(pairs, context)
        if len(documents) > _MOST_OF_A_BLOCK:
            names = " and ".join(name for name, _ in pairs)
            message = (
                f"More than {_MOST_OF_A_BLOCK} patients have this {names}; not all of them were compared"
            )
            issues.append(Issue("warning", "incomplete", message))
        found |= {document["_id"]: document for document in documents[:_MOST_OF_A_BLOCK]}
    return list(found.values()), issues


async def _block(pairs: Pairs, context: Context) -> list[Document]:
    query = parse_search("Patient", pairs, lenient=False, base_url=context.base_url, now=context.now())
    return await context.store.find("Patient", query.filter, (), {"resource": 1}, _MOST_OF_A_BLOCK + 1)


def _matches(known: Demographics, candidates: list[Document], weights: Weights) -> list[_Match]:
    """Return the candidates that may be the one, the likeliest first."""
    found = []
    for document in candidates:
        if _is_merged(document["resource"]):
            continue  # what it said is in the record that it went into
        scored = score(compare(known, demographics(document["resource"])), weights)
        if scored.grade != "certainly-not":
            found.append((scored, document["resource"]))
    return sorted(found, key=lambda pair: (-pair[0].weight, pair[1]["id"]))


def _is_merged(patient: Document) -> bool:
    return any(link.get("type") == "replaced-by" for link in patient.get("link") or ())


def _only_certain(found: list[_Match], issues: list[Issue]) -> list[_Match]:
    """Return the only certain match; if several are certain, or none is, nothing, and say so."""
    certain = [pair for pair in found if pair[0].grade == "certain"]
    if len(certain) == 1:
        return certain
    if found:
        said = f"{len(certain)} patients are certain matches" if certain else "no match is certain"
        issues.append(
            Issue("information", "multiple-matches" if certain else "not-found", f"Of those found {said}")
        )
    return []


def _entry(scored: Score, resource: dict[str, Any], context: Context) -> dict[str, Any]:
    found = entry("match", resource, context.base_url)
    grade = {"url": _MATCH_GRADE, "valueCode": scored.grade}
    found["search"] = {
        "extension": [grade],
        "mode": "match",
        "score": Decimal(f"{scored.probability:.4f}"),
    }
    return found


def _explanation(scored: Score, index: int) -> Issue:
    """Return what a score is made of: fields, findings and weights, and nothing of what is in the fields."""
    parts = [f"{one.field} {one.level} {one.weight:+.2f}" for one in scored.contributions]
    prior = scored.weight - sum(one.weight for one in scored.contributions)
    message = f"{scored.grade}: weight {scored.weight:.2f} = {', '.join(parts)}, prior {prior:+.2f}"
    return Issue("information", "informational", message, (f"Bundle.entry[{index}]",))


MATCH = Operation(
    code="match",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-match",
    handler=match,
    types=frozenset({"Patient"}),
    parameters=_PARAMETERS,
    on_type=True,
    takes_resource=True,
)
