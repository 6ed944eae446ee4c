"""Changing `meta` in place, on the current version or an earlier one: no new version comes of it.

https://hl7.org/fhir/R4/resource-operation-meta-add.html
"""

from collections.abc import Callable
from typing import Any

from pymongo import ReturnDocument

from fhir_server.store.connection import Database
from fhir_server.store.documents import (
    HISTORY,
    Document,
    Version,
    index_stamp,
    version_of_live,
    version_of_past,
)
from resources.custom_parameters import custom_parameters
from resources.operation_outcome import Conflict, error

Change = Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
"""From a stored resource to what its `meta` becomes, and to its index values with that."""

# Each attempt is lost only to somebody who changed the same version meanwhile.
_MOST_ATTEMPTS = 50


async def change_meta(
    database: Database, resource_type: str, resource_id: str, number: int | None, change: Change
) -> Version | None:
    """Let `change` say what `meta` becomes, and return the version with it; None if there is none.

    The current version is meant if `number` is None. Somebody who writes at the same time is not overwritten:
    `change` is asked again with what they left. Raises Conflict if others keep winning.
    """
    for _ in range(_MOST_ATTEMPTS):
        collection, identity = database[resource_type], {"_id": resource_id}
        wanted = identity if number is None else {**identity, "version": number}
        found = await collection.find_one(wanted, {"search": 0})
        is_live = found is not None
        if found is None and number is not None:
            collection, identity = (
                database[HISTORY],
                {"_id": f"{resource_type}/{resource_id}/_history/{number}"},
            )
            found = await collection.find_one(identity)
        if found is None or "resource" not in found:
            return None
        meta, search = change(found["resource"])
        # The versions that were replaced have no index values.
        update = {"resource.meta": meta}
        if is_live:
            update |= {"search": search} | index_stamp(custom_parameters().stamp(resource_type))
        before = {"version": found["version"], "resource.meta": found["resource"]["meta"]}
        changed: Document | None = await collection.find_one_and_update(
            {**identity, **before}, {"$set": update}, return_document=ReturnDocument.AFTER
        )
        if changed is not None:
            return version_of_live(resource_type, changed) if is_live else version_of_past(changed)
    raise Conflict(error("conflict", "Too many others write the same resource now; try again"))
