"""The entries of a transaction on their way: which interaction each is, and what it will write where.

https://hl7.org/fhir/R4/http.html#trules
"""

import asyncio
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from fhir_server.bundle_requests import entry_request, is_reading
from fhir_server.conditional import Match, criteria_of, from_match, search_pairs, single_match
from fhir_server.context import Context, Request
from fhir_server.interactions import (
    conditional_delete,
    conditional_patch,
    conditional_update,
    delete,
    patch,
    update,
)
from fhir_server.query_parameters import check_parameters
from fhir_server.query_string import Pairs
from fhir_server.store import Write
from fhir_server.write_path import new_resource
from resources.bundle import Entry
from resources.operation_outcome import (
    MOST_ISSUES,
    FhirError,
    InvalidContent,
    Issue,
    NotSupported,
    ResourceDeleted,
    ResourceNotFound,
    error,
)

# Planning is pure computation; after so many entries other requests get their turn.
_ENTRIES_A_TURN = 50
_WRITING = frozenset({"create", "update", "patch", "delete"})
_BY_CRITERIA = frozenset({"conditional-update", "conditional-patch", "conditional-delete"})
# Right in themselves, but in a bundle they say that it cannot be carried out.
_ABOUT_ADDRESSES = (ResourceNotFound, ResourceDeleted, NotSupported)


@dataclass(slots=True)
class Step:
    """An entry, the interaction it asks for, and (for one that writes) the ids of what it writes.

    `resource` is what will be stored; links in it are rewritten in place. One with a condition has
    `criteria` and perhaps `matches`. A conditional create `exists` if it has a match, or if another entry
    with the same criteria creates its resource. `number` is the version that it makes, where that matters.
    """

    entry: Entry
    request: Request
    code: str
    reads: bool = False
    resource: Any = None
    new_id: str = ""
    ids: tuple[str, ...] = ()
    criteria: Pairs = ()
    matches: tuple[Match, ...] = ()
    exists: bool = False
    number: int | None = None
    previous_meta: dict[str, Any] | None = None

    @property
    def resource_type(self) -> str:
        """The type in the address."""
        return self.request.path[0]

    @property
    def match(self) -> Match | None:
        """What meets the condition, if something does."""
        return self.matches[0] if self.matches else None

    @property
    def targets(self) -> list[str]:
        """The addresses, relative to the base, of what it writes, or of what exists already."""
        return [f"{self.resource_type}/{resource_id}" for resource_id in self.ids]

    @property
    def stores(self) -> bool:
        """Whether a resource will stand at its one address, to which links may lead."""
        return bool(self.ids) and self.code not in ("delete", "conditional-delete")

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return bool(self.ids) and not self.exists


def steps_of(entries: Sequence[Entry], context: Context) -> list[Step]:
    """Return what `entries` ask for; raise InvalidContent if one cannot be part of a transaction."""
    return [_step(entry, context) for entry in entries]


def _step(entry: Entry, context: Context) -> Step:
    try:
        request = entry_request(entry, context)
        route = context.match(request)
        if is_reading(request, route):
            return Step(entry, request, route.code, reads=True)
        if route.code in _WRITING:
            check_parameters(request, context)
            return _writing_step(entry, request, route.code, context)
        if route.code in _BY_CRITERIA:
            criteria = criteria_of(request.query)
            return Step(entry, request, route.code, False, entry.resource, context.new_id(), (), criteria)
    except FhirError as failure:
        # One bad entry makes the bundle bad, whatever that entry alone would have been answered.
        raise InvalidContent(*_told_at(entry, failure)) from failure
    message = "This interaction cannot be part of a transaction"
    raise InvalidContent(error("not-supported", message, f"{entry.expression}.request"))


def _writing_step(entry: Entry, request: Request, code: str, context: Context) -> Step:
    if code != "create":
        return Step(entry, request, code, resource=entry.resource, ids=(request.path[1],))
    criteria = search_pairs(request.if_none_exist) if request.if_none_exist is not None else ()
    new_id = context.new_id()
    return Step(entry, request, code, False, entry.resource, new_id, (new_id,), criteria)


def told_at(entry: Entry, failure: FhirError) -> FhirError:
    """Return the error that says of the whole bundle that this entry failed."""
    kind = InvalidContent if isinstance(failure, _ABOUT_ADDRESSES) else type(failure)
    return kind(*_told_at(entry, failure))


def _told_at(entry: Entry, failure: FhirError) -> Iterator[Issue]:
    for issue in failure.issues:
        is_placed = any(path.startswith(entry.expression) for path in issue.expression)
        yield issue if is_placed else error(issue.code, issue.diagnostics, entry.expression)


async def find_matches(steps: Sequence[Step], context: Context) -> None:
    """Let each step with a condition point at its matches, or at where its resource will be created."""
    conditional = [step for step in steps if step.criteria]
    found = await asyncio.gather(*(_matches(step, context) for step in conditional))
    creators: dict[tuple[str, Pairs], Step] = {}
    for step, matches in zip(conditional, found, strict=True):
        step.matches, step.ids = matches, tuple(match.id for match in matches)
        if step.code == "conditional-update":
            addressed = conditional_update.addressed(
                replace(step.request, body=step.resource), step.match, step.new_id
            )
            step.ids = (addressed.path[1],)
        elif step.code == "create":
            creator = creators.setdefault((step.resource_type, step.criteria), step)
            step.ids = (step.match.id if step.match else creator.new_id,)
            step.exists = step.match is not None or creator is not step


async def _matches(step: Step, context: Context) -> tuple[Match, ...]:
    try:
        if step.code == "conditional-delete":
            return tuple(await conditional_delete.all_matches(step.request, context))
        if step.code == "conditional-patch":
            return (await conditional_patch.required_match(step.request, step.criteria, context),)
        match = await single_match(context, step.resource_type, step.criteria)
    except FhirError as failure:
        raise told_at(step.entry, failure) from failure
    return () if match is None else (match,)


def refuse_overlaps(steps: Sequence[Step]) -> None:
    """Raise InvalidContent if two steps write the same resource."""
    issues = list(islice(_overlaps(steps), MOST_ISSUES + 1))
    if issues:
        raise InvalidContent(*issues)


def _overlaps(steps: Sequence[Step]) -> Iterator[Issue]:
    seen: set[str] = set()
    for step in steps:
        if step.writes:
            if not seen.isdisjoint(step.targets):
                message = "Two entries of a transaction write the same resource"
                yield error("invalid", message, step.entry.expression)
            seen.update(step.targets)


async def apply_patches(steps: Sequence[Step], context: Context) -> list[Step]:
    """Let each step that is a patch have the patched resource; return these steps."""
    patching = [step for step in steps if step.code in ("patch", "conditional-patch")]
    for step in patching:
        [resource_id] = step.ids
        try:
            made = await patch.apply(replace(step.request, path=(step.resource_type, resource_id)), context)
        except FhirError as failure:
            raise told_at(step.entry, failure) from failure
        # A copy of its own, as links in it are rewritten and the patch may be applied again.
        step.resource = copy.deepcopy(made.resource)
        step.number = step.match.number + 1 if step.match else made.number
        step.previous_meta = made.previous_meta
    return patching


async def planned_writes(steps: Sequence[Step]) -> list[list[Write]]:
    """Return the writes of each step; raise one error with the issues of all that cannot be stored."""
    writes: list[list[Write]] = []
    failures: list[FhirError] = []
    issues: list[Issue] = []
    for count, step in enumerate(steps, 1):
        try:
            writes.append(_writes(step))
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


def _writes(step: Step) -> list[Write]:
    at = f"{step.entry.expression}.resource"
    paths = [(step.resource_type, resource_id) for resource_id in step.ids]
    if step.code in ("delete", "conditional-delete"):
        deletions = [delete.plan(replace(step.request, path=path)) for path in paths]
        matches = step.matches or [None] * len(deletions)
        return [from_match(write, match) for write, match in zip(deletions, matches, strict=True)]
    if step.code == "create":
        write = new_resource(step.resource_type, step.ids[0], step.resource, at=at)
    elif step.code == "conditional-update":
        request = replace(step.request, body=step.resource)
        write = update.plan(conditional_update.addressed(request, step.match, step.ids[0]), at)
        step.number = step.match.number + 1 if step.match else step.number
    else:
        write = update.plan(replace(step.request, path=paths[0], body=step.resource), at)
    return [replace(write, number=step.number, previous_meta=step.previous_meta)]
