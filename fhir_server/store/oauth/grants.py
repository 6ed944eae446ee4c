"""What people granted to applications, and the tokens that came of it.

Access tokens hold a copy of what they say, since each FHIR request reads one. To revoke a grant is to mark it
and then to delete its tokens; who issues tokens stores them first and then looks whether the grant still
stands. Whichever comes last sees the other, so that no token outlives its grant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.oauth.authorizations import LaunchContext
from fhir_server.store.oauth.expiring import ExpiringCollection, as_record, as_value

_GRANTS = "oauth_grants"
_ACCESS_TOKENS = "oauth_access_tokens"
_REFRESH_TOKENS = "oauth_refresh_tokens"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person allowed one application, or what a backend service got (then `account_id` is None).

    `session_id` is the person's session, if the grant ends with it. It is forgotten at `expires`, together
    with the last token.
    """

    id: str
    client_id: str
    account_id: str | None
    fhir_user: str | None
    scopes: tuple[str, ...]
    context: LaunchContext
    issued: datetime
    expires: datetime
    session_id: str | None = None
    nonce: str | None = None
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What an access token says; `id` is its hash, `token_id` its name for the audit."""

    id: str
    token_id: str
    grant_id: str
    client_id: str
    account_id: str | None
    fhir_user: str | None
    scopes: tuple[str, ...]
    patient: str | None
    encounter: str | None
    issued: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token by its hash; once it `is_used`, it is kept so that a second use is noticed."""

    id: str
    grant_id: str
    client_id: str
    expires: datetime
    is_used: bool = False


class GrantStore:
    """The grants and tokens of one database."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._grants = ExpiringCollection(database, _GRANTS, "account_id", "client_id", "session_id")
        self._access = ExpiringCollection(database, _ACCESS_TOKENS, "grant_id")
        self._refresh = ExpiringCollection(database, _REFRESH_TOKENS, "grant_id")

    async def add(self, grant: Grant) -> None:
        """Keep a new grant."""
        with translated_failures():
            await self._grants.insert(as_record(grant))

    async def get(self, grant_id: str, now: datetime) -> Grant | None:
        """Return a grant that stands, None if it was revoked, has expired, or never was."""
        wanted = {"_id": grant_id, "expires": {"$gt": now}, "is_revoked": False}
        with translated_failures():
            found = await self._grants.records.find_one(wanted)
            return None if found is None else _grant(found)

    async def issue(self, access: AccessToken, refresh: RefreshToken | None, expires: datetime) -> bool:
        """Keep tokens of a grant, which lasts until `expires` at least; False if it was revoked meanwhile."""
        with translated_failures():
            await self._access.insert(as_record(access))
            if refresh is not None:
                await self._refresh.insert(as_record(refresh))
            result = await self._grants.records.update_one(
                {"_id": access.grant_id, "is_revoked": False}, {"$max": {"expires": expires}}
            )
            if not result.matched_count:
                await self._delete_tokens([access.grant_id])
            return bool(result.matched_count)

    async def access_token(self, token_hash: str, now: datetime) -> AccessToken | None:
        """Return what a token says that is good now, None for any other."""
        with translated_failures():
            found = await self._access.records.find_one({"_id": token_hash, "expires": {"$gt": now}})
            return None if found is None else as_value(AccessToken, found)

    async def refresh_token(self, token_hash: str) -> RefreshToken | None:
        """Return a refresh token as it is, None if there is none of that hash."""
        with translated_failures():
            found = await self._refresh.records.find_one({"_id": token_hash})
            return None if found is None else as_value(RefreshToken, found)

    async def use_refresh_token(self, token_hash: str) -> bool:
        """Mark a refresh token as used; False if somebody did already."""
        wanted = {"_id": token_hash, "is_used": False}
        with translated_failures():
            result = await self._refresh.records.update_one(wanted, {"$set": {"is_used": True}})
            return bool(result.modified_count)

    async def delete_access_token(self, token_hash: str) -> None:
        """Let one access token be good for nothing."""
        with translated_failures():
            await self._access.records.delete_one({"_id": token_hash})

    async def of_account(self, account_id: str, now: datetime) -> list[Grant]:
        """Return what a person granted and did not take back, the oldest first."""
        wanted = {"account_id": str(account_id), "expires": {"$gt": now}, "is_revoked": False}
        with translated_failures():
            found = await self._grants.records.find(wanted).sort("issued", ASCENDING).to_list()
            return [_grant(record) for record in found]

    async def revoke(self, grant_id: str) -> None:
        """Take back a grant with all its tokens."""
        await self._revoke({"_id": grant_id})

    async def revoke_of_account(self, account_id: str, client_id: str | None = None) -> None:
        """Take back all that a person granted, or all that one application was granted by them."""
        client = {} if client_id is None else {"client_id": str(client_id)}
        await self._revoke({"account_id": str(account_id), **client})

    async def revoke_of_session(self, session_id: str) -> None:
        """Take back what was granted for as long as a session lasts."""
        await self._revoke({"session_id": str(session_id)})

    async def revoke_of_client(self, client_id: str) -> None:
        """Take back all that an application was granted."""
        await self._revoke({"client_id": str(client_id)})

    async def _revoke(self, wanted: Mapping[str, Any]) -> None:
        with translated_failures():
            await self._grants.records.update_many(wanted, {"$set": {"is_revoked": True}})
            found = await self._grants.records.find(wanted, {"_id": 1}).to_list()
            await self._delete_tokens([record["_id"] for record in found])

    async def _delete_tokens(self, grant_ids: list[str]) -> None:
        wanted = {"grant_id": {"$in": grant_ids}}
        await self._access.records.delete_many(wanted)
        await self._refresh.records.delete_many(wanted)


def _grant(record: Document) -> Grant:
    return as_value(Grant, record, context=LaunchContext(**record["context"]))
