"""What is there before a transaction of the resources that it writes: read within the transaction."""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.changes import Previous
from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, Write


async def previous_of(
    database: Database, writes: Sequence[Write], session: AsyncClientSession, *, expects_new: bool = False
) -> dict[tuple[str, str], Previous]:
    """Return the current version, or the deletion, of each resource that one of `writes` may replace.

    If it `expects_new`, what must be new is taken to be so without a look: if it is not, MongoDB refuses the
    second document of an id.
    """
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    looked_at: defaultdict[str, set[str]] = defaultdict(set)
    for write in writes:
        if write.method != "POST":
            wanted[write.resource_type].add(write.id)
            if not (expects_new and write.must_be_new):
                looked_at[write.resource_type].add(write.id)
    found: dict[tuple[str, str], Previous] = {}
    for resource_type, ids in looked_at.items():
        live = database[resource_type].find({"_id": {"$in": list(ids)}}, {"search": 0}, session=session)
        async for document in live:
            found[resource_type, document["_id"]] = Previous(document, is_live=True)
    missing = {key: ids - {one for kind, one in found if kind == key} for key, ids in wanted.items()}
    deletions: list[dict[str, Any]] = [
        {"type": resource_type, "id": {"$in": list(ids)}, "method": "DELETE"}
        for resource_type, ids in missing.items()
        if ids
    ]
    if deletions:
        condition = deletions[0] if len(deletions) == 1 else {"$or": deletions}
        gone = await database[HISTORY].find(condition, session=session).to_list()
        for document in sorted(gone, key=itemgetter("version")):
            found[document["type"], document["id"]] = Previous(document, is_live=False)
    return found
