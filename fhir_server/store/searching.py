"""Finding resources: as of what moment, for how long at most, and watched by whom.

https://www.mongodb.com/docs/manual/reference/method/cursor.maxTimeMS/
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.estimates import estimated_count
from fhir_server.store.explanations import Explanation, explained
from fhir_server.store.several import Part, find_parts, pipeline
from fhir_server.store.snapshots import is_in_transaction

Filter = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """What searches may take: seconds with an index and without, and how many without at one time."""

    seconds: float
    scan_seconds: float
    max_scans: int


DEFAULT_LIMITS = SearchLimits(10.0, 5.0, 2)


@dataclass(frozen=True, slots=True)
class Searching:
    """How searches are carried out: `longest_ms` is the time after which MongoDB gives one up.

    `longest_scan_ms` is the time for one that no index serves. Reads are part of `session` if there is one.
    If there is a list of `explanations`, each is carried out a second time to be explained there.
    """

    database: Database
    longest_ms: int
    longest_scan_ms: int
    session: AsyncClientSession | None = None
    explanations: list[Explanation] | None = None

    async def matching_ids(self, resource_type: str, condition: Filter, limit: int) -> list[str]:
        """Return the ids of up to `limit` resources whose documents match the MongoDB filter `condition`."""
        found = await self.find(resource_type, condition, (), {"_id": 1}, limit)
        return [document["_id"] for document in found]

    async def distinct(
        self, resource_type: str, condition: Filter, path: str, limit: int, starts: Sequence[str]
    ) -> list[Any]:
        """Return up to `limit` values, each once, at `path` of the documents that match the filter.

        If there are `starts`, only strings that begin with one of them.
        """
        pattern = f"^(?:{'|'.join(map(re.escape, starts))})"
        pipeline: list[dict[str, Any]] = [
            {"$match": condition},
            {"$project": {"_id": 0, "value": f"${path}"}},
            {"$unwind": "$value"},
            *([{"$match": {"value": {"$regex": pattern}}}] if starts else []),
            {"$group": {"_id": "$value"}},
            {"$limit": limit},
        ]
        return [document["_id"] for document in await self.aggregate(resource_type, pipeline)]

    async def find(
        self,
        resource_type: str,
        condition: Filter,
        sort: Sequence[tuple[str, int]],
        projection: dict[str, int],
        limit: int,
        index: str | None = None,
    ) -> list[Document]:
        """Return the `projection` of up to `limit` documents that match the filter `condition`, in order.

        `index` names the index to use, for a type of which something is stored; None leaves it to MongoDB.
        """
        cursor = self.database[resource_type].find(
            condition,
            projection,
            sort=list(sort),
            limit=limit,
            max_time_ms=self.longest_ms,
            hint=index,
            session=self.session,
        )
        found = await cursor.to_list()
        command = {"find": resource_type, "filter": condition, "projection": projection, "limit": limit}
        await self._explain(
            {**command, **({"sort": dict(sort)} if sort else {}), **({"hint": index} if index else {})}
        )
        return found

    async def find_parts(self, parts: Sequence[Part]) -> list[list[Document]]:
        """Return what is found of each of `parts`, in their order; by one command outside of transactions."""
        if is_in_transaction():  # where MongoDB takes no unions
            return [
                await self.find(one.collection, one.condition, (), one.projection, one.limit or 0)
                for one in parts
            ]
        found = await find_parts(self.database, parts, self.session, self.longest_ms)
        if parts:
            await self._explain({"aggregate": parts[0].collection, "pipeline": pipeline(parts), "cursor": {}})
        return found

    async def aggregate(self, resource_type: str, pipeline: list[dict[str, Any]]) -> list[Document]:
        """Return the documents that an aggregation over the resources of a type gives."""
        cursor = await self.database[resource_type].aggregate(
            pipeline, maxTimeMS=self.longest_ms, session=self.session
        )
        found = await cursor.to_list()
        await self._explain({"aggregate": resource_type, "pipeline": pipeline, "cursor": {}})
        return found

    async def count(self, resource_type: str, condition: Filter) -> int:
        """Return the number of resources whose documents match the filter `condition`."""
        number = await self.database[resource_type].count_documents(
            condition, maxTimeMS=self.longest_ms, session=self.session
        )
        await self._explain({"count": resource_type, "query": condition})
        return number

    async def estimate(self, resource_type: str, condition: Filter) -> int:
        """Return about how many resources match, at little cost (see `store.estimates`)."""
        return await estimated_count(self.database, resource_type, condition, self.longest_ms)

    async def _explain(self, command: dict[str, Any]) -> None:
        # MongoDB explains nothing within a transaction.
        if self.explanations is not None and not is_in_transaction():
            self.explanations.append(await explained(self.database, command, self.longest_ms))
