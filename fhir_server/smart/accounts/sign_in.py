"""The pages on which people sign in and out: password, then the second factor where there is one."""

from datetime import timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.accounts.desk import Desk, Form, local_path, see_other
from fhir_server.smart.accounts.register import is_open
from fhir_server.smart.accounts.second_factor import passes
from fhir_server.smart.accounts.sessions import SignedIn
from fhir_server.smart.events import address_of
from fhir_server.store.accounts import Account

SECOND_FACTOR_PATH = "/auth/second-factor"
_WRONG = "The user name or the password is not right."
_WRONG_CODE = "The code is not right, or it was used before."


async def login(desk: Desk, request: Request) -> Response:
    """Show the page where one signs in, or take what was entered on it."""
    if request.method != "POST":
        return _login_page(desk, request, local_path(request.query_params.get("next", "")))
    form = await desk.form(request)
    name, password = form.get("user_name", "").strip(), form.get("password", "")
    wait = await desk.attempts.wait(name, address_of(request), desk.now())
    if wait is not None:
        return _login_page(desk, request, _next(form), name, _waiting(wait), 429)
    account = await desk.store.called(name)
    is_right = await desk.passwords.matches(password, account.password_hash if account else None)
    if account is None or not is_right or not account.is_active:
        await desk.attempts.failed(name, address_of(request), desk.now())
        await desk.tell(request, "sign-in", account.id if account else None, is_success=False)
        return _login_page(desk, request, _next(form), name, _WRONG, 401)
    await _renew_hash(desk, account, password)
    if account.totp is not None:
        response = see_other(f"{SECOND_FACTOR_PATH}?{urlencode({'next': _next(form)})}")
        await desk.sessions.begin(account, request, response, desk.now(), is_complete=False)
        return response
    return await _let_in(desk, request, account, _next(form))


async def second_factor(desk: Desk, request: Request) -> Response:
    """Ask for the code of somebody whose password was right, or take it."""
    halfway = await desk.sessions.current(request, desk.now(), is_complete=False)
    if halfway is None:
        return see_other("/auth/login")
    if request.method != "POST":
        return _code_page(desk, request, halfway, local_path(request.query_params.get("next", "")))
    form = await desk.form(request, halfway)
    account = halfway.account
    wait = await desk.attempts.wait(account.user_name, address_of(request), desk.now())
    if wait is not None:
        return _code_page(desk, request, halfway, _next(form), _waiting(wait), 429)
    if not await passes(account, form.get("code", ""), desk.now(), desk.store, desk.keys):
        await desk.attempts.failed(account.user_name, address_of(request), desk.now())
        await desk.tell(request, "second-factor", account.id, is_success=False)
        return _code_page(desk, request, halfway, _next(form), _WRONG_CODE, 401)
    await desk.store.end_sessions(account.id, only=halfway.session.id)
    return await _let_in(desk, request, account, _next(form))


async def logout(desk: Desk, request: Request) -> Response:
    """End the session of this browser."""
    signed_in = await desk.signed_in(request)
    if signed_in is not None:
        await desk.form(request, signed_in)
        await desk.store.end_sessions(signed_in.account.id, only=signed_in.session.id)
        await desk.tell(request, "sign-out", signed_in.account.id)
    return see_other("/auth/login")


async def _let_in(desk: Desk, request: Request, account: Account, to: str) -> Response:
    await desk.attempts.succeeded(account.user_name)
    response = see_other(to)
    await desk.sessions.begin(account, request, response, desk.now(), is_complete=True)
    await desk.tell(request, "sign-in", account.id)
    return response


async def _renew_hash(desk: Desk, account: Account, password: str) -> None:
    """Keep the password in the form of today, where that has become a stronger one."""
    if desk.passwords.is_outdated(account.password_hash):
        await desk.store.change(account.id, password_hash=await desk.passwords.hashed(password))


def _next(form: Form) -> str:
    return local_path(form.get("next", ""))


def _waiting(wait: timedelta) -> str:
    return f"After so many attempts the next one is possible in {int(wait.total_seconds()) + 1} seconds."


def _login_page(
    desk: Desk, request: Request, to: str, user_name: str = "", problem: str = "", status: int = 200
) -> Response:
    values = {"next": to, "user_name": user_name[:200], "problem": problem, "can_register": is_open(desk)}
    return desk.page_with_form(request, "auth/login.html", values, status)


def _code_page(
    desk: Desk, request: Request, halfway: SignedIn, to: str, problem: str = "", status: int = 200
) -> Response:
    values = {"csrf_token": halfway.session.csrf_token, "next": to, "problem": problem}
    return desk.page_with_form(request, "auth/second_factor.html", values, status)
