"""Searches for a range of dates come in the order of the dates. https://hl7.org/fhir/R4/search.html#date"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_server.search.extraction import search_values
from fhir_server.search.ranges import in_order_of_range, parts
from fhir_server.search.sorting import parse_sort
from tests.fhir_server.search.drawn import RESOURCES, VALUES
from tests.fhir_server.search.searching import links, page, store
from tests.fhir_server.search.stored import Document, Documents, ask, collection, parsed
from tests.fhir_server.search.stored import store as store_documents


@pytest.fixture(scope="module")
def encounters(mongo_client: MongoClient[Document]) -> Iterator[Documents]:
    """The collection of encounters, whose periods may be long, with all its indexes."""
    name = "test_ranges"
    mongo_client.drop_database(name)
    yield collection(mongo_client[name], "Encounter")
    mongo_client.drop_database(name)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    resources=st.lists(RESOURCES["Encounter"], min_size=1, max_size=10),
    dates=st.lists(VALUES["date"], min_size=1, max_size=3),
    key=st.sampled_from(["date", "-date"]),
    size=st.integers(1, 12),
)
@pytest.mark.feature("search.result._sort")
def test_ranges_in_order(
    encounters: Documents, resources: list[dict[str, Any]], dates: list[str], key: str, size: int
) -> None:
    """What is found by dates, and sorted by them, is what is found without an order, on pages of any size."""
    listed = [{**resource, "id": f"e{number}"} for number, resource in enumerate(resources)]
    store_documents(encounters, listed)
    search = "&".join(f"date={date}" for date in dates)
    starts = {one["id"]: search_values(one).get("date", {}).get("lo") for one in listed}
    found = list(ask(encounters, search))
    expected = sorted(found[:: -1 if key == "-date" else 1], key=starts.__getitem__, reverse=key == "-date")
    assert list(ask(encounters, f"{search}&_sort={key}", size)) == expected


# A search, and of how many ranges its filter is made; None where it is not of ranges of one key alone.
PARTS = [
    ("date=2020", 1),
    ("date=sa2020", 1),
    ("date=eb2020", 1),
    ("date=lt2020", 1),
    ("date=le2020", 2),
    ("date=ge2020", 2),
    ("date=gt2020", 2),
    ("date=ne2020", 2),
    ("date=ge2020-05-05T10:00:00Z", 3),
    ("date=ge2020-01-01&date=lt2020-02-01", 2),
    ("date=ge2020-01-01&date=le2020-02-01", 3),
    ("date=ge2021&date=lt2020", 1),
    ("date=2019,2021", 2),
    ("date=2019,lt2018", 2),
    ("date=2019,2019-05", None),
    ("date:missing=false", None),
    ("date=2020&status=planned", None),
    ("location-period=2020", None),
    ("status=planned", None),
    ("", None),
]


@pytest.mark.parametrize(("search", "number"), PARTS)
def test_parts(search: str, number: int | None) -> None:
    """A filter on dates alone is taken apart into ranges that do not overlap."""
    [key] = parse_sort("Encounter", "date")
    query = parsed("Encounter", search)
    found = parts(query.filter, key)
    assert (None if found is None else len(found)) == number
    assert in_order_of_range(query).results.sort == (() if number is None else (key,))


@pytest.mark.parametrize(
    ("search", "sort"),
    [
        ("_lastUpdated=ge2020", "_lastUpdated"),
        ("_lastUpdated=ge2020&_lastUpdated=lt2021", "_lastUpdated"),
        ("_lastUpdated=ge2020&date=2020", ""),
        ("_lastUpdated=ge2020&_sort=date", "date"),
        ("date=ge2020&_sort=status", "status"),
    ],
)
def test_order_of_range(search: str, sort: str) -> None:
    """A search for nothing but times of change is in their order, unless it says another one."""
    found = in_order_of_range(parsed("Encounter", search))
    assert found.results.sort == parse_sort("Encounter", sort)


def test_pages(client: httpx.Client) -> None:
    """Over HTTP too: pages of a range follow each other by date, forwards and back."""
    days = [7, 2, 9, 4, 1, 8, 3]
    long = {"start": "2031-04-01", "end": "2031-06-20"}
    store(client, [_encounter("long", long), *(_encounter(str(day), _day(day)) for day in days)])
    first = page(client, "Encounter?date=ge2031-05-02&date=lt2031-05-09&_count=3")
    second = page(client, links(first)["next"])
    assert [_ids(first), _ids(second)] == [["long", "2", "3"], ["4", "7", "8"]]
    assert _ids(page(client, links(second)["previous"])) == _ids(first)
    assert _ids(page(client, links(first)["last"])) == _ids(second)


def _day(day: int) -> dict[str, str]:
    return {"start": f"2031-05-0{day}T08:00:00Z", "end": f"2031-05-0{day}T09:00:00Z"}


def _encounter(encounter_id: str, period: dict[str, str]) -> dict[str, Any]:
    about = {"status": "finished", "class": {"code": "AMB"}, "period": period}
    return {"resourceType": "Encounter", "id": encounter_id, **about}


def _ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle["entry"]]
