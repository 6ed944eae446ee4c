"""Signing in: passwords, sessions, and what is tried against them.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from fhir_server.smart.accounts.passwords import problem
from fhir_server.store.accounts import LastAdministrator, NameTaken
from tests.fhir_server.smart.accounts.world import PASSWORD, World


@pytest.mark.workflow("3-48")
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


@pytest.mark.workflow("3-21", "3-48")
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
