"""What a pattern may count on, shown by one that is made up: beds in a hotel."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.app import create_app  # noqa: F401 - the whole server can be imported with the rules
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, Write, open_store
from fhir_server.store.agenda import AGENDA, Leased, LeaseLost
from fhir_server.store.claims import CLAIMS
from fhir_server.store.ruling import Entry
from fhir_server.workflows.clock import Clock
from fhir_server.workflows.made import key_id
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.records import Records
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import Conflict, FhirError, UnprocessableContent
from tests.fhir_server.workflows.hotel import PATTERN, begin

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store that is empty again after each test."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    yield store
    for name in ("CarePlan", "Basic", AGENDA, CLAIMS, "history"):
        await store._database[name].delete_many({})
    await store.close()


def _context(store: Store, settings: Settings, *, is_import: bool = False) -> Context:
    def no_route(_request: object) -> Any:
        raise AssertionError

    return Context(
        "http://server/fhir",
        store,
        settings,
        lambda: datetime.now(UTC),
        new_id,
        no_route,
        Jobs(store.async_jobs),
        is_import=is_import,
    )


Hotel = Callable[..., Awaitable[Resource]]


@pytest.fixture
def book(store: Store) -> RuleBook:
    """The rules of the hotel."""
    return RuleBook([PATTERN], parse_modes(None, None), store)


def _stay(resource_id: str, status: str = "active", guest: str = "1", **elements: Any) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": status,
        "intent": "plan",
        "subject": {"reference": f"Patient/{guest}"},
        **elements,
    }


async def _put(context: Context, book: RuleBook, *stays: Resource) -> list[Resource]:
    context = ruled(context, book)
    written = await commit(context, [replacement("CarePlan", stay["id"], stay) for stay in stays])
    return [one.version.resource for one in written if one.version and one.version.resource]


async def _read(store: Store, resource_type: str, resource_id: str) -> Resource:
    version = await store.read(resource_type, resource_id)
    assert version is not None
    assert version.resource is not None
    return version.resource


async def test_what_is_filled_in_is_answered_and_stored(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The number is in the answer, in the store, and in the index."""
    (stay,) = await _put(_context(store, settings), book, _stay("a"))
    assert stay["identifier"][0]["system"] == "urn:stay"
    assert await _read(store, "CarePlan", "a") == stay
    records = Records(store, Situation(datetime.now(UTC), "http://server/fhir", settings, new_id))
    found = await records.search("CarePlan", ("identifier", stay["identifier"][0]["value"]))
    assert [one["id"] for one in found] == ["a"]


async def test_a_state_that_may_not_follow_is_refused_with_the_rule(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The issue names the rule, and nothing is stored."""
    context = _context(store, settings)
    await _put(context, book, _stay("a"))
    with pytest.raises(UnprocessableContent) as refused:
        await _put(context, book, _stay("a", "draft"))
    assert refused.value.issues[0].rule == "W0.state"
    assert (await _read(store, "CarePlan", "a"))["meta"]["versionId"] == "1"


async def test_what_follows_is_stored_once_and_in_the_same_version(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The change of what was changed is no version of its own; what was agreed for later is off."""
    context = _context(store, settings)
    await _put(context, book, _stay("a"))
    (stay,) = await _put(context, book, _stay("a", "completed"))
    assert stay["description"] == "charged"
    assert stay["meta"]["versionId"] == "2"
    assert await _read(store, "CarePlan", "a") == stay
    bill = await _read(store, "Basic", key_id("bill", "CarePlan/a"))
    assert bill["meta"]["versionId"] == "1"
    states = {one["_id"]: one["state"] for one in await store.agenda.about("CarePlan/a")}
    assert states == {"remind/CarePlan/a/x": "struck", "ask/CarePlan/a": "waiting"}


async def test_a_deleted_consequence_is_not_made_again(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Whoever deletes what was made for something has their will."""
    context = _context(store, settings)
    await _put(context, book, _stay("a"), _stay("b"))
    await _put(context, book, _stay("a", "completed"))
    bill = key_id("bill", "CarePlan/a")
    await store.commit([Write("DELETE", "Basic", bill), Write("DELETE", "CarePlan", "a")])
    await _put(context, book, _stay("a", "completed"))
    version = await store.read("Basic", bill)
    assert version is not None
    assert version.resource is None


async def test_a_claim_is_for_one(store: Store, settings: Settings, book: RuleBook) -> None:
    """The second is refused until the first gives the bed up, which both may do in one transaction."""
    context = _context(store, settings)
    await _put(context, book, _stay("a", title="bed 1"))
    with pytest.raises(Conflict) as refused:
        await _put(context, book, _stay("b", title="bed 1"))
    assert refused.value.issues[0].rule == "W0.taken"
    await _put(context, book, _stay("b", title="bed 1"), _stay("a", "completed", title="bed 1"))
    assert (await _read(store, "CarePlan", "b"))["status"] == "active"


async def test_a_claim_is_one_however_the_reference_is_written(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The guest's time is taken by the absolute address too, and given up again by it."""
    context = _context(store, settings)
    period = {"start": "2026-03-01T10:00:00+00:00", "end": "2026-03-01T11:00:00+00:00"}
    absolute = {"reference": "http://server/fhir/Patient/1"}
    await _put(context, book, _stay("a", period=period, subject=absolute))
    with pytest.raises(Conflict):
        await _put(context, book, _stay("b", period=period))
    await _put(context, book, _stay("a", "completed", period=period, subject=absolute))
    await _put(context, book, _stay("b", period=period))


async def test_what_has_a_state_is_not_handed_on_in_one_change(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Whoever has the room leaves it first, and the next comes after that; neither is stored otherwise."""
    context, room = _context(store, settings), ["urn:room-1"]
    await _put(context, book, _stay("a", instantiatesUri=room))
    leaving, coming = _stay("a", "completed", instantiatesUri=room), _stay("b", instantiatesUri=room)
    with pytest.raises(Conflict, match="one after the other"):
        await _put(context, book, leaving, coming)
    assert (await _read(store, "CarePlan", "a"))["status"] == "active"
    await _put(context, book, leaving)
    await _put(context, book, coming)


async def test_a_claim_is_given_up_by_a_rule_that_is_off(store: Store, settings: Settings) -> None:
    """A bed that was given back while nobody asked is free when the rule is on again."""
    on, off = (RuleBook([PATTERN], parse_modes(mode, None), store) for mode in (None, "W0"))
    context = _context(store, settings)
    await _put(context, on, _stay("a", title="bed 1"))
    await _put(context, off, _stay("a", "completed", title="bed 1"))
    await _put(context, on, _stay("b", title="bed 1"))


async def test_what_would_undo_each_other_is_refused(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Two changes that want a third resource to be two things; what says all that is known says it last."""
    context = _context(store, settings)
    one, other = _stay("a", note=[{"text": "quiet"}]), _stay("b", guest="2", note=[{"text": "loud"}])
    with pytest.raises(Conflict, match="one after the other"):
        await _put(context, book, one, other)
    await _put(context, book, one, _stay("b", guest="2", note=[{"text": "quiet"}]))
    await _put(context, book, _stay("c", guest="3", note=[{"text": "1, whole"}, {"text": "2, whole"}]))
    assert (await _read(store, "Basic", "guestbook"))["code"]["text"] == "2, whole"


@pytest.mark.parametrize(
    ("start", "end", "is_free"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", False),
        ("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z", True),
        ("2026-03-02T01:00:00Z", "2026-03-02T02:00:00Z", True),
        ("2026-03-01T23:30:00Z", "2026-03-02T00:30:00Z", False),
        ("2026-03-02T02:30:00+02:00", "2026-03-02T02:45:00+02:00", False),
        ("2026-02-28T00:00:00Z", "2026-03-05T00:00:00Z", False),
    ],
)
async def test_a_claim_of_time_is_for_that_time(
    store: Store, settings: Settings, book: RuleBook, start: str, end: str, is_free: bool
) -> None:
    """From 10:00 on 1 March to 01:00 on the next day, in UTC: the ends touch nobody."""
    context = _context(store, settings)
    taken = {"start": "2026-03-01T10:00:00Z", "end": "2026-03-02T01:00:00Z"}
    await _put(context, book, _stay("a", period=taken))
    other = _stay("b", period={"start": start, "end": end})
    if is_free:
        await _put(context, book, other)
    else:
        with pytest.raises(Conflict):
            await _put(context, book, other)
    await _put(context, book, _stay("c", guest="2", period={"start": start, "end": end}))


async def test_of_many_at_once_one_gets_what_is_claimed(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Of twenty who want one bed at the same moment one gets it, and none fails in another way."""
    context = _context(store, settings)

    async def attempt(number: int) -> FhirError | None:
        try:
            await _put(context, book, _stay(f"n{number}", title="bed 1", guest=str(number)))
        except FhirError as failure:
            return failure
        return None

    results = await asyncio.gather(*(attempt(number) for number in range(20)))
    assert results.count(None) == 1
    assert {one.issues[0].rule for one in results if one is not None} == {"W0.taken"}


async def test_what_is_counted_under_a_lock_is_counted_right(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Of ten who come at once three get in, since a lock lets one count after the other."""
    context = _context(store, settings)
    attempts = (_put(context, book, _stay(f"n{number}", guest=str(number))) for number in range(10))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [one for one in results if isinstance(one, BaseException)]
    assert len(refused) == 7
    assert {one.issues[0].rule for one in refused if isinstance(one, FhirError)} == {"W0.full"}


@pytest.mark.parametrize(("off", "warn"), [("W0", None), (None, "W0"), (None, "all"), ("W0.taken", "W0")])
async def test_a_hospital_switches_rules_off(
    store: Store, settings: Settings, off: str | None, warn: str | None
) -> None:
    """What is off is not refused; what only warns is not either, and what follows from it follows."""
    book = RuleBook([PATTERN], parse_modes(off, warn), store)
    context = _context(store, settings)
    await _put(context, book, _stay("a", title="bed 1"))
    await _put(context, book, _stay("b", title="bed 1"))
    await _put(context, book, _stay("a", "draft"))
    if off is None:
        await _put(context, book, _stay("b", "completed"))
        assert await _read(store, "Basic", key_id("bill", "CarePlan/b"))


async def test_an_import_only_keeps_what_is_unique(store: Store, settings: Settings, book: RuleBook) -> None:
    """Records of the past come in as they are: nothing is filled in or follows, but a bed stays for one."""
    context = _context(store, settings, is_import=True)
    (stay,) = await _put(context, book, _stay("a", title="bed 1"))
    assert "identifier" not in stay
    await _put(context, book, _stay("z", "completed"))
    assert await store.read("Basic", key_id("bill", "CarePlan/z")) is None
    with pytest.raises(Conflict):
        await _put(context, book, _stay("b", title="bed 1"))


async def test_what_is_due_is_done_once(store: Store, settings: Settings, book: RuleBook) -> None:
    """Of several processes one does it, and stores what it does together with the note that it is done."""
    context = _context(store, settings)
    await _put(context, book, _stay("a"))
    await _put(context, book, _stay("a", "completed"))
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
    context = _context(store, settings)
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
    context = _context(store, settings)
    await _due(store, "begin/x", {"id": "begun"})
    clock = Clock(store, book, Services(), lambda _id: context)
    for attempt in range(12):
        assert await clock.work_once(), attempt
        await store._database[AGENDA].update_one({"_id": "begin/x"}, {"$set": {"due": datetime.now(UTC)}})
    assert await clock.work_once()  # which would tell operators, if they were there in this hotel
    assert not await clock.work_once()
    [told] = [key for key in await store._database[AGENDA].distinct("_id") if key.startswith("parked/")]
    assert told.startswith("parked/begin/x/")
    assert (await _read(store, "Basic", "begun"))["code"]["text"] == "begun"
    [parked] = await store.agenda.listed("parked", 10)
    assert (parked["_id"], parked["failure"], parked["attempts"]) == ("begin/x", "RuntimeError", 12)
    assert await store.agenda.retry(datetime.now(UTC), "another") == 0
    assert await store.agenda.retry(datetime.now(UTC), "begin/x") == 1
    assert await clock.work_once()


async def test_nothing_is_begun_under_a_lease_that_is_lost(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The entry was struck out: what the action would store before its end is not stored."""
    context = ruled(_context(store, settings), book, done=[("begin/y", "a lease")])
    with pytest.raises(LeaseLost):
        await begin(
            Entry("begin/y", datetime.now(UTC), "W0.begin", "CarePlan/a", {"id": "y"}), context, Services()
        )
    assert await store.read("Basic", "y") is None


async def test_a_lease_is_kept_while_the_work_lasts(
    store: Store, settings: Settings, book: RuleBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action that takes longer than its lease is not begun by another process meanwhile."""
    context, has_begun, is_renewed = _context(store, settings), asyncio.Event(), asyncio.Event()
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
    assert await Clock(store, off, Services(), lambda _id: _context(store, settings)).work_once()
    [entry] = await store.agenda.about("CarePlan/a")
    assert (entry["attempts"], entry["state"], entry.get("failure")) == (0, "waiting", None)


async def test_striking_out_meets_the_resource_alone(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """What waits for stay 1 is struck out, and what waits for stay 12 is not."""
    context = _context(store, settings)
    for name in ("1", "12"):
        await _put(context, book, _stay(name, "draft", guest=name))
        await _put(context, book, _stay(name, guest=name))
    await _put(context, book, _stay("1", "completed"))
    waiting = {"state": "waiting", "_id": {"$regex": "^remind/"}}
    left = await store._database[AGENDA].distinct("_id", waiting)
    assert left == ["remind/CarePlan/12/x"]


async def test_what_is_too_early_is_no_attempt(store: Store, settings: Settings, book: RuleBook) -> None:
    """An action that says when it is due is asked again then."""
    later = datetime.now(UTC) + timedelta(hours=8)
    await _due(store, "begin/z", {"id": "z", "until": later})
    clock = Clock(store, book, Services(), lambda _id: _context(store, settings))
    assert await clock.work_once()
    assert not await clock.work_once()
    [entry] = await store.agenda.about("CarePlan/a")
    assert (entry["attempts"], entry["state"]) == (0, "waiting")
    assert abs(entry["due"] - later) < timedelta(milliseconds=2)
    assert await store.agenda.most_overdue(later - timedelta(seconds=1)) is None
    assert await store.agenda.most_overdue(later + timedelta(seconds=1)) == entry["due"]
