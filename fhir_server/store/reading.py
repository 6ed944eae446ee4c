"""Reading single resources and versions.

https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#vread
"""

from collections.abc import Sequence

from pymongo import DESCENDING

from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, Version, version_of_live, version_of_past

_WITHOUT_INDEX_VALUES = {"search": 0}


async def read(database: Database, resource_type: str, resource_id: str) -> Version | None:
    """Return the newest version, which may be a deletion, or None if there never was such a resource."""
    document = await database[resource_type].find_one({"_id": resource_id}, _WITHOUT_INDEX_VALUES)
    if document is not None:
        return version_of_live(resource_type, document)
    past = await database[HISTORY].find_one(
        {"type": resource_type, "id": resource_id}, sort=[("version", DESCENDING)]
    )
    if past is None:
        return None
    if past["method"] == "DELETE":
        return version_of_past(past)
    # A new version was stored between the two looks: the resource is live again.
    return await read(database, resource_type, resource_id)


async def read_version(
    database: Database, resource_type: str, resource_id: str, number: int
) -> Version | None:
    """Return one version, which may be a deletion, or None if there is none of that number."""
    live = await database[resource_type].find_one(
        {"_id": resource_id, "version": number}, _WITHOUT_INDEX_VALUES
    )
    if live is not None:
        return version_of_live(resource_type, live)
    past = await database[HISTORY].find_one({"_id": f"{resource_type}/{resource_id}/_history/{number}"})
    return version_of_past(past) if past else None


async def past_versions(database: Database, keys: Sequence[tuple[str, str, int]]) -> list[Version]:
    """Return those versions in the history, given by type, id and number."""
    ids = [f"{resource_type}/{resource_id}/_history/{number}" for resource_type, resource_id, number in keys]
    return [version_of_past(document) async for document in database[HISTORY].find({"_id": {"$in": ids}})]
