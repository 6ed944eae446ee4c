"""Definitions by their canonical URLs, with or without a version.

https://hl7.org/fhir/R4/references.html#canonical
"""

from typing import Any

from fhir_server.context import Context
from fhir_server.search.escaping import escape
from fhir_server.search.parameters import parse_search

_MOST_VERSIONS = 20


async def named(resource_type: str, canonical: str, context: Context) -> dict[str, Any] | None:
    """Return the definition that a canonical URL names, of those that the caller sees; None without one."""
    query = parse_search(
        resource_type, search_of(canonical), lenient=False, base_url=context.base_url, now=context.now()
    )
    documents = await context.store.find(resource_type, query.filter, (), {"resource": 1}, _MOST_VERSIONS)
    return newest([one["resource"] for one in documents])


def search_of(canonical: str) -> tuple[tuple[str, str], ...]:
    """Return the search for the definitions of a canonical URL."""
    url, _, version = canonical.partition("|")
    return (("url", escape(url)), *([("version", escape(version))] if version else []))


def newest(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the one of several definitions of one URL that counts: an active one, the latest."""
    return max(
        found, key=lambda one: (one.get("status") == "active", str(one.get("version", ""))), default=None
    )
