"""The keys that id_tokens are signed with: the private half encrypted, the public half for everybody."""

from dataclasses import dataclass
from datetime import datetime

from pymongo import DESCENDING

from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures
from fhir_server.store.oauth.expiring import ExpiringCollection, as_record, as_value

_KEYS = "oauth_signing_keys"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key pair; `id` is its `kid`, `public` a JWK as JSON text, `sealed` the private JWK, encrypted.

    It signs until `signs_until`, and is published until `expires`, when nothing that it signed is good.
    """

    id: str
    algorithm: str
    public: str
    sealed: str
    created: datetime
    signs_until: datetime
    expires: datetime


class SigningKeyStore:
    """The keys of one database, those of all processes."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._keys = ExpiringCollection(database, _KEYS)

    async def add(self, key: StoredKey) -> None:
        """Keep a new key."""
        with translated_failures():
            await self._keys.insert(as_record(key))

    async def published(self, now: datetime) -> list[StoredKey]:
        """Return all keys that may have signed something that is still good, the newest first."""
        with translated_failures():
            found = self._keys.records.find({"expires": {"$gt": now}}).sort("created", DESCENDING)
            return [as_value(StoredKey, record) for record in await found.to_list()]
