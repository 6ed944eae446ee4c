"""Every method of the store that gives something out goes by the rules of a guard, if there is one."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.search.extraction import search_values
from fhir_server.settings import Settings
from fhir_server.store import Absence, AbsenceBroken, HistoryScope, Store, Write, open_store
from fhir_server.store.several import Part
from resources.operation_outcome import FhirError, ResourceNotFound, error

Resource = dict[str, Any]


class OnlyOpen:
    """A guard that lets through what has the code `open`, and shows it with a language."""

    def visible(self, resource_type: str) -> dict[str, Any]:
        """Return the filter of what is open."""
        return {"search.code": "open"}

    def sees(self, resource: Any) -> bool:
        """Tell whether a resource is open."""
        return bool(resource["code"]["coding"][0]["code"] == "open")

    def shown(self, resource: Resource) -> Resource:
        """Return the resource with a language."""
        return {**resource, "language": "de"}

    def check(self, write: Write, live: Resource | None) -> None:
        """Refuse to touch, or to make, what is not open."""
        for one in (live, write.resource):
            if one is not None and not self.sees(one):
                raise ResourceNotFound(error("not-found", "hidden"))


def _basic(resource_id: str) -> Write:
    resource = {"resourceType": "Basic", "id": resource_id, "code": {"coding": [{"code": resource_id}]}}
    return Write("PUT", "Basic", resource_id, resource, search_values(resource))


_ALL = {"seq": {"$gt": 0}}
_WHOLE = HistoryScope("Basic", "hidden")

# What is asked of the store, and what comes of two resources of which one is hidden.
LOOKS: dict[str, tuple[Callable[[Store], Awaitable[Any]], Any]] = {
    "read": (lambda store: store.read("Basic", "hidden"), None),
    "read_version": (lambda store: store.read_version("Basic", "hidden", 1), None),
    "past_versions": (lambda store: store.past_versions([("Basic", "hidden", 1)]), []),
    "matching_ids": (lambda store: store.matching_ids("Basic", _ALL, 9), ["open"]),
    "matching_versions": (lambda store: store.matching_versions("Basic", _ALL, 9), [("open", 2)]),
    "distinct": (lambda store: store.distinct("Basic", _ALL, "_id", 9), ["open"]),
    "count": (lambda store: store.count("Basic", _ALL), 1),
    "estimate": (lambda store: store.estimate("Basic", {}), 1),
    "history": (lambda store: store.history(_WHOLE, None, 9), []),
    "count_history": (lambda store: store.count_history(_WHOLE), None),
    "find": (lambda store: store.find("Basic", _ALL, (), {"_id": 1}, 9), [{"_id": "open"}]),
    "find_parts": (lambda store: store.find_parts([Part("Basic", _ALL, {"_id": 1})]), [[{"_id": "open"}]]),
    "aggregate": (lambda store: store.aggregate("Basic", [{"$project": {"_id": 1}}]), [{"_id": "open"}]),
}
REFUSED: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "commit": lambda store: store.commit([_basic("hidden")]),
    "change_meta": lambda store: store.change_meta("Basic", "hidden", None, lambda one: (one["meta"], {})),
    "history of all": lambda store: store.history(HistoryScope("Basic"), None, 9),
    "count_history of all": lambda store: store.count_history(HistoryScope()),
}
# They give out nothing of any resource, or are for administrators, of whom the operations ask.
_TELL_NOTHING = {
    "close",
    "ping",
    "end_left_open",
    "prepare_new_database",
    "custom_parameters",
    "fix_moment",
    "shared_key",
}
_TELL_NOTHING |= {"lock", "next_number"}
_FOR_ADMINISTRATORS = {"expunge"}
_TYPES_ALONE = {"stored_types"}


def _asked(settings: Settings, question: Callable[[Store], Awaitable[Any]]) -> Any:
    async def carry_out() -> Any:
        store = open_store(settings, str(settings.mongo_url))
        try:
            if await store.read("Basic", "open") is None:
                for _ in range(2):
                    await store.commit([_basic("open"), _basic("hidden")])
            return await question(store.guarded(OnlyOpen()))
        finally:
            await store.close()

    return asyncio.run(carry_out())


@pytest.mark.parametrize("method", sorted(LOOKS))
def test_what_is_hidden_is_not_there(settings: Settings, method: str) -> None:
    """No look into the store finds what the guard hides."""
    question, expected = LOOKS[method]
    assert _asked(settings, question) == expected


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_may_not_be_done_is_refused(settings: Settings, what: str) -> None:
    """No change of what is hidden is made, and no list of all versions is given."""
    with pytest.raises(FhirError):
        _asked(settings, REFUSED[what])


def test_what_is_shown_is_a_part(settings: Settings) -> None:
    """Resources come as the guard shows them, from wherever they are read."""

    async def parts(store: Store) -> list[Any]:
        read = await store.read("Basic", "open")
        past = await store.read_version("Basic", "open", 1)
        [found] = await store.find("Basic", _ALL, (), {"resource": 1}, 9)
        [counted] = await store.aggregate("Basic", [{"$project": {"resource": 1}}])
        versions = await store.history(HistoryScope("Basic", "open"), None, 9)
        return [read, past, *versions, found["resource"], counted["resource"]]

    shown = [getattr(one, "resource", one) for one in _asked(settings, parts)]
    assert len(shown) == 6
    assert {one["language"] for one in shown} == {"de"}


def test_a_promise_is_about_what_is_seen(settings: Settings) -> None:
    """That nothing matches a condition holds for who does not see what matches it."""

    async def promised(store: Store) -> Any:
        hidden = Absence("Basic", f"key {datetime.now(UTC)}", {"_id": "hidden"})
        await store.commit([_basic("open")], [hidden])
        with pytest.raises(AbsenceBroken):
            await store.commit([_basic("open")], [Absence("Basic", "key", {"_id": "open"})])

    _asked(settings, promised)


def test_every_method_is_looked_at() -> None:
    """A new method of the store has a test here, or a reason why it needs none."""
    methods = {name for name, _ in inspect.getmembers(Store, inspect.iscoroutinefunction) if name[0] != "_"}
    known = LOOKS.keys() | {name for name in REFUSED if " " not in name}
    assert methods == known | _TELL_NOTHING | _FOR_ADMINISTRATORS | _TYPES_ALONE
