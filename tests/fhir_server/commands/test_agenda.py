"""`fhir-server agenda`: operators see what could not be done, and have it tried again."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pymongo import MongoClient

from fhir_server.__main__ import main


@pytest.fixture
def database(mongo_url: str) -> Iterator[Any]:
    """A database with two entries that are parked, and one that waits."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
        for key, state in (("notice/a", "parked"), ("notice/b", "parked"), ("notice/c", "waiting")):
            entry = {
                "_id": key,
                "due": datetime(2026, 1, 1, tzinfo=UTC),
                "action": "W14.notify",
                "subject": "x",
            }
            more: dict[str, Any] = {
                "data": {},
                "state": state,
                "until": None,
                "attempts": 12,
                "failure": "OSError",
            }
            client[name]["agenda"].insert_one(entry | more)
        yield client[name]
        client.drop_database(name)


def run(mongo_url: str, database: Any, *arguments: str) -> Result:
    """Run the command."""
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": database.name,
        "FHIR_AUDIT": "off",
        "FHIR_AUTH": "off",
    }
    return CliRunner().invoke(main, ["agenda", *arguments], env=environment)


@pytest.mark.workflow("0-21")
def test_what_is_parked_is_listed_and_tried_again(mongo_url: str, database: Any) -> None:
    """One entry by its key, or all of them; what waits is left alone."""
    listed = run(mongo_url, database, "list")
    assert listed.exit_code == 0, listed.output
    assert "notice/a" in listed.output
    assert "OSError" in listed.output
    assert "notice/c" not in listed.output
    assert run(mongo_url, database, "retry", "notice/none").exit_code == 1
    assert run(mongo_url, database, "retry").exit_code == 1
    assert run(mongo_url, database, "retry", "notice/a").exit_code == 0
    entry = database["agenda"].find_one({"_id": "notice/a"})
    assert (entry["state"], entry["attempts"]) == ("waiting", 0)
    assert entry["due"] > datetime(2026, 6, 1, tzinfo=UTC)
    assert "1 entries" in run(mongo_url, database, "retry", "--all").output
    assert database["agenda"].count_documents({"state": "parked"}) == 0
    assert database["agenda"].find_one({"_id": "notice/c"})["attempts"] == 12


def test_retention_is_a_command(mongo_url: str, database: Any) -> None:
    """It tells what it comes to, and removes nothing by itself."""
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": database.name,
        "FHIR_AUDIT": "off",
        "FHIR_AUTH": "off",
    }
    told = CliRunner().invoke(main, ["retention"], env=environment)
    assert told.exit_code == 0, told.output
    assert "free slots" in told.output
    assert "Nothing was removed" in told.output
