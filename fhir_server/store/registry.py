"""The custom search parameters as the database has them: one document, which all server processes share.

Each process asks for it at the beginning of a request, if it last did so more than half a second ago. So
whoever changes it waits that long, and from then on no process answers by what was before. That no process
*writes* index values by what was before is seen to by the database itself (`store.fence`).
See `docs/decisions/0018-custom-search-parameters.md`.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern

from fhir_server.search.registration import Registration
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from resources.custom_parameters import NO_PARAMETERS, CustomParameter, CustomParameters

FRESH_SECONDS = 0.5
"""How old what a request goes by may be when the request begins."""

REGISTRY = "registry"
_ID = "search-parameters"


class Registry:
    """What this process knows of the custom parameters, and how it hears of changes."""

    def __init__(self, database: Database) -> None:
        """Know of none yet; `database` is where they are."""
        # What a minority has may be taken back, and its revision then be given to something else.
        self._collection = database[REGISTRY].with_options(read_concern=ReadConcern("majority"))
        self._known = NO_PARAMETERS
        self._asked_at = float("-inf")
        self._refreshing: asyncio.Task[CustomParameters] | None = None

    async def prepare(self) -> None:
        """Make sure that there is something to be changed."""
        nothing = {"$setOnInsert": _document(NO_PARAMETERS)}
        await self._collection.update_one({"_id": _ID}, nothing, upsert=True)

    async def fresh(self) -> CustomParameters:
        """Return the custom parameters as they were half a second ago or later."""
        if time.monotonic() - self._asked_at < FRESH_SECONDS:
            return self._known
        # Requests that come meanwhile wait for the same answer. One that ends does not end it for the others.
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self.refresh())
        return await asyncio.shield(self._refreshing)

    async def refresh(self) -> CustomParameters:
        """Return the custom parameters as they are now."""
        asked_at = time.monotonic()
        found = await self._collection.find_one({"_id": _ID, "revision": {"$ne": self._known.revision}})
        if found is not None and found["revision"] > self._known.revision:
            self._known = _parameters(found)
        self._asked_at = max(self._asked_at, asked_at)
        return self._known

    async def replace(
        self, before: CustomParameters, after: CustomParameters, session: AsyncClientSession | None = None
    ) -> bool:
        """Put `after` in the place of `before`; False if somebody else changed it meanwhile."""
        result = await self._collection.update_one(
            {"_id": _ID, "revision": before.revision},
            {"$set": _document(after)},
            session=session,
        )
        return bool(result.matched_count)

    async def note_removed(self, change: Registration, at: datetime, session: AsyncClientSession) -> None:
        """Remember, in the transaction that changes the parameters, whose values and indexes are to go."""
        if change.removed:
            entries = [{"type": name, "code": code, "at": at} for name, code in sorted(change.removed)]
            update = {"$push": {"removed": {"$each": entries}}}
            await self._collection.update_one({"_id": _ID}, update, session=session)

    async def removed(self, before: datetime) -> list[Mapping[str, Any]]:
        """Return type and code of parameters that are gone since `before`, and `at` what moment they went."""
        found = await self._collection.find_one({"_id": _ID}, {"removed": 1})
        return [entry for entry in (found or {}).get("removed", ()) if entry["at"] < before]

    async def forget_removed(self, entry: Mapping[str, Any]) -> None:
        """Forget one of `removed`, of which nothing is left."""
        await self._collection.update_one({"_id": _ID}, {"$pull": {"removed": dict(entry)}})


def _document(parameters: CustomParameters) -> Document:
    return {
        "revision": parameters.revision,
        "stamps": dict(parameters.stamps),
        "parameters": [
            {
                "id": one.id,
                "definition": one.definition,
                "types": sorted(one.types),
                "since": one.since,
                "ready": sorted(one.ready),
            }
            for one in parameters.parameters
        ],
    }


def _parameters(document: Document) -> CustomParameters:
    return CustomParameters(
        document["revision"],
        tuple(
            CustomParameter(
                one["id"],
                one["definition"],
                frozenset(one["types"]),
                one["since"],
                frozenset(one["ready"]),
            )
            for one in document["parameters"]
        ),
        document["stamps"],
    )
