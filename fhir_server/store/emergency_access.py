"""Who was let to a patient's records in an emergency: by whom, why, and until when. Nothing is ever removed.

The operation is `fhir_server/operations/break_glass.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures

_COLLECTION = "emergency_access"
_MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class EmergencyAccess:
    """Access of one account to one patient, both by their ids, from `since` until `until` (aware, UTC)."""

    id: str
    account_id: str
    patient: str
    reason: str
    since: datetime
    until: datetime


class EmergencyAccessStore:
    """The emergency accesses in one database."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database
        self._is_prepared = False

    async def add(self, access: EmergencyAccess) -> bool:
        """Keep an access; return False if there is no such patient."""
        with translated_failures():
            await self._prepare()
            if await self._database["Patient"].find_one({"_id": access.patient}, {"_id": 1}) is None:
                return False
            await self._database[_COLLECTION].insert_one(
                {
                    "_id": access.id,
                    "account": access.account_id,
                    "patient": access.patient,
                    "reason": access.reason,
                    "since": access.since,
                    "until": access.until,
                }
            )
            return True

    async def patients(self, account_id: str, now: datetime) -> tuple[str, ...]:
        """Return the ids of the patients to whom the account has access now, sorted."""
        wanted: dict[str, Any] = {"account": account_id, "until": {"$gt": now}}
        with translated_failures():
            found = await self._database[_COLLECTION].find(wanted, {"patient": 1}).to_list(_MOST_AT_ONCE)
        return tuple(sorted({document["patient"] for document in found}))

    async def _prepare(self) -> None:
        if not self._is_prepared:
            keys = [("account", ASCENDING), ("until", ASCENDING)]
            await self._database[_COLLECTION].create_indexes([IndexModel(keys)])
            self._is_prepared = True
