"""People who may sign in: their accounts, sessions, failed attempts, and links that set a new password.

What proves something is kept as a hash, but the secret of the second factor, which is kept encrypted. Nothing
here decides who may sign in; see `fhir_server/smart/accounts`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from fhir_server.store.collections import LOCKS
from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.oauth.expiring import ExpiringCollection, as_record, as_value
from fhir_server.store.oauth.grants import GrantStore
from fhir_server.store.sign_ups import SignUpStore

_ADMINISTRATOR = "AD"
_MOST_SESSIONS = 100
_LOCK = "accounts"


@dataclass(frozen=True, slots=True)
class Account:
    """One person who may sign in as `user_name`, which is compared without case.

    `roles` are of `smart.principal.ROLES`. `fhir_user` is the person as a resource, such as `Practitioner/1`;
    `patients` are ids of patients for whom they act beside themselves. `totp` is the encrypted secret of the
    second factor, None without one, and `totp_step` the last step of time whose code was used.
    `recovery_codes` are hashes. One that `is_demo` is of the demo hospital, and of nobody real.
    """

    id: str
    user_name: str
    display_name: str
    password_hash: str
    roles: tuple[str, ...]
    fhir_user: str | None = None
    patients: tuple[str, ...] = ()
    e_mail: str | None = None
    is_active: bool = True
    totp: str | None = None
    totp_step: int = 0
    recovery_codes: tuple[str, ...] = ()
    is_demo: bool = False


@dataclass(frozen=True, slots=True)
class AccountSession:
    """A browser in which somebody has signed in; `id` is the hash of its cookie.

    One that `is_complete` has passed the second factor too, if there is one. `csrf_token` is what its forms
    carry. It is over at `expires`, or if it was not used since `seen` for too long.
    """

    id: str
    account_id: str
    csrf_token: str
    created: datetime
    seen: datetime
    expires: datetime
    is_complete: bool
    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Reset:
    """A link by which a new password may be set, once; `id` is the hash of what is in it."""

    id: str
    account_id: str
    expires: datetime


class LastAdministrator(Exception):
    """Without this account nobody could administer the server."""


class HasAccount(Exception):
    """The person has an account already."""


class NameTaken(Exception):
    """Another account has this user name."""


class AccountStore:
    """The accounts in one database, and what goes with them."""

    def __init__(self, database: Database, grants: GrantStore) -> None:
        """Keep them in `database`; `grants` is what the people let applications do."""
        self._grants = grants
        self._database = database
        self._accounts = database["accounts"]
        self._sessions = ExpiringCollection(database, "account_sessions", "account_id")
        self._attempts = ExpiringCollection(database, "account_attempts")
        self._resets = ExpiringCollection(database, "account_resets", "account_id")
        self._is_prepared = False
        self.sign_ups = SignUpStore(database)

    async def add(self, account: Account, *, is_only_one: bool = False) -> None:
        """Keep a new account; raise NameTaken if there is one of that name.

        Where it has to be the only one of its `fhir_user`, HasAccount is raised if there is another.
        """
        with translated_failures():
            if not self._is_prepared:
                name = IndexModel([("name_key", ASCENDING)], name="name_key", unique=True)
                mail = IndexModel([("e_mail_key", ASCENDING)], name="e_mail_key")
                await self._accounts.create_indexes([name, mail])
                self._is_prepared = True
            try:
                await self._alone(lambda session: self._insert(account, session, is_only_one=is_only_one))
            except DuplicateKeyError:
                raise NameTaken(account.user_name) from None

    async def _insert(self, account: Account, session: AsyncClientSession, *, is_only_one: bool) -> None:
        person = {"fhir_user": account.fhir_user}
        if is_only_one and await self._accounts.find_one(person, {"_id": 1}, session=session) is not None:
            raise HasAccount(account.fhir_user)
        await self._accounts.insert_one(_record(account), session=session)

    async def _alone(self, work: Callable[[AsyncClientSession], Awaitable[None]]) -> None:
        """Do `work` in a transaction beside which no other one of these is open."""
        async with self._database.client.start_session() as session:

            async def within(_session: object) -> None:
                lock = {"$set": {"at": datetime.now(UTC)}, "$inc": {"uses": 1}}
                await self._database[LOCKS].update_one({"_id": _LOCK}, lock, upsert=True, session=session)
                await work(session)

            await session.with_transaction(within, write_concern=WriteConcern("majority", j=True))

    async def get(self, account_id: str) -> Account | None:
        """Return an account, None if there is none."""
        return await self._one({"_id": account_id})

    async def called(self, user_name: str) -> Account | None:
        """Return the account with a user name, None if there is none."""
        return await self._one({"name_key": key_of(user_name)})

    async def reached_at(self, e_mail: str) -> Account | None:
        """Return the one account with an e-mail address; None if there is none, or if there are several."""
        with translated_failures():
            found = await self._accounts.find({"e_mail_key": key_of(e_mail)}).to_list(2)
        return as_value(Account, found[0]) if len(found) == 1 else None

    async def of_patient(self, patient: str) -> list[Account]:
        """Return the accounts of people who are a patient, or act for them."""
        mine = {"$or": [{"fhir_user": f"Patient/{patient}"}, {"patients": patient}]}
        with translated_failures():
            found = await self._accounts.find(mine).to_list()
        return [as_value(Account, document) for document in found]

    async def of_person(self, reference: str) -> list[Account]:
        """Return the accounts of somebody, who is given as a resource, such as `Practitioner/1`."""
        with translated_failures():
            found = await self._accounts.find({"fhir_user": reference}).sort("name_key", ASCENDING).to_list()
        return [as_value(Account, document) for document in found]

    async def all(self) -> list[Account]:
        """Return all accounts by their names."""
        with translated_failures():
            found = await self._accounts.find().sort("name_key", ASCENDING).to_list()
        return [as_value(Account, document) for document in found]

    async def have_second_factors(self) -> bool:
        """Tell whether anybody has a second factor, whose secret only the encryption key opens."""
        with translated_failures():
            return await self._accounts.find_one({"totp": {"$ne": None}}, {"_id": 1}) is not None

    async def change(self, account_id: str, **values: Any) -> bool:
        """Set fields of an account; return False if there is no such account.

        Raises LastAdministrator if nobody who is active would administer the server any more.
        """
        if "e_mail" in values:
            values["e_mail_key"] = key_of(values["e_mail"] or "")
        takes_away = "roles" in values and _ADMINISTRATOR not in values["roles"]
        found = False

        async def change(session: AsyncClientSession) -> None:
            nonlocal found
            await self._check_others(account_id, session)
            changed = await self._accounts.update_one({"_id": account_id}, {"$set": values}, session=session)
            found = bool(changed.matched_count)

        with translated_failures():
            if takes_away or values.get("is_active") is False:
                # Two administrators who remove each other at the same time come one after the other.
                await self._alone(change)
                return found
            changed = await self._accounts.update_one({"_id": account_id}, {"$set": values})
        return bool(changed.matched_count)

    async def use_totp_step(self, account_id: str, step: int) -> bool:
        """Take a step of time for a code; return False if it, or a later one, was taken before."""
        with translated_failures():
            taken = await self._accounts.update_one(
                {"_id": account_id, "totp_step": {"$lt": step}}, {"$set": {"totp_step": step}}
            )
        return bool(taken.modified_count)

    async def use_recovery_code(self, account_id: str, code_hash: str) -> bool:
        """Take a recovery code; return False if there is no such code any more."""
        with translated_failures():
            taken = await self._accounts.update_one(
                {"_id": account_id, "recovery_codes": code_hash}, {"$pull": {"recovery_codes": code_hash}}
            )
        return bool(taken.modified_count)

    async def add_session(self, session: AccountSession) -> None:
        """Keep a new session."""
        with translated_failures():
            await self._sessions.insert(as_record(session))

    async def session(self, session_id: str) -> AccountSession | None:
        """Return a session, None if there is none."""
        with translated_failures():
            found = await self._sessions.records.find_one({"_id": session_id})
        return None if found is None else as_value(AccountSession, found)

    async def sessions_of(self, account_id: str) -> list[AccountSession]:
        """Return the sessions of an account, the latest first."""
        with translated_failures():
            found = (
                await self._sessions.records.find({"account_id": account_id}).sort("created", -1).to_list(100)
            )
        return [as_value(AccountSession, document) for document in found]

    async def touch_session(self, session_id: str, seen: datetime) -> None:
        """Keep when a session was used last."""
        with translated_failures():
            await self._sessions.records.update_one({"_id": session_id}, {"$set": {"seen": seen}})

    async def end_sessions(self, account_id: str, *, only: str | None = None, but: str | None = None) -> int:
        """End sessions of an account: one, all but one, or all of them; return how many.

        What applications were granted for the time of a session ends with it; with all sessions everything.
        """
        which = {"_id": only} if only is not None else {"_id": {"$ne": but}}
        with translated_failures():
            found = await self._sessions.records.find(
                {"account_id": account_id, **which}, {"_id": 1}
            ).to_list()
            ids = [record["_id"] for record in found]
            await self._sessions.records.delete_many({"_id": {"$in": ids}})
        if only is None and but is None:
            await self._grants.revoke_of_account(account_id)
        for session_id in ids:
            await self._grants.revoke_of_session(session_id)
        return len(ids)

    async def add_failure(self, key: str, now: datetime, kept: timedelta) -> int:
        """Count a failed attempt under `key`; return how many there were since the last success."""
        with translated_failures():
            document = await self._attempts.records.find_one_and_update(
                {"_id": key},
                {"$inc": {"failures": 1}, "$set": {"last": now, "expires": now + kept}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return int((document or {}).get("failures", 1))

    async def failures(self, key: str) -> tuple[int, datetime | None]:
        """Return how many attempts failed under `key`, and when the last one did."""
        with translated_failures():
            found = await self._attempts.records.find_one({"_id": key})
        return (0, None) if found is None else (int(found["failures"]), found["last"])

    async def forget_failures(self, key: str) -> None:
        """Begin to count anew."""
        with translated_failures():
            await self._attempts.records.delete_one({"_id": key})

    async def add_reset(self, reset: Reset) -> None:
        """Keep a link, in place of those that the account had before."""
        with translated_failures():
            await self._resets.records.delete_many({"account_id": reset.account_id})
            await self._resets.insert(as_record(reset))

    async def reset(self, reset_id: str) -> Reset | None:
        """Return what a link is for, None if there is none."""
        with translated_failures():
            found = await self._resets.records.find_one({"_id": reset_id})
        return None if found is None else as_value(Reset, found)

    async def take_reset(self, reset_id: str) -> Reset | None:
        """Use up a link; return what it was for, None if there is none (any more)."""
        with translated_failures():
            found: Document | None = await self._resets.records.find_one_and_delete({"_id": reset_id})
        return None if found is None else as_value(Reset, found)

    async def _one(self, condition: dict[str, Any]) -> Account | None:
        with translated_failures():
            found = await self._accounts.find_one(condition)
        return None if found is None else as_value(Account, found)

    async def _check_others(self, account_id: str, session: AsyncClientSession) -> None:
        active = {"roles": _ADMINISTRATOR, "is_active": True}
        mine = await self._accounts.find_one({"_id": account_id, **active}, {"_id": 1}, session=session)
        others = {"_id": {"$ne": account_id}, **active}
        if mine is not None and await self._accounts.find_one(others, {"_id": 1}, session=session) is None:
            raise LastAdministrator(account_id)


def key_of(name: str) -> str:
    """Return what names are compared by: without case and surrounding spaces."""
    return name.strip().casefold()


def _record(account: Account) -> Document:
    keys = {"name_key": key_of(account.user_name), "e_mail_key": key_of(account.e_mail or "")}
    return as_record(account) | keys
