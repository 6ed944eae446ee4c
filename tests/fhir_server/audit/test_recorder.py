"""Events are written once, sealed once, and never passed over in silence, whatever fails on the way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from pymongo import MongoClient

from fhir_server.audit.actor import Actor
from fhir_server.audit.events import Access
from fhir_server.audit.patterns import pattern_of
from fhir_server.audit.recorder import Recorder, as_writes
from fhir_server.audit.verification import Verification, verified
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, Write, open_store
from fhir_server.store.audit.log import AuditLog
from resources.operation_outcome import StoreUnavailable, error

Result = TypeVar("Result")
ACTOR = Actor("http://x/fhir", "127.0.0.1", "app")
Work = Callable[[Store, AuditLog], Awaitable[Any]]


def _now() -> datetime:
    return datetime.now(UTC)


def _access(patient: str = "anna") -> Access:
    return Access(ACTOR, pattern_of("read"), _now(), new_id(), {patient: [f"Patient/{patient}"]})


def _writes() -> list[Write]:
    return list(as_writes(_access(), new_id))


@pytest.fixture
def log_settings(settings: Settings) -> Iterator[Settings]:
    """Settings of a database in which nothing is yet."""
    name = f"{settings.database}-recorder"
    yield settings.model_copy(update={"audit": "on", "database": name})
    with MongoClient[Any](str(settings.mongo_url)) as client:
        client.drop_database(name)


def _with_log(settings: Settings, work: Work) -> Any:
    async def run() -> Any:
        store = open_store(settings, str(settings.mongo_url))
        try:
            assert store.audit_log is not None
            return await work(store, store.audit_log)
        finally:
            await store.close()

    return asyncio.run(run())


def test_events_that_are_written_twice_are_there_once(log_settings: Settings) -> None:
    """Of an attempt nobody knows how it ended: the same events again change nothing."""

    async def work(_store: Store, log: AuditLog) -> Verification:
        writes = _writes() + _writes()
        await log.append(writes[:1])
        await log.append(writes)
        await log.append(writes)
        await log.seal()
        return await verified(log)

    found: Verification = _with_log(log_settings, work)
    assert found.is_whole, found.findings
    assert found.unsealed == 0
    with MongoClient[Any](str(log_settings.mongo_url)) as client:
        assert client[log_settings.database].AuditEvent.count_documents({}) == 2


def test_what_a_killed_process_left_unsealed_is_sealed(log_settings: Settings) -> None:
    """By another, later; but not what somebody else put there."""

    async def leave(_store: Store, log: AuditLog) -> None:
        await log.append(_writes())
        await log.seal()
        await log.append(_writes())  # and then it is killed

    async def sweep(_store: Store, log: AuditLog) -> tuple[int, int, Verification]:
        late = _now() + timedelta(seconds=1)
        before = (await verified(log)).unsealed
        swept = [await log.sweep(None, late), await log.sweep(None, late)]
        return before, swept[0], await verified(log)

    _with_log(log_settings, leave)
    with MongoClient[Any](str(log_settings.mongo_url)) as client:
        events = client[log_settings.database].AuditEvent
        forged = events.find_one({}) or {}
        forged |= {"_id": "forged", "seq": 1, "resource": {**forged["resource"], "id": "forged"}}
        events.insert_one(forged)
    before, swept, after = _with_log(log_settings, sweep)
    assert (before, swept, after.unsealed) == (1, 1, 0)
    assert [(one.kind, one.event) for one in after.findings] == [("forged", "forged")]


def test_several_processes_make_one_chain(log_settings: Settings) -> None:
    """Blocks that are sealed at the same time follow one another."""

    async def work(store: Store, _log: AuditLog) -> Verification:
        others = [open_store(log_settings, str(log_settings.mongo_url)) for _ in range(4)]
        logs = [one.audit_log for one in others if one.audit_log is not None]

        async def write(log: AuditLog) -> None:
            for _ in range(5):
                await log.append(_writes())
                await log.seal()

        await asyncio.gather(*map(write, logs))
        for one in others:
            await one.close()
        assert store.audit_log is not None
        return await verified(store.audit_log)

    found: Verification = _with_log(log_settings, work)
    assert found.is_whole, found.findings
    assert (found.events, found.blocks, found.unsealed) == (20, 20, 0)


def test_what_cannot_be_written_waits(log_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost while the database takes no events, and later each is there once."""

    async def work(store: Store, log: AuditLog) -> Verification:
        recorder = Recorder(store, log, _now, new_id)
        append = log.append

        async def away(_writes: Any) -> None:
            raise StoreUnavailable(error("transient", "away"))

        monkeypatch.setattr(log, "append", away)
        for _ in range(3):
            recorder.add(_access())
            with pytest.raises(StoreUnavailable):
                await recorder.flush()
        monkeypatch.setattr(log, "append", append)
        await recorder.flush()
        return await verified(log)

    found: Verification = _with_log(log_settings, work)
    assert (found.is_whole, found.events) == (True, 3)


def test_when_too_much_waits_nothing_more_is_done(log_settings: Settings) -> None:
    """Rather than that something is done of which nothing will be known."""

    async def work(store: Store, log: AuditLog) -> None:
        recorder = Recorder(store, log, _now, new_id)
        recorder.check()
        for _ in range(20_000):
            recorder.add(_access())
        with pytest.raises(StoreUnavailable):
            recorder.check()

    _with_log(log_settings, work)


def test_a_process_that_stops_writes_what_waits(log_settings: Settings) -> None:
    """It leaves a whole log."""

    async def work(store: Store, log: AuditLog) -> Verification:
        recorder = Recorder(store, log, _now, new_id)
        recorder.start()
        for _ in range(250):
            recorder.add(_access())
        await recorder.stop()
        return await verified(log)

    found: Verification = _with_log(log_settings, work)
    assert (found.is_whole, found.events, found.unsealed) == (True, 250, 0)
