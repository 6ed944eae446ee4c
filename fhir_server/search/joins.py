"""From a query that speaks of other resources to one that MongoDB can carry out on one collection.

A chain or `_has` that few resources are an answer to is asked first. One with many answers is asked the other
way round, if the rest of the search finds few resources: which of what these are linked with is an answer?
https://hl7.org/fhir/R4/search.html#chaining
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.context import Context
from fhir_server.search.asked import Condition, both, conjuncts, either
from fhir_server.search.cost import is_served
from fhir_server.search.lookups import looked_up, needs_lookup
from fhir_server.search.parameters import Query
from fhir_server.search.related import Related, values_at

FEW = (50, 1_000)
"""Up to how many resources a question about others is asked first without looking for a better way.

First a few on either side are looked for, and only then more: to find that there are more than a thousand
takes as long as to read them.
"""


@dataclass(frozen=True, slots=True)
class _Link:
    """A part of a filter that is a question about others: alternatives of a path and a question each."""

    alternatives: tuple[tuple[str, Related], ...]


async def resolved(query: Query, context: Context) -> Query:
    """Return `query` with what it says of other resources looked up in the store of `context`."""
    if not needs_lookup(query.filter):
        return query
    parts = conjuncts(query.filter)
    links = [link for part in parts if (link := _link(part)) is not None]
    others = [part for part in parts if _link(part) is None]
    found = both([await looked_up(part, context) for part in others])
    for limit in FEW:
        many: list[_Link] = []
        for link in links:
            answer = await _few(link, limit, context)
            if answer is None:
                many.append(link)
            else:
                found = both([found, answer])
        links = []
        for link in many:
            answer = await _turned_round(query.resource_type, link, found, limit, context)
            if answer is None:
                links.append(link)
            else:
                found = both([found, answer])
    answers = [await _all(link, context) for link in links]
    return replace(query, filter=both([found, *answers]))


def has_lookups(query: Query) -> bool:
    """Tell whether `resolved` has to ask the store for anything."""
    return needs_lookup(query.filter)


def _link(part: Condition) -> _Link | None:
    listed: Sequence[Condition] = part["$or"] if part.keys() == {"$or"} else [part]
    alternatives: list[tuple[str, Related]] = []
    for one in listed:
        [(path, test), *rest] = one.items()
        question: Any = test.get("$in") if isinstance(test, dict) else None
        if rest or not isinstance(question, Related):
            return None
        alternatives.append((path, question))
    return _Link(tuple(alternatives))


async def _few(link: _Link, limit: int, context: Context) -> Condition | None:
    """Return the condition of a question to which at most `limit` resources are an answer, else None."""
    conditions: list[Condition] = []
    for path, question in link.alternatives:
        values = await question.few(context, limit)
        if values is None:
            return None
        conditions.append({path: {"$in": values}})
    return either(conditions)


async def _turned_round(
    resource_type: str, link: _Link, found: Condition, limit: int, context: Context
) -> Condition | None:
    """Return the condition for what the rest of the search finds, if that is at most `limit`, else None."""
    if not found or not is_served(found):
        return None
    paths = dict.fromkeys((path for path, _ in link.alternatives), 1)
    documents = await context.store.find(resource_type, found, (), paths, limit + 1)
    if len(documents) > limit:
        return None
    return either(
        [
            {path: {"$in": await question.among(context, values_at(documents, path))}}
            for path, question in link.alternatives
        ]
    )


async def _all(link: _Link, context: Context) -> Condition:
    """Return the condition of a question with many answers; raise TooCostly if there are too many."""
    return either([{path: {"$in": await question.lookup(context)}} for path, question in link.alternatives])
