"""Where the database holds secrets that are encrypted, so that all of them can be given another key.

Each is bound to the record that it stands in (see `secrets_at_rest`), whose name is made here.
"""

from dataclasses import dataclass
from typing import Any

from fhir_server.store import hl7_sealing
from fhir_server.store.audit.log import KEY_NAME, KEY_RECORD
from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures
from fhir_server.store.keys import KEYS

_ACCOUNTS = "accounts"
_SIGNING_KEYS = "oauth_signing_keys"
_SHARED = {KEY_NAME: KEY_RECORD, hl7_sealing.KEY_NAME: hl7_sealing.KEY_RECORD}
"""The keys among those that all processes share that are encrypted, and their records."""


def totp_record(account_id: str) -> str:
    """Return the name of the record with the secret of a second factor."""
    return f"{_ACCOUNTS}/{account_id}/totp"


def signing_key_record(key_id: str) -> str:
    """Return the name of the record with the private half of a signing key."""
    return f"{_SIGNING_KEYS}/{key_id}/private"


@dataclass(frozen=True, slots=True)
class SealedText:
    """One such text: the name of its record, and where it stands."""

    record: str
    text: str
    collection: str
    id: str
    field: str


class SealedTexts:
    """All of one database."""

    def __init__(self, database: Database) -> None:
        """Look for them in `database`."""
        self._database = database

    async def all(self) -> list[SealedText]:
        """Return the secrets of second factors, the signing keys, and the keys of audit log and messages."""
        return [
            *await self._in(_ACCOUNTS, "totp", {"totp": {"$ne": None}}),
            *await self._in(_SIGNING_KEYS, "sealed", {}),
            *await self._in(KEYS, "key", {"_id": {"$in": list(_SHARED)}}),
        ]

    async def replace(self, sealed: SealedText, text: str) -> bool:
        """Put `text` in the place of what stands there; False if that is something else by now."""
        unchanged = {"_id": sealed.id, sealed.field: sealed.text}
        with translated_failures():
            result = await self._database[sealed.collection].update_one(
                unchanged, {"$set": {sealed.field: text}}
            )
        return bool(result.matched_count)

    async def _in(self, collection: str, field: str, wanted: dict[str, Any]) -> list[SealedText]:
        with translated_failures():
            found = await self._database[collection].find(wanted, {field: 1}).to_list()
        return [
            SealedText(_record(collection, one["_id"]), one[field], collection, one["_id"], field)
            for one in found
        ]


def _record(collection: str, record_id: str) -> str:
    if collection == _ACCOUNTS:
        return totp_record(record_id)
    return signing_key_record(record_id) if collection == _SIGNING_KEYS else _SHARED[record_id]
