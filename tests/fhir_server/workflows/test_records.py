"""How rules read what is stored: as the transaction leaves it, and each resource once in a round."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.app import create_app  # noqa: F401 - the whole server can be imported with the rules
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.several import Part
from fhir_server.workflows.records import RoundRecords
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import replacement

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store that is empty again after each test."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    yield store
    for name in ("Patient", "Observation", "DiagnosticReport", "history"):
        await store._database[name].delete_many({})
    await store.close()


def _result(resource_id: str, patient: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def _records(store: Store, settings: Settings, *resources: Resource) -> RoundRecords:
    situation = Situation(datetime.now(UTC), "http://server/fhir", settings, new_id)
    known: dict[tuple[str, str], Resource | None] = {
        (one["resourceType"], one["id"]): one for one in resources
    }
    return RoundRecords(store, situation, {**known, ("Patient", "deleted"): None})


async def _store(store: Store, *resources: Resource) -> None:
    await store.commit([replacement(one["resourceType"], one["id"], one) for one in resources])


async def test_what_many_refer_to_is_read_once(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two patients of a hundred results are one question, and asking again is none."""
    await _store(store, *({"resourceType": "Patient", "id": name} for name in ("a", "b", "c")))
    results = [_result(str(number), "ab"[number % 2]) for number in range(100)]
    records = _records(store, settings, *results, _result("x", "nobody"))
    asked: list[str] = []
    for name in ("find", "find_parts", "read"):
        monkeypatch.setattr(store, name, _told(getattr(store, name), asked))
    for result in results:
        found = await records.read(result["subject"])
        assert found is not None
        assert f"Patient/{found['id']}" == result["subject"]["reference"]
    assert await records.read("http://server/fhir/Patient/a/_history/1") == await records.read("Patient/a")
    assert await records.read("Patient/nobody") is None
    assert asked == ["Patient"]
    assert (await records.read("Patient/c") or {})["id"] == "c"
    assert asked == ["Patient", "Patient"]


def _told(look: Any, asked: list[str]) -> Any:
    async def told(*arguments: Any, **options: Any) -> Any:
        first = arguments[0]
        asked.extend([first] if isinstance(first, str) else [one.collection for one in first])
        return await look(*arguments, **options)

    return told


async def test_the_same_search_is_asked_once(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules that ask the same share the answer, and none can change what another one gets."""
    await _store(store, *(_result(name, "a") for name in ("1", "2")))
    records = _records(store, settings)
    asked: list[str] = []
    monkeypatch.setattr(store, "find", _told(store.find, asked))
    first = await records.search("Observation", ("subject", "Patient/a"))
    first.pop()
    assert len(await records.search("Observation", ("subject", "Patient/a"))) == 2
    assert len(await records.search("Observation", ("subject", "Patient/a"), limit=1)) == 1
    assert not await records.search("Observation", ("subject", "Patient/b"))
    assert asked == ["Observation"] * 3


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_several_types_are_read_together(store: Store, *, in_transaction: bool) -> None:
    """What is found of each type, in the order of the parts, with its limit; also within a transaction."""
    await _store(store, {"resourceType": "Patient", "id": "a"}, *(_result(str(one), "a") for one in range(3)))
    parts = [
        Part("Observation", {"_id": {"$in": ["1", "2", "none"]}}, {"resource": 1}),
        Part("Basic", {}, {"resource": 1}),
        Part("Patient", {"_id": "a"}, {"version": 1}),
        Part("Observation", {"search.status": {"$exists": True}}, {"_id": 1}, limit=2),
    ]
    found: list[list[dict[str, Any]]] = []

    async def look() -> None:
        found[:] = await store.find_parts(parts)

    if in_transaction:
        await store.commit([replacement("Patient", "b", {"resourceType": "Patient", "id": "b"})], reads=look)
    else:
        await look()
    results, nothing, patients, some = found
    assert sorted(one["resource"]["id"] for one in results) == ["1", "2"]
    assert (nothing, patients, len(some)) == ([], [{"_id": "a", "version": 1}], 2)


async def test_no_parts_are_no_question(store: Store) -> None:
    """Nothing is asked for nothing."""
    assert await store.find_parts([]) == []


async def test_the_change_itself_is_known(store: Store, settings: Settings) -> None:
    """What the round has changed is as it is from now on, and what it deletes is gone."""
    await _store(store, {"resourceType": "Patient", "id": "deleted"}, _result("1", "a"))
    records = _records(store, settings, _result("1", "b"))
    assert await records.read("Observation/1") == _result("1", "b")
    assert await records.read("Patient/deleted") is None
    assert await records.read("Patient/unknown") is None
    assert await records.read("Nothing/at-all") is None
    assert await records.read("https://elsewhere.example/fhir/Patient/a") is None
    assert records.changed("Observation") == ["Observation/1"]
    assert records.changed("Patient") == []


async def test_who_refers_to_each_is_asked_together(store: Store, settings: Settings) -> None:
    """The reports of each of a hundred and fifty results."""
    results = [f"Observation/{number}" for number in range(150)]
    groups = {"even": results[::2], "some": ["Observation/4", "http://server/fhir/Observation/7"]}
    for name, listed in groups.items():
        references = [{"reference": one} for one in listed]
        report = {"resourceType": "DiagnosticReport", "id": name, "status": "final", "code": {"text": "x"}}
        await _store(store, {**report, "result": references})
    found = await _records(store, settings).referring("DiagnosticReport", "result", results)
    told = {name: sorted(one["id"] for one in found.get(name, ())) for name in results}
    assert told["Observation/4"] == ["even", "some"]
    assert told["Observation/7"] == ["some"]
    assert [told[name] for name in results[8:]] == [["even"], []] * 71
