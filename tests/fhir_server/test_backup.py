"""Backups: everything is in them, as of one moment, and comes back; half of one does not."""

import asyncio
import base64
import io
import json
import os
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from pymongo import MongoClient

from fhir_server.__main__ import main
from fhir_server.backup.archive import DamagedBackup
from fhir_server.backup.files import Unusable, new_file
from fhir_server.backup.restoring import look_through
from fhir_server.backup.saving import save
from fhir_server.formats import JSON
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.store import Write, open_store
from fhir_server.store.accounts import Account
from fhir_server.store.dumps import Snapshot
from fhir_server.write_path import new_resource, replacement

Documents = dict[str, list[dict[str, Any]]]
Shapes = dict[str, Any]

_CODES = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
_LEFT_OUT = {"locks"}


class Bench:
    """Databases on one MongoDB, and the program that is run on them."""

    def __init__(self, mongo_url: str, folder: Path) -> None:
        """Use the MongoDB at `mongo_url`; files are put into `folder`."""
        self.mongo_url = mongo_url
        self.client = MongoClient[dict[str, Any]](mongo_url)
        self.folder = folder
        self.key = new_key()
        self.names: list[str] = []

    def settings(self) -> Settings:
        """Return settings with a database of their own, which is on record."""
        self.names.append(f"test-{uuid.uuid4().hex[:12]}")
        return Settings(
            mongo_url=self.mongo_url,
            database=self.names[-1],
            audit="on",
            encryption_key=SecretStr(self.key),
            log_level="error",
        )

    def run(self, settings: Settings, *arguments: str) -> Result:
        """Run the program."""
        environment = {
            "FHIR_MONGO_URL": self.mongo_url,
            "FHIR_DATABASE": settings.database,
            "FHIR_AUDIT": "on",
            "FHIR_ENCRYPTION_KEY": self.key,
            "FHIR_LOG_LEVEL": "error",
        }
        return CliRunner().invoke(main, list(arguments), env=environment)

    def documents(self, settings: Settings) -> Documents:
        """Return everything in a database."""
        database = self.client[settings.database]
        names = sorted(set(database.list_collection_names()) - _LEFT_OUT)
        return {name: list(database[name].find().sort("_id", 1)) for name in names}

    def shapes(self, settings: Settings) -> Shapes:
        """Return the indexes and checks of each collection."""
        database = self.client[settings.database]
        found = {}
        for one in database.list_collections():
            if one["name"] not in _LEFT_OUT:
                found[one["name"]] = (one["options"], database[one["name"]].index_information())
        return found


@pytest.fixture
def bench(mongo_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Databases that are dropped afterwards."""
    made = Bench(mongo_url, tmp_path)
    yield made
    for name in made.names:
        made.client.drop_database(name)
    made.client.close()


async def fill(settings: Settings, number: int = 30) -> None:
    """Store records with earlier versions and a deletion, an account, and events in the log."""
    store = open_store(settings, str(settings.mongo_url))
    for place in range(number):
        patient = {
            "resourceType": "Patient",
            "name": [{"family": f"Müller {place}"}],
            "birthDate": "1980-01-01",
        }
        await store.commit([new_resource("Patient", f"p{place}", patient)])
    changed = {"resourceType": "Patient", "id": "p1", "active": False}
    await store.commit([replacement("Patient", "p1", changed)])
    text = '{"resourceType":"Observation","status":"final","valueQuantity":{"value":10.10}}'
    observation = JSON.parse(text.encode()) | {"code": _CODES}
    await store.commit([new_resource("Observation", "o", observation)])
    await store.commit([Write("DELETE", "Patient", "p2")])
    await store.accounts.add(Account("1", "ada", "Ada", "a hash", ("AD",)))
    event = {
        "resourceType": "AuditEvent",
        "type": {"code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "here"}},
    }
    assert store.audit_log is not None
    await store.audit_log.append([new_resource("AuditEvent", "e", event)])
    await store.audit_log.seal()
    await store.close()


@pytest.fixture
def filled(bench: Bench) -> Settings:
    """A database with something of everything in it."""
    settings = bench.settings()
    asyncio.run(fill(settings))
    return settings


def key_file(folder: Path, mode: int = 0o600) -> Path:
    """Return a file with a key."""
    path = folder / f"key-{uuid.uuid4().hex}"
    path.write_text(base64.b64encode(os.urandom(32)).decode())
    path.chmod(mode)
    return path


@pytest.mark.workflow("0-21", "2-15")
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_everything_comes_back(bench: Bench, filled: Settings, is_encrypted: bool) -> None:
    """Each document, index and check is as it was, and the log is whole; digits of decimals too."""
    file, more = bench.folder / "backup", []
    if is_encrypted:
        more = ["--key-file", str(key_file(bench.folder))]
    before, shapes = bench.documents(filled), bench.shapes(filled)
    done = bench.run(filled, "backup", str(file), *more)
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert (b"ller 7" in file.read_bytes()) is False
    elsewhere = bench.settings()
    restored = bench.run(elsewhere, "restore", str(file), *more)
    assert restored.exit_code == 0, restored.output
    assert "The audit log is whole" in restored.output
    after = bench.documents(elsewhere)
    # That it was restored, and the backup made, is on record as well.
    for name in ("AuditEvent", "audit_chain"):
        assert after.pop(name)[: len(before[name])] or name == "AuditEvent"
        kept = {one["_id"] for one in bench.documents(elsewhere)[name]}
        assert {one["_id"] for one in before.pop(name)} <= kept
    assert after == before
    assert bench.shapes(elsewhere) == shapes
    assert bench.run(elsewhere, "audit", "verify").exit_code == 0


def test_a_database_in_use_is_not_restored_into(bench: Bench, filled: Settings) -> None:
    """Only --replace removes what is there."""
    file = bench.folder / "backup"
    assert (done := bench.run(filled, "backup", str(file))).exit_code == 0, (done.output, done.exception)
    other = bench.settings()
    asyncio.run(fill(other, 3))
    before = bench.documents(other)
    refused = bench.run(other, "restore", str(file))
    assert refused.exit_code == 1
    assert "--replace" in refused.output
    assert bench.documents(other) == before
    assert bench.run(other, "restore", "--replace", str(file)).exit_code == 0
    assert len(bench.documents(other)["Patient"]) == 29


def test_a_backup_is_of_one_moment(bench: Bench, filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed while it is made is not in it: not half of it either."""
    before = bench.documents(filled)
    documents = Snapshot.documents
    database = bench.client[filled.database]

    async def slowly(self: Snapshot, name: str) -> AsyncIterator[bytes]:
        async for one in documents(self, name):
            yield one
        # In every collection that comes later, and in those that are done.
        for other in before:
            database[other].update_many({}, {"$set": {"changed": True}})
        database["Patient"].insert_one({"_id": f"late-{name}", "seq": uuid.uuid4().int % 2**60})

    monkeypatch.setattr(Snapshot, "documents", slowly)
    file = bench.folder / "backup"
    assert (done := bench.run(filled, "backup", str(file))).exit_code == 0, (done.output, done.exception)
    monkeypatch.setattr(Snapshot, "documents", documents)
    elsewhere = bench.settings()
    bench.run(elsewhere, "restore", str(file))
    after = bench.documents(elsewhere)
    for name in ("Patient", "Observation", "history", "accounts"):
        assert after[name] == before[name], name


def test_no_half_of_a_backup_is_left(bench: Bench, filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that fails half way leaves no file, under no name; one that is there is not written over."""

    async def broken(_self: Snapshot, name: str) -> AsyncIterator[bytes]:
        if name != "Patient":
            return
        yield b""
        raise RuntimeError

    monkeypatch.setattr(Snapshot, "documents", broken)
    folder = bench.folder / "of-its-own"
    folder.mkdir()
    assert bench.run(filled, "backup", str(folder / "backup")).exit_code != 0
    assert list(folder.iterdir()) == []
    (folder / "backup").write_text("another")
    refused = bench.run(filled, "backup", str(folder / "backup"))
    assert refused.exit_code == 1
    assert "exists" in refused.output
    assert (folder / "backup").read_text() == "another"


def written(bench: Bench, settings: Settings, key: bytes | None) -> bytes:
    """Return a backup as bytes."""

    async def work() -> bytes:
        store = open_store(settings, bench.mongo_url)
        file = io.BytesIO()
        await save(store, file, key, settings.database, datetime.now(UTC))
        await store.close()
        return file.getvalue()

    return asyncio.run(work())


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_what_was_changed_or_cut_off_is_not_restored(
    bench: Bench, filled: Settings, key: bytes | None
) -> None:
    """A byte that is another one, an end that is missing, the wrong key: nothing is touched."""
    content = written(bench, filled, key)
    assert look_through(io.BytesIO(content), key).documents > 30
    middle = len(content) // 2
    wrong = [
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        content[:middle],
        content[:-40],
        b"nothing of the kind",
        b"",
    ]
    for one in wrong:
        with pytest.raises(DamagedBackup):
            look_through(io.BytesIO(one), key)
    for other in (None, b"x" * 32):
        if other != key:
            with pytest.raises(DamagedBackup):
                look_through(io.BytesIO(content), other)
    file = bench.folder / "damaged"
    file.write_bytes(wrong[0])
    file.chmod(0o600)
    elsewhere = bench.settings()
    more = [] if key is None else ["--key-file", str(key_file(bench.folder))]
    assert bench.run(elsewhere, "restore", str(file), *more).exit_code == 1
    assert bench.documents(elsewhere) == {}


def test_a_document_that_was_left_out_is_missed(bench: Bench, filled: Settings) -> None:
    """The archive is well formed, but not what its manifest says."""
    target, content_of = io.BytesIO(), io.BytesIO(written(bench, filled, None))
    with (
        tarfile.open(fileobj=content_of, mode="r:gz") as source,
        tarfile.open(fileobj=target, mode="w:gz") as tar,
    ):
        for member in source.getmembers():
            content = source.extractfile(member)
            assert content is not None
            if not member.name.startswith("Observation/"):
                tar.addfile(member, content)
    with pytest.raises(DamagedBackup, match="Observation"):
        look_through(io.BytesIO(target.getvalue()), None)


def test_the_format_is_open(bench: Bench, filled: Settings) -> None:
    """It is a tar archive with a manifest, which other programs read as well."""
    with tarfile.open(fileobj=io.BytesIO(written(bench, filled, None)), mode="r:gz") as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert names[-1] == "manifest.json"
    found = {one["name"]: one["count"] for one in manifest["collections"]}
    assert found["Patient"] == 29
    assert {"accounts", "history", "keys", "AuditEvent", "audit_chain"} <= found.keys()


def test_keys_and_plain_backups_are_for_nobody_else(bench: Bench, filled: Settings) -> None:
    """A key that others can read is refused, and so is a backup that is not encrypted."""
    file = bench.folder / "backup"
    open_key = key_file(bench.folder, 0o644)
    assert "chmod 600" in bench.run(filled, "backup", str(file), "--key-file", str(open_key)).output
    assert not file.exists()
    assert (done := bench.run(filled, "backup", str(file))).exit_code == 0, (done.output, done.exception)
    file.chmod(0o644)
    assert "chmod 600" in bench.run(bench.settings(), "restore", str(file)).output
    short = bench.folder / "short"
    short.write_text("YWJj")
    short.chmod(0o600)
    assert "3 bytes" in bench.run(filled, "backup", str(file), "--key-file", str(short)).output


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is told in one line."""
    with pytest.raises(Unusable, match="takes no file"), new_file(tmp_path / "none" / "backup"):
        pass
