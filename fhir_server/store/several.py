"""Documents of several collections, read by one command.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/unionWith/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document

_PART = "part"


@dataclass(frozen=True, slots=True)
class Part:
    """What is wanted of one collection: the `projection` of up to `limit` documents that meet `condition`."""

    collection: str
    condition: dict[str, Any]
    projection: dict[str, int]
    limit: int | None = None

    def stages(self, number: int) -> list[dict[str, Any]]:
        """Return the stages of an aggregation that find it, and mark it by its number."""
        limited = [] if self.limit is None else [{"$limit": self.limit}]
        mark = {"$set": {_PART: {"$literal": number}}}
        return [{"$match": self.condition}, *limited, {"$project": self.projection}, mark]


def pipeline(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the aggregation over the collection of the first of `parts` that finds all of them."""
    stages = parts[0].stages(0)
    for number, part in enumerate(parts[1:], start=1):
        stages.append({"$unionWith": {"coll": part.collection, "pipeline": part.stages(number)}})
    return stages


async def find_parts(
    database: Database,
    parts: Sequence[Part],
    session: AsyncClientSession | None = None,
    longest_ms: int | None = None,
) -> list[list[Document]]:
    """Return what is found of each of `parts`, in their order; MongoDB gives up after `longest_ms`.

    A round trip costs more than what it asks for if that is found by an index, as most of what a transaction
    reads is.
    """
    found: list[list[Document]] = [[] for _ in parts]
    if parts:
        limit: dict[str, Any] = {} if longest_ms is None else {"maxTimeMS": longest_ms}
        collection = database[parts[0].collection]
        cursor = await collection.aggregate(pipeline(parts), session=session, **limit)
        async for document in cursor:
            found[document.pop(_PART)].append(document)
    return found
