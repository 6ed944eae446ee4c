"""What may be removed: what the table says, when it is old enough, and nothing that must be kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.commands.acting import acting
from fhir_server.settings import Settings
from fhir_server.store import Store, Write, open_store
from fhir_server.store.claims import CLAIMS
from fhir_server.workflows.upkeep.retention import RetentionTable, carry_out, load_retention
from fhir_server.write_path import replacement

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]

BASE = "http://server/fhir"
SOON = datetime.now(UTC) + timedelta(days=40)
LATER = datetime.now(UTC) + timedelta(days=100)
_RULES = """
[[rule]]
name = "current"
what = "current"
types = ["Slot"]
where = "status=free&start=lt{before}"
days = 30

[[rule]]
name = "previous"
what = "previous"
types = ["Slot", "Observation"]
days = 60
clinical = true

[[rule]]
name = "deleted"
what = "deleted"
types = ["Slot", "Observation"]
days = 60
clinical = true

[hold]
patients = ["held"]
resources = ["Slot/held"]
"""


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store that is empty again after each test."""
    store = open_store(settings, str(settings.mongo_url))
    yield store
    for name in ("Slot", "Observation", "history"):
        await store._database[name].delete_many({})
    await store.close()


@pytest.fixture
def table(tmp_path: Path) -> RetentionTable:
    """The rules of a hospital."""
    path = tmp_path / "retention.toml"
    path.write_text(_RULES)
    return load_retention(path)


def slot(slot_id: str, status: str = "free", **elements: Any) -> Resource:
    """Return a slot of last January."""
    return {
        "resourceType": "Slot",
        "id": slot_id,
        "schedule": {"reference": "Schedule/1"},
        "status": status,
        "start": "2026-01-01T10:00:00Z",
        "end": "2026-01-01T11:00:00Z",
        **elements,
    }


def observation(observation_id: str, patient: str) -> Resource:
    """Return an observation of a patient."""
    subject = {"reference": f"{BASE}/Patient/{patient}"}
    code = {"text": "pulse"}
    return {
        "resourceType": "Observation",
        "id": observation_id,
        "status": "final",
        "code": code,
        "subject": subject,
    }


async def put(store: Store, *resources: Resource) -> None:
    """Store resources one after the other."""
    for one in resources:
        await store.commit([replacement(one["resourceType"], one["id"], one)])


async def left(store: Store) -> set[str]:
    """Return the versions in the history."""
    return {one["_id"] async for one in store._database["history"].find({}, {"_id": 1})}


async def comes_to(
    store: Store, table: RetentionTable, now: datetime, *, apply: bool
) -> dict[str, tuple[int, int]]:
    """Return how much each rule comes to, and how much of it is kept."""
    found = await carry_out(store, table, now, BASE, acting(store, Settings()) if apply else None)
    return {f"{due.rule} {due.resource_type}": (due.number, due.held) for due in found}


@pytest.mark.workflow("0-21")
async def test_a_dry_run_removes_nothing(store: Store, table: RetentionTable) -> None:
    """It tells what would be removed; applied it is gone, and there is nothing more to do."""
    tag = {"tag": [{"system": "urn:fhir-hospital-server:retention", "code": "hold"}]}
    await put(store, slot("a"), slot("held"), slot("tagged", meta=tag), slot("busy", "busy"))
    before = await store._database["Slot"].find().to_list()
    assert (await comes_to(store, table, SOON, apply=False))["current Slot"] == (1, 2)
    assert await store._database["Slot"].find().to_list() == before
    assert (await comes_to(store, table, SOON, apply=True))["current Slot"] == (1, 2)
    assert {one["_id"] async for one in store._database["Slot"].find()} == {"held", "tagged", "busy"}
    assert await left(store) == {"Slot/a/_history/1", "Slot/a/_history/2"}  # until it is old, too
    assert (await comes_to(store, table, SOON, apply=True))["current Slot"] == (0, 2)


async def test_what_was_for_one_only_is_free_again(store: Store, settings: Settings, tmp_path: Path) -> None:
    """An appointment of the past that is removed gives up the time that it had claimed."""
    path = tmp_path / "retention.toml"
    path.write_text('[[rule]]\nwhat = "current"\ntypes = ["Appointment"]\ndays = 30\nclinical = true')
    booked = {
        "resourceType": "Appointment",
        "id": "past",
        "status": "booked",
        "start": "2026-01-01T10:00:00Z",
        "end": "2026-01-01T11:00:00Z",
        "participant": [{"actor": {"reference": "Practitioner/1"}, "status": "accepted"}],
    }
    await acting(store, settings).commit([replacement("Appointment", "past", booked)])
    assert await _claimed(store, "Appointment/past")
    found = await carry_out(store, load_retention(path), SOON, BASE, acting(store, settings))
    assert [(due.number, due.held) for due in found] == [(1, 0)]
    assert not await _claimed(store, "Appointment/past")


async def _claimed(store: Store, owner: str) -> bool:
    return owner in str([one async for one in store._database[CLAIMS].find()])


async def test_what_is_changed_meanwhile_stays(
    store: Store, table: RetentionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody has just changed is not old any more; the rest goes all the same."""
    await put(store, slot("a"), slot("b"))
    find = Store.find

    async def found(self: Store, *arguments: Any) -> Any:
        page = await find(self, *arguments)
        if any(one["_id"] == "a" for one in page):
            await put(store, slot("a", comment="wanted after all"))
        return page

    monkeypatch.setattr(Store, "find", found)
    assert (await comes_to(store, table, SOON, apply=True))["current Slot"] == (1, 0)
    assert {one["_id"] async for one in store._database["Slot"].find()} == {"a"}


async def test_each_removal_is_on_record(settings: Settings, table: RetentionTable) -> None:
    """The AuditEvent says that the operator deleted it, and which one."""
    audited = settings.model_copy(update={"audit": "on", "database": f"{settings.database}-audited"})
    store = open_store(audited, str(audited.mongo_url))
    try:
        await put(store, slot("a"))
        await carry_out(store, table, SOON, BASE, acting(store, audited))
        [event] = [one["resource"] async for one in store._database["AuditEvent"].find()]
        assert (event["action"], event["agent"][0]["who"]["identifier"]["value"]) == ("D", "fhir-server")
        assert event["entity"][0]["what"]["reference"].startswith("Slot/a/_history/")
    finally:
        await store._client.drop_database(audited.database)
        await store.close()


async def test_what_is_young_stays(store: Store, table: RetentionTable) -> None:
    """Nothing is removed before its time."""
    await put(store, slot("a"), slot("a", "busy"), slot("b"))
    await store.commit([Write("DELETE", "Slot", "b")])
    now = datetime.now(UTC)
    for days in (0, 29):
        found = await comes_to(store, table, now + timedelta(days=days), apply=True)
        assert set(found.values()) == {(0, 0)}
    assert len(await left(store)) == 3


async def test_old_versions_go_and_the_newest_stays(store: Store, table: RetentionTable) -> None:
    """All versions of what is deleted, the replaced ones of what is there; nothing of a held patient."""
    await put(store, slot("a"), slot("a", "busy"), slot("gone"), slot("gone", "busy"))
    await put(store, observation("o", "held"), observation("o", "held") | {"status": "amended"})
    await put(store, observation("x", "held"), observation("y", "other"))
    await store.commit([Write("DELETE", "Slot", "gone")])
    await store.commit([Write("DELETE", "Observation", "x"), Write("DELETE", "Observation", "y")])
    found = await comes_to(store, table, LATER, apply=True)
    assert found == {
        "current Slot": (0, 0),
        "previous Slot": (1, 0),
        "previous Observation": (0, 1),
        "deleted Slot": (3, 0),
        "deleted Observation": (2, 2),
    }
    assert await left(store) == {
        f"Observation/{one}" for one in ("o/_history/1", "x/_history/1", "x/_history/2")
    }
    assert (await store._database["Slot"].find_one({"_id": "a"}))["version"] == 2  # type: ignore[index]


async def test_what_came_back_is_not_deleted(store: Store, table: RetentionTable) -> None:
    """A resource that was deleted and is there again keeps its newest version."""
    await put(store, slot("a", "busy"))
    await store.commit([Write("DELETE", "Slot", "a")])
    await put(store, slot("a", "busy"))
    found = await comes_to(store, table, LATER, apply=True)
    assert found["deleted Slot"] == (0, 0)
    assert await store.read("Slot", "a") is not None


def test_the_own_table_touches_no_record_of_a_patient() -> None:
    """What comes with the server is about slots."""
    types = {name for rule in load_retention(None).rules for name in rule.types}
    assert types == {"Slot"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[rule]]\nwhat = "previous"\ntypes = ["Observation"]\ndays = 9', "clinical"),
        ('[[rule]]\nwhat = "previous"\ntypes = ["AuditEvent"]\ndays = 9\nclinical = true', "always kept"),
        ('[[rule]]\nwhat = "all"\ntypes = ["Slot"]\ndays = 9', "current, deleted or previous"),
        ('[[rule]]\nwhat = "previous"\ntypes = ["Slot"]\ndays = 0', "days"),
        ('[[rule]]\nwhat = "previous"\ntypes = ["Slott"]\ndays = 9', "Slott"),
        ('[[rule]]\nwhat = "current"\ntypes = ["Slot"]\ndays = 9\nwhere = "colour=red"', "colour"),
        ('[[rule]]\nwhat = "previous"\ntypes = ["Slot"]\ndays = 9\nwhere = "status=free"', "searched"),
        ('[[rule]]\nwhat = "previous"\ntypes = ["Slot"]\ndays = 9\nmay = 1', "may"),
        ("[[rule", "cannot be read"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """At the start, with the place."""
    path = tmp_path / "retention.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        load_retention(path)
