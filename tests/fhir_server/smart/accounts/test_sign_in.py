"""Signing in: passwords, second factors, sessions, resets, and what is tried against them.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pyotp
import pytest
from starlette.applications import Starlette

from fhir_server.settings import Settings
from fhir_server.smart.accounts import reset
from fhir_server.smart.accounts.passwords import Passwords, problem
from fhir_server.smart.accounts.routes import account_desk, account_routes
from fhir_server.smart.events import SecurityEvent
from fhir_server.store import open_store
from fhir_server.store.accounts import Account, LastAdministrator, NameTaken

Result = TypeVar("Result")

PASSWORD = "correct horse battery"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ORIGIN = "http://hospital.example"


class World:
    """The pages, talked to in this process, with a clock that tests set and what was recorded."""

    def __init__(self, settings: Settings) -> None:
        self.runner = asyncio.Runner()
        self.store = open_store(settings, str(settings.mongo_url))
        self.time = datetime.now(UTC)
        self.events: list[SecurityEvent] = []
        desk = account_desk(self.store.accounts, settings, self._record, lambda: self.time)
        self.app = Starlette(routes=account_routes(desk))

    async def _record(self, event: SecurityEvent) -> None:
        self.events.append(event)

    def run(self, work: Awaitable[Result]) -> Result:
        """Return what is awaited."""

        async def awaited() -> Result:
            return await work

        return self.runner.run(awaited())

    def browser(self, address: str = "10.0.0.1") -> "Browser":
        """Return a browser without cookies, at a network address."""
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return Browser(self, httpx.AsyncClient(transport=transport, base_url=ORIGIN))

    def account(self, name: str, **values: Any) -> Account:
        """Return a new account with PASSWORD."""
        hashed = self.run(Passwords(1, 8).hashed(PASSWORD))
        made = Account(
            id=f"id-{name}",
            user_name=name,
            display_name=name,
            password_hash=hashed,
            **{"roles": ("DR",), **values},
        )
        self.run(self.store.accounts.add(made))
        return made


class Browser:
    """Fills in forms as a person does."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client

    def get(self, path: str) -> httpx.Response:
        """Return a page."""
        return self.world.run(self.client.get(path))

    def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form as it is."""
        return self.world.run(self.client.post(path, data=fields, headers=headers))

    def fill(self, page: str, fields: dict[str, str], to: str | None = None) -> httpx.Response:
        """Look at a page, and send its form with what is hidden in it."""
        found = self.get(page)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found.text))
        return self.post(to or page.partition("?")[0], {**hidden, **fields})

    def sign_in(self, name: str, password: str = PASSWORD, to: str = "/auth/account") -> httpx.Response:
        """Enter name and password."""
        return self.fill(
            f"/auth/login?next={quote(to)}", {"user_name": name, "password": password}, "/auth/login"
        )

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the browser has."""
        return dict(self.client.cookies)


@pytest.fixture(scope="module")
def world(settings: Settings) -> Iterator[World]:
    """The pages on an empty database, with cheap hashes."""
    changes = {"password_rounds": 1, "password_memory_kib": 8, "sign_in_attempts": 3}
    cheap = Settings(**(settings.model_dump() | changes | {"encryption_key": KEY}))
    made = World(cheap)
    yield made
    made.run(made.store.close())
    made.runner.close()


def test_signing_in_and_out(world: World) -> None:
    """With the right password the browser goes on to where it wanted, and is known until it signs out."""
    world.account("grey")
    browser = world.browser()
    assert browser.get("/auth/account").headers["location"] == "/auth/login"
    answer = browser.sign_in("GREY", to="/oauth/consent?request=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/oauth/consent?request=x")
    account = browser.get("/auth/account")
    assert "grey" in account.text
    assert browser.fill("/auth/account", {}, "/auth/logout").headers["location"] == "/auth/login"
    assert browser.get("/auth/account").status_code == 303
    assert [event.kind for event in world.events if event.account_id == "id-grey"] == ["sign-in", "sign-out"]


def test_cookies(world: World) -> None:
    """The cookie of a session is for our pages alone, out of reach of scripts, and new at each sign-in."""
    world.account("carter")
    browser = world.browser()
    answer = browser.sign_in("carter")
    told = answer.headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=lax" in told
    first = browser.cookies["session"]
    browser.sign_in("carter")
    assert browser.cookies["session"] != first
    secure = world.run(_with_https(world))
    assert secure.startswith("__Host-session=")
    assert "; Secure" in secure


async def _with_https(world: World) -> str:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://hospital.example") as client:
        page = await client.get("/auth/login")
        token = re.findall(r'name="csrf_token" value="([^"]*)"', page.text)[0]
        form = {"csrf_token": token, "next": "/", "user_name": "carter", "password": PASSWORD}
        answer = await client.post("/auth/login", data=form)
        return next(one for one in answer.headers.get_list("set-cookie") if "session" in one)


def test_a_session_that_was_set_by_somebody_else(world: World) -> None:
    """Session fixation: a cookie that an attacker put there before is not the one of the session."""
    world.account("fixed")
    browser = world.browser()
    browser.client.cookies.set("session", "chosen-by-an-attacker", domain="hospital.example")
    browser.sign_in("fixed")
    attacker = world.browser()
    attacker.client.cookies.set("session", "chosen-by-an-attacker", domain="hospital.example")
    assert attacker.get("/auth/account").status_code == 303


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/%0d%0aset-cookie:x=y\r\nx: y",
        "/\t/evil.example",
        "",
    ],
)
def test_open_redirects(world: World, to: str) -> None:
    """After signing in nobody is sent to another server."""
    if world.run(world.store.accounts.called("walker")) is None:
        world.account("walker")
    assert world.browser().sign_in("walker", to=to).headers["location"] == "/auth/account"


def test_whether_there_is_an_account_is_not_told(world: World) -> None:
    """A wrong password and a name that nobody has are answered alike, and so is a closed account."""
    world.account("known")
    world.account("closed", is_active=False)
    answers = [
        world.browser(f"10.1.0.{number}").sign_in(name, password)
        for number, (name, password) in enumerate(
            [("known", "wrong wrong wrong"), ("unknown", PASSWORD), ("closed", PASSWORD)]
        )
    ]
    texts = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert {answer.status_code for answer in answers} == {401}
    assert len(texts) == 1


def test_waiting_after_failures(world: World) -> None:
    """After some failures the next attempt has to wait, longer each time, from whatever address."""
    world.account("tried")
    for number in range(3):
        assert world.browser(f"10.2.0.{number}").sign_in("tried", "wrong wrong wrong").status_code == 401
    assert world.browser("10.2.1.1").sign_in("tried").status_code == 429
    world.time += timedelta(seconds=31)
    assert world.browser("10.2.1.2").sign_in("tried", "wrong wrong wrong").status_code == 401
    world.time += timedelta(seconds=31)
    assert world.browser("10.2.1.3").sign_in("tried").status_code == 429
    world.time += timedelta(seconds=31)
    assert world.browser("10.2.1.4").sign_in("tried").status_code == 303


def test_an_address_that_tries_many_accounts_waits(world: World) -> None:
    """One password tried with many names is slowed down too."""
    answers = [world.browser("10.3.0.1").sign_in(f"nobody-{number}").status_code for number in range(31)]
    assert answers[:30] == [401] * 30
    assert answers[30] == 429


@pytest.mark.parametrize("missing", ["token", "cookie", "origin"])
def test_forms_of_others(world: World, missing: str) -> None:
    """A form that was not on our page in this browser does nothing."""
    name = f"csrf-{missing}"
    world.account(name)
    browser = world.browser()
    page = browser.get("/auth/login")
    token = re.findall(r'name="csrf_token" value="([^"]*)"', page.text)[0]
    fields = {"csrf_token": "" if missing == "token" else token, "user_name": name, "password": PASSWORD}
    if missing == "cookie":
        browser.client.cookies.clear()
    headers = {"origin": "https://evil.example"} if missing == "origin" else {}
    assert browser.post("/auth/login", fields, **headers).status_code == 403
    assert "session" not in browser.cookies


def test_a_form_with_the_token_of_another_session(world: World) -> None:
    """What stands in a page of one session is worth nothing in another."""
    world.account("mine")
    world.account("theirs")
    browser, other = world.browser(), world.browser()
    browser.sign_in("mine")
    other.sign_in("theirs")
    token = re.findall(r'name="csrf_token" value="([^"]*)"', other.get("/auth/account").text)[0]
    fields = {"csrf_token": token, "old": PASSWORD, "new": "another good passphrase"}
    assert browser.post("/auth/account/password", fields).status_code == 403


@pytest.mark.parametrize("field", ["user_name[$ne]", "password[$gt]"])
def test_operators_in_forms(world: World, field: str) -> None:
    """Names that a database could take for operators are just fields that are not known."""
    answer = world.browser("10.4.0.1").fill("/auth/login", {field: "x"})
    assert answer.status_code == 401


def test_sessions_end(world: World) -> None:
    """A session is over after its time, and before if nothing was done in it."""
    world.account("idle")
    browser = world.browser()
    browser.sign_in("idle")
    world.time += timedelta(minutes=61)
    assert browser.get("/auth/account").status_code == 303
    browser.sign_in("idle")
    for _ in range(13):
        world.time += timedelta(minutes=55)
        last = browser.get("/auth/account").status_code
    assert last == 200
    world.time += timedelta(minutes=55)
    assert browser.get("/auth/account").status_code == 303


def test_signing_out_elsewhere(world: World) -> None:
    """One of several sessions can be ended from another, and all of them at once; not those of others."""
    world.account("many")
    world.account("bystander")
    browsers = [world.browser() for _ in range(3)]
    for browser in browsers:
        world.time += timedelta(seconds=1)
        browser.sign_in("many")
    other = world.browser()
    other.sign_in("bystander")
    foreign = world.run(world.store.accounts.sessions_of("id-bystander"))[0].id
    browsers[0].fill("/auth/account", {"session": foreign}, "/auth/account/sessions")
    assert other.get("/auth/account").status_code == 200
    one = world.run(world.store.accounts.sessions_of("id-many"))[0].id
    browsers[0].fill("/auth/account", {"session": one}, "/auth/account/sessions")
    assert [browser.get("/auth/account").status_code for browser in browsers] == [200, 200, 303]
    browsers[0].fill("/auth/account", {"session": "all"}, "/auth/account/sessions")
    assert [browser.get("/auth/account").status_code for browser in browsers] == [303, 303, 303]


def test_a_new_password(world: World) -> None:
    """It takes the old one, signs out elsewhere, and is the one from then on."""
    world.account("changer")
    browser, other = world.browser(), world.browser()
    browser.sign_in("changer")
    other.sign_in("changer")
    new = "another good passphrase"
    wrong = browser.fill("/auth/account", {"old": "wrong", "new": new}, "/auth/account/password")
    assert wrong.status_code == 422
    assert (
        browser.fill("/auth/account", {"old": PASSWORD, "new": new}, "/auth/account/password").status_code
        == 200
    )
    assert (browser.get("/auth/account").status_code, other.get("/auth/account").status_code) == (200, 303)
    assert world.browser().sign_in("changer").status_code == 401
    assert world.browser().sign_in("changer", new).status_code == 303


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "my password is long", "grey-and-something", "x" * 257, "1234567890abc"],
)
def test_passwords_that_are_not_taken(password: str) -> None:
    """What is short, plain or known is refused with the reason."""
    assert problem(password, "grey")


def test_passwords_that_are_taken() -> None:
    """Long ones are taken, whatever characters are in them."""
    assert problem("seven grüne 猫 sing!", "grey") is None


def _enrolled(world: World, name: str) -> tuple[Browser, pyotp.TOTP, list[str]]:
    world.account(name)
    browser = world.browser()
    browser.sign_in(name)
    secret = re.findall(r"<code>(\w+)</code>", browser.get("/auth/account/second-factor").text)[0]
    page = browser.get("/auth/account/second-factor")
    secret = re.findall(r"<code>(\w+)</code>", page.text)[0]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    code = pyotp.TOTP(secret).at(world.time)
    wrong = browser.post(
        "/auth/account/second-factor", {**hidden, "code": "000000" if code != "000000" else "1"}
    )
    assert wrong.status_code == 422
    done = browser.post("/auth/account/second-factor", {**hidden, "code": code})
    return browser, pyotp.TOTP(secret), re.findall(r"<li>([0-9a-f-]+)</li>", done.text)


def test_the_second_factor(world: World) -> None:
    """With one set up the password alone lets nobody in; a code does, once."""
    _, counter, _ = _enrolled(world, "careful")
    browser = world.browser()
    halfway = browser.sign_in("careful", to="/oauth/consent?request=y")
    assert halfway.headers["location"].startswith("/auth/second-factor")
    assert browser.get("/auth/account").status_code == 303
    used = counter.at(world.time)
    page = halfway.headers["location"]
    assert browser.fill(page, {"code": used}).status_code == 401
    world.time += timedelta(seconds=60)
    answer = browser.fill(page, {"code": counter.at(world.time)})
    assert answer.headers["location"] == "/oauth/consent?request=y"
    again = world.browser()
    page = again.sign_in("careful").headers["location"]
    assert again.fill(page, {"code": counter.at(world.time)}).status_code == 401


def test_recovery_codes(world: World) -> None:
    """Each is good once."""
    _, _, codes = _enrolled(world, "forgetful")
    assert len(set(codes)) == 8
    for expected in (303, 401):
        browser = world.browser()
        page = browser.sign_in("forgetful").headers["location"]
        assert browser.fill(page, {"code": codes[0]}).status_code == expected


def test_the_secret_is_kept_encrypted(world: World) -> None:
    """What the database holds of the second factor is of no use without the key."""
    _, counter, codes = _enrolled(world, "sealed")
    kept = repr(world.run(world.store.accounts.get("id-sealed")))
    assert counter.secret not in kept
    assert codes[0] not in kept
    assert PASSWORD not in kept


def test_guessing_codes_is_slow(world: World) -> None:
    """Failures with the second factor count like those with passwords."""
    _enrolled(world, "guessed")
    browser = world.browser()
    page = browser.sign_in("guessed").headers["location"]
    answers = [browser.fill(page, {"code": f"{number:06}"}).status_code for number in range(4)]
    assert answers == [401, 401, 401, 429]


def test_resetting_a_password(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link comes to the address of the account, works once, and only for half an hour."""
    sent: list[tuple[str, str]] = []

    async def send(_settings: Settings, e_mail: str, link: str) -> None:
        sent.append((e_mail, link))

    monkeypatch.setattr(reset, "send_reset_link", send)
    mailing = Settings(
        **(settings.model_dump() | _CHEAP | {"smtp_url": "smtp://mail.example", "encryption_key": KEY})
    )
    mailed = World(mailing)
    mailed.account("lost", e_mail="Lost@hospital.example")
    browser = mailed.browser()
    known = browser.fill("/auth/reset", {"e_mail": "lost@hospital.example"})
    unknown = mailed.browser("10.9.0.2").fill(
        "/auth/reset", {"e_mail": "nobody@hospital.example\r\nbcc: x@y.z"}
    )
    assert known.text == unknown.text
    mailed.run(asyncio.sleep(0))
    [(address, link)] = sent
    assert address == "Lost@hospital.example"
    path = link.removeprefix(ORIGIN)
    assert browser.get(path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 410
    assert browser.fill(path, {"new": "short"}).status_code == 422
    assert browser.fill(path, {"new": "another good passphrase"}).status_code == 200
    assert browser.get(path).status_code == 410
    assert mailed.browser().sign_in("lost", "another good passphrase").status_code == 303
    browser.fill("/auth/reset", {"e_mail": "lost@hospital.example"})
    mailed.run(asyncio.sleep(0))
    mailed.time += timedelta(minutes=31)
    assert browser.get(sent[-1][1].removeprefix(ORIGIN)).status_code == 410
    mailed.run(mailed.store.close())
    mailed.runner.close()


_CHEAP = {"password_rounds": 1, "password_memory_kib": 8}


def test_pages_bring_nothing_along(world: World) -> None:
    """No page has a script or anything from elsewhere, may be framed, or is kept."""
    for path in ("/auth/login", "/auth/reset"):
        answer = world.browser().get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
        assert "style=" not in answer.text
    assert world.browser().get("/auth/style.css").headers["content-type"].startswith("text/css")


def test_what_people_enter_is_shown_as_text(world: World) -> None:
    """A name with markup in it is not markup on the page."""
    answer = world.browser("10.5.0.1").sign_in('"><script>alert(1)</script>')
    assert "<script>" not in answer.text


def test_names_are_taken_once(world: World) -> None:
    """Two accounts cannot differ by case or spaces alone."""
    world.account("Twice")
    with pytest.raises(NameTaken):
        world.account(" tWICE ")


def test_the_last_administrator_stays(world: World) -> None:
    """Somebody has to be left who looks after the server."""
    world.account("chief", roles=("AD",))
    accounts = world.store.accounts
    changes: list[Callable[[], Awaitable[bool]]] = [
        lambda: accounts.change("id-chief", is_active=False),
        lambda: accounts.change("id-chief", roles=["DR"]),
    ]
    for change in changes:
        with pytest.raises(LastAdministrator):
            world.run(change())
    world.account("deputy", roles=("AD",))
    assert world.run(changes[0]())
