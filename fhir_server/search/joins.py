"""From a query that speaks of other resources to one that MongoDB can carry out on one collection.

https://hl7.org/fhir/R4/search.html#chaining
"""

from dataclasses import replace

from fhir_server.context import Context
from fhir_server.search.lookups import looked_up, needs_lookup
from fhir_server.search.parameters import Query


async def resolved(query: Query, context: Context) -> Query:
    """Return `query` with what it says of other resources looked up in the store of `context`."""
    return replace(query, filter=await looked_up(query.filter, context))


def has_lookups(query: Query) -> bool:
    """Tell whether `resolved` has to ask the store for anything."""
    return needs_lookup(query.filter)
