"""The clock, shown by a hotel: what is due is done once, by one process, and what waits is left alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.context import Context
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.store.agenda import AGENDA, Leased, LeaseLost
from fhir_server.store.ruling import Entry
from fhir_server.workflows.clock import Clock
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from tests.fhir_server.workflows.hotel import PATTERN, begin, context_in, put, read, stay

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


async def test_what_is_due_is_done_once(store: Store, settings: Settings, book: RuleBook) -> None:
    """Of several processes one does it, and stores what it does together with the note that it is done."""
    context = context_in(store, settings)
    await put(context, book, stay("a"))
    await put(context, book, stay("a", "completed"))
    clocks = [Clock(store, book, Services(), lambda _id: context) for _ in range(4)]
    results = await asyncio.gather(*(clock.work_once() for clock in clocks))
    assert results.count(True) == 1
    assert await store.count("Basic", {"resource.code.text": "asked"}) == 1
    states = {one["_id"]: one["state"] for one in await store.agenda.about("CarePlan/a")}
    assert states["ask/CarePlan/a"] == "done"


async def test_what_fails_is_tried_again_and_not_done_twice(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The action stored its work and then failed: it is done, and not repeated."""
    context = context_in(store, settings)
    entry = Entry("fail/x", datetime.now(UTC), "W0.fail", "CarePlan/a")
    await store._database[AGENDA].insert_one(
        {"_id": entry.key, "due": entry.due, "action": entry.action, "subject": "CarePlan/a", "data": {}}
        | {"state": "waiting", "until": None, "attempts": 0}
    )
    clock = Clock(store, book, Services(), lambda _id: context)
    assert await clock.work_once()
    assert not await clock.work_once()
    assert await store.count("Basic", {"resource.code.text": "asked"}) == 1


async def _due(store: Store, key: str, data: Resource) -> None:
    document = {"_id": key, "due": datetime.now(UTC), "action": "W0.begin", "subject": "CarePlan/a"}
    state = {"data": data, "state": "waiting", "until": None, "attempts": 0}
    await store._database[AGENDA].insert_one(document | state)


async def test_what_an_action_stores_before_its_end_leaves_it_to_be_done(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """It failed after it had stored its beginning: that stays, and it is tried again until it is parked."""
    context = context_in(store, settings)
    await _due(store, "begin/x", {"id": "begun"})
    clock = Clock(store, book, Services(), lambda _id: context)
    for attempt in range(12):
        assert await clock.work_once(), attempt
        await store._database[AGENDA].update_one({"_id": "begin/x"}, {"$set": {"due": datetime.now(UTC)}})
    assert await clock.work_once()  # which would tell operators, if they were there in this hotel
    assert not await clock.work_once()
    [told] = [key for key in await store._database[AGENDA].distinct("_id") if key.startswith("parked/")]
    assert told.startswith("parked/begin/x/")
    assert (await read(store, "Basic", "begun"))["code"]["text"] == "begun"
    [parked] = await store.agenda.listed("parked", 10)
    assert (parked["_id"], parked["failure"], parked["attempts"]) == ("begin/x", "RuntimeError", 12)
    assert await store.agenda.retry(datetime.now(UTC), "another") == 0
    assert await store.agenda.retry(datetime.now(UTC), "begin/x") == 1
    assert await clock.work_once()


async def test_nothing_is_begun_under_a_lease_that_is_lost(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The entry was struck out: what the action would store before its end is not stored."""
    context = ruled(context_in(store, settings), book, done=[("begin/y", "a lease")])
    with pytest.raises(LeaseLost):
        await begin(
            Entry("begin/y", datetime.now(UTC), "W0.begin", "CarePlan/a", {"id": "y"}), context, Services()
        )
    assert await store.read("Basic", "y") is None


async def test_a_lease_is_kept_while_the_work_lasts(
    store: Store, settings: Settings, book: RuleBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action that takes longer than its lease is not begun by another process meanwhile."""
    context, has_begun, is_renewed = context_in(store, settings), asyncio.Event(), asyncio.Event()
    second = Clock(store, book, Services(), lambda _id: context)

    async def slow(_entry: Entry, _context: Context, _services: Services) -> None:
        assert not has_begun.is_set()
        has_begun.set()
        until = (await store.agenda.about("CarePlan/a"))[0]["until"]
        async with asyncio.timeout(60):
            await is_renewed.wait()
        assert (await store.agenda.about("CarePlan/a"))[0]["until"] > until
        assert not await second.work_once()

    async def renew(leased: Leased, until: datetime) -> bool:
        is_ours = await renewed(leased, until)
        is_renewed.set()
        return is_ours

    monkeypatch.setattr("fhir_server.workflows.clock._LEASE_SECONDS", 1.5)
    monkeypatch.setitem(PATTERN.actions, "W0.begin", slow)
    renewed = store.agenda.renew
    monkeypatch.setattr(store.agenda, "renew", renew)
    await _due(store, "begin/slow", {})
    assert await Clock(store, book, Services(), lambda _id: context).work_once()
    assert (await store.agenda.about("CarePlan/a"))[0]["state"] == "done"


async def test_what_is_switched_off_waits_without_an_attempt(store: Store, settings: Settings) -> None:
    """A hospital that switches a pattern on again has its entries as they were."""
    off = RuleBook([PATTERN], parse_modes("W0", None), store)
    await _due(store, "begin/off", {})
    assert await Clock(store, off, Services(), lambda _id: context_in(store, settings)).work_once()
    [entry] = await store.agenda.about("CarePlan/a")
    assert (entry["attempts"], entry["state"], entry.get("failure")) == (0, "waiting", None)


async def test_striking_out_meets_the_resource_alone(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """What waits for stay 1 is struck out, and what waits for stay 12 is not."""
    context = context_in(store, settings)
    for name in ("1", "12"):
        await put(context, book, stay(name, "draft", guest=name))
        await put(context, book, stay(name, guest=name))
    await put(context, book, stay("1", "completed"))
    waiting = {"state": "waiting", "_id": {"$regex": "^remind/"}}
    left = await store._database[AGENDA].distinct("_id", waiting)
    assert left == ["remind/CarePlan/12/x"]


async def test_what_is_too_early_is_no_attempt(store: Store, settings: Settings, book: RuleBook) -> None:
    """An action that says when it is due is asked again then."""
    later = datetime.now(UTC) + timedelta(hours=8)
    await _due(store, "begin/z", {"id": "z", "until": later})
    clock = Clock(store, book, Services(), lambda _id: context_in(store, settings))
    assert await clock.work_once()
    assert not await clock.work_once()
    [entry] = await store.agenda.about("CarePlan/a")
    assert (entry["attempts"], entry["state"]) == (0, "waiting")
    assert abs(entry["due"] - later) < timedelta(milliseconds=2)
    assert await store.agenda.most_overdue(later - timedelta(seconds=1)) is None
    assert await store.agenda.most_overdue(later + timedelta(seconds=1)) == entry["due"]
