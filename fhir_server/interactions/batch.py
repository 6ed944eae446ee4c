"""batch: each entry succeeds or fails by itself. https://hl7.org/fhir/R4/http.html#brules"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fhir_server.bundle_links import resolve_links
from fhir_server.bundle_requests import entry_request, in_processing_order, is_reading
from fhir_server.context import Context, Request, Response, Route
from fhir_server.errors import error_response
from fhir_server.interactions import update
from fhir_server.interactions.create import created
from fhir_server.query_parameters import check_parameters
from fhir_server.responses import as_entry
from fhir_server.store import Write, Written
from fhir_server.write_path import commit, new_resource
from resources.bundle import Entry, bundle, request_entries
from resources.operation_outcome import FhirError, InvalidContent, StoreUnavailable, error

# Entries under way at once: enough to hide the database's latency, few enough to stay fair to others.
_CONCURRENCY = 8
# Plain creates and updates are stored so many together, which costs a tenth of storing each alone.
_TOGETHER = 50
_PARTS_AT_ONCE = 2

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Asked:
    """An entry, what it asks for, and (for a plain create or update) what it writes."""

    entry: Entry
    request: Request
    route: Route
    write: Write | None = None


class _Batch:
    """One batch on its way: the answers so far."""

    def __init__(self, entries: Sequence[Entry], context: Context) -> None:
        self.answers: list[dict[str, Any]] = [{}] * len(entries)
        self._context = context

    async def carry_out(self, entries: Sequence[Entry]) -> None:
        """Answer `entries`, which have no order among them."""
        asked: list[_Asked] = []
        for count, entry in enumerate(entries, 1):
            if (one := await self._asked(entry)) is not None:
                asked.append(one)
            if count % _TOGETHER == 0:
                await asyncio.sleep(0)  # to read entries is pure computation: others get their turn
        together, alone = _divided(asked)
        parts = [together[start : start + _TOGETHER] for start in range(0, len(together), _TOGETHER)]
        await _few_at_once(self._store, parts, _PARTS_AT_ONCE)
        await _few_at_once(self._answer, alone, _CONCURRENCY)

    async def _asked(self, entry: Entry) -> _Asked | None:
        """Return what an entry asks for; answer it and return None if it asks for nothing that there is."""
        try:
            await resolve_links([(entry, entry.resource)], {}, self._context)
            request = entry_request(entry, self._context)
            route = self._context.match(request)
            if route.code == "batch-or-transaction":
                message = "A batch or transaction cannot be part of another one"
                raise InvalidContent(error("not-supported", message, f"{entry.expression}.request"))
            return _Asked(entry, request, route, _plain_write(request, route, self._context))
        except FhirError as failure:
            self._set(entry, error_response(failure))
        return None

    async def _answer(self, asked: _Asked) -> None:
        """Carry out an entry like any other request."""
        try:
            response = await asked.route.handler(asked.request, self._context)
        except FhirError as failure:
            response = error_response(failure)
        is_answer = is_reading(asked.request, asked.route) or asked.route.code == "operation"
        self._set(asked.entry, response, is_answer=is_answer)

    async def _store(self, asked: Sequence[_Asked]) -> None:
        """Store entries in one transaction; if that fails, in two, so that a bad one is found by itself."""
        writes = [one.write for one in asked if one.write is not None]
        try:
            written = await commit(self._context, writes)
        except FhirError as failure:
            # Whether a database that cannot be reached stored something is not known: nothing is sent again.
            if len(asked) == 1 or isinstance(failure, StoreUnavailable):
                for one in asked:
                    if self._context.trail is not None:
                        self._context.trail.refused(one.request, one.route, failure)
                    self._set(one.entry, error_response(failure))
                return
            half = len(asked) // 2
            await self._store(asked[:half])
            await self._store(asked[half:])
            return
        for one, done in zip(asked, written, strict=True):
            self._set(one.entry, _stored(one, done))

    def _set(self, entry: Entry, response: Response, *, is_answer: bool = False) -> None:
        preferred = is_answer or self._context.preferences.returns == "representation"
        with_resource = entry.method != "HEAD" and preferred
        self.answers[entry.index] = as_entry(response, self._context.base_url, with_resource=with_resource)


async def batch(body: dict[str, Any], context: Context) -> Response:
    """Answer 200 with one entry for each that was sent, in the same order, whatever became of it."""
    entries = request_entries(body)
    under_way = _Batch(entries, context)
    for group in in_processing_order(entries):
        await under_way.carry_out(group)
    return Response(200, bundle("batch-response", under_way.answers))


def _plain_write(request: Request, route: Route, context: Context) -> Write | None:
    """Return what a create or update without a search writes; None for all else."""
    if route.code == "create" and request.if_none_exist is None:
        check_parameters(request, context)
        return new_resource(request.path[0], context.new_id(), request.body)
    if route.code == "update":
        check_parameters(request, context)
        return update.plan(request)
    return None


def _divided(asked: Iterable[_Asked]) -> tuple[list[_Asked], list[_Asked]]:
    """Return what may be stored together, and the rest, such as a second write of a resource."""
    together: dict[tuple[str, str], _Asked] = {}
    alone: list[_Asked] = []
    for one in asked:
        key = (one.write.resource_type, one.write.id) if one.write else None
        if key is None or key in together:
            alone.append(one)
        else:
            together[key] = one
    return list(together.values()), alone


def _stored(asked: _Asked, written: Written) -> Response:
    return created(written.version) if asked.route.code == "create" else update.updated(written)


async def _few_at_once(
    carry_out: Callable[[Item], Awaitable[None]], items: Iterable[Item], limit: int
) -> None:
    remaining = iter(items)

    async def work(remaining: Iterator[Item]) -> None:
        for item in remaining:
            await carry_out(item)

    await asyncio.gather(*(work(remaining) for _ in range(limit)))
