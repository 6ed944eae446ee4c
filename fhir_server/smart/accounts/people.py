"""What the authorization server asks of the accounts (see `fhir_server.smart.oauth.accounts`)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_server.smart.accounts.sessions import Sessions, is_same
from fhir_server.smart.oauth.accounts import Person, Session
from fhir_server.smart.pages.rendering import page
from fhir_server.store.accounts import Account, AccountStore

LOGIN_PATH = "/auth/login"


class People:
    """Knows who is signed in, and shows pages."""

    def __init__(self, store: AccountStore, sessions: Sessions, now: Callable[[], datetime]) -> None:
        """Look accounts up in `store`."""
        self._store = store
        self._sessions = sessions
        self._now = now

    async def session_of(self, request: Request) -> Session | None:
        """Return the session that the request belongs to, None if nobody is signed in."""
        found = await self._sessions.current(request, self._now())
        if found is None:
            return None
        return Session(found.session.id, _person(found.account), found.session.csrf_token)

    async def is_genuine(self, request: Request, session: Session, csrf_token: str) -> bool:
        """Tell whether a form that was sent is one of our own pages in this session."""
        return self._sessions.is_from_here(request) and is_same(csrf_token, session.csrf_token)

    def sign_in(self, request: Request, return_to: str) -> Response:  # noqa: ARG002 - all browsers alike
        """Send the browser to the page where one signs in, and then to the path `return_to`."""
        return RedirectResponse(f"{LOGIN_PATH}?{urlencode({'next': return_to})}", 303)

    async def person(self, account_id: str) -> Person | None:
        """Return a person whose account is active, None for any other."""
        account = await self._store.get(account_id)
        return _person(account) if account is not None and account.is_active else None

    async def person_called(self, user_name: str) -> Person | None:
        """Return the person who signs in by that name, if the account is active; None for any other."""
        account = await self._store.called(user_name)
        return _person(account) if account is not None and account.is_active else None

    async def has_session(self, session_id: str) -> bool:
        """Tell whether a session still goes on."""
        return await self._sessions.goes_on(session_id, self._now())

    def page(
        self,
        request: Request,  # noqa: ARG002 - pages do not depend on it
        template: str,
        *,
        status: int = 200,
        values: Mapping[str, object] | None = None,
        may_lead_to: str | None = None,
    ) -> Response:
        """Return a page; a form on it may, by way of redirects, lead to the address `may_lead_to`."""
        return page(template, status=status, values=values, may_lead_to=may_lead_to)


def _person(account: Account) -> Person:
    return Person(
        account.id, account.display_name, frozenset(account.roles), account.fhir_user, account.patients
    )
