"""Sessions: who uses this browser, known by a cookie that is kept here as a hash only.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.settings import Settings
from fhir_server.smart.oauth.secrets import hashed, new_secret
from fhir_server.store.accounts import Account, AccountSession, AccountStore

_LONGEST_BROWSER = 120
_LONGEST_COOKIE = 200
# How long the second factor may take.
_HALFWAY = timedelta(minutes=5)
_TOUCH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with its account."""

    session: AccountSession
    account: Account


class Sessions:
    """The sessions of all browsers."""

    def __init__(self, store: AccountStore, settings: Settings) -> None:
        """Keep them in `store`, for as long as `settings` say."""
        self._store = store
        self._settings = settings

    async def begin(
        self, account: Account, request: Request, response: Response, now: datetime, *, is_complete: bool
    ) -> AccountSession:
        """Make a session, and have `response` tell the browser its cookie, a new one each time."""
        lifetime = timedelta(hours=self._settings.session_hours) if is_complete else _HALFWAY
        secret = new_secret()
        session = AccountSession(
            id=hashed(secret),
            account_id=account.id,
            csrf_token=new_secret(),
            created=now,
            seen=now,
            expires=now + lifetime,
            is_complete=is_complete,
            address=request.client.host if request.client else "",
            browser=request.headers.get("user-agent", "")[:_LONGEST_BROWSER],
        )
        await self._store.add_session(session)
        set_cookie(response, self.name(request, "session"), secret, is_secure=self.is_secure(request))
        return session

    async def current(self, request: Request, now: datetime, *, is_complete: bool = True) -> SignedIn | None:
        """Return the session of a request, None if there is none, it is over, or the account is closed."""
        secret = request.cookies.get(self.name(request, "session"), "")
        if not secret or len(secret) > _LONGEST_COOKIE:
            return None
        session = await self._store.session(hashed(secret))
        if session is None or session.is_complete != is_complete or not self._goes_on(session, now):
            return None
        account = await self._store.get(session.account_id)
        if account is None or not account.is_active:
            return None
        if now - session.seen > _TOUCH:
            await self._store.touch_session(session.id, now)
        return SignedIn(session, account)

    async def goes_on(self, session_id: str, now: datetime) -> bool:
        """Tell whether a session is not over."""
        session = await self._store.session(session_id)
        return session is not None and session.is_complete and self._goes_on(session, now)

    def _goes_on(self, session: AccountSession, now: datetime) -> bool:
        idle = timedelta(minutes=self._settings.session_idle_minutes)
        return now < session.expires and now < session.seen + idle

    def is_secure(self, request: Request) -> bool:
        """Tell whether the browser came by HTTPS."""
        base_url = self._settings.base_url or ""
        return request.url.scheme == "https" or base_url.startswith("https:")

    def name(self, request: Request, cookie: str) -> str:
        """Return the name of a cookie; by HTTPS one that no other host and no other path can set."""
        return f"__Host-{cookie}" if self.is_secure(request) else cookie

    def origin(self, request: Request) -> str:
        """Return the origin of our own pages, as browsers tell it."""
        if self._settings.base_url:
            return "/".join(self._settings.base_url.split("/")[:3])
        return f"{request.url.scheme}://{request.url.netloc}"

    def is_from_here(self, request: Request) -> bool:
        """Tell whether a form was sent by one of our own pages, as far as the browser says."""
        origin = request.headers.get("origin")
        return origin is None or origin == self.origin(request)


def set_cookie(response: Response, name: str, value: str, *, is_secure: bool) -> None:
    """Have the browser keep a cookie until it is closed, for our own pages alone."""
    response.set_cookie(name, value, path="/", httponly=True, samesite="lax", secure=is_secure)


def is_same(one: str, other: str) -> bool:
    """Compare secrets in a time that tells nothing."""
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())
