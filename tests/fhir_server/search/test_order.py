"""Orders and pages: nothing is skipped or repeated, whatever the order, the page size, and who writes.

https://hl7.org/fhir/R4/search.html#sort, https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.database import Database

from fhir_server.search.extraction import search_values
from tests.fhir_server.search.drawn import RESOURCES
from tests.fhir_server.search.stored import (
    Document,
    Documents,
    ask,
    collection,
    document,
    page,
    parsed,
    position,
    store,
)

# Parameter -> what resources are put in the order of, from their index values; None if there is nothing.
KEYS: dict[str, dict[str, Callable[[dict[str, Any], bool], Any]]] = {
    "Observation": {
        "status": lambda values, _: values.get("status"),
        "date": lambda values, _: (values.get("date") or {}).get("lo"),
        "value-quantity": lambda values, _: (values.get("value-quantity") or {}).get("v"),
        "code": lambda values, down: _extreme(values.get("code", []), down),
        "combo-code": lambda values, down: _extreme(
            values.get("code", []) + values.get("component-code", []), down
        ),
        "component-value-quantity": lambda values, down: _extreme(
            [value["v"] for value in values.get("component-value-quantity", []) if "v" in value], down
        ),
        "subject": lambda values, _: values.get("subject"),
    },
    "Encounter": {
        "date": lambda values, _: (values.get("date") or {}).get("lo"),
        "location-period": lambda values, down: _extreme(
            [value["lo"] for value in values.get("location-period", [])], down
        ),
        "length": lambda values, _: (values.get("length") or {}).get("v"),
    },
}


def _extreme(values: list[Any], down: bool) -> Any:
    return (max if down else min)(values, default=None)


@pytest.fixture(scope="module")
def documents(mongo_client: MongoClient[Document]) -> Iterator[dict[str, Documents]]:
    """The collections of the types that are sorted, with all their indexes."""
    name = "test_order"
    mongo_client.drop_database(name)
    yield {name_: collection(mongo_client[name], name_) for name_ in KEYS}
    mongo_client.drop_database(name)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[str], int]:
    resource_type = draw(st.sampled_from(sorted(KEYS)))
    resources = draw(st.lists(RESOURCES[resource_type], min_size=1, max_size=8))
    names = draw(st.lists(st.sampled_from(sorted(KEYS[resource_type])), max_size=3, unique=True))
    keys = [draw(st.sampled_from(["", "-"])) + name for name in names]
    with_ids = [{**resource, "id": f"r{number}"} for number, resource in enumerate(resources)]
    return with_ids, keys, draw(st.integers(1, 9))


def _sorted(resources: list[dict[str, Any]], keys: list[str]) -> list[str]:
    """Return the ids in the order of `keys`, what has no value last, ties in the order of creation.

    With one key that is descending, ties are descending too.
    """
    resource_type = resources[0]["resourceType"]
    found = list(resources)
    if len(keys) == 1 and keys[0].startswith("-"):
        found.reverse()
    for key in reversed(keys):
        down = key.startswith("-")
        value = KEYS[resource_type][key.removeprefix("-")]
        having: list[tuple[Any, Any]] = []
        lacking: list[tuple[Any, Any]] = []
        for resource in found:
            known = value(search_values(resource), down)
            (lacking if known is None else having).append((known, resource))
        # Python keeps the order of equals even when it sorts in reverse.
        having.sort(key=lambda pair: pair[0], reverse=down)
        found = [resource for _, resource in (*having, *lacking)]
    return [resource["id"] for resource in found]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=_cases())
@pytest.mark.feature("search.result._sort")
def test_order(documents: dict[str, Documents], case: tuple[list[dict[str, Any]], list[str], int]) -> None:
    """Pages of any size together are all resources in the order that was asked for."""
    resources, keys, size = case
    found_in = documents[resources[0]["resourceType"]]
    store(found_in, resources)
    query = f"_sort={','.join(keys)}" if keys else ""
    assert list(ask(found_in, query, size)) == _sorted(resources, keys), (keys, resources)


def _observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": ("final", "amended")[number % 2],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{number % 3}"},
        "effectiveDateTime": f"20{number % 7 + 10}-01-01",
        "component": [{"code": {"coding": [{"code": str(number % 5)}]}}],
    }


@pytest.mark.parametrize(
    "search",
    [
        "code=8302-2",
        "patient=0&code=8302-2",
        "code:not=x",
        "code=8302-2&_sort=date",
        "code=8302-2&_sort=-date",
        "patient=0&_sort=-date",
        "_sort=component-code",
        "_sort=status,-date",
        "_sort=-_lastUpdated",
        "_sort=_id",
        "date=ge2012&date=lt2016",
    ],
)
@pytest.mark.feature("http.paging.snapshot")
def test_pages_while_others_write(database: Database[Document], search: str) -> None:
    """What was there all the time is on exactly one page, though others create and delete between pages."""
    documents = collection(database, "Observation")
    store(documents, [_observation(number) for number in range(60)])
    stays = {one["_id"] for one in documents.find({}, {"_id": 1})} - {f"o{n}" for n in range(0, 60, 4)}
    expected = [found for found in ask(documents, search) if found in stays]
    query = parsed("Observation", search)
    seen: list[str] = []
    after = None
    written = 60
    while found := page(documents, query, after, 7):
        seen += [one["_id"] for one in found]
        assert len(seen) == len(set(seen))
        after = position(query, found[-1])
        # One comes at the end; of those that do not stay one goes, a different one after each page.
        if written < 70:
            documents.insert_one(document(_observation(written), written))
            documents.delete_one({"_id": f"o{written % 15 * 4}"})
            written += 1
    assert [one for one in seen if one in stays] == expected
