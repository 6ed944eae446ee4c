"""The pages on which people look after their own account: sessions, password, second factor."""

import base64

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.secrets_at_rest import CannotOpen, NoEncryptionKey
from fhir_server.smart.accounts import second_factor
from fhir_server.smart.accounts.desk import HOME, Desk, Refused, see_other
from fhir_server.smart.accounts.passwords import problem
from fhir_server.smart.accounts.sessions import SignedIn
from fhir_server.smart.events import address_of
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.pages.rendering import page
from fhir_server.smart.principal import ROLES

_WRONG = "The present password is not right."


async def account(desk: Desk, request: Request) -> Response:
    """Show the account."""
    signed_in = await desk.signed_in(request)
    return see_other("/auth/login") if signed_in is None else await _page(desk, signed_in)


async def sessions(desk: Desk, request: Request) -> Response:
    """End one session of the account, or all of them with all that applications were granted by them."""
    signed_in = await desk.signed_in(request)
    if signed_in is None:
        return see_other("/auth/login")
    form = await desk.form(request, signed_in)
    which = form.get("session", "")
    if which == "all":
        await desk.store.end_sessions(signed_in.account.id)
    else:
        await desk.store.end_sessions(signed_in.account.id, only=which)
    await desk.tell(request, "sign-out", signed_in.account.id)
    return see_other(HOME)


async def password(desk: Desk, request: Request) -> Response:
    """Change the password, and sign out everywhere else."""
    signed_in = await desk.signed_in(request)
    if signed_in is None:
        return see_other("/auth/login")
    form = await desk.form(request, signed_in)
    wrong = await _check_password(desk, request, signed_in, form.get("old", ""))
    wrong = wrong or problem(form.get("new", ""), signed_in.account.user_name)
    if wrong is not None:
        return await _page(desk, signed_in, problem=wrong, status=422)
    account_id = signed_in.account.id
    await desk.store.change(account_id, password_hash=await desk.passwords.hashed(form["new"]))
    await desk.store.end_sessions(account_id, but=signed_in.session.id)
    await desk.tell(request, "password-change", account_id)
    return await _page(desk, signed_in, done="The password is changed; elsewhere you are signed out.")


async def enrol(desk: Desk, request: Request) -> Response:
    """Show a new key for the second factor, or turn it on with a code that proves that it was read."""
    signed_in = await desk.signed_in(request)
    if signed_in is None:
        return see_other("/auth/login")
    if signed_in.account.totp is not None:
        return see_other(HOME)
    if request.method != "POST":
        return _enrolment(desk, signed_in, second_factor.new_secret())
    form = await desk.form(request, signed_in)
    account_id = signed_in.account.id
    try:
        secret = desk.keys.open(form.get("secret", ""), _record(signed_in))
    except CannotOpen:
        raise Refused from None
    code = "".join(form.get("code", "").split())
    step = second_factor.is_code_of(secret, code, desk.now()) if code.isascii() else None
    if step is None:
        return _enrolment(desk, signed_in, secret, "The code is not right. Is the clock of your device?")
    codes = second_factor.new_recovery_codes()
    await desk.store.change(
        account_id,
        totp=second_factor.sealed(secret, account_id, desk.keys),
        totp_step=step,
        recovery_codes=[hashed(one) for one in codes],
    )
    await desk.store.end_sessions(account_id, but=signed_in.session.id)
    await desk.tell(request, "account-change", account_id)
    return page("auth/recovery.html", values={"codes": codes})


async def remove_second_factor(desk: Desk, request: Request) -> Response:
    """Turn the second factor off, with the password."""
    signed_in = await desk.signed_in(request)
    if signed_in is None:
        return see_other("/auth/login")
    form = await desk.form(request, signed_in)
    wrong = await _check_password(desk, request, signed_in, form.get("password", ""))
    if wrong is not None:
        return await _page(desk, signed_in, problem=wrong, status=422)
    await desk.store.change(signed_in.account.id, totp=None, recovery_codes=[])
    await desk.tell(request, "account-change", signed_in.account.id)
    return see_other(HOME)


async def _check_password(desk: Desk, request: Request, signed_in: SignedIn, given: str) -> str | None:
    """Return what is wrong with the password that was given once more; None if it is right."""
    account, address = signed_in.account, address_of(request)
    if await desk.attempts.wait(account.user_name, address, desk.now()) is not None:
        return "After so many attempts wait before the next one."
    if await desk.passwords.matches(given, account.password_hash):
        return None
    await desk.attempts.failed(account.user_name, address, desk.now())
    return _WRONG


def _enrolment(desk: Desk, signed_in: SignedIn, secret: str, wrong: str = "") -> Response:
    """Return the page with the key, which comes back sealed: nothing of it is kept before it is proved."""
    try:
        sealed = desk.keys.seal(secret, _record(signed_in))
    except NoEncryptionKey:
        values = {"heading": "Not possible here", "text": "This server has no key to keep such secrets with."}
        return page("auth/told.html", status=409, values=values)
    picture = second_factor.qr_code(secret, signed_in.account.user_name)
    values = {
        "csrf_token": signed_in.session.csrf_token,
        "secret": secret,
        "sealed": sealed,
        "picture": base64.b64encode(picture.encode()).decode(),
        "problem": wrong,
    }
    return page("auth/enrol.html", values=values, status=422 if wrong else 200)


def _record(signed_in: SignedIn) -> str:
    return f"enrolment/{signed_in.session.id}"


async def _page(
    desk: Desk, signed_in: SignedIn, *, problem: str = "", done: str = "", status: int = 200
) -> Response:
    present = await desk.store.get(signed_in.account.id) or signed_in.account
    values = {
        "account": present,
        "roles": [ROLES[code] for code in present.roles],
        "sessions": [one for one in await desk.store.sessions_of(present.id) if one.is_complete],
        "current": signed_in.session.id,
        "csrf_token": signed_in.session.csrf_token,
        "problem": problem,
        "done": done,
    }
    return page("auth/account.html", values=values, status=status)
