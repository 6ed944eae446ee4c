"""transaction: all entries or none. https://hl7.org/fhir/R4/http.html#trules

First everything is planned (ids, conditions, links, validation), then one commit stores it. If somebody
creates what a conditional create had not found, the plan is corrected and committed again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from fhir_server.bundle_links import link_targets, resolve_links
from fhir_server.bundle_requests import entry_request
from fhir_server.conditional import absence, criteria_of, search_pairs, single_match
from fhir_server.context import Context, Request, Response
from fhir_server.errors import error_response
from fhir_server.interactions import conditional_update, delete, update
from fhir_server.interactions.create import created
from fhir_server.interactions.read import read
from fhir_server.query_string import Pairs
from fhir_server.responses import as_entry
from fhir_server.store import Absence, AbsenceBroken, Write, Written
from fhir_server.write_path import new_resource
from resources.bundle import Entry, bundle, request_entries
from resources.operation_outcome import MOST_ISSUES, FhirError, InvalidContent, Issue, error

# Planning is pure computation; after so many entries other requests get their turn.
_ENTRIES_A_TURN = 50
_READING = frozenset({"read", "vread", "search-type", "history", "capabilities"})


@dataclass(slots=True)
class _Step:
    """An entry, the interaction it asks for, and (for one that stores) where its resource will stand.

    One with a condition has `criteria` and perhaps a `match`. A conditional create `exists` if it has a
    match, or if another entry with the same criteria creates its resource.
    """

    entry: Entry
    request: Request
    code: str
    new_id: str | None = None
    id: str | None = None
    criteria: Pairs = ()
    match: str | None = None
    exists: bool = False

    @property
    def resource_type(self) -> str:
        return self.request.path[0]

    @property
    def target(self) -> str:
        return f"{self.resource_type}/{self.id}"

    @property
    def writes(self) -> bool:
        return self.id is not None and not self.exists


async def transaction(body: dict[str, Any], context: Context) -> Response:
    """Answer 200 with one entry for each that was sent, in the same order; on any failure store nothing."""
    steps = [_step(entry, context) for entry in request_entries(body)]
    await _find_matches(steps, context)
    _refuse_overlaps(steps)
    changing = [step for step in steps if step.id is not None]
    targets = {step.entry.index: step.target for step in changing}
    entries = [step.entry for step in changing]
    await resolve_links(entries, link_targets(entries, targets), context)
    written = await _commit(steps, context)
    answers = [await _answer(step, written.get(step.entry.index), context) for step in steps]
    return Response(200, bundle("transaction-response", answers))


def _step(entry: Entry, context: Context) -> _Step:
    try:
        request = entry_request(entry, context)
        code = context.match(request).code
        if code in _READING:
            return _Step(entry, request, code)
        if code == "create":
            criteria = search_pairs(request.if_none_exist) if request.if_none_exist is not None else ()
            new_id = context.new_id()
            return _Step(entry, request, code, new_id, new_id, criteria)
        if code in ("update", "delete"):
            return _Step(entry, request, code, id=request.path[1])
        if code in ("conditional-update", "conditional-delete"):
            return _Step(entry, request, code, context.new_id(), criteria=criteria_of(request.query))
    except FhirError as failure:
        # One bad entry makes the bundle bad, whatever that entry alone would have been answered.
        raise InvalidContent(
            *(error(issue.code, issue.diagnostics, entry.expression) for issue in failure.issues)
        ) from failure
    message = "This interaction cannot be part of a transaction"
    raise InvalidContent(error("not-supported", message, f"{entry.expression}.request"))


async def _find_matches(steps: Sequence[_Step], context: Context) -> None:
    """Let each step with a condition point at its match, or at where its resource will be created."""
    conditional = [step for step in steps if step.criteria]
    matches = await asyncio.gather(
        *(single_match(context, step.resource_type, step.criteria) for step in conditional)
    )
    creators: dict[tuple[str, Pairs], _Step] = {}
    for step, match in zip(conditional, matches, strict=True):
        step.match = step.id = match
        if step.code == "conditional-update":
            step.id = conditional_update.addressed(step.request, match, str(step.new_id)).path[1]
        elif step.code == "create":
            creator = creators.setdefault((step.resource_type, step.criteria), step)
            step.id = match or creator.new_id
            step.exists = match is not None or creator is not step


def _refuse_overlaps(steps: Sequence[_Step]) -> None:
    issues = list(islice(_overlaps(steps), MOST_ISSUES + 1))
    if issues:
        raise InvalidContent(*issues)


def _overlaps(steps: Sequence[_Step]) -> Iterator[Issue]:
    seen: set[str] = set()
    for step in steps:
        if step.writes:
            if step.target in seen:
                message = "Two entries of a transaction write the same resource"
                yield error("invalid", message, step.entry.expression)
            seen.add(step.target)


async def _commit(steps: Sequence[_Step], context: Context) -> dict[int, Written]:
    """Store what the steps ask for; return what became of each write by the index of its entry."""
    while True:
        writing = [step for step in steps if step.writes]
        writes = await _planned(writing)
        try:
            written = await context.store.commit(writes, await _absences(writing, context))
        except AbsenceBroken:
            await _adopt_new_matches(steps, context)
            continue
        return {step.entry.index: result for step, result in zip(writing, written, strict=True)}


async def _planned(steps: Sequence[_Step]) -> list[Write]:
    """Return the writes of `steps`; raise one error with the issues of all entries that cannot be stored."""
    writes: list[Write] = []
    failures: list[FhirError] = []
    issues: list[Issue] = []
    for count, step in enumerate(steps, 1):
        try:
            writes.append(_write(step))
        except FhirError as failure:
            failures.append(failure)
            issues += failure.issues
            if len(issues) > MOST_ISSUES:
                break
        if count % _ENTRIES_A_TURN == 0:
            await asyncio.sleep(0)
    if failures:
        worst = next((failure for failure in failures if isinstance(failure, InvalidContent)), failures[0])
        raise type(worst)(*issues)
    return writes


def _write(step: _Step) -> Write:
    at = f"{step.entry.expression}.resource"
    assert step.id is not None  # noqa: S101 - it writes
    if step.code in ("delete", "conditional-delete"):
        return delete.plan(replace(step.request, path=(step.resource_type, step.id)))
    if step.code == "update":
        return update.plan(step.request, at)
    if step.code == "conditional-update":
        return update.plan(conditional_update.addressed(step.request, step.match, step.id), at)
    return new_resource(step.resource_type, step.id, step.request.body, at=at)


async def _absences(steps: Sequence[_Step], context: Context) -> list[Absence]:
    found = {}
    for step in steps:
        if step.criteria and step.match is None:
            condition = await absence(context, step.resource_type, step.criteria)
            found[condition.key] = condition
    # Always in the same order, so that two transactions never wait for each other in a circle.
    return [found[key] for key in sorted(found)]


async def _adopt_new_matches(steps: Sequence[_Step], context: Context) -> None:
    """Point the links to resources that would have been created at those that others created meanwhile."""
    conditional = [step for step in steps if step.criteria]
    before = [step.target for step in conditional]
    await _find_matches(steps, context)
    moved = {old: step.target for old, step in zip(before, conditional, strict=True)}
    await resolve_links([step.entry for step in steps if step.writes], moved, context)


async def _answer(step: _Step, written: Written | None, context: Context) -> dict[str, Any]:
    with_resource = context.preferences.returns == "representation"
    if step.code in _READING:
        response = await _read(step.request, context)
        with_resource = True
    elif step.exists:
        response = await read(Request("GET", (step.resource_type, str(step.id))), context)
    elif step.code in ("delete", "conditional-delete"):
        response = delete.deleted(written) if written else Response(204)
    elif step.code in ("update", "conditional-update"):
        response = update.updated(written) if written else Response(200)
    else:
        response = created(written.version if written else None)
    return as_entry(response, context.base_url, with_resource=with_resource)


async def _read(request: Request, context: Context) -> Response:
    # What the transaction stored is committed by now: a read that finds nothing says so for itself.
    try:
        return await context.match(request).handler(request, context)
    except FhirError as failure:
        return error_response(failure)
