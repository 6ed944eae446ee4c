"""Papers of a resource that has several versions: which of them is the one to go by.

The clock makes a paper some time after the version that it is about, and perhaps after that of a later one.
https://hl7.org/fhir/R4/documentreference-definitions.html#DocumentReference.status
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.context import Context
from fhir_server.papers.filing import PAPERS
from fhir_server.store import Write
from fhir_server.workflows.agenda import NotYet
from fhir_server.workflows.made import Resource
from fhir_server.workflows.records import Records
from fhir_server.write_path import commit


async def papers_of(reference: str, records: Records) -> list[Resource]:
    """Return the DocumentReferences of the papers of a resource, which `filing.filed` made."""
    found = await records.search("DocumentReference", ("related", reference))
    return [one for one in found if _identifier(one).startswith(f"{reference}/_history/")]


def version_of(document: Resource) -> int:
    """Return which version of a resource a paper is about."""
    return int(_identifier(document).rpartition("/")[2])


def _identifier(document: Resource) -> str:
    identifier = document.get("masterIdentifier", {})
    return str(identifier.get("value", "")) if identifier.get("system") == PAPERS else ""


def state(paper: Resource, newest: int, *, is_withdrawn: bool) -> Any:
    """Return the status that a paper has from now on, where `newest` is the version of the last one."""
    if is_withdrawn:
        return "entered-in-error"
    return "superseded" if version_of(paper) < newest else paper["status"]


async def keep(
    writes: Iterable[Write], about: Resource, papers: Sequence[Resource], records: Records, context: Context
) -> None:
    """Store papers, if what they are `about` and its other `papers` are still as they were read.

    Raises NotYet if they are not, as what was made of them is not right then.
    """
    reference, listed = f"{about['resourceType']}/{about['id']}", list(writes)
    known = {paper["id"] for paper in papers} | {one.id for one in listed}

    async def check() -> None:
        # Of two that make papers of one resource at once, one is tried again and finds those of the other.
        await records.lock(f"papers/{reference}")
        there = {paper["id"] for paper in await papers_of(reference, records)}
        if there - known or await records.read(reference) != about:
            raise NotYet(context.now())

    await commit(context, listed, reads=check)
