"""The matches of one page: of one type, of several one after the other, or of several in one order.

https://hl7.org/fhir/R4/search.html#sort, https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cmp_to_key
from typing import Any

from fhir_server.context import Context
from fhir_server.search.page_links import Place
from fhir_server.search.parameters import Query
from fhir_server.search.plan import finds, pipeline, position_of, tie_direction
from fhir_server.search.positions import Position
from fhir_server.search.sorting import SortKey

Document = dict[str, Any]

# Before and after all that are given to resources.
_FIRST_SEQUENCE, _LAST_SEQUENCE = -1, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Match:
    """A document that `query`, one of those of the search, found."""

    document: Document
    query: Query

    @property
    def position(self) -> Position:
        """Where in the search this is."""
        return replace(position_of(self.query, self.document), resource_type=self.query.label)

    @property
    def address(self) -> str:
        """The address of the resource, relative to the base; with the local id, if it is a contained one."""
        resource, container = self.resource, self.document.get("container")
        if container is None or "versionId" in resource.get("meta", {}):
            return f"{resource['resourceType']}/{resource['id']}"
        return f"{self.query.container}/{container}#{resource['id']}"

    @property
    def resource(self) -> dict[str, Any]:
        """The resource that the document holds."""
        found: dict[str, Any] = self.document["resource"]
        return found


async def matches(queries: Sequence[Query], place: Place, limit: int, context: Context) -> list[Match]:
    """Return up to `limit` matches from `place` on; backwards those before it, the nearest first.

    `queries` are about one type each, all with the same order, which is that of the types where nothing else
    is said.
    """
    if len(queries) == 1:
        return await _of_type(queries[0], place, limit, context)
    if not queries[0].results.sort:
        return await _one_after_the_other(queries, place, limit, context)
    return await _merged(queries, place, limit, context)


async def _of_type(
    query: Query, place: Place, limit: int, context: Context, *, with_resources: bool = True
) -> list[Match]:
    store, name = context.store, query.collection
    steps = None
    if not query.container:
        steps = finds(query, place.position, backwards=place.backwards)
    documents: list[Document] = []
    if steps is None:
        stages = pipeline(query, place.position, limit, backwards=place.backwards)
        documents = await store.aggregate(
            name, stages if with_resources else [*stages, {"$unset": "resource"}]
        )
    for step in steps or ():
        if len(documents) < limit:
            wanted = step.projection if with_resources else _without_resource(step.projection)
            documents += await store.find(name, step.filter, step.sort, wanted, limit - len(documents))
    return [Match(document, query) for document in documents]


def _without_resource(projection: dict[str, int]) -> dict[str, int]:
    return {path: wanted for path, wanted in projection.items() if path != "resource"}


async def _one_after_the_other(
    queries: Sequence[Query], place: Place, limit: int, context: Context
) -> list[Match]:
    turned = list(reversed(queries)) if place.backwards else list(queries)
    names = [query.label for query in turned]
    start = names.index(place.position.resource_type) if place.position else 0
    found: list[Match] = []
    for index, query in enumerate(turned[start:]):
        if len(found) >= limit:
            break
        within = place if index == 0 else replace(place, position=None)
        found += await _of_type(query, within, limit - len(found), context)
    return found


async def _merged(queries: Sequence[Query], place: Place, limit: int, context: Context) -> list[Match]:
    """Return the first of the matches of all types; only the values that they are sorted by are compared.

    Resources that are equal by all keys come in the order of their types.
    """
    found: list[Match] = []
    for query in reversed(queries) if place.backwards else queries:
        within = replace(place, position=_position_among(queries, query, place))
        # What is contained cannot be read by itself later.
        found += await _of_type(query, within, limit, context, with_resources=bool(query.container))
    keys = queries[0].results.sort
    values = {id(match): match.position.values for match in found}

    def compared(one: Match, other: Match) -> int:
        return _compared(values[id(one)], values[id(other)], keys)

    # Python's sort keeps the order of equal ones, also when it is reversed.
    chosen = sorted(found, key=cmp_to_key(compared), reverse=place.backwards)[:limit]
    return await _with_resources(chosen, context)


def _position_among(queries: Sequence[Query], query: Query, place: Place) -> Position | None:
    """Return the position in the matches of one type, from the place in all of them."""
    if place.position is None or place.position.resource_type == query.label:
        return place.position
    names = [one.label for one in queries]
    is_later = names.index(query.label) > names.index(place.position.resource_type)
    # Those of later types that are equal come after the place, those of earlier ones before it.
    is_ahead = is_later != place.backwards
    is_rising = (tie_direction(query.results.sort) > 0) != place.backwards
    return replace(place.position, sequence=_FIRST_SEQUENCE if is_ahead == is_rising else _LAST_SEQUENCE)


def _compared(one: tuple[Any, ...], other: tuple[Any, ...], keys: tuple[SortKey, ...]) -> int:
    """Return -1, 0 or 1 as `one` comes before, with or after `other`; as MongoDB compares, missing last."""
    for key, mine, others in zip(keys, one, other, strict=True):
        if mine is None or others is None:
            if (mine is None) != (others is None):
                return 1 if mine is None else -1
            continue
        left, right = (_rank(mine), mine), (_rank(others), others)
        if left != right:
            return key.direction * (-1 if left < right else 1)
    return 0


def _rank(value: Any) -> int:
    """Return the place of a type in the order of all types of values.

    https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
    """
    return 1 if isinstance(value, str) else 2 if isinstance(value, datetime) else 0


async def _with_resources(chosen: Sequence[Match], context: Context) -> list[Match]:
    ids: dict[str, list[str]] = {}
    for match in chosen:
        if "resource" in match.document:
            continue
        ids.setdefault(match.query.label, []).append(match.document["_id"])
    documents: dict[tuple[str, str], Document] = {}
    for name, wanted in ids.items():
        found = await context.store.find(name, {"_id": {"$in": wanted}}, (), {"resource": 1}, len(wanted))
        documents |= {(name, document["_id"]): document for document in found}
    # What was deleted since, where the moment is not kept, is left out.
    return [
        match if key not in documents else replace(match, document=match.document | documents[key])
        for match in chosen
        if (key := (match.query.label, match.document["_id"])) in documents or "resource" in match.document
    ]
