"""How long MongoDB remembers how things were: longer while backups go on, and as before after the last one.

Who goes on with a backup, and what the window was before the first, stands in the database: otherwise each
would take the window of another's backup for the one to go back to.
https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.minSnapshotHistoryWindowInSeconds
"""

import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import OperationFailure, PyMongoError

from fhir_server.store.collections import LOCKS
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document

_WINDOW = "minSnapshotHistoryWindowInSeconds"
_LONG_WINDOW = 48 * 3600
_ID = "backups"


@contextlib.asynccontextmanager
async def remembering(admin: Database, database: Database) -> AsyncIterator[None]:
    """Have MongoDB remember how things were for longer, as far as we may say so at its `admin`."""
    name = uuid.uuid4().hex
    # Not an administrator, or not a MongoDB that lets itself be told: then it remembers as it does.
    with contextlib.suppress(PyMongoError):
        await _begin(name, admin, database)
    try:
        yield
    finally:
        with contextlib.suppress(PyMongoError):
            await _end(name, admin, database)


async def _begin(name: str, admin: Database, database: Database) -> None:
    begun = {"name": name, "at": datetime.now(UTC)}
    found = await database[LOCKS].find_one_and_update(
        {"_id": _ID}, {"$push": {"going": begun}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    if found is None or "before" not in found:
        # Whoever comes second at once does not change it any more, as the first may have set the window.
        answer = await admin.command({"getParameter": 1, _WINDOW: 1})
        untold = {"_id": _ID, "before": {"$exists": False}}
        await database[LOCKS].update_one(untold, {"$set": {"before": answer[_WINDOW]}})
        found = await database[LOCKS].find_one({"_id": _ID})
    if _is_longer(found):
        await _set(_LONG_WINDOW, admin)


async def _end(name: str, admin: Database, database: Database) -> None:
    """Go back to the window of before, if no other backup goes on; one that was killed does for two days."""
    killed = datetime.now(UTC) - timedelta(seconds=_LONG_WINDOW)
    over = {"$or": [{"name": name}, {"at": {"$lt": killed}}]}
    found = await database[LOCKS].find_one_and_update(
        {"_id": _ID}, {"$pull": {"going": over}}, return_document=ReturnDocument.AFTER
    )
    if found is None or found["going"]:
        return
    if _is_longer(found):
        # Where we may not say so, we have not said anything before either.
        with contextlib.suppress(OperationFailure):
            await _set(found["before"], admin)
    gone = await database[LOCKS].delete_one({"_id": _ID, "going": []})
    if gone.deleted_count == 0 and _is_longer(found):
        await _set(_LONG_WINDOW, admin)  # another one has begun meanwhile


def _is_longer(found: Document | None) -> bool:
    """Tell whether the long window is longer than that of before, which is else none of ours to change."""
    before: Any = None if found is None else found.get("before")
    return before is not None and before < _LONG_WINDOW


async def _set(seconds: int, admin: Database) -> None:
    await admin.command({"setParameter": 1, _WINDOW: seconds})
