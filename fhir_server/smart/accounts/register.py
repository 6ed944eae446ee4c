"""A person makes an account for themselves, by a link that comes by e-mail; docs/accounts.md.

Whether there is such an account, or such a patient, is told by nothing: not by what is answered, and not by
how long it takes. https://pages.nist.gov/800-63-4/sp800-63a.html
"""

from datetime import date, timedelta

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.identifiers import new_id
from fhir_server.smart.accounts.desk import Desk, Form
from fhir_server.smart.accounts.mail import deliver, send_known_notice, send_register_link
from fhir_server.smart.accounts.passwords import problem
from fhir_server.smart.events import address_of
from fhir_server.smart.oauth.secrets import hashed, new_secret
from fhir_server.smart.pages.rendering import page
from fhir_server.store.accounts import Account, HasAccount, NameTaken
from fhir_server.store.sign_ups import SignUp

_GOOD_FOR = timedelta(hours=24)
_LONGEST_TOKEN, _LONGEST_NAME, _LONGEST_E_MAIL = 200, 100, 254
_SENT = "A message is on its way to your e-mail address. Go on by the link in it; it is good for a day."
_DONE = (
    "Your account is made. If you have been a patient here before, tell the desk at your next visit: they "
    "join your records when they have seen who you are."
)
_LINKED = "Your account is made, and it is for the record that your code was for."
_ALREADY = "Sign in with it. If the desk gave you a code, show it there."
_HAS_ACCOUNT = "There is an account for this record already: sign in with it, or set a new password for it."
_NO_CODE = "The code is wrong or too old, or the date of birth is not the one that the desk has."


def is_open(desk: Desk) -> bool:
    """Tell whether people may make accounts, and get the e-mail that it takes."""
    settings = desk.settings
    has_mail = settings.smtp_url is not None or settings.mail_dir is not None
    return settings.self_registration == "on" and has_mail and desk.register is not None


def _closed() -> Response:
    values = {"heading": "Accounts are made at the desk", "text": "Ask for one at your next visit."}
    return page("auth/told.html", status=404, values=values)


async def ask(desk: Desk, request: Request) -> Response:
    """Show the form, or send the link."""
    if not is_open(desk):
        return _closed()
    empty = dict.fromkeys(("given", "family", "birth_date", "e_mail"), "")
    if request.method != "POST":
        return desk.page_with_form(request, "auth/register.html", {"problem": "", **empty})
    form = await desk.form(request)
    values = {name: form.get(name, "")[:_LONGEST_E_MAIL].strip() for name in empty}
    wrong = _wrong(values, form, desk)
    if wrong is not None:
        return desk.page_with_form(request, "auth/register.html", {"problem": wrong, **values}, 422)
    # As slow for everybody, whether there is such an account or not.
    password_hash = await desk.passwords.hashed(form["new"])
    address, now = address_of(request), desk.now()
    if await desk.attempts.wait(f"register {values['e_mail']}", address, now) is None:
        await desk.attempts.failed(f"register {values['e_mail']}", address, now)
        await _send(desk, request, values, password_hash, form.get("code", ""))
    return page("auth/told.html", values={"heading": "Look at your e-mail", "text": _SENT})


def _wrong(values: dict[str, str], form: Form, desk: Desk) -> str | None:
    """Return what is wrong with the form, None if nothing is."""
    for name in ("given", "family"):
        if not values[name] or len(values[name]) > _LONGEST_NAME or not values[name].isprintable():
            return "We need your given name and your family name."
    try:
        born = date.fromisoformat(values["birth_date"])
    except ValueError:
        return "We need your date of birth."
    if not date(1900, 1, 1) <= born <= desk.now().date():
        return "The date of birth cannot be right."
    name, at, domain = values["e_mail"].rpartition("@")
    is_text = values["e_mail"].isprintable() and " " not in values["e_mail"]
    if not (name and at and "." in domain and is_text):
        return "The e-mail address cannot be right."
    return problem(form.get("new", ""), values["e_mail"])


async def _send(desk: Desk, request: Request, values: dict[str, str], password_hash: str, code: str) -> None:
    secret, e_mail = new_secret(), values["e_mail"]
    origin = desk.sessions.origin(request)
    known = await desk.store.called(e_mail) or await desk.store.reached_at(e_mail)
    sign_up = SignUp(
        hashed(secret),
        new_id(),
        e_mail,
        values["given"],
        values["family"],
        values["birth_date"],
        password_hash,
        desk.now() + _GOOD_FOR,
        hashed(plain(code)) if code.strip() else None,
    )
    await desk.store.sign_ups.add(sign_up)
    if known is None:
        work = send_register_link(desk.settings, e_mail, f"{origin}/auth/register/{secret}")
    else:
        await desk.store.sign_ups.remove(sign_up.id)
        work = send_known_notice(desk.settings, e_mail, f"{origin}/auth/reset")
    deliver(work)


def plain(code: str) -> str:
    """Return a code as it is compared: people write it in either case, and with or without dashes."""
    return "".join(character for character in code.upper() if character.isalnum())


async def confirm(desk: Desk, request: Request) -> Response:
    """Show what a link is for, or make the account and the patient's record.

    Programs that look at links in mails do not send forms.
    """
    if not is_open(desk):
        return _closed()
    sign_up = await desk.store.sign_ups.get(hashed(request.path_params["token"][:_LONGEST_TOKEN]))
    if sign_up is None or sign_up.expires <= desk.now():
        values = {"heading": "This link is over", "text": "It was used, or it is too old. Begin anew."}
        return page("auth/told.html", status=410, values=values)
    if request.method != "POST":
        return desk.page_with_form(request, "auth/confirm.html", {"e_mail": sign_up.e_mail, "problem": ""})
    form = await desk.form(request)
    if not await _chose(desk, request, sign_up, form.get("password", "")):
        values = {"e_mail": sign_up.e_mail, "problem": "This is not the password that was chosen."}
        return desk.page_with_form(request, "auth/confirm.html", values, 422)
    if await desk.store.called(sign_up.e_mail) is not None:
        # Made by another link of theirs; a code that they were given stays good.
        await desk.store.sign_ups.remove(sign_up.id)
        values = {"heading": "There is an account already", "text": _ALREADY}
        return page("auth/told.html", status=409, values=values)
    patient = None
    if sign_up.code is not None:
        patient = await _invited(desk, request, sign_up)
        if patient is None:
            values = {"heading": "Your code is not good", "text": f"{_NO_CODE} Ask the desk for a new one."}
            return page("auth/told.html", status=422, values=values)
    return await _made(desk, request, sign_up, patient)


async def _chose(desk: Desk, request: Request, sign_up: SignUp, password: str) -> bool:
    """Tell whether who opens the link is who chose the password.

    Who reads the mailbox need not be: the account would be somebody else's, who then sees the records.
    """
    key, address, now = f"confirm {sign_up.e_mail}", address_of(request), desk.now()
    if await desk.attempts.wait(key, address, now) is not None:
        return False
    if await desk.passwords.matches(password, sign_up.password_hash):
        return True
    await desk.attempts.failed(key, address, now)
    return False


async def _invited(desk: Desk, request: Request, sign_up: SignUp) -> str | None:
    """Return the patient whose code it is, if the date of birth is right too; None for any other."""
    address, now = address_of(request), desk.now()
    key = f"invitation {sign_up.e_mail}"
    if sign_up.code is None or await desk.attempts.wait(key, address, now) is not None:
        return None
    invitation = await desk.store.sign_ups.invitation(sign_up.code)
    born = None if invitation is None else await desk.birth_date(invitation.patient)
    is_good = invitation is not None and invitation.expires > now and born == sign_up.birth_date
    if not is_good or await desk.store.sign_ups.take_invitation(sign_up.code) is None:
        await desk.attempts.failed(key, address, now)
        await desk.store.sign_ups.remove(sign_up.id)
        return None
    return None if invitation is None else invitation.patient


async def _made(desk: Desk, request: Request, sign_up: SignUp, patient: str | None) -> Response:
    if desk.register is None:
        return _closed()
    text = _DONE if patient is None else _LINKED
    if await desk.store.called(sign_up.e_mail) is None:
        patient = patient or await desk.register(sign_up)
        account = Account(
            id=sign_up.number,
            user_name=sign_up.e_mail,
            display_name=f"{sign_up.given} {sign_up.family}",
            password_hash=sign_up.password_hash,
            roles=("PT",),
            fhir_user=f"Patient/{patient}",
            e_mail=sign_up.e_mail,
        )
        try:
            await desk.store.add(account, is_only_one=True)
            await desk.tell(request, "account-change", account.id)
        except NameTaken:
            pass  # the same link, opened twice at one moment
        except HasAccount:
            text = _HAS_ACCOUNT
    await desk.store.sign_ups.remove(sign_up.id)
    return page("auth/told.html", values={"heading": "Welcome", "text": text})
