"""People make accounts for themselves: proved by e-mail, once, and telling nothing of others."""

import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server
from tests.fhir_server.workflows.registration.conftest import CALLERS, authenticate
from tests.fhir_server.workflows.registration.people import numbers, rules_of, somebody

PASSWORD = "correct horse battery"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

Resource = dict[str, Any]


class House:
    """A server on which people register, its mail, and staff who look at the records without tokens."""

    def __init__(self, pages: str, records: str, mail: Path) -> None:
        self.pages, self.mail = pages, mail
        self.browsers: list[httpx.Client] = []
        self.staff = {
            caller: httpx.Client(
                base_url=records,
                headers={"authorization": f"Bearer {caller}", "content-type": "application/fhir+json"},
                timeout=60,
            )
            for caller in CALLERS
        }

    def browser(self) -> httpx.Client:
        """Return a browser without cookies."""
        self.browsers.append(httpx.Client(base_url=self.pages, timeout=60))
        return self.browsers[-1]

    def letters(self, e_mail: str, count: int = 1) -> list[str]:
        """Return the letters to an address, once there are so many."""
        end = time.monotonic() + 20
        while True:
            texts = [one.read_text("utf-8", "replace") for one in sorted(self.mail.glob("*.eml"))]
            found = [one.replace("=\n", "") for one in texts if e_mail in one]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"{len(found)} letters"
            time.sleep(0.05)

    def close(self) -> None:
        """Hang up."""
        for client in (*self.staff.values(), *self.browsers):
            client.close()


@pytest.fixture(scope="module")
def house(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One database with two doors: the pages for people, and an interface that knows the tests' callers."""
    mail = tmp_path_factory.mktemp("mail")
    changes = {
        "auth": "on",
        "encryption_key": KEY,
        "self_registration": "on",
        "mail_dir": mail,
        "password_rounds": 1,
        "password_memory_kib": 8,
        "sign_in_attempts": 50,
    }
    open_ = Settings(**(settings.model_dump() | changes))
    with running_server(open_) as pages, running_server(settings, authenticate) as records:
        made = House(pages.removesuffix("/fhir"), records, mail)
        yield made
        made.close()


def _fill(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    shown = browser.get(path)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown.text))
    return browser.post(
        path, data={**hidden, **fields}, headers={"origin": str(browser.base_url).rstrip("/")}
    )


def _form(**changes: str) -> dict[str, str]:
    name = f"N{uuid.uuid4().hex}"
    form = {
        "given": "Sela",
        "family": name,
        "birth_date": "1990-05-06",
        "e_mail": f"{name}@example.org".lower(),
        "new": PASSWORD,
    }
    return form | changes


def _link(letter: str) -> str:
    found = re.search(r"/auth/register/[\w-]+", letter)
    assert found is not None, letter
    return found[0]


def _of(house: House, form: dict[str, str]) -> list[Resource]:
    found = house.staff["administrator"].get("/Patient", params={"family": form["family"]}).json()
    return [one["resource"] for one in found.get("entry", [])]


@pytest.mark.workflow("0-03", "1-06", "1-29")
def test_a_patient_makes_an_account(house: House) -> None:
    """The record comes with the link from the mail, once; then the person signs in."""
    browser, form = house.browser(), _form()
    assert 'href="/auth/register"' in browser.get("/auth/login").text
    assert _fill(browser, "/auth/register", **form).status_code == 200
    assert _of(house, form) == []
    (letter,) = house.letters(form["e_mail"])
    link = _link(letter)
    # Programs that look at links make nothing of them.
    assert browser.get(link).status_code == 200
    assert _of(house, form) == []
    done = _fill(browser, link, password=PASSWORD)
    assert done.status_code == 200, done.text
    (patient,) = _of(house, form)
    assert len(numbers(patient)) == 1
    assert patient["meta"]["tag"][0]["code"] == "self-registered"
    assert browser.get(link).status_code == 410
    assert browser.post(link).status_code in (403, 410)
    signed_in = _fill(house.browser(), "/auth/login", user_name=form["e_mail"], password=PASSWORD)
    assert signed_in.status_code == 303
    assert len(_of(house, form)) == 1


@pytest.mark.workflow("1-29")
def test_an_address_that_has_an_account_gives_nothing_away(house: House) -> None:
    """The answer is the same text; the mailbox alone is told, and no link in it makes another account."""
    form = _form()
    first = _fill(house.browser(), "/auth/register", **form)
    browser = house.browser()
    _fill(browser, _link(house.letters(form["e_mail"])[0]), password=PASSWORD)
    again = _fill(house.browser(), "/auth/register", **(form | {"given": "Other"}))
    assert (first.status_code, first.text) == (again.status_code, again.text)
    letters = house.letters(form["e_mail"], 2)
    assert sum("/auth/register/" in one for one in letters) == 1
    assert len(_of(house, form)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"family": ""},
        {"birth_date": "yesterday"},
        {"birth_date": "2999-01-01"},
        {"e_mail": "x"},
        {"new": "short"},
    ],
)
def test_a_form_that_is_not_right(house: House, wrong: dict[str, str]) -> None:
    """It is shown again, and no mail is sent."""
    form = _form(**wrong)
    answer = _fill(house.browser(), "/auth/register", **form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_a_form_of_somebody_else_is_refused(house: House) -> None:
    """Another site cannot register anybody."""
    assert house.browser().post("/auth/register", data=_form()).status_code == 403


def test_asking_again_and_again_sends_no_more_mail(settings: Settings, tmp_path: Path) -> None:
    """Throttled for an address, while the answer stays the same."""
    mail = tmp_path / "mail"
    mail.mkdir()
    changes = {"auth": "on", "encryption_key": KEY, "self_registration": "on", "mail_dir": mail}
    changes |= {"password_rounds": 1, "password_memory_kib": 8, "sign_in_attempts": 2}
    with running_server(Settings(**(settings.model_dump() | changes))) as url:
        house = House(url.removesuffix("/fhir"), url, mail)
        form = _form()
        answers = {_fill(house.browser(), "/auth/register", **form).text for _ in range(6)}
        assert len(answers) == 1
        assert len(house.letters(form["e_mail"], 2)) == 2
        house.close()


def test_where_nobody_registers_the_page_says_so(settings: Settings) -> None:
    """Which is so unless a hospital wants it, and sends mail."""
    changes = {"auth": "on", "encryption_key": KEY, "password_rounds": 1, "password_memory_kib": 8}
    with running_server(Settings(**(settings.model_dump() | changes))) as url:
        address = url.removesuffix("/fhir")
        assert httpx.get(f"{address}/auth/register").status_code == 404
        assert "/auth/register" not in httpx.get(f"{address}/auth/login").text
        assert httpx.get(f"{address}/auth/register/x").status_code == 404


def test_who_did_not_choose_the_password_makes_no_account(house: House) -> None:
    """Somebody else's password on one's own address would be an account that they sign in to."""
    form = _form()
    _fill(house.browser(), "/auth/register", **form)
    link = _link(house.letters(form["e_mail"])[0])
    for password in ("", "something-else-entirely"):
        refused = _fill(house.browser(), link, password=password)
        assert refused.status_code == 422
    assert _of(house, form) == []
    signed_in = _fill(house.browser(), "/auth/login", user_name=form["e_mail"], password=PASSWORD)
    assert signed_in.status_code != 303


@pytest.mark.workflow("1-29", "1-06")
def test_who_looks_like_a_patient_gets_a_record_of_their_own(house: House) -> None:
    """Whose name and birth date one knows, their record one does not see; staff are told, and merge."""
    form, administrator = _form(), house.staff["administrator"]
    there = somebody(
        name=[{"family": form["family"], "given": [form["given"]]}], birthDate=form["birth_date"]
    )
    old = administrator.post("/Patient", json=there).json()
    done = _fill(house.browser(), "/auth/register", **form)
    browser = house.browser()
    done = _fill(browser, _link(house.letters(form["e_mail"])[0]), password=PASSWORD)
    assert done.status_code == 200
    (new,) = [one for one in _of(house, form) if one["id"] != old["id"]]
    tasks = administrator.get("/Task?code=urn:fhir-hospital-server:task|possible-duplicate").json()
    assert f"Patient/{new['id']}" in [one["resource"]["focus"]["reference"] for one in tasks["entry"]]
    # By the interface nobody gets round the rule with the tag.
    tagged = there | {"meta": new["meta"] | {"versionId": "1"}}
    assert rules_of(administrator.post("/Patient", json=tagged)) == {"W1.duplicate-patient"}
    parameters = [
        {"name": f"{name}-patient", "valueReference": {"reference": f"Patient/{one['id']}"}}
        for name, one in (("source", new), ("target", old))
    ]
    merged = administrator.post(
        "/Patient/$merge", json={"resourceType": "Parameters", "parameter": parameters}
    )
    assert merged.status_code == 200, merged.text
    signed_in = _fill(house.browser(), "/auth/login", user_name=form["e_mail"], password=PASSWORD)
    assert signed_in.status_code == 303


@pytest.mark.workflow("1-29")
def test_a_code_from_the_desk_leads_to_ones_own_record(house: House) -> None:
    """With the right date of birth, once; no second record is made. Only administrators hand codes out."""
    form, administrator = _form(), house.staff["administrator"]
    mine = administrator.post("/Patient", json=somebody(birthDate=form["birth_date"])).json()
    for caller in ("doctor", "nurse", "anna"):
        assert house.staff[caller].post(f"/Patient/{mine['id']}/$invite").status_code == 403
    answer = administrator.post(f"/Patient/{mine['id']}/$invite")
    assert answer.status_code == 200, answer.text
    code = answer.json()["parameter"][0]["valueString"]
    assert answer.json()["parameter"][1]["valueInstant"]

    def register(**changes: str) -> httpx.Response:
        given = _form(**{**form, "e_mail": f"{uuid.uuid4().hex}@example.org", **changes})
        _fill(house.browser(), "/auth/register", **given)
        link = _link(house.letters(given["e_mail"])[0])
        return _fill(house.browser(), link, password=PASSWORD)

    assert register(code="WRONG-WRONG-WRONG").status_code == 422
    assert register(code=code, birth_date="1990-05-07").status_code == 422
    linked = register(code=code.lower().replace("-", " "))
    assert linked.status_code == 200, linked.text
    assert "your code was for" in linked.text
    assert register(code=code).status_code == 422
    assert _of(house, form) == []
    # Who has an account for the record gets no second one.
    code = administrator.post(f"/Patient/{mine['id']}/$invite").json()["parameter"][0]["valueString"]
    again = register(code=code)
    assert "an account for this record already" in again.text
    code = administrator.post(f"/Patient/{mine['id']}/$invite").json()["parameter"][0]["valueString"]
    inactive = mine | {"active": False}
    assert administrator.put(f"/Patient/{mine['id']}", json=inactive).status_code == 200
    assert register(code=code).status_code == 422
    assert rules_of(administrator.post(f"/Patient/{mine['id']}/$invite")) == {"W1.invite"}
