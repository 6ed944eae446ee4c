"""How many documents match, about: counted as far as that takes no time, and beyond it judged by a sample.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/sample/
"""

from typing import Any

from pymongo.errors import ExecutionTimeout
from pymongo.read_concern import ReadConcern

from fhir_server.store.connection import Database

_MOST_COUNTED = 10_000
_LONGEST_COUNT_MS = 500
_SAMPLE = 1_000
# MongoDB takes a sample without reading everything if it is less than a twentieth of the collection.
_LEAST_FOR_SAMPLE = _SAMPLE * 20


async def estimated_count(
    database: Database, resource_type: str, condition: dict[str, Any], longest_ms: int
) -> int:
    """Return the number of documents that match; exact up to 10,000 that are found in half a second."""
    # Pages are read as of one moment, which MongoDB's estimates know nothing of.
    collection = database[resource_type].with_options(read_concern=ReadConcern("local"))
    if not condition:
        return await collection.estimated_document_count(maxTimeMS=longest_ms)
    counted = 0
    try:
        counted = await collection.count_documents(
            condition, limit=_MOST_COUNTED, maxTimeMS=_LONGEST_COUNT_MS
        )
        if counted < _MOST_COUNTED:
            return counted
    except ExecutionTimeout:
        pass  # few match, and no index knows which: the sample says how few
    everything = await collection.estimated_document_count(maxTimeMS=longest_ms)
    if everything < _LEAST_FOR_SAMPLE:
        return await collection.count_documents(condition, maxTimeMS=longest_ms)
    stages: list[dict[str, Any]] = [
        {"$sample": {"size": _SAMPLE}},
        {"$match": condition},
        {"$count": "number"},
    ]
    found = await (await collection.aggregate(stages, maxTimeMS=longest_ms)).to_list()
    sampled = found[0]["number"] if found else 0
    return max(counted, sampled * everything // _SAMPLE)
