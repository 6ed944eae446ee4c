"""All that is about one patient made to be about another one, a bounded part at a time, also after a crash.

A part is one transaction. Whatever is written meanwhile is kept: a resource that changed is moved again.
Other rules are not asked, since nothing of what was found or done changes; what is for one only stays so.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fhir_server.context import Context, Request
from fhir_server.interactions.read import read
from fhir_server.store import VersionReplaced, Write
from fhir_server.store.ruling import Entry
from fhir_server.workflows.merging.journal import UNMERGE, advanced, given, is_journal
from fhir_server.workflows.merging.pointing import (
    found_pointing,
    repointed,
    tagged,
    with_tag,
    without_tag,
)
from fhir_server.workflows.rulebook import only_claims
from fhir_server.workflows.services import Services
from fhir_server.write_path import commit, replacement, revision
from resources.operation_outcome import FhirError

MOVE = "W1.move"
PART = 100
_PARTS_AT_ONCE = 20
_MOST_LEFT = 200
SWEEP_AFTER = timedelta(minutes=1)
"""When it is looked again whether something was written about the old record while it was moved."""


async def move(entry: Entry, context: Context, _services: Services) -> None:
    """Move what is left to be moved of a merge, and note how far it is."""
    journal = (await read(Request("GET", ("Task", entry.subject.partition("/")[2])), context)).resource or {}
    is_sweep = bool(entry.data.get("sweep"))
    if journal.get("status") != "in-progress" and not is_sweep:
        return
    moved, left, is_done = await move_parts(journal, only_claims(context), _PARTS_AT_ONCE)
    if moved or not is_sweep:
        note = advanced(journal, moved, left, context.now(), is_done=is_done)
        await commit(context, [revision(note)])


async def move_parts(journal: Mapping[str, Any], context: Context, most: int) -> tuple[int, list[str], bool]:
    """Move up to `most` parts; return how many resources, which of them stayed, and whether that is all."""
    (source,), (target,) = given(journal, "source"), given(journal, "target")
    back = is_journal(journal, UNMERGE)
    skipped: set[str] = set()
    moved = 0
    for _ in range(most):
        writes = await _part(source, target, context, skipped, back=back)
        if not writes:
            return moved, sorted(skipped)[:_MOST_LEFT], True
        moved += await _commit(writes, context, skipped)
    return moved, sorted(skipped)[:_MOST_LEFT], False


async def _part(source: str, target: str, context: Context, skipped: set[str], *, back: bool) -> list[Write]:
    """Return the writes of the next part; what refers to the patient in a way that stays is skipped."""
    there, here = (target, source) if back else (source, target)
    while True:
        also = tagged(source) if back else None
        found = await found_pointing(there, context, PART, also, frozenset(skipped))
        writes = []
        for document in found:
            resource = document["resource"]
            name = f"{resource['resourceType']}/{resource['id']}"
            changed = repointed(resource, there, here, context.base_url)
            if changed is None:
                skipped.add(name)
                continue
            changed = without_tag(changed, source) if back else with_tag(changed, source)
            write = replacement(resource["resourceType"], resource["id"], changed)
            writes.append(replace(write, number=document["version"] + 1))
        if writes or not found:
            return writes


async def _commit(writes: list[Write], context: Context, skipped: set[str]) -> int:
    """Store a part; if something in it cannot be moved, everything else, one by one."""
    try:
        await commit(context, writes)
        return len(writes)
    except (FhirError, VersionReplaced):
        moved = 0
    for write in writes:
        try:
            await commit(context, [write])
            moved += 1
        except VersionReplaced:
            continue  # it is found again as it is now
        except FhirError:
            skipped.add(f"{write.resource_type}/{write.id}")
    return moved
