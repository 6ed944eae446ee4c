"""The users of the demo: who they are, that they can sign in, and where their passwords are."""

import asyncio
import json
import re
import stat
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.commands.opening import Opening, open_demo, table
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.tables import rows
from fhir_server.demo.users import USERS_FILE, DemoUser, add_users, keep, new_users, present_users
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.accounts.passwords import Passwords, problem
from fhir_server.smart.principal import ROLES
from fhir_server.store import Store, open_store
from fhir_server.store.accounts import Account
from tests.fhir_server.conftest import running_server

Result = TypeVar("Result")

_CHEAP = Passwords(1, 8)


@pytest.fixture
def secure(mongo_url: str, database: object) -> Settings:
    """Settings of a server that asks for tokens, on a database of the test's own."""
    name = database.name  # type: ignore[attr-defined]
    cheap = {"password_rounds": 1, "password_memory_kib": 8, "log_level": "error"}
    return Settings(mongo_url=mongo_url, database=name, encryption_key=new_key(), **cheap)  # type: ignore[arg-type]


def _at(settings: Settings, work: Callable[[Store], Awaitable[Result]]) -> Result:
    async def done() -> Result:
        store = open_store(settings, str(settings.mongo_url))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(done())


# --- Who they are -------------------------------------------------------------------------------------------


def test_there_is_one_of_each_role_in_the_records(hospital: dict[str, Resource]) -> None:
    """Each is a person of the hospital, by the name that stands there."""
    assert [row["role"] for row in rows("users")] == list(ROLES)
    for row in rows("users"):
        assert hospital[row["fhir_user"]]["name"][0]["text"] == row["name"]


def test_the_doctor_treats_some_and_not_all(of_type: dict[str, list[Resource]]) -> None:
    """The patient among them."""
    [doctor] = [row["fhir_user"] for row in rows("users") if row["role"] == "DR"]
    [patient] = [row["fhir_user"] for row in rows("users") if row["role"] == "PT"]
    treated = {
        encounter["subject"]["reference"]
        for encounter in of_type["Encounter"]
        if doctor in [one["individual"]["reference"] for one in encounter.get("participant", [])]
    }
    assert patient in treated
    assert 5 < len(treated) < 100


def test_passwords_are_drawn() -> None:
    """Each is another, at each time, and one that may be taken."""
    drawn = [user for _ in range(20) for user in new_users()]
    assert len({user.password for user in drawn}) == len(drawn) == 160
    assert not [user for user in drawn if problem(user.password or "", user.user_name)]


# --- Where they come from -----------------------------------------------------------------------------------


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The tokens with which the demo was to be loaded; nothing is."""
    given: list[bytes] = []

    def run(command: list[str], **options: object) -> None:
        assert ("--token-stdin" in command) == bool(options["input"])
        given.append(bytes(options["input"]))  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", run)
    return given


def _opened(settings: Settings, folder: Path | None) -> None:
    open_demo(Opening(settings, str(settings.mongo_url), "http://127.0.0.1:8000/fhir", folder))


def _names(settings: Settings) -> list[str]:
    async def all_of(store: Store) -> list[str]:
        return [account.user_name for account in await store.accounts.all()]

    return _at(settings, all_of)


def test_an_empty_database_gets_them(
    secure: Settings,
    tmp_path: Path,
    loads: list[bytes],
    capsys: pytest.CaptureFixture[str],
    mongo_client: MongoClient[dict[str, object]],
) -> None:
    """They are told, kept for their owner only, and told again; of the loader's token nothing is left."""
    _opened(secure, tmp_path)
    first = capsys.readouterr().out
    assert len(_names(secure)) == 8
    kept = tmp_path / USERS_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [one["password"] in first for one in json.loads(kept.read_text())] == [True] * 8
    assert len(loads) == 1
    assert re.fullmatch(rb"[\w-]{43}\n", loads[0])
    database = mongo_client[secure.database]
    assert database["oauth_access_tokens"].count_documents({}) == 0
    assert database["oauth_clients"].count_documents({}) == 0
    database["Patient"].insert_one({"_id": "1"})
    _opened(secure, tmp_path)
    again = capsys.readouterr().out
    assert again.splitlines()[0].startswith("The server has records already")
    assert again.splitlines()[1:] == first.splitlines()


def test_a_database_in_use_gets_none(
    secure: Settings, tmp_path: Path, loads: list[bytes], mongo_client: MongoClient[dict[str, object]]
) -> None:
    """Neither one with records, nor one in which there are people."""
    records = mongo_client[secure.database]["Organization"]
    records.insert_one({"_id": "1"})
    _opened(secure, tmp_path)
    assert (_names(secure), loads) == ([], [])
    records.delete_many({})
    _at(secure, lambda store: store.accounts.add(Account("1", "ada", "Ada", "", ("AD",))))
    _opened(secure, tmp_path)
    assert (_names(secure), len(loads)) == (["ada"], 1)
    assert list(tmp_path.iterdir()) == []


def test_without_tokens_there_are_none(secure: Settings, tmp_path: Path, loads: list[bytes]) -> None:
    """A server that asks nobody has no users, and needs no token for its demo."""
    _opened(Settings(**secure.model_dump() | {"auth": "off"}), tmp_path)
    assert (_names(secure), loads) == ([], [b""])


def test_a_changed_password_is_not_told(secure: Settings, tmp_path: Path) -> None:
    """Nor is one of which no file tells, or of somebody else who has the name."""
    users = new_users()

    async def work(store: Store) -> tuple[list[DemoUser], list[DemoUser]]:
        await add_users(users, store.accounts, _CHEAP)
        nurse = await store.accounts.called("nurse")
        assert nurse is not None
        await store.accounts.change(nurse.id, password_hash=await _CHEAP.hashed("another one"))
        without = await present_users(store.accounts, _CHEAP, tmp_path)
        keep(users, tmp_path)
        return without, await present_users(store.accounts, _CHEAP, tmp_path)

    without, found = _at(secure, work)
    assert [user.password for user in without] == [None] * 8
    assert [user.user_name for user in found if user.password is None] == ["nurse"]
    assert re.search(r"nurse +nurse +\(was changed\)$", table(found, "http://x/fhir", None), re.MULTILINE)


# --- What they can do ---------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(secure: Settings) -> Iterator[Callable[[str, str], httpx.Response]]:
    """Sign in, and return the page that one comes to."""
    with running_server(secure) as url:

        def sign_in(name: str, password: str) -> httpx.Response:
            with httpx.Client(base_url=url.removesuffix("/fhir"), follow_redirects=True) as browser:
                fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', browser.get("/auth/login").text))
                return browser.post("/auth/login", data={**fields, "user_name": name, "password": password})

        yield sign_in


def test_each_can_sign_in(secure: Settings, signed_in: Callable[[str, str], httpx.Response]) -> None:
    """With the password alone, and has the role."""
    users = new_users()
    _at(secure, lambda store: add_users(users, store.accounts, _CHEAP))
    for user in users:
        page = signed_in(user.user_name, user.password or "")
        assert page.url.path == "/auth/account"
        assert user.role in page.text
