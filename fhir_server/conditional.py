"""Conditional interactions: a search that says which resource is meant.

https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/http.html#trules
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.context import Context
from fhir_server.query_string import Pairs, parse_pairs
from fhir_server.search.joins import resolved
from fhir_server.search.parameters import parse_search
from fhir_server.store import Absence, Write
from resources.operation_outcome import InvalidSearch, PreconditionFailed, error

_NO_CONDITION = "A condition needs a search parameter with a value"


def search_pairs(criteria: str) -> Pairs:
    """Return the decoded pairs of a search such as `Patient?identifier=a|1`, with or without the type."""
    query = criteria.rpartition("?")[2]
    pairs = parse_pairs(query)
    if not pairs:
        raise InvalidSearch(error("value", _NO_CONDITION))
    return pairs


async def absence(context: Context, resource_type: str, pairs: Pairs) -> Absence:
    """Return the promise that nothing of `resource_type` matches `pairs` when the write is committed."""
    condition = await _condition(context, resource_type, pairs)
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    key = hashlib.sha256(f"{resource_type}?{text}".encode()).hexdigest()
    return Absence(resource_type, key, condition)


def criteria_of(query: Pairs) -> Pairs:
    """Return the pairs of a URL that are a condition: all but those about the form of the answer.

    Raises InvalidSearch if there are none: an update or delete of just anything is never meant.
    """
    pairs = tuple(pair for pair in query if pair[0] not in ("_format", "_pretty"))
    if not pairs:
        raise InvalidSearch(error("value", _NO_CONDITION))
    return pairs


@dataclass(frozen=True, slots=True)
class Match:
    """A resource that meets a condition, and the number of the version that does.

    Whoever changes it because of that writes the version after this one, or looks again.
    """

    id: str
    number: int


async def matches(context: Context, resource_type: str, pairs: Pairs, limit: int) -> list[Match]:
    """Return up to `limit` resources that match."""
    condition = await _condition(context, resource_type, pairs)
    found = await context.store.matching_versions(resource_type, condition, limit)
    return [Match(*identity) for identity in found]


async def single_match(context: Context, resource_type: str, pairs: Pairs) -> Match | None:
    """Return the one resource that matches, or None; raise PreconditionFailed if several do."""
    found = await matches(context, resource_type, pairs, limit=2)
    if len(found) > 1:
        raise PreconditionFailed(
            error("multiple-matches", f"More than one {resource_type} matches the condition")
        )
    return found[0] if found else None


def from_match(write: Write, match: Match | None) -> Write:
    """Return `write`, to be committed only while the version that met the condition is the current one."""
    return write if match is None else replace(write, number=match.number + 1)


async def _condition(context: Context, resource_type: str, pairs: Pairs) -> dict[str, Any]:
    """Return the MongoDB filter of a condition, which must not be one that every resource meets."""
    query = parse_search(resource_type, pairs, lenient=False, base_url=context.base_url)
    if not query.filter:
        raise InvalidSearch(error("value", _NO_CONDITION))
    return (await resolved(query, context)).filter
