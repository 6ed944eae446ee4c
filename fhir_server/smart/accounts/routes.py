"""The routes of the pages for people, and what they stand on put together."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhir_server.secrets_at_rest import keyring
from fhir_server.settings import Settings
from fhir_server.smart.accounts import own_account, register, reset, sign_in
from fhir_server.smart.accounts.attempts import Attempts
from fhir_server.smart.accounts.desk import BirthDate, Desk, Refused, Register
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.accounts.sessions import Sessions
from fhir_server.smart.events import Record
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.pages.rendering import STYLE_PATH, page, style_sheet
from fhir_server.store.accounts import AccountStore
from resources.operation_outcome import FhirError

Work = Callable[[Desk, Request], Awaitable[Response]]

_BOTH, _POST = ["GET", "POST"], ["POST"]
_ROUTES: tuple[tuple[str, Work, list[str]], ...] = (
    ("/auth/login", sign_in.login, _BOTH),
    ("/auth/second-factor", sign_in.second_factor, _BOTH),
    ("/auth/logout", sign_in.logout, _POST),
    ("/auth/account", own_account.account, ["GET"]),
    ("/auth/account/sessions", own_account.sessions, _POST),
    ("/auth/account/password", own_account.password, _POST),
    ("/auth/account/second-factor", own_account.enrol, _BOTH),
    ("/auth/account/second-factor/remove", own_account.remove_second_factor, _POST),
    ("/auth/register", register.ask, _BOTH),
    ("/auth/register/{token}", register.confirm, _BOTH),
    ("/auth/reset", reset.ask, _BOTH),
    ("/auth/reset/{token}", reset.choose, _BOTH),
)


def account_desk(
    store: AccountStore,
    settings: Settings,
    record: Record,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    register: Register | None = None,
    born: BirthDate | None = None,
) -> Desk:
    """Return what the pages stand on; what happens on them is told to `record`.

    `register` makes the records of people who make accounts themselves, `born` tells when a patient was born.
    """
    key = settings.encryption_key
    return Desk(
        store,
        settings,
        Sessions(store, settings),
        Passwords(settings.password_rounds, settings.password_memory_kib),
        Attempts(store, settings.sign_in_attempts),
        keyring(None if key is None else key.get_secret_value()),
        record,
        now,
        register,
        born,
    )


def account_routes(desk: Desk) -> list[Route]:
    """Return the routes of the pages."""
    pages = [Route(path, _answering(desk, work), methods=methods) for path, work, methods in _ROUTES]
    return [*pages, Route(STYLE_PATH, style_sheet, methods=["GET"])]


def _answering(desk: Desk, work: Work) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await work(desk, request)
        except (Refused, OAuthError):
            values = {"heading": "This form is over", "text": "Nothing was done. Go back and begin anew."}
            return page("auth/told.html", status=403, values=values)
        except FhirError:
            return page("oauth/failed.html", status=503)
        except Exception:
            number = uuid.uuid4().hex
            structlog.get_logger("fhir_server.accounts").exception("request failed", request_id=number)
            told = {"error_description": f"Something went wrong here; its number is {number}"}
            return page("oauth/failed.html", status=500, values=told)

    return answer
