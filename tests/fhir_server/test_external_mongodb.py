"""A MongoDB that FHIR_MONGO_URL names: what is wrong with it is told at the start, and no secret of it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.store.embedded import CannotStart, running_mongo
from fhir_server.store.embedded.executable import find_mongod


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "mongodb://127.0.0.1:99999/", "mongodb://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """A typing error in FHIR_MONGO_URL is told at the start, not at the first request."""
    with pytest.raises(CannotStart, match="not an address"), running_mongo(Settings(mongo_url=url)):
        pass


def test_a_standalone_mongodb_is_refused(tmp_path: Path) -> None:
    """Without a replica set there are no transactions, without which the server is not one."""
    standalone = subprocess.Popen(
        [find_mongod(), "--dbpath", tmp_path, "--bind_ip", "./alone.sock", "--nounixsocket"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"mongodb://{str(tmp_path / 'alone.sock').replace('/', '%2F')}"
        with MongoClient[dict[str, Any]](url) as client:
            client.admin.command("ping")  # waits until it has started
        with (
            pytest.raises(CannotStart, match="knows no transactions"),
            running_mongo(Settings(mongo_url=url)),
        ):
            pass
    finally:
        standalone.kill()
        standalone.wait()


def test_a_mongodb_that_is_away_may_come_back_and_its_password_is_not_shown() -> None:
    """A server starts without its database, to answer 503; what it prints holds no secret."""
    away = "mongodb://user:secret@127.0.0.1:9/?serverSelectionTimeoutMS=50"
    with running_mongo(Settings(mongo_url=away)) as running:
        assert running.url == away
        assert running.description == "at 127.0.0.1:9"
