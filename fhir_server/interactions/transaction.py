"""transaction: all entries or none. https://hl7.org/fhir/R4/http.html#trules

First everything is planned (ids, conditions, patches, links, validation), then one commit stores it, and the
reads see what it stored. If somebody changes meanwhile what the plan relies on, it is corrected and committed
again.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from fhir_server.bundle_links import VersionedLink, link_targets, resolve_links
from fhir_server.conditional import absence
from fhir_server.context import Context, Response
from fhir_server.interactions import delete, update
from fhir_server.interactions.create import created, found_already
from fhir_server.interactions.update import MOST_ATTEMPTS, overtaken
from fhir_server.responses import as_entry
from fhir_server.store import Absence, AbsenceBroken, VersionReplaced, Written
from fhir_server.transaction_steps import (
    Step,
    apply_patches,
    find_matches,
    planned_writes,
    refuse_overlaps,
    steps_of,
    told_at,
)
from fhir_server.write_path import commit
from resources.bundle import bundle, request_entries
from resources.operation_outcome import FhirError

Results = Mapping[int, Sequence[Written]]
"""What became of the writes of each entry, by the index of the entry."""


async def transaction(body: dict[str, Any], context: Context) -> Response:
    """Answer 200 with one entry for each that was sent, in the same order; on any failure store nothing."""
    steps = steps_of(request_entries(body), context)
    await find_matches(steps, context)
    refuse_overlaps(steps)
    results, answers = await _Plan(steps, context).commit()
    for step in steps:
        if not step.reads:
            answers[step.entry.index] = await _answer(step, results.get(step.entry.index, ()), context)
    return Response(200, bundle("transaction-response", [answers[step.entry.index] for step in steps]))


class _Plan:
    """What one transaction is about to store; it lives until that is committed or refused."""

    def __init__(self, steps: Sequence[Step], context: Context) -> None:
        self._steps = steps
        self._context = context
        self._answers: dict[int, dict[str, Any]] = {}
        # Links to versions that will come of the transaction.
        self._versioned: list[VersionedLink] = []

    async def commit(self) -> tuple[Results, dict[int, dict[str, Any]]]:
        """Store what the steps ask for; return what became of it, and the answers of the reads."""
        whole = [step for step in self._steps if step.stores and "patch" not in step.code]
        self._versioned = await self._resolve(whole)
        for _ in range(MOST_ATTEMPTS):
            try:
                return await self._attempt(), self._answers
            except (AbsenceBroken, VersionReplaced):
                await self._adopt_new_matches()
        raise overtaken()

    async def _attempt(self) -> Results:
        links = await self._resolve(await apply_patches(self._steps, self._context))
        await self._number([*self._versioned, *links])
        writing = [step for step in self._steps if step.writes]
        writes = await planned_writes(writing)
        absences = await self._absences(writing)
        reads = self._read if any(step.reads for step in self._steps) else None
        written = iter(await commit(self._context, list(chain(*writes)), absences, reads))
        return {
            step.entry.index: [next(written) for _ in made]
            for step, made in zip(writing, writes, strict=True)
        }

    async def _resolve(self, steps: Sequence[Step]) -> list[VersionedLink]:
        """Rewrite the links in the resources of `steps`; return those that are to name a version as well."""
        stored = [step for step in self._steps if step.stores]
        targets = link_targets((step.entry, step.targets[0]) for step in stored)
        resources = [(step.entry, step.resource) for step in steps]
        return await resolve_links(resources, targets, self._context)

    async def _number(self, links: Sequence[VersionedLink]) -> None:
        """Let links to versions name those that the transaction makes, or finds."""
        steps = {step.targets[0]: step for step in self._steps if step.stores and not step.exists}
        numbers: dict[str, int] = {}
        for link in links:
            if link.target not in numbers:
                numbers[link.target] = await self._version(link.target, steps.get(link.target))
            link.point_at(numbers[link.target])

    async def _version(self, target: str, step: Step | None) -> int:
        if step is not None and step.match is not None:
            return step.match.number + 1
        if step is not None and step.code == "patch":
            return step.number or 1
        if step is not None and step.code == "create":
            return 1
        version = await self._context.store.read(*target.split("/"))
        number = version.number if version else 0
        if step is not None:
            step.number = number + 1
        return number if step is None else number + 1

    async def _absences(self, steps: Sequence[Step]) -> list[Absence]:
        found = {}
        for step in steps:
            if step.criteria and step.match is None:
                condition = await absence(self._context, step.resource_type, step.criteria)
                found[condition.key] = condition
        # Always in the same order, so that two transactions never wait for each other in a circle.
        return [found[key] for key in sorted(found)]

    async def _adopt_new_matches(self) -> None:
        """Point the links to what would have been created at what others created meanwhile."""
        conditional = [step for step in self._steps if step.criteria and step.stores]
        before = [step.targets[0] for step in conditional]
        await find_matches(self._steps, self._context)
        refuse_overlaps(self._steps)
        moved = {old: step.targets[0] for old, step in zip(before, conditional, strict=True)}
        stored = [(step.entry, step.resource) for step in self._steps if step.writes and step.stores]
        await resolve_links(stored, moved, self._context)
        for link in self._versioned:
            link.target = moved.get(link.target, link.target)

    async def _read(self) -> None:
        """Carry out the reads; it is called within the transaction, when everything is written."""
        for step in self._steps:
            if step.reads:
                try:
                    handler = self._context.match(step.request).handler
                    response = await handler(step.request, self._context)
                except FhirError as failure:
                    raise told_at(step.entry, failure) from failure
                with_resource = step.request.method != "HEAD"
                self._answers[step.entry.index] = as_entry(
                    response, self._context.base_url, with_resource=with_resource
                )


async def _answer(step: Step, written: Sequence[Written], context: Context) -> dict[str, Any]:
    if step.exists:
        # Somebody may have deleted it since; the links to it were right when they were stored.
        response = await found_already(step.resource_type, step.ids[0], context) or Response(200)
    elif step.code in ("delete", "conditional-delete"):
        response = delete.deleted(written[0]) if len(written) == 1 else Response(204)
    elif step.code == "create":
        response = created(written[0].version)
    else:
        response = update.updated(written[0], always_located=bool(step.criteria))
    with_resource = context.preferences.returns == "representation"
    return as_entry(response, context.base_url, with_resource=with_resource)
