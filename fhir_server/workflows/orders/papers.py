"""The paper of a report: a PDF for each version that is final, as Binary and DocumentReference.

The clock makes it after the report is stored, and keeps it from the patient for as long as the report.
https://hl7.org/fhir/R4/documentreference.html
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fhir_server.context import Context
from fhir_server.papers.filing import filed
from fhir_server.papers.keeping import keep, papers_of, state, version_of
from fhir_server.papers.rendering import render
from fhir_server.papers.words import listed_name_of
from fhir_server.store import Version, Write
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Later
from fhir_server.workflows.made import changed, concept
from fhir_server.workflows.orders import release
from fhir_server.workflows.orders.answers import corrected
from fhir_server.workflows.orders.sheet import sheet
from fhir_server.workflows.orders.vocabulary import Resource, content, is_final, references
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import replacement, revision

PAPER_ACTION = "W7.paper"
_LOINC = "http://loinc.org"
_AT_ONCE = 100
_VERSION = {"resource": 1, "version": 1, "updated": 1}


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
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    records = Records(context.store, situation)
    report = await records.read(entry.subject)
    if report is None:
        return
    known = await papers_of(entry.subject, records)
    wanted, binaries = known, []
    if "version" in entry.data:
        number = int(entry.data["version"])
        written = await context.store.read_version("DiagnosticReport", report["id"], number)
        if written is not None and is_final(written.resource) and is_final(report):
            document, binary = await _made(written, records, context)
            if all(one["id"] != document["id"] for one in known):
                wanted, binaries = [*known, _as_it_is(document, written.resource, report)], [binary]
        newest = max((version_of(one) for one in wanted), default=0)
        wanted = [
            changed(one, status=state(one, newest, is_withdrawn=not is_final(report))) for one in wanted
        ]
    binaries += [one for paper in known if (one := await records.read(_content(paper))) is not None]
    writes = [await _shown(one, report, records) for one in (*wanted, *binaries)]
    await keep([one for one in writes if one is not None], report, known, records, context)


def _content(paper: Resource) -> str:
    return str(paper["content"][0]["attachment"]["url"])


def _as_it_is(document: Resource, written: Resource | None, report: Resource) -> dict[str, Any]:
    """Return the paper of a version, which is none to go by if the report says something else by now."""
    is_same = written is not None and content(written) == content(report)
    return changed(document, status="current" if is_same else "superseded")


async def _shown(resource: Resource, report: Resource, records: Records) -> Write | None:
    """Return the write of a paper or its Binary with the label that the report has; None if that is all."""
    marked = _labelled(resource, is_open=release.is_released(report))
    stored = await records.read(f"{resource['resourceType']}/{resource['id']}")
    if stored is None:
        return replacement(marked["resourceType"], marked["id"], marked)
    return None if marked == stored else revision(marked)


def _labelled(resource: Resource, *, is_open: bool) -> dict[str, Any]:
    if is_open and release.is_held(resource):
        return release.opened(resource)
    return dict(resource) if is_open or release.is_held(resource) else release.held(resource)


async def _made(
    written: Version, records: Records, context: Context
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the DocumentReference and the Binary of a version of a report."""
    report, base_url = written.resource or {}, records.situation.base_url
    listed = references(report, "result", base_url, "Observation")
    results = await _then(listed, written.updated, context)
    patients = await _all(references(report, "subject", base_url, "Patient"), records)
    issuers = await _all(references(report, "performer", base_url, "Organization"), records)
    doctors = await _all(references(report, "resultsInterpreter", base_url, "Practitioner"), records)
    paper = sheet(
        report,
        results,
        patients[0] if patients else {},
        issuer=[one["name"] for one in issuers if "name" in one][:1],
        signature=", ".join(listed_name_of(one) for one in doctors),
    )
    document, binary = filed(
        paper,
        await asyncio.to_thread(render, paper),
        about=report,
        kind=concept(_LOINC, "11502-2", "Laboratory report"),
        subject=report["subject"],
        now=records.situation.now,
    )
    return changed(document, docStatus="final" if report["status"] == "final" else "amended"), binary


async def _all(listed: Iterable[str], records: Records) -> list[dict[str, Any]]:
    return [one for reference in listed if (one := await records.read(reference)) is not None]


async def _then(listed: Sequence[str], moment: datetime, context: Context) -> list[dict[str, Any]]:
    """Return Observations as they were at a moment; one that came later as it was at first."""
    ids = [reference.partition("/")[2] for reference in listed]
    unchanged: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        asked = {"_id": {"$in": ids[start : start + _AT_ONCE]}}
        for one in await context.store.find("Observation", asked, (), _VERSION, 0):
            if one["updated"] <= moment or one["version"] == 1:
                unchanged[one["_id"]] = one["resource"]
    found = [unchanged.get(one) or await _before(one, moment, context) for one in ids]
    return [one for one in found if one is not None]


async def _before(resource_id: str, moment: datetime, context: Context) -> dict[str, Any] | None:
    """Return an Observation that was changed since, as it was at a moment, or at first."""
    version = await context.store.read("Observation", resource_id)
    while version is not None and version.updated > moment and version.number > 1:
        version = await context.store.read_version("Observation", resource_id, version.number - 1)
    return None if version is None else version.resource
