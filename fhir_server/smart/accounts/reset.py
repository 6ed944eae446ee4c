"""A new password by a link that comes by e-mail: once, for half an hour, for whoever reads that mailbox.

Whether there is such an account is told by nothing: not by the answer, and not by how long it takes.
"""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.accounts.desk import Desk, see_other
from fhir_server.smart.accounts.mail import deliver, send_reset_link
from fhir_server.smart.accounts.passwords import problem
from fhir_server.smart.events import address_of
from fhir_server.smart.oauth.secrets import hashed, new_secret
from fhir_server.smart.pages.rendering import page
from fhir_server.store.accounts import Account, Reset

_GOOD_FOR = timedelta(minutes=30)
_LONGEST_TOKEN = 200
_SENT = "If an account has this address, a link is on its way. It is good for 30 minutes."


async def ask(desk: Desk, request: Request) -> Response:
    """Show where one asks for a link, or send one."""
    has_mail = desk.settings.smtp_url is not None or desk.settings.mail_dir is not None
    if request.method != "POST" or not has_mail:
        return desk.page_with_form(request, "auth/reset.html", {"has_mail": has_mail})
    form = await desk.form(request)
    address, now = address_of(request), desk.now()
    if await desk.attempts.wait(f"reset {address}", address, now) is None:
        await desk.attempts.failed(f"reset {address}", address, now)
        account = await desk.store.reached_at(form.get("e_mail", ""))
        if account is not None and account.is_active and account.e_mail:
            await _send(desk, request, account, account.e_mail)
    return page("auth/told.html", values={"heading": "Look at your e-mail", "text": _SENT})


async def _send(desk: Desk, request: Request, account: Account, e_mail: str) -> None:
    secret = new_secret()
    await desk.store.add_reset(Reset(hashed(secret), account.id, desk.now() + _GOOD_FOR))
    await desk.tell(request, "password-reset", account.id)
    link = f"{desk.sessions.origin(request)}/auth/reset/{secret}"
    deliver(send_reset_link(desk.settings, e_mail, link))


async def choose(desk: Desk, request: Request) -> Response:
    """Show where one chooses the new password, or set it."""
    token = hashed(request.path_params["token"][:_LONGEST_TOKEN])
    reset = await desk.store.reset(token)
    account = None if reset is None or reset.expires <= desk.now() else await desk.store.get(reset.account_id)
    if account is None or not account.is_active:
        values = {"heading": "This link is over", "text": "It was used, or it is too old. Ask for a new one."}
        return page("auth/told.html", status=410, values=values)
    if request.method != "POST":
        return desk.page_with_form(request, "auth/new_password.html", {"problem": ""})
    form = await desk.form(request)
    wrong = problem(form.get("new", ""), account.user_name)
    if wrong is not None:
        return desk.page_with_form(request, "auth/new_password.html", {"problem": wrong}, 422)
    password_hash = await desk.passwords.hashed(form["new"])
    if await desk.store.take_reset(token) is None:
        return see_other("/auth/reset")
    await desk.store.change(account.id, password_hash=password_hash)
    await desk.store.end_sessions(account.id)
    await desk.attempts.succeeded(account.user_name)
    await desk.tell(request, "password-change", account.id)
    values = {"heading": "The password is set", "text": "You are signed out everywhere; sign in with it."}
    return page("auth/told.html", values=values)
