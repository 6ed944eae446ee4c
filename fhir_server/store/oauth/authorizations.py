"""What lies between the wish of an application and its tokens: launches, open requests, codes.

Each is used once: taking it is one atomic step in the database, so that of two who try one succeeds.
"""

from dataclasses import dataclass
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures
from fhir_server.store.oauth.expiring import ExpiringCollection, as_record, as_value

_LAUNCHES = "oauth_launches"
_AUTHORIZATIONS = "oauth_authorizations"
_CODES = "oauth_codes"
_ASSERTIONS = "oauth_assertions"


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """What an application is opened for: ids of a patient and an encounter, and what else it should know.

    `fhir_context` is the JSON text of an array; `intent` is agreed upon between application and EHR.
    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
    """

    patient: str | None = None
    encounter: str | None = None
    fhir_context: str | None = None
    need_patient_banner: bool = True
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """One opening of an application from within the EHR, by `account_id`; `id` is the hash of its handle."""

    id: str
    account_id: str
    context: LaunchContext
    expires: datetime
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an application asks a person for, until the person has answered; `id` is the hash of its handle.

    `launch_account` is who opened the application from within the EHR: nobody else may answer. `session_id`
    is the session that has looked at it: it is not continued in another one. Once `is_encounter_settled`,
    nobody is asked for an encounter any more.
    """

    id: str
    client_id: str
    redirect_uri: str
    state: str
    code_challenge: str
    scopes: tuple[str, ...]
    context: LaunchContext
    expires: datetime
    nonce: str | None = None
    launch_account: str | None = None
    session_id: str | None = None
    is_encounter_settled: bool = False


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code, by its hash, and what it is bound to: good until `good_until`, and known until `expires`."""

    id: str
    grant_id: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    good_until: datetime
    expires: datetime
    is_used: bool = False


class AuthorizationStore:
    """The launches, open requests and codes of one database, and the assertions that were seen."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._launches = ExpiringCollection(database, _LAUNCHES)
        self._authorizations = ExpiringCollection(database, _AUTHORIZATIONS)
        self._codes = ExpiringCollection(database, _CODES)
        self._assertions = ExpiringCollection(database, _ASSERTIONS)

    async def add_launch(self, launch: Launch) -> None:
        """Keep a launch until an application comes with its handle."""
        with translated_failures():
            await self._launches.insert(as_record(launch))

    async def take_launch(self, launch_id: str, client_id: str, now: datetime) -> Launch | None:
        """Return the launch of that hash, which nobody gets again; None for one of another application."""
        wanted = {"_id": launch_id, "expires": {"$gt": now}, "client_id": {"$in": [None, client_id]}}
        with translated_failures():
            found = await self._launches.records.find_one_and_delete(wanted)
            if found is None:
                return None
            return as_value(Launch, found, context=LaunchContext(**found["context"]))

    async def add(self, authorization: Authorization) -> None:
        """Keep a request that a person is to answer."""
        with translated_failures():
            await self._authorizations.insert(as_record(authorization))

    async def look_at(self, authorization_id: str, session_id: str, now: datetime) -> Authorization | None:
        """Return the request of that hash, bound to the session from now on; None if it is another one's."""
        with translated_failures():
            found = await self._authorizations.records.find_one_and_update(
                {
                    "_id": authorization_id,
                    "expires": {"$gt": now},
                    "session_id": {"$in": [None, session_id]},
                },
                {"$set": {"session_id": session_id}},
                return_document=ReturnDocument.AFTER,
            )
            if found is None:
                return None
            return as_value(Authorization, found, context=LaunchContext(**found["context"]))

    async def choose(self, authorization: Authorization) -> None:
        """Keep the patient and the encounter that a request is now about."""
        context = authorization.context
        chosen = {"context.patient": context.patient, "context.encounter": context.encounter}
        with translated_failures():
            await self._authorizations.records.update_one(
                {"_id": authorization.id, "session_id": authorization.session_id},
                {"$set": {**chosen, "is_encounter_settled": authorization.is_encounter_settled}},
            )

    async def finish(self, authorization: Authorization) -> bool:
        """Forget a request because it is answered; False if it was already."""
        with translated_failures():
            wanted = {"_id": authorization.id, "session_id": authorization.session_id}
            return bool((await self._authorizations.records.delete_one(wanted)).deleted_count)

    async def add_code(self, code: AuthorizationCode) -> None:
        """Keep a code."""
        with translated_failures():
            await self._codes.insert(as_record(code))

    async def use_code(self, code_id: str) -> AuthorizationCode | None:
        """Mark a code as used, and return how it was before; None if there is none of that hash."""
        with translated_failures():
            found = await self._codes.records.find_one_and_update(
                {"_id": code_id}, {"$set": {"is_used": True}}, return_document=ReturnDocument.BEFORE
            )
            return None if found is None else as_value(AuthorizationCode, found)

    async def is_first_sight(self, assertion_id: str, expires: datetime) -> bool:
        """Remember an assertion by its hash until it expires; False if it was seen before."""
        with translated_failures():
            try:
                await self._assertions.insert({"_id": assertion_id, "expires": expires})
            except DuplicateKeyError:
                return False
            return True
