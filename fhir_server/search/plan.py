"""From a query to what MongoDB is asked, page by page, in both directions.

A page goes on where the last one ended by the values of its sort keys, so that nothing is skipped or
repeated while others write. Without `_sort` resources come in the order of `seq`, that is of their creation,
unless a range of dates is all that is asked for (see `search.ranges`).
https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.search.asked import both
from fhir_server.search.contained import unpacked
from fhir_server.search.parameters import Query
from fhir_server.search.positions import Position
from fhir_server.search.ranges import parts
from fhir_server.search.sorting import SortKey

Filter = dict[str, Any]
Pipeline = list[dict[str, Any]]
Document = dict[str, Any]

_WANTED = {"resource": 1, "seq": 1}
_WITHIN = (
    SortKey(("seq",), descending=False, is_bare=True),
    SortKey(("part",), descending=False, is_bare=True),
)


@dataclass(frozen=True, slots=True)
class Find:
    """One `find`: filter, order, and the fields that are needed."""

    filter: Filter
    sort: tuple[tuple[str, int], ...]
    projection: dict[str, int]


def finds(query: Query, position: Position | None, *, backwards: bool = False) -> list[Find] | None:
    """Return the finds that together, one after the other, give what comes after `position` in order.

    `backwards` they give what comes before it, the nearest first. That takes one find if there is no sort
    key, and two if there is one: the resources that have a value come first, then the others; if ranges of
    the key are asked for, one for each of these. For more keys, or one of several parameters together, there
    is no such way: None. Nor is there for the way back by the
    least of several values, as MongoDB would go by the greatest.
    """
    sort = query.results.sort
    if not sort:
        turn = -1 if backwards else 1
        return [Find(both([query.filter, _later(position, turn)]), (("seq", turn),), _WANTED)]
    key = sort[0]
    if len(sort) > 1 or not (key.is_bare or (key.array and not backwards)):
        return None
    if backwards:
        key = replace(key, descending=not key.descending)
    ranges = parts(query.filter, key)
    if ranges is not None:
        listed = [_having_value(replace(query, filter=one), key, position) for one in ranges]
        return listed[:: key.direction]
    is_lacking = position is not None and position.values[0] is None
    steps: list[Find] = []
    if backwards or not is_lacking:
        steps.append(_having_value(query, key, None if is_lacking else position))
    if (not backwards or is_lacking or position is None) and key.paths[0].startswith("search."):
        steps.append(_lacking_value(query, key, position if is_lacking else None))
    return steps[::-1] if backwards else steps


def _having_value(query: Query, key: SortKey, position: Position | None) -> Find:
    beyond = _beyond_value(key, position) if position else {}
    # Ids are unique, and the index on them has nothing else in it.
    tie = [] if key.paths[0] == "_id" else [("seq", key.direction)]
    order = ((key.paths[0], key.direction), *tie)
    having, _ = _presence(key)
    return Find(both([query.filter, having, beyond]), order, {**_WANTED, key.paths[0]: 1})


def _lacking_value(query: Query, key: SortKey, position: Position | None) -> Find:
    _, lacking = _presence(key)
    rest = both([query.filter, lacking, _later(position, key.direction)])
    return Find(rest, (("seq", key.direction),), _WANTED)


def _later(after: Position | None, direction: int) -> Filter:
    return {} if after is None else {"seq": {_ahead(direction): after.sequence}}


def _ahead(direction: int) -> str:
    return "$gt" if direction > 0 else "$lt"


def _presence(key: SortKey) -> tuple[Filter, Filter]:
    """Return the conditions that a resource has a value for the key, and that it has none.

    The first is in terms that the key's index is made of, which is used for nothing else.
    """
    path = key.paths[0]
    if key.is_bare:
        return {path: {"$exists": True, "$ne": None}}, {path: None}
    first = f"{key.array}.0"
    return {key.array: {"$exists": True}, first: {"$exists": True}}, {first: {"$exists": False}}


def _beyond_value(key: SortKey, after: Position) -> Filter:
    """Return the condition that a resource comes after the position in the order of the one key."""
    path, value, ahead = key.paths[0], after.values[0], _ahead(key.direction)
    if key.is_bare:
        # The first of the two says twice what the second says, in a form that bounds the index.
        return {
            path: {f"{ahead}e": value},
            "$or": [{path: {ahead: value}}, {"seq": {ahead: after.sequence}}],
        }
    # An expression bounds no index, and so leaves it in the order of each resource's least value.
    extreme = {"$max" if key.descending else "$min": f"${path}"}
    tie = {"$and": [{"$eq": [extreme, value]}, {ahead: ["$seq", after.sequence]}]}
    return {"$expr": {"$or": [{ahead: [extreme, value]}, tie]}}


def pipeline(query: Query, position: Position | None, limit: int, *, backwards: bool = False) -> Pipeline:
    """Return the aggregation that gives the next `limit` resources in the order of any sort keys.

    `backwards` they are those before the position, the nearest first. Its documents have the values of the
    keys in `keys`, with `null` for those that are missing.
    """
    sort, turn = query.results.sort, -1 if backwards else 1
    wanted = {**_WANTED, "container": 1} if query.container else _WANTED
    stages: Pipeline = [
        *found(query),
        {"$set": {f"key{i}": _key_value(key) for i, key in enumerate(sort)}},
        {"$set": {f"last{i}": {"$lte": [f"$key{i}", None]} for i in range(len(sort))}},
    ]
    if position is not None:
        stages.append({"$match": _beyond(sort, position, turn)})
    order: dict[str, int] = {}
    for i, key in enumerate(sort):
        order |= {f"last{i}": turn, f"key{i}": key.direction * turn}
    keys = [{"$ifNull": [f"$key{i}", None]} for i in range(len(sort))]
    stages += [{"$sort": order | {"seq": tie_direction(sort) * turn}}, {"$limit": limit}]
    return [*stages, {"$project": {**wanted, "keys": keys}}]


def found(query: Query) -> Pipeline:
    """Return the stages that give all that matches, in any order."""
    if not query.container:
        return [{"$match": query.filter}]
    return unpacked(query.resource_type, query.container, query.filter, query.results.containment)


def contained_queries(query: Query, types: Iterable[str]) -> tuple[Query, ...]:
    """Return the queries that `_contained` asks for: of what is contained in resources of `types`, or also of
    what is not.

    Several that are contained in one resource have one `seq`: their place in it tells them apart.
    """
    wanted = query.results.containment.searched
    if wanted == "false":
        return (query,)
    sort = (*query.results.sort, *_WITHIN)
    within = replace(query, results=replace(query.results, sort=sort))
    outside = within if query.results.sort else query
    inside = (replace(within, container=name) for name in types)
    return (*((outside,) if wanted == "both" else ()), *inside)


def tie_direction(sort: tuple[SortKey, ...]) -> int:
    """Return the direction in which resources come that are equal by all keys: 1 is that of creation."""
    return sort[0].direction if len(sort) == 1 else 1


def _key_value(key: SortKey) -> Any:
    if key.is_bare:
        return f"${key.paths[0]}"
    extreme = "$max" if key.descending else "$min"
    return {extreme: [{extreme: f"${path}"} for path in key.paths]}


def _beyond(keys: tuple[SortKey, ...], position: Position, turn: int) -> Filter:
    """Return the condition that a resource comes after the position, or before it if `turn` is -1."""
    alternatives: list[Filter] = []
    equal: Filter = {}
    for i, (key, value) in enumerate(zip(keys, position.values, strict=True)):
        is_last = value is None
        if is_last != (turn > 0):
            alternatives.append(equal | {f"last{i}": not is_last})
        if is_last:
            equal = equal | {f"last{i}": True}
        else:
            alternatives.append(equal | {f"key{i}": {_ahead(key.direction * turn): value}})
            equal = equal | {f"key{i}": value}
    ties = {"seq": {_ahead(tie_direction(keys) * turn): position.sequence}}
    return {"$or": [*alternatives, equal | ties]}


def position_of(query: Query, document: Document) -> Position:
    """Return the position after `document`, one that a find or the pipeline of `query` gave."""
    if "keys" in document:
        return Position(tuple(document["keys"]), document["seq"])
    return Position(tuple(_value(document, key) for key in query.results.sort), document["seq"])


def _value(document: Document, key: SortKey) -> Any:
    """Return the value by which `document` was sorted: of several the one that comes first."""
    values = _values_at(document, key.paths[0].split("."))
    return (max(values) if key.descending else min(values)) if values else None


def _values_at(found: Any, names: list[str]) -> list[Any]:
    if isinstance(found, list):
        return [value for item in found for value in _values_at(item, names)]
    if not names or found is None:
        return [] if found is None else [found]
    return _values_at(found.get(names[0]), names[1:])
