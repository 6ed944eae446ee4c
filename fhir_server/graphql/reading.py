"""The one way in which a query reaches stored resources: the interactions that HTTP has, by the route table.

So whatever these let a client see or do holds here too.
https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#search
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.context import Context, Preferences, Request
from fhir_server.graphql.cursors import KEY_NAME
from fhir_server.graphql.limits import Work
from fhir_server.search.page_links import new_key
from resources.operation_outcome import ResourceDeleted, ResourceNotFound
from resources.references import LiteralReference

Resource = dict[str, Any]
Pairs = Sequence[tuple[str, str]]

_MOST_AT_ONCE = 8
"""Requests of one query that are under way together."""

_MOST_IDS = 500


async def together(*work: Awaitable[None]) -> None:
    """Do several things at the same time; raise the first error of any when all have ended."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def read(path: tuple[str, ...], context: Context) -> Resource:
    """Return the resource or version at a path; raise ResourceNotFound or ResourceDeleted."""
    return await _answer(Request("GET", path), context) or {}


class Reads:
    """What one query reads; each resource is read once."""

    def __init__(self, context: Context, work: Work) -> None:
        """Read with the rights of `context`, as long as there is `work` left."""
        # `Prefer` is about what REST answers; here the query says what is wanted.
        self._context = replace(context, preferences=Preferences())
        self._work = work
        self._gate = asyncio.Semaphore(_MOST_AT_ONCE)
        self._known: dict[LiteralReference, Resource | None] = {}

    async def read(self, path: tuple[str, ...]) -> Resource:
        """Return the resource or version at a path; raise ResourceNotFound or ResourceDeleted."""
        self._work.spend_resources(1)
        async with self._gate:
            return await read(path, self._context)

    async def search(self, resource_type: str, pairs: Pairs) -> Resource:
        """Return the Bundle that a search gives."""
        self._work.spend_searches(1)
        return await self._answer(Request("GET", (resource_type,), tuple(pairs))) or {}

    async def cursor_key(self) -> str:
        """Return the key that cursors are encrypted with, the same in all processes."""
        return await self._context.store.shared_key(KEY_NAME, new_key())

    async def write(self, request: Request) -> Resource | None:
        """Carry out a create, update or delete and return what is stored then."""
        return await self._answer(request)

    async def targets(self, references: Iterable[LiteralReference]) -> Mapping[LiteralReference, Resource]:
        """Return the resources that references of this server point to; those not found are left out.

        One search finds all resources of a type.
        """
        missing = [one for one in dict.fromkeys(references) if one not in self._known]
        self._work.spend_resources(len(missing))
        self._known |= dict.fromkeys(missing)
        by_type: dict[str, list[str]] = {}
        versions = []
        for one in missing:
            if one.version is None:
                by_type.setdefault(one.resource_type, []).append(one.id)
            else:
                versions.append(one)
        size = min(_MOST_IDS, self._context.settings.max_page_size)
        await together(
            *(
                self._find(name, ids[i : i + size])
                for name, ids in by_type.items()
                for i in range(0, len(ids), size)
            ),
            *(self._find_version(one) for one in versions),
        )
        return {one: found for one, found in self._known.items() if found is not None}

    async def _find(self, resource_type: str, ids: list[str]) -> None:
        pairs = (("_id", ",".join(ids)), ("_count", str(len(ids))))
        found = await self._answer(Request("GET", (resource_type,), pairs)) or {}
        for resource in matches(found):
            self._known[LiteralReference("", resource_type, resource["id"], None)] = resource

    async def _find_version(self, reference: LiteralReference) -> None:
        path = (reference.resource_type, reference.id, "_history", reference.version or "")
        try:
            self._known[reference] = await self.read(path)
        except (ResourceNotFound, ResourceDeleted):
            return

    async def _answer(self, request: Request) -> Resource | None:
        async with self._gate:
            return await _answer(request, self._context)


async def _answer(request: Request, context: Context) -> Resource | None:
    route = context.match(request)
    return (await route.handler(request, context)).resource


def matches(found: Mapping[str, Any]) -> list[Resource]:
    """Return the resources that matched a search, without what else its Bundle holds."""
    return [entry["resource"] for entry in found.get("entry", ()) if is_match(entry)]


def is_match(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry of a searchset is a match."""
    return bool(entry.get("search", {}).get("mode", "match") == "match")
