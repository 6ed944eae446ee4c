"""Histories are read from indexes, in their order, whatever is asked of them (docs/rest.md)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from fhir_server.settings import Settings
from fhir_server.store import HistoryPosition, HistoryScope, Listed, Write, open_store
from fhir_server.store.history import past_condition

_START = datetime(2026, 1, 1, tzinfo=UTC)
_RESOURCES, _VERSIONS, _WANTED = 40, 30, 5


@pytest.fixture(scope="module")
def filled(settings: Settings, mongo_client: Any) -> Database[dict[str, Any]]:
    """Forty resources with thirty versions each, one a minute, in a database of the module's own."""

    async def fill() -> None:
        store = open_store(settings, str(settings.mongo_url))
        body = {"resourceType": "Basic", "id": "x", "code": {"text": "x"}}
        await store.commit([Write("PUT", "Basic", "x", body, {})])
        await store.close()

    asyncio.run(fill())
    database: Database[dict[str, Any]] = mongo_client[settings.database]
    past = database["history"]
    for number in range(_RESOURCES):
        stored = [
            _START + timedelta(minutes=number + version * _RESOURCES) for version in range(_VERSIONS + 1)
        ]
        past.insert_many(
            {
                "_id": f"Basic/r{number}/_history/{version + 1}",
                "type": "Basic",
                "id": f"r{number}",
                "seq": number,
                "version": version + 1,
                "updated": stored[version],
                "until": stored[version + 1],
                "method": "PUT",
                "resource": {"resourceType": "Basic", "id": f"r{number}"},
            }
            for version in range(_VERSIONS)
        )
    return database


_MIDDLE = _START + timedelta(minutes=_RESOURCES * _VERSIONS // 2)
_MOMENT = (_MIDDLE, _MIDDLE + timedelta(milliseconds=1))


@pytest.mark.feature("http.history.at")
@pytest.mark.parametrize(
    ("scope", "after", "most_keys"),
    [
        (HistoryScope(), None, _WANTED),
        (HistoryScope("Basic"), None, _WANTED),
        (HistoryScope("Basic", "r3"), None, _VERSIONS),
        (HistoryScope("Basic", since=_START), None, _WANTED),
        (HistoryScope("Basic"), HistoryPosition(_MIDDLE, 3), _WANTED + 2),
        (HistoryScope("Basic", at=_MOMENT), None, _WANTED),
        (HistoryScope(at=_MOMENT), None, _WANTED),
        (HistoryScope("Basic", "r3", at=_MOMENT), None, _VERSIONS),
        (HistoryScope("Basic", listed={"Basic": Listed(frozenset({"r3"}))}), None, _VERSIONS + 1),
    ],
)
def test_a_page_costs_what_is_on_it(
    filled: Database[dict[str, Any]], scope: HistoryScope, after: HistoryPosition | None, most_keys: int
) -> None:
    """No more documents are read than are wanted, or than one resource has versions."""
    found = filled["history"].find(past_condition(scope, after)).sort([("updated", -1), ("seq", -1)])
    stats = found.limit(_WANTED).explain()["executionStats"]
    assert stats["nReturned"] == (1 if scope.id and scope.at else _WANTED)
    assert stats["totalDocsExamined"] <= most_keys
    assert stats["totalKeysExamined"] <= most_keys + 5
