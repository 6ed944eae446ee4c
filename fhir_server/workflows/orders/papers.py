"""The paper of a report: a PDF for each version that is final, as Binary and DocumentReference.

The clock makes it after the report is stored, and keeps it from the patient for as long as the report.
https://hl7.org/fhir/R4/documentreference.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.context import Context
from fhir_server.papers.filing import filed
from fhir_server.papers.rendering import render
from fhir_server.search.parameters import parse_search
from fhir_server.store import Write
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Later
from fhir_server.workflows.made import changed, concept
from fhir_server.workflows.orders import release
from fhir_server.workflows.orders.answers import corrected
from fhir_server.workflows.orders.sheet import name_of, sheet
from fhir_server.workflows.orders.vocabulary import Resource, is_final, references
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement

PAPER_ACTION = "W7.paper"
_LOINC = "http://loinc.org"
_MOST = 100


def papers(change: Change, situation: Situation) -> Iterable[Later]:
    """Yield the entries by which the paper of a report is made, or shown, or withdrawn."""
    report = change.after
    if report is None:
        return
    version = report.get("meta", {}).get("versionId", "1")
    if corrected(change) or (is_final(report) and not is_final(change.before)):
        yield _entry(change.reference, version, {"version": version}, situation)
    elif release.newly_released(change):
        yield _entry(change.reference, "released", {}, situation)


def _entry(reference: str, occasion: str, data: Mapping[str, Any], situation: Situation) -> Later:
    key = f"W7/paper/{reference}/{occasion}"
    return Later(Entry(key, situation.now, PAPER_ACTION, reference, data))


async def make_paper(entry: Entry, context: Context, _services: Services) -> None:
    """Make the paper of a version, and let the patient see papers exactly if they may see the report."""
    report = await _read(entry.subject, context)
    if report is None:
        return
    wanted = await _papers_of(entry.subject, context)
    if "version" in entry.data:
        wanted = [_ended(one, report) for one in wanted]
        if is_final(report):
            wanted += await _made(report, entry.data["version"], context)
    writes = []
    for paper in wanted:
        writes += await _shown(paper, report, context)
    if writes:
        await commit(context, writes)


def _ended(paper: Resource, report: Resource) -> dict[str, Any]:
    """Return an earlier paper as what it is once there is another, or the report was withdrawn."""
    state = "superseded" if is_final(report) else "entered-in-error"
    return changed(paper, status=state)


async def _shown(paper: Resource, report: Resource, context: Context) -> list[Write]:
    """Return the writes of a paper and its Binary with the label that the report has, if they change."""
    together = [paper]
    if paper["resourceType"] == "DocumentReference":
        binary = await _read(paper["content"][0]["attachment"]["url"], context)
        together += [binary] if binary is not None else []
    writes = []
    for one in together:
        kind, resource_id = one["resourceType"], one["id"]
        marked = _labelled(one, is_open=release.is_released(report))
        if marked != await _read(f"{kind}/{resource_id}", context):
            writes.append(replacement(kind, resource_id, marked))
    return writes


def _labelled(resource: Resource, *, is_open: bool) -> dict[str, Any]:
    if is_open and release.is_held(resource):
        return release.opened(resource)
    return dict(resource) if is_open or release.is_held(resource) else release.held(resource)


async def _made(report: Resource, version: str, context: Context) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the DocumentReference and the Binary of a version of a report."""
    base_url = context.base_url
    results = await _all(references(report, "result", base_url, "Observation"), context)
    patients = await _all(references(report, "subject", base_url, "Patient"), context)
    issuers = await _all(references(report, "performer", base_url, "Organization"), context)
    doctors = await _all(references(report, "resultsInterpreter", base_url, "Practitioner"), context)
    paper = sheet(
        {**report, "meta": {"versionId": version}},
        results,
        patients[0] if patients else {},
        issuer=[one["name"] for one in issuers if "name" in one][:1],
        signature=", ".join(name_of(one) for one in doctors),
    )
    document, binary = filed(
        paper,
        render(paper),
        about={**report, "meta": {"versionId": version}},
        kind=concept(_LOINC, "11502-2", "Laboratory report"),
        subject=report["subject"],
        now=context.now(),
    )
    return changed(document, docStatus="final" if report["status"] == "final" else "amended"), binary


async def _all(listed: Iterable[str], context: Context) -> list[dict[str, Any]]:
    return [one for reference in listed if (one := await _read(reference, context)) is not None]


async def _read(reference: str, context: Context) -> dict[str, Any] | None:
    resource_type, _, resource_id = reference.partition("/")
    if not resource_id:
        return None
    version = await context.store.read(resource_type, resource_id)
    return None if version is None else version.resource


async def _papers_of(reference: str, context: Context) -> list[dict[str, Any]]:
    asked = [("related", reference), ("type", f"{_LOINC}|11502-2")]
    query = parse_search(
        "DocumentReference", asked, lenient=False, base_url=context.base_url, now=context.now()
    )
    found = await context.store.find("DocumentReference", query.filter, (), {"resource": 1}, _MOST)
    return [one["resource"] for one in found]
