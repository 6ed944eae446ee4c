"""The paper of a discharge summary: a PDF of each version that is signed, for the patient to take along.

https://hl7.org/fhir/R4/documentreference.html
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import TYPE_CHECKING, Any

from fhir_server.context import Context
from fhir_server.papers.filing import filed
from fhir_server.papers.keeping import keep, papers_of, state
from fhir_server.papers.paper import Facts, Paper, Paragraph, Section
from fhir_server.papers.rendering import render
from fhir_server.papers.words import name_of
from fhir_server.store import Write
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Later
from fhir_server.workflows.discharge import terms
from fhir_server.workflows.discharge.terms import is_summary
from fhir_server.workflows.encounters.terms import reference_of
from fhir_server.workflows.made import changed
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import replacement, revision

if TYPE_CHECKING:
    from fhir_server.workflows.services import Services

Resource = Mapping[str, Any]

PAPER = "W13.paper"
_ENDS = re.compile(r"</(?:p|li|div|tr|h\d)>|<br\s*/?>")
_TAGS = re.compile(r"<[^>]*>")


def follows(change: Change, _facts: Any, situation: Situation) -> Iterable[Consequence]:
    """Have the paper made of a summary that is signed, and withdrawn with one that was a mistake."""
    after = change.after
    if after is None or not is_summary(after):
        return
    was_signed = change.before is not None and change.before["status"] in terms.SIGNED
    is_withdrawn = was_signed and after["status"] == "entered-in-error"
    if after["status"] not in terms.SIGNED and not is_withdrawn:
        return
    version = after.get("meta", {}).get("versionId", "1")
    key = f"W13/paper/{change.reference}/{version}"
    yield Later(Entry(key, situation.now, PAPER, change.reference, {"version": version}))


async def make_paper(entry: Entry, context: Context, _services: "Services") -> None:
    """Make the paper of a version, and let that of the version before be superseded.

    The papers of a summary that was entered in error are so as well.
    """
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    records = Records(context.store, situation)
    summary = await records.read(entry.subject)
    if summary is None or summary["meta"]["versionId"] != entry.data["version"]:
        return  # there is a later version, which has an entry of its own
    known = await papers_of(entry.subject, records)
    made = [] if summary["status"] not in terms.SIGNED else await _made(summary, records)
    newest, is_withdrawn = int(entry.data["version"]), not made
    states = ((one, state(one, newest, is_withdrawn=is_withdrawn)) for one in known)
    writes = [revision(changed(one, status=status)) for one, status in states if one["status"] != status]
    await keep([*made, *writes], summary, known, records, context)


async def _made(summary: Resource, records: Records) -> list[Write]:
    """Return the writes of the paper of a summary."""
    paper = await _paper(summary, records)
    pdf = await asyncio.to_thread(render, paper)
    encounter = reference_of(summary.get("encounter"))
    document, binary = filed(
        paper,
        pdf,
        about=summary,
        kind=summary["type"],
        subject=summary.get("subject"),
        now=records.situation.now,
        encounter=encounter,
    )
    return [replacement(one["resourceType"], one["id"], one) for one in (binary, document)]


async def _paper(summary: Resource, records: Records) -> Paper:
    patient = await records.read(summary.get("subject")) or {}
    encounter = await records.read(summary.get("encounter")) or {}
    custodian = await records.read(summary.get("custodian")) or {}
    authors = [await records.read(one) for one in summary.get("author", ())]
    period = encounter.get("period", {})
    pairs = [
        ("Patient", name_of(patient)),
        ("Born", str(patient.get("birthDate", ""))),
        ("From", _day(period.get("start"))),
        ("Until", _day(period.get("end"))),
    ]
    listed = [Section("", [Facts(pairs)])]
    listed += [
        Section(one.get("title", ""), [Paragraph(plain(one) or "None known")])
        for one in summary.get("section", ())
    ]
    return Paper(
        title=str(summary["title"]),
        issuer=[str(custodian.get("name", "Hospital"))],
        number=str(summary["id"]),
        version=str(summary["meta"]["versionId"]),
        date=_day(summary["date"]),
        sections=listed,
        signature=", ".join(name_of(one) for one in authors if one),
        language=str(summary.get("language", "en")),
    )


def _day(moment: Any) -> str:
    return str(moment or "")[:10]


def plain(section: Resource) -> str:
    """Return the narrative of a section as text without markup, a line for each paragraph."""
    div = str(section.get("text", {}).get("div", ""))
    lines = (unescape(_TAGS.sub("", line)).strip() for line in _ENDS.split(div))
    return "\n".join(line for line in lines if line)
