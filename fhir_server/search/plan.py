"""From a query to what MongoDB is asked, page by page.

A page goes on where the last one ended by the values of its sort keys, so that nothing is skipped or
repeated while others write. Without `_sort` resources come in the order of `seq`, that is of their creation.
https://hl7.org/fhir/R4/http.html#paging
"""

from dataclasses import dataclass
from typing import Any

from fhir_server.search.asked import both
from fhir_server.search.parameters import Query
from fhir_server.search.positions import Position
from fhir_server.search.sorting import SortKey

Filter = dict[str, Any]
Pipeline = list[dict[str, Any]]

_WANTED = {"resource": 1, "seq": 1}


@dataclass(frozen=True, slots=True)
class Find:
    """One `find`: filter, order, and the fields that are needed."""

    filter: Filter
    sort: tuple[tuple[str, int], ...]
    projection: dict[str, int]


def finds(query: Query, after: Position | None) -> list[Find] | None:
    """Return the finds that together, one after the other, give the rest of the search in its order.

    That takes one if there is no sort key, and two if there is one: first the resources that have a value,
    then the others. For more keys, or one with several values, there is no such way: None.
    """
    if not query.sort:
        return [Find(both([query.filter, _later(after, 1)]), (("seq", 1),), _WANTED)]
    key = query.sort[0]
    if len(query.sort) > 1 or not key.is_bare:
        return None
    found = []
    if after is None or after.values[0] is not None:
        found.append(_having(query.filter, key, after))
    if key.paths[0].startswith("search."):
        within = after if after and after.values[0] is None else None
        lacking = both([query.filter, {key.paths[0]: None}, _later(within, key.direction)])
        found.append(Find(lacking, (("seq", key.direction),), _WANTED))
    return found


def _later(after: Position | None, direction: int) -> Filter:
    return {} if after is None else {"seq": {_ahead(direction): after.sequence}}


def _ahead(direction: int) -> str:
    return "$gt" if direction > 0 else "$lt"


def _having(filter_: Filter, key: SortKey, after: Position | None) -> Find:
    path, ahead = key.paths[0], _ahead(key.direction)
    # Said explicitly, since an index on what has a value is used for nothing else.
    beyond: Filter = {path: {"$exists": True, "$ne": None}}
    if after is not None:
        value = after.values[0]
        # The first of the two says twice what the second says, in a form that bounds the index.
        beyond = {
            path: {f"{ahead}e": value},
            "$or": [{path: {ahead: value}}, {"seq": {ahead: after.sequence}}],
        }
    order = ((path, key.direction), ("seq", key.direction))
    return Find(both([filter_, beyond]), order, {**_WANTED, path: 1})


def pipeline(query: Query, after: Position | None, limit: int) -> Pipeline:
    """Return the aggregation that gives the next `limit` resources in the order of several sort keys.

    Its documents have the values of the keys in `keys`, with `null` for those that are missing.
    """
    stages: Pipeline = [
        {"$match": query.filter},
        {"$set": {f"key{i}": _key_value(key) for i, key in enumerate(query.sort)}},
        {"$set": {f"last{i}": {"$lte": [f"$key{i}", None]} for i in range(len(query.sort))}},
    ]
    if after is not None:
        stages.append({"$match": _beyond(query.sort, after)})
    order: dict[str, int] = {}
    for i, key in enumerate(query.sort):
        order |= {f"last{i}": 1, f"key{i}": key.direction}
    keys = [{"$ifNull": [f"$key{i}", None]} for i in range(len(query.sort))]
    stages += [{"$sort": order | {"seq": 1}}, {"$limit": limit}]
    return [*stages, {"$project": {**_WANTED, "keys": keys}}]


def _key_value(key: SortKey) -> Any:
    if key.is_bare:
        return f"${key.paths[0]}"
    extreme = "$max" if key.descending else "$min"
    return {extreme: [{extreme: f"${path}"} for path in key.paths]}


def _beyond(keys: tuple[SortKey, ...], after: Position) -> Filter:
    """Return the condition that a resource comes after the position, key by key."""
    alternatives: list[Filter] = []
    equal: Filter = {}
    for i, (key, value) in enumerate(zip(keys, after.values, strict=True)):
        if value is None:
            equal = equal | {f"last{i}": True}
            continue
        alternatives += [equal | {f"last{i}": True}, equal | {f"key{i}": {_ahead(key.direction): value}}]
        equal = equal | {f"key{i}": value}
    return {"$or": [*alternatives, equal | {"seq": {"$gt": after.sequence}}]}
