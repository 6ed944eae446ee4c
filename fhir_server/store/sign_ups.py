"""People who want an account and have not proved their e-mail address yet, and codes from the desk.

What proves something is kept as a hash, and goes away by itself.
"""

from dataclasses import dataclass
from datetime import datetime

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document
from fhir_server.store.failures import translated_failures
from fhir_server.store.oauth.expiring import ExpiringCollection, as_record, as_value


@dataclass(frozen=True, slots=True)
class SignUp:
    """What somebody said of themselves; `id` is the hash of what is in the link that was sent to `e_mail`.

    `code` is the hash of the code from the desk, if there was one; `number` names the sign-up for good.
    """

    id: str
    number: str
    e_mail: str
    given: str
    family: str
    birth_date: str
    password_hash: str
    expires: datetime
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code by which somebody proves, once, that a patient's record is theirs; `id` is its hash."""

    id: str
    patient: str
    expires: datetime


class SignUpStore:
    """The sign-ups and invitations in one database."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._sign_ups = ExpiringCollection(database, "account_sign_ups")
        self._invitations = ExpiringCollection(database, "account_invitations", "patient")

    async def add(self, sign_up: SignUp) -> None:
        """Keep a new sign-up."""
        with translated_failures():
            await self._sign_ups.insert(as_record(sign_up))

    async def get(self, sign_up_id: str) -> SignUp | None:
        """Return a sign-up, None if there is none."""
        with translated_failures():
            found = await self._sign_ups.records.find_one({"_id": sign_up_id})
        return None if found is None else as_value(SignUp, found)

    async def remove(self, sign_up_id: str) -> None:
        """Let a link be good for nothing any more."""
        with translated_failures():
            await self._sign_ups.records.delete_one({"_id": sign_up_id})

    async def invite(self, invitation: Invitation) -> None:
        """Keep a code, in place of those that were handed out for the patient before."""
        with translated_failures():
            await self._invitations.records.delete_many({"patient": invitation.patient})
            await self._invitations.insert(as_record(invitation))

    async def invitation(self, code_id: str) -> Invitation | None:
        """Return what a code is for, None if there is none."""
        with translated_failures():
            found = await self._invitations.records.find_one({"_id": code_id})
        return None if found is None else as_value(Invitation, found)

    async def take_invitation(self, code_id: str) -> Invitation | None:
        """Use up a code; return what it was for, None if there is none (any more)."""
        with translated_failures():
            found: Document | None = await self._invitations.records.find_one_and_delete({"_id": code_id})
        return None if found is None else as_value(Invitation, found)
