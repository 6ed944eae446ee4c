"""What a pattern may count on, shown by one that is made up: beds in a hotel."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.app import create_app  # noqa: F401 - the whole server can be imported with the rules
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, Write
from fhir_server.workflows.made import key_id
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.records import Records
from fhir_server.workflows.rulebook import RuleBook
from fhir_server.workflows.situation import Situation
from resources.operation_outcome import Conflict, FhirError, UnprocessableContent
from tests.fhir_server.workflows.hotel import PATTERN, context_in, put, read, stay

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


async def test_what_is_filled_in_is_answered_and_stored(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The number is in the answer, in the store, and in the index."""
    (stored,) = await put(context_in(store, settings), book, stay("a"))
    assert stored["identifier"][0]["system"] == "urn:stay"
    assert await read(store, "CarePlan", "a") == stored
    records = Records(store, Situation(datetime.now(UTC), "http://server/fhir", settings, new_id))
    found = await records.search("CarePlan", ("identifier", stored["identifier"][0]["value"]))
    assert [one["id"] for one in found] == ["a"]


async def test_a_state_that_may_not_follow_is_refused_with_the_rule(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The issue names the rule, and nothing is stored."""
    context = context_in(store, settings)
    await put(context, book, stay("a"))
    with pytest.raises(UnprocessableContent) as refused:
        await put(context, book, stay("a", "draft"))
    assert refused.value.issues[0].rule == "W0.state"
    assert (await read(store, "CarePlan", "a"))["meta"]["versionId"] == "1"


async def test_what_follows_is_stored_once_and_in_the_same_version(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The change of what was changed is no version of its own; what was agreed for later is off."""
    context = context_in(store, settings)
    await put(context, book, stay("a"))
    (stored,) = await put(context, book, stay("a", "completed"))
    assert stored["description"] == "charged"
    assert stored["meta"]["versionId"] == "2"
    assert await read(store, "CarePlan", "a") == stored
    bill = await read(store, "Basic", key_id("bill", "CarePlan/a"))
    assert bill["meta"]["versionId"] == "1"
    states = {one["_id"]: one["state"] for one in await store.agenda.about("CarePlan/a")}
    assert states == {"remind/CarePlan/a/x": "struck", "ask/CarePlan/a": "waiting"}


async def test_a_deleted_consequence_is_not_made_again(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Whoever deletes what was made for something has their will."""
    context = context_in(store, settings)
    await put(context, book, stay("a"), stay("b"))
    await put(context, book, stay("a", "completed"))
    bill = key_id("bill", "CarePlan/a")
    await store.commit([Write("DELETE", "Basic", bill), Write("DELETE", "CarePlan", "a")])
    await put(context, book, stay("a", "completed"))
    version = await store.read("Basic", bill)
    assert version is not None
    assert version.resource is None


async def test_a_claim_is_for_one(store: Store, settings: Settings, book: RuleBook) -> None:
    """The second is refused until the first gives the bed up, which both may do in one transaction."""
    context = context_in(store, settings)
    await put(context, book, stay("a", title="bed 1"))
    with pytest.raises(Conflict) as refused:
        await put(context, book, stay("b", title="bed 1"))
    assert refused.value.issues[0].rule == "W0.taken"
    await put(context, book, stay("b", title="bed 1"), stay("a", "completed", title="bed 1"))
    assert (await read(store, "CarePlan", "b"))["status"] == "active"


async def test_a_claim_is_one_however_the_reference_is_written(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """The guest's time is taken by the absolute address too, and given up again by it."""
    context = context_in(store, settings)
    period = {"start": "2026-03-01T10:00:00+00:00", "end": "2026-03-01T11:00:00+00:00"}
    absolute = {"reference": "http://server/fhir/Patient/1"}
    await put(context, book, stay("a", period=period, subject=absolute))
    with pytest.raises(Conflict):
        await put(context, book, stay("b", period=period))
    await put(context, book, stay("a", "completed", period=period, subject=absolute))
    await put(context, book, stay("b", period=period))


async def test_what_has_a_state_is_not_handed_on_in_one_change(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Whoever has the room leaves it first, and the next comes after that; neither is stored otherwise."""
    context, room = context_in(store, settings), ["urn:room-1"]
    await put(context, book, stay("a", instantiatesUri=room))
    leaving, coming = stay("a", "completed", instantiatesUri=room), stay("b", instantiatesUri=room)
    with pytest.raises(Conflict, match="one after the other"):
        await put(context, book, leaving, coming)
    assert (await read(store, "CarePlan", "a"))["status"] == "active"
    await put(context, book, leaving)
    await put(context, book, coming)


async def test_a_claim_is_given_up_by_a_rule_that_is_off(store: Store, settings: Settings) -> None:
    """A bed that was given back while nobody asked is free when the rule is on again."""
    on, off = (RuleBook([PATTERN], parse_modes(mode, None), store) for mode in (None, "W0"))
    context = context_in(store, settings)
    await put(context, on, stay("a", title="bed 1"))
    await put(context, off, stay("a", "completed", title="bed 1"))
    await put(context, on, stay("b", title="bed 1"))


async def test_what_would_undo_each_other_is_refused(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Two changes that want a third resource to be two things; what says all that is known says it last."""
    context = context_in(store, settings)
    one, other = stay("a", note=[{"text": "quiet"}]), stay("b", guest="2", note=[{"text": "loud"}])
    with pytest.raises(Conflict, match="one after the other"):
        await put(context, book, one, other)
    await put(context, book, one, stay("b", guest="2", note=[{"text": "quiet"}]))
    await put(context, book, stay("c", guest="3", note=[{"text": "1, whole"}, {"text": "2, whole"}]))
    assert (await read(store, "Basic", "guestbook"))["code"]["text"] == "2, whole"


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
    context = context_in(store, settings)
    taken = {"start": "2026-03-01T10:00:00Z", "end": "2026-03-02T01:00:00Z"}
    await put(context, book, stay("a", period=taken))
    other = stay("b", period={"start": start, "end": end})
    if is_free:
        await put(context, book, other)
    else:
        with pytest.raises(Conflict):
            await put(context, book, other)
    await put(context, book, stay("c", guest="2", period={"start": start, "end": end}))


async def test_of_many_at_once_one_gets_what_is_claimed(
    store: Store, settings: Settings, book: RuleBook
) -> None:
    """Of twenty who want one bed at the same moment one gets it, and none fails in another way."""
    context = context_in(store, settings)

    async def attempt(number: int) -> FhirError | None:
        try:
            await put(context, book, stay(f"n{number}", title="bed 1", guest=str(number)))
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
    context = context_in(store, settings)
    attempts = (put(context, book, stay(f"n{number}", guest=str(number))) for number in range(10))
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
    context = context_in(store, settings)
    await put(context, book, stay("a", title="bed 1"))
    await put(context, book, stay("b", title="bed 1"))
    await put(context, book, stay("a", "draft"))
    if off is None:
        await put(context, book, stay("b", "completed"))
        assert await read(store, "Basic", key_id("bill", "CarePlan/b"))


async def test_an_import_only_keeps_what_is_unique(store: Store, settings: Settings, book: RuleBook) -> None:
    """Records of the past come in as they are: nothing is filled in or follows, but a bed stays for one."""
    context = context_in(store, settings, is_import=True)
    (stored,) = await put(context, book, stay("a", title="bed 1"))
    assert "identifier" not in stored
    await put(context, book, stay("z", "completed"))
    assert await store.read("Basic", key_id("bill", "CarePlan/z")) is None
    with pytest.raises(Conflict):
        await put(context, book, stay("b", title="bed 1"))
