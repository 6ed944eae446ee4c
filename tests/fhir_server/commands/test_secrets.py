"""`fhir-server secrets reseal`: after a change of the encryption key nothing needs the old one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pymongo import MongoClient

from fhir_server.commands.secrets import secrets
from fhir_server.resealing import Resealed, resealed
from fhir_server.secrets_at_rest import keyring, new_key
from fhir_server.settings import Settings
from fhir_server.smart.accounts import second_factor
from fhir_server.smart.oauth.signing_keys import SigningKeys
from fhir_server.store import Store, open_store
from fhir_server.store.accounts import Account
from fhir_server.store.audit.log import KEY_RECORD
from fhir_server.store.sealed_texts import SealedText, totp_record

Mongo = MongoClient[dict[str, Any]]

OLD, NEW = new_key(), new_key()
_SECRET = second_factor.new_secret()


@pytest.fixture
def hospital(settings: Settings, mongo_client: Mongo) -> Iterator[Settings]:
    """Settings with the old key, by which a second factor, signing keys and the key of the log are kept."""
    mongo_client.drop_database(settings.database)
    made = _with_key(settings, OLD)

    async def fill(store: Store) -> None:
        sealed = second_factor.sealed(_SECRET, "1", keyring(OLD))
        await store.accounts.add(Account("1", "ada", "Ada", "", ("AD",), totp=sealed))
        await store.accounts.add(Account("2", "ben", "Ben", "", ("AD",)))
        await _signing_keys(store, OLD).published()
        assert store.audit_log is not None
        await store.audit_log.prepare()

    _in_store(made, fill)
    yield made
    mongo_client.drop_database(settings.database)


def _with_key(settings: Settings, key: str | None) -> Settings:
    return Settings(**settings.model_dump() | {"auth": "off", "audit": "on", "encryption_key": key})


def _in_store(settings: Settings, work: Callable[[Store], Awaitable[Any]]) -> Any:
    async def done() -> Any:
        store = open_store(settings, str(settings.mongo_url))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(done())


def _signing_keys(store: Store, key: str) -> SigningKeys:
    day = timedelta(days=1)
    return SigningKeys(
        store.oauth.signing_keys, keyring(key), lambda: datetime.now(UTC), signs_for=day, good_for=day
    )


def _reseal(settings: Settings, key: str | None) -> Result:
    environment: Mapping[str, str | None] = {
        "FHIR_MONGO_URL": settings.mongo_url,
        "FHIR_DATABASE": settings.database,
        "FHIR_ENCRYPTION_KEY": key,
        "FHIR_AUTH": None if key else "off",
    }
    return CliRunner(env=environment).invoke(secrets, ["reseal"])


def _stored(settings: Settings, mongo_client: Mongo) -> str:
    database = mongo_client[settings.database]
    return str([list(database[name].find()) for name in database.list_collection_names()])


def test_nothing_needs_the_old_key_any_more(hospital: Settings, mongo_client: Mongo) -> None:
    """All secrets are what they were, and no text that the old key encrypted is left in the database."""
    before = _in_store(hospital, lambda store: _chain_key(store))
    sealed_by_old = keyring(OLD).seal("x", "x").rpartition(".")[0]
    assert sealed_by_old in _stored(hospital, mongo_client)
    done = _reseal(hospital, f"{NEW},{OLD}")
    assert (done.exit_code, done.stdout) == (
        0,
        "4 secrets have the first key, 4 of them since now.\nNo other key is needed any more.\n",
    )
    assert sealed_by_old not in _stored(hospital, mongo_client)
    renewed = _with_key(hospital, NEW)
    assert _in_store(renewed, lambda store: _chain_key(store)) == before
    account = _in_store(renewed, lambda store: store.accounts.get("1"))
    assert keyring(NEW).open(account.totp, totp_record("1")) == _SECRET
    published = _in_store(renewed, lambda store: _signing_keys(store, NEW).published())
    assert len(published["keys"]) == 2, "keys that could not be opened would have been made anew"


async def _chain_key(store: Store) -> Any:
    assert store.audit_log is not None
    return vars(await store.audit_log.prepare())


def test_a_second_time_nothing_is_to_be_done(hospital: Settings, mongo_client: Mongo) -> None:
    """It may be called whenever somebody wants to know whether the old key is needed."""
    _reseal(hospital, f"{NEW},{OLD}")
    before = _stored(hospital, mongo_client)
    done = _reseal(hospital, NEW)
    assert "4 secrets have the first key, 0 of them since now." in done.stdout
    assert _stored(hospital, mongo_client) == before


def test_what_no_key_opens_is_told_and_stays(hospital: Settings, mongo_client: Mongo) -> None:
    """The old key was forgotten: nothing is lost by the attempt, and each record is named."""
    before = _stored(hospital, mongo_client)
    done = _reseal(hospital, NEW)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 4
    assert f"No key opens {totp_record('1')}.\n" in done.stderr
    assert "needed any more" not in done.stdout
    assert _stored(hospital, mongo_client) == before


def test_a_secret_that_was_moved_is_not_made_good(hospital: Settings, mongo_client: Mongo) -> None:
    """Somebody copied a second factor into another account, where it does not open: it is not sealed anew."""
    accounts = mongo_client[hospital.database]["accounts"]
    stolen = accounts.find_one({"_id": "1"}) or {}
    accounts.update_one({"_id": "2"}, {"$set": {"totp": stolen["totp"]}})
    done = _reseal(hospital, f"{NEW},{OLD}")
    assert done.stderr == f"No key opens {totp_record('2')}.\n"
    assert (accounts.find_one({"_id": "2"}) or {})["totp"] == stolen["totp"]


@pytest.mark.parametrize("record", ["audit", "account"])
def test_what_was_kept_without_a_key(hospital: Settings, mongo_client: Mongo, record: str) -> None:
    """The key of a log that began without one is sealed; a second factor never was plain, and is refused."""
    database = mongo_client[hospital.database]
    if record == "audit":
        database["keys"].update_one({"_id": "audit"}, {"$set": {"key": "plain.c2VjcmV0"}})
    else:
        database["accounts"].update_one({"_id": "1"}, {"$set": {"totp": f"plain.{_SECRET}"}})
    done = _reseal(hospital, f"{NEW},{OLD}")
    kept = (database["keys"].find_one({"_id": "audit"}) or {})["key"]
    if record == "audit":
        assert done.exit_code == 0
        assert keyring(NEW).open(kept, KEY_RECORD) == "c2VjcmV0"
    else:
        assert done.stderr == f"No key opens {totp_record('1')}.\n"


def test_a_secret_that_changes_meanwhile_is_not_overwritten(hospital: Settings) -> None:
    """The person sets up a new second factor while the old one is sealed anew: the new one stays."""
    keys = keyring(f"{NEW},{OLD}")
    later = second_factor.new_secret()

    async def work(store: Store) -> tuple[Resealed, Account | None]:
        texts, replace = store.sealed_texts, store.sealed_texts.replace

        async def replaced(sealed: SealedText, text: str) -> bool:
            if sealed.record == totp_record("1"):
                await store.accounts.change("1", totp=second_factor.sealed(later, "1", keys))
            return await replace(sealed, text)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(texts, "replace", replaced)
            return await resealed(texts, keys), await store.accounts.get("1")

    done, account = _in_store(hospital, work)
    assert (done.current, done.changed, done.lost) == (4, 3, ())
    assert account is not None
    assert account.totp is not None
    assert keys.open(account.totp, totp_record("1")) == later


def test_without_a_key_nothing_is_done(hospital: Settings) -> None:
    """In one line."""
    done = _reseal(hospital, None)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: There is no key (FHIR_ENCRYPTION_KEY)")
