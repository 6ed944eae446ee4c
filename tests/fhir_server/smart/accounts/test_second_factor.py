"""The second factor, recovery codes, and new passwords by e-mail.

https://cheatsheetseries.owasp.org/cheatsheets/Multifactor_Authentication_Cheat_Sheet.html
"""

import asyncio
import re
from datetime import timedelta

import pyotp
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.accounts import reset
from tests.fhir_server.smart.accounts.world import KEY, ORIGIN, PASSWORD, Browser, World


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
