"""Signing in, granting, administration and emergencies are on record, with who it was and how it ended.

https://profiles.ihe.net/ITI/BALP/
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import httpx
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from pymongo import MongoClient

from fhir_server.__main__ import main
from fhir_server.audit.security_events import actor_of_event, recording, security_event
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings, to_environment
from fhir_server.smart.events import EventKind, SecurityEvent
from fhir_server.store.accounts import Account
from resources.operation_outcome import StoreUnavailable, error
from resources.validation import validate
from tests.fhir_server.audit.log import Log, application, patients, person
from tests.fhir_server.conftest import running_server

Clients = dict[str, httpx.Client]
Resource = dict[str, Any]
BASE_URL = "https://hospital.example/fhir"
NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
DORA = Account("7", "dora", "Dora", "", ("DR",), "Practitioner/dora")


def _event(kind: EventKind, *, is_success: bool = True, **values: Any) -> Resource:
    event = SecurityEvent(kind, is_success, NOW, **values)
    account = DORA if event.account_id == DORA.id else None
    return security_event(event, actor_of_event(event, account, BASE_URL))


@pytest.mark.parametrize("kind", get_args(EventKind))
@pytest.mark.parametrize("account_id", [None, "7", "unknown"])
def test_each_kind_is_a_valid_event(kind: EventKind, account_id: str | None) -> None:
    """Whatever is known of it: the kind is its first subtype, and there is somebody who asked for it."""
    for is_success in (True, False):
        for more in ({}, {"client_id": "app", "address": "10.0.0.1", "patient": "anna", "detail": "Why"}):
            event = _event(kind, is_success=is_success, account_id=account_id, **more)
            assert validate({**event, "id": "1"}) == []
            assert event["subtype"][0]["code"] == kind
            assert (event["outcome"] == "0") == is_success
            assert sum(agent["requestor"] for agent in event["agent"]) == 1


def test_what_is_told() -> None:
    """Person, application, address, patient and details have their places."""
    event = _event(
        *("authorization",), account_id="7", client_id="app", address="10.0.0.1", patient="anna", detail="Why"
    )
    agent = person(event)
    assert agent is not None
    assert agent["who"]["reference"] == "Practitioner/dora"
    assert agent["role"][0]["coding"][0]["code"] == "DR"
    assert application(event) == "app"
    assert patients(event) == ("Patient/anna",)
    assert event["entity"][1]["description"] == "Why"
    assert [code["code"] for code in _event("sign-in")["subtype"]] == ["sign-in", "110122"]
    assert _event("refresh-token-reuse", is_success=False)["outcome"] == "8"


def test_nobody_is_kept_out_by_a_log_that_is_full() -> None:
    """If the database takes no event now, it waits; who signs out is signed out."""
    told: list[SecurityEvent] = []

    async def write(_event: Resource) -> None:
        raise StoreUnavailable(error("transient", "away"))

    async def account(_account_id: str) -> Account | None:
        raise StoreUnavailable(error("transient", "away"))

    async def also(event: SecurityEvent) -> None:
        told.append(event)

    event = SecurityEvent("sign-out", True, NOW, "7")

    async def happening() -> None:
        await recording(write, account, BASE_URL, also)(event)

    asyncio.run(happening())
    assert told == [event]


def test_an_emergency(clients: Clients, log: Log) -> None:
    """The doctor, the patient and the reason are on record; what is read then says that it was in one."""
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "reason", "valueString": "Unconscious in the emergency room"}],
    }
    assert clients["doctor"].post("/Patient/boris/$break-glass", json=body).status_code == 200
    clients["doctor"].get("/Observation/observation-boris").raise_for_status()
    clients["doctor"].get("/Observation/observation-anna").raise_for_status()
    events = log.events()
    [emergency] = [one for one in events if one["subtype"][0]["code"] == "emergency-access"]
    assert emergency["subtype"][1]["code"] == "110127"
    assert patients(emergency) == ("Patient/boris",)
    assert emergency["entity"][1]["description"] == "Unconscious in the emergency room"
    agent = person(emergency)
    assert agent is not None
    assert agent["who"]["reference"] == "Practitioner/dora"
    reads = {patients(one)[0]: person(one) or {} for one in events if one["action"] == "R"}
    assert reads["Patient/boris"]["purposeOfUse"][0]["coding"][0]["code"] == "BTG"
    assert "purposeOfUse" not in reads["Patient/anna"]


@pytest.fixture(scope="module")
def hospital(settings: Settings) -> Iterator[Settings]:
    """A database of its own, for a server with accounts."""
    name = f"{settings.database}-accounts"
    more: dict[str, Any] = {"password_rounds": 1, "password_memory_kib": 8}
    yield Settings(
        mongo_url=settings.mongo_url,
        database=name,
        log_level="error",
        workflows_off="all",
        encryption_key=SecretStr(new_key()),
        **more,
    )
    with MongoClient[Any](str(settings.mongo_url)) as client:
        client.drop_database(name)


def _browser(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url.removesuffix("/fhir"))


def _run(settings: Settings, *arguments: str, given: str = "") -> Result:
    done = CliRunner().invoke(
        main, arguments, input=given, env={**to_environment(settings), "COLUMNS": "200"}
    )
    assert not isinstance(done.exception, Exception), done.exception
    return done


def test_accounts_commands_and_the_log(hospital: Settings) -> None:
    """From the command line to the sign-in page: each is in the log, which is whole."""
    added = _run(hospital, "users", "add", "ada", "--role", "AU", "--password-stdin", given=f"{PASSWORD}\n")
    assert added.exit_code == 0, added.stderr
    with (
        running_server(hospital) as base_url,
        httpx.Client(base_url=base_url.removesuffix("/fhir")) as browser,
    ):
        page = browser.get("/auth/login").text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        origin = {"origin": str(browser.base_url)}
        for password in ("wrong and long enough", PASSWORD):
            form = {"user_name": "ada", "password": password, "csrf_token": token}
            browser.post("/auth/login", data=form, headers=origin)
        issued = _run(hospital, "token", "--scope", "system/AuditEvent.rs").stdout.strip()
        headers = {"authorization": f"Bearer {issued}"}
        found = httpx.get(f"{base_url}/AuditEvent?_count=100&_sort=date", headers=headers).json()
    told = [
        (one["resource"]["subtype"][0]["code"], one["resource"]["outcome"])
        for one in found["entry"]
        if one["resource"]["type"]["code"].startswith("1101")
    ]
    assert told == [("account-change", "0"), ("sign-in", "4"), ("sign-in", "0"), ("token", "0")]
    whole = _run(hospital, "audit", "verify")
    assert whole.exit_code == 0
    assert "The log is whole" in whole.stdout


def test_what_a_page_shows(hospital: Settings) -> None:
    """A nurse looks for a patient on the page that opens applications: whom it shows is on record."""
    role = ("--role", "RN", "--fhir-user", "Practitioner/nina")
    _run(hospital, "users", "add", "nina", *role, "--password-stdin", given=f"{PASSWORD}\n")
    with running_server(hospital) as base_url, _browser(base_url) as browser:
        issued = _run(hospital, "token").stdout.strip()
        headers = {"authorization": f"Bearer {issued}"}
        for family in ("Adler", "Berg"):
            person = {"resourceType": "Patient", "id": family.lower(), "name": [{"family": family}]}
            httpx.put(f"{base_url}/Patient/{person['id']}", json=person, headers=headers).raise_for_status()
        token = browser.get("/auth/login").text.partition('name="csrf_token" value="')[2].partition('"')[0]
        form = {"user_name": "nina", "password": PASSWORD, "csrf_token": token}
        browser.post("/auth/login", data=form, headers={"origin": str(browser.base_url)})
        assert "Adler" in browser.get("/oauth/launch?search=Adler").text
        search = f"{base_url}/AuditEvent?agent=Practitioner/nina&subtype=read"
        found = httpx.get(search, headers=headers).json()
    events = [entry["resource"] for entry in found["entry"]]
    assert {patients(event) for event in events} == {("Patient/adler",)}
    assert {application(event) for event in events} == {"pages"}
    assert [validate(event) for event in events] == [[]] * len(events)


class TestVerifyCommand:
    """`fhir-server audit verify`."""

    def test_what_is_wrong(self, hospital: Settings) -> None:
        """It is listed, and the command fails."""
        _run(hospital, "users", "add", "bo", "--role", "DR", "--password-stdin", given=f"{PASSWORD}\n")
        with MongoClient[Any](str(hospital.mongo_url)) as client:
            events = client[hospital.database].AuditEvent
            last = events.find_one_and_delete({}, sort=[("seq", -1)])
            assert last is not None
            done = _run(hospital, "audit", "verify")
            events.insert_one(last)
        assert done.exit_code == 1
        assert "NOT whole" in done.stdout
        assert last["_id"] in done.stdout

    def test_an_anchor(self, hospital: Settings) -> None:
        """Number and seal of a block from before still hold; others are refused."""
        told = _run(hospital, "audit", "verify").stdout
        block = told.partition("number ")[2].partition(",")[0]
        seal = told.partition("its seal ")[2].partition(".")[0]
        assert _run(hospital, "audit", "verify", "--block", block, "--seal", seal).exit_code == 0
        assert _run(hospital, "audit", "verify", "--block", block, "--seal", "0" * 64).exit_code == 1
        assert "together" in _run(hospital, "audit", "verify", "--block", block).stderr

    def test_without_the_key(self, hospital: Settings) -> None:
        """With another key it says so in one line."""
        other = hospital.model_copy(update={"encryption_key": SecretStr(new_key())})
        done = _run(other, "audit", "verify")
        assert done.exit_code == 1
        assert "does not open the key of the log" in done.stderr

    def test_where_nothing_is_on_record(self, hospital: Settings) -> None:
        """It says so."""
        done = _run(hospital.model_copy(update={"audit": "off"}), "audit", "verify")
        assert "FHIR_AUDIT=off" in done.stderr
