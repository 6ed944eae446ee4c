"""_explain=true: how a search was carried out, in place of what it found. A parameter of this server's own.

The answer is a Parameters resource with a `step` for each question to MongoDB: those about other resources
that came first (chains, `_has`), the matches, what is included, and the count if there is one.
https://hl7.org/fhir/R4/parameters.html
"""

import time
from dataclasses import replace
from typing import Any

from fhir_server.context import Context
from fhir_server.query_string import Pairs
from fhir_server.search.searchset import Search, searchset
from fhir_server.store import Explanation
from resources.operation_outcome import InvalidSearch, error

EXPLAIN = "_explain"


def is_wanted(query: Pairs) -> bool:
    """Tell whether a search is to be explained; raise InvalidSearch unless the value is true or false."""
    values = {value for name, value in query if name == EXPLAIN}
    if values - {"true", "false"}:
        raise InvalidSearch(error("value", f"{EXPLAIN} is true or false"))
    return "true" in values


async def explanation(search: Search, context: Context) -> dict[str, Any]:
    """Carry out `search`, and return how that was done, with the milliseconds that it took in all.

    Each question is asked of MongoDB a second time to be explained, so this takes about twice as long as the
    search alone.
    """
    store, steps = context.store.explaining()
    started = time.perf_counter()
    bundle = await searchset(search, replace(context, store=store))
    milliseconds = round((time.perf_counter() - started) * 1000)
    entries = len(bundle.get("entry", ()))
    parameters = [_integer("milliseconds", milliseconds), _integer("entries", entries)]
    return {"resourceType": "Parameters", "parameter": [*parameters, *map(_step, steps)]}


def _step(step: Explanation) -> dict[str, Any]:
    parts = [
        {"name": "operation", "valueCode": step.operation},
        {"name": "type", "valueCode": step.resource_type},
        *({"name": "stage", "valueString": stage} for stage in step.stages),
        *({"name": "index", "valueString": index} for index in step.indexes),
        _integer("keysExamined", step.keys_examined),
        _integer("documentsExamined", step.documents_examined),
        _integer("returned", step.returned),
        _integer("milliseconds", step.milliseconds),
    ]
    return {"name": "step", "part": parts}


def _integer(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "valueInteger": value}
