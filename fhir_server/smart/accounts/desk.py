"""What the pages for people stand on, and what all of them do alike: forms, their tokens, and answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_server.secrets_at_rest import Keyring
from fhir_server.settings import Settings
from fhir_server.smart.accounts.attempts import Attempts
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.accounts.sessions import Sessions, SignedIn, is_same, set_cookie
from fhir_server.smart.events import EventKind, Record, SecurityEvent, address_of
from fhir_server.smart.oauth.forms import form_pairs
from fhir_server.smart.oauth.secrets import new_secret
from fhir_server.smart.pages.rendering import page
from fhir_server.store.accounts import AccountStore
from fhir_server.store.sign_ups import SignUp

HOME = "/auth/account"
_SEE_OTHER = 303
_LONGEST_NEXT = 2_000
_COOKIE = "form"
Form = Mapping[str, str]
Register = Callable[[SignUp], Awaitable[str]]
"""Makes the record of a new patient, once for a sign-up; returns the patient's id."""
BirthDate = Callable[[str], Awaitable[str | None]]
"""Tells when a patient was born."""


class Refused(Exception):
    """The form is not one of ours, or is too old: nothing is done."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts put together; the clock is handed in, and so can be fixed.

    `register` makes the records of people who make accounts themselves, None where nobody does; `born` tells
    when the patient of a code was born.
    """

    store: AccountStore
    settings: Settings
    sessions: Sessions
    passwords: Passwords
    attempts: Attempts
    keys: Keyring
    record: Record
    now: Callable[[], datetime]
    register: Register | None = None
    born: BirthDate | None = None

    async def birth_date(self, patient: str) -> str | None:
        """Return when a patient was born, None if nobody can tell."""
        return None if self.born is None else await self.born(patient)

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Return who is signed in with this browser, None for nobody."""
        return await self.sessions.current(request, self.now())

    async def form(self, request: Request, signed_in: SignedIn | None = None) -> Form:
        """Return the fields of a form of ours; raise Refused if it is another's, or OAuthError if it is none.

        Before anybody has signed in a cookie holds the token that the form has to know.
        """
        fields = dict(await form_pairs(request))
        if signed_in is not None:
            known = signed_in.session.csrf_token
        else:
            known = request.cookies.get(self.sessions.name(request, _COOKIE), "")
        if not self.sessions.is_from_here(request) or not is_same(known, fields.get("csrf_token", "")):
            raise Refused
        return fields

    def page_with_form(
        self, request: Request, template: str, values: Mapping[str, object], status: int = 200
    ) -> Response:
        """Return a page with a form for whoever has not signed in."""
        name = self.sessions.name(request, _COOKIE)
        token = request.cookies.get(name) or new_secret()
        response = page(template, status=status, values={"csrf_token": token, **values})
        set_cookie(response, name, token, is_secure=self.sessions.is_secure(request))
        return response

    async def tell(
        self, request: Request, kind: EventKind, account_id: str | None, *, is_success: bool = True
    ) -> None:
        """Record what happened."""
        event = SecurityEvent(kind, is_success, self.now(), account_id, None, address_of(request))
        await self.record(event)


def see_other(address: str) -> Response:
    """Return a redirect that is followed by GET and kept nowhere."""
    return RedirectResponse(address, _SEE_OTHER, headers={"cache-control": "no-store"})


def local_path(text: str) -> str:
    """Return the path on this server that `text` is, to go on to after signing in; else the account's.

    Browsers take `//host`, `/\\host` and what has control characters in it as another server's address.
    """
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    if not is_path or len(text) > _LONGEST_NEXT or not text.isprintable() or "\\" in text:
        return HOME
    parts = urlsplit(text)
    return HOME if parts.scheme or parts.netloc else text
