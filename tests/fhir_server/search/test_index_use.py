"""Each kind of search is carried out by an index, and an equality reads no more resources than it gives.

https://www.mongodb.com/docs/manual/reference/explain-results/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.search.parameters import Query
from fhir_server.search.plan import finds, pipeline
from fhir_server.search.positions import Position
from fhir_server.search.ranges import in_order_of_range
from fhir_server.store.connection import CODEC_OPTIONS
from tests.fhir_server.search.stored import Document, Documents, collection, document, page, parsed, position

PATIENTS, CODES, OBSERVATIONS, PAGE = 40, 25, 6000, 21


def _observation(number: int) -> dict[str, Any]:
    start = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(hours=13 * number)
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final" if number % 10 else "amended",
        "category": [
            {"coding": [{"system": "urn:category", "code": ("vital-signs", "laboratory")[number % 2]}]}
        ],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": f"c{number // PATIENTS % CODES}"}],
            "text": f"Code {number // PATIENTS % CODES}.",
        },
        "subject": {"reference": f"Patient/{number % PATIENTS}"},
        "encounter": {"reference": f"Encounter/{number // 4}"},
        **({"effectivePeriod": {"start": start.date().isoformat()}} if number % 300 == 0 else {}),
        **({} if number % 300 == 0 else {"effectiveDateTime": start.isoformat()}),
        "valueQuantity": {"value": number % 977, "system": "http://unitsofmeasure.org", "code": "cm"},
        **({"component": _components(number)} if number % 20 == 0 else {}),
    }


def _components(number: int) -> list[dict[str, Any]]:
    return [
        {"code": {"coding": [{"code": f"k{part}"}]}, "valueQuantity": {"value": number % 61 + part}}
        for part in range(2)
    ]


def _patient(number: int) -> dict[str, Any]:
    letters = "".join(chr(97 + number // 26**place % 26) for place in range(3))
    return {
        "resourceType": "Patient",
        "id": str(number),
        "active": True,
        "name": [{"family": f"{letters}son", "given": [f"{letters[::-1]}a"]}],
        "birthDate": (datetime(1930, 1, 1, tzinfo=UTC) + timedelta(days=17 * number)).date().isoformat(),
        "identifier": [{"system": "urn:mrn", "value": f"m{number}"}],
    }


@pytest.fixture(scope="module")
def stored(mongo_client: MongoClient[Document]) -> Iterator[dict[str, Documents]]:
    """A hospital with 6,000 observations of 40 patients, and 2,000 patients."""
    name = "test_index_use"
    mongo_client.drop_database(name)
    collections = {found: collection(mongo_client[name], found) for found in ("Observation", "Patient")}
    for found, make, number in (("Observation", _observation, OBSERVATIONS), ("Patient", _patient, 2000)):
        collections[found].insert_many([document(make(n), n) for n in range(number)])
    yield collections
    mongo_client.drop_database(name)


@dataclass(frozen=True, slots=True)
class Execution:
    """How a search was carried out: stages and indexes of the plan, and what was looked at."""

    stages: frozenset[str]
    indexes: frozenset[str]
    returned: int
    keys: int
    documents: int


def _explain(documents: Documents, command: dict[str, Any]) -> Execution:
    answer = documents.database.command(
        "explain", command, verbosity="executionStats", codec_options=CODEC_OPTIONS
    )
    if "stages" in answer:  # an aggregation, whose first stage is the plan
        answer = answer["stages"][0]["$cursor"]
    plan = list(_stages(answer["queryPlanner"]["winningPlan"]))
    statistics = answer["executionStats"]
    return Execution(
        frozenset(stage["stage"] for stage in plan),
        frozenset(stage["indexName"] for stage in plan if "indexName" in stage),
        statistics["nReturned"],
        statistics["totalKeysExamined"],
        statistics["totalDocsExamined"],
    )


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for inner in plan.values():
            yield from _stages(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from _stages(inner)


def _query(search: str) -> Query:
    resource_type, _, text = search.partition("?")
    return in_order_of_range(parsed(resource_type, text))


def _execution(stored: dict[str, Documents], search: str, after: Position | None = None) -> Execution:
    """Carry out the finds of a search as the store does: the next one while the page is not full."""
    documents = stored[search.partition("?")[0]]
    steps = finds(_query(search), after)
    assert steps
    found: list[Execution] = []
    for step in steps:
        left = PAGE - sum(one.returned for one in found)
        if left:
            command = {"find": documents.name, "filter": step.filter, "sort": dict(step.sort), "limit": left}
            found.append(_explain(documents, {**command, "projection": step.projection}))
    return Execution(
        frozenset(stage for one in found for stage in one.stages),
        frozenset(index for one in found for index in one.indexes),
        sum(one.returned for one in found),
        sum(one.keys for one in found),
        sum(one.documents for one in found),
    )


# Search, and the indexes that carry it out: they read the resources that they give, and no other.
EXACT = [
    ("Observation?patient=7", {"patient"}),
    ("Observation?patient=Patient/7&code=c3", {"patient, code"}),
    ("Observation?patient=7&code=http://loinc.org|c3", {"patient, code"}),
    ("Observation?subject=Patient/7&code=c3", {"patient, code"}),
    ("Observation?subject:Patient=7&code=c3", {"patient, code"}),
    ("Observation?subject=7", {"subject"}),
    ("Observation?code=c3", {"code"}),
    ("Observation?code=c3,c4", {"code"}),
    ("Observation?combo-code=k1", {"code", "component-code"}),
    ("Observation?encounter=Encounter/7", {"encounter"}),
    ("Observation?status=amended", {"status"}),
    ("Observation?code:missing=false", {"code", "seq"}),
    ("Observation?_id=o5", {"_id_"}),
    ("Observation?_id=o5,o6,o7", {"_id_"}),
    ("Observation?patient=7&_sort=-date", {"patient, date"}),
    ("Observation?patient=7&_sort=date", {"patient, date"}),
    ("Observation?patient=7&date=ge2012-01-01&_sort=-date", {"patient, date", "date.until"}),
    ("Observation?_sort=date", {"date"}),
    ("Observation?_sort=-date", {"date"}),
    ("Observation?_sort=-_lastUpdated", {"_lastUpdated"}),
    ("Observation?_sort=_id", {"_id_"}),
    ("Observation?_sort=-value-quantity", {"value-quantity"}),
    ("Observation?date=2012-03-05", {"date"}),
    ("Observation?date=ge2012-03-01&date=lt2012-03-10", {"date", "date.until"}),
    ("Observation?date=sa2018-01-01", {"date"}),
    ("Observation?date=eb2010-01-10", {"date"}),
    ("Observation?_lastUpdated=gt2024-04-30T23:59:00Z&_sort=_lastUpdated", {"_lastUpdated"}),
    ("Observation?value-quantity=5", {"value-quantity", "value-quantity.range"}),
    (
        "Observation?value-quantity=0.05|http://unitsofmeasure.org|m",
        {"value-quantity.ucum", "value-quantity.range"},
    ),
    ("Observation?", {"seq"}),
    ("Patient?identifier=urn:mrn|m7", {"identifier"}),
    ("Patient?identifier=m7", {"identifier"}),
    ("Patient?family=abc", {"family"}),
    ("Patient?family:exact=abcson", {"family"}),
    ("Patient?name=abc", {"name"}),
    ("Patient?birthdate=1950-03-03", {"birthdate"}),
]


@pytest.mark.parametrize(("search", "indexes"), EXACT, ids=[search for search, _ in EXACT])
def test_exact(stored: dict[str, Documents], search: str, indexes: set[str]) -> None:
    """These searches read from their indexes just the resources that they give."""
    found = _execution(stored, search)
    assert "COLLSCAN" not in found.stages
    assert found.indexes <= indexes
    assert found.documents == found.returned


# Searches that look at more than they give, and how many documents and keys they may read at most.
BOUNDED = [
    ("Observation?patient=7&category=vital-signs&status=final", OBSERVATIONS // PATIENTS * 2),
    ("Observation?code=c3&status=amended", OBSERVATIONS // CODES * 2),
    ("Observation?component-code-value-quantity=k1$gt58", OBSERVATIONS // 20 * 2 + PAGE),
    ("Observation?code-value-quantity=c3$5", OBSERVATIONS // CODES * 2),
    ("Observation?combo-code-value-quantity=c3$5", OBSERVATIONS // CODES * 2 + OBSERVATIONS // 20),
    ("Observation?value-quantity=5|http://unitsofmeasure.org|mm", 60),
    ("Observation?value-quantity=5000|http://unitsofmeasure.org|um", 60),
    ("Observation?value-quantity=gt9.75|http://unitsofmeasure.org|m", 40),
    ("Observation?code:text=code 3", OBSERVATIONS // CODES * 2),
    ("Observation?value-quantity=gt975", 20),
    ("Observation?value-quantity=gt975||cm", 40),
    ("Observation?combo-value-quantity=sa975", 40),
    ("Observation?component-value-quantity=gt60", 40),
    ("Observation?patient=7&date=ge2012-01-01", OBSERVATIONS // PATIENTS * 2),
    ("Observation?date=2013&code=c3", OBSERVATIONS // CODES * 3),
    ("Observation?patient=7&code:not=c3", OBSERVATIONS // PATIENTS),
    ("Observation?patient=7&code:missing=true", OBSERVATIONS // PATIENTS),
    ("Observation?code:not=c3", PAGE * 8),
    ("Patient?family:contains=cson&birthdate=1950", 200),
]


@pytest.mark.parametrize(("search", "most"), BOUNDED, ids=[search for search, _ in BOUNDED])
def test_bounded(stored: dict[str, Documents], search: str, most: int) -> None:
    """These searches read by an index what meets one of their conditions, and choose among that."""
    found = _execution(stored, search)
    assert "COLLSCAN" not in found.stages
    assert found.indexes
    assert found.documents + found.keys <= most * 2


# Searches without an index of their own: they go through all resources, in the order of an index.
UNBOUNDED = [
    "Observation?category:missing=true",
    "Observation?code:not=c0,c1,c2,c3,c4,c5,c6,c7,c8,c9",
    "Observation?date=ne2013",
    "Patient?family:contains=xyzson",
    "Patient?given:contains=a",
]


@pytest.mark.parametrize("search", UNBOUNDED)
def test_unbounded(stored: dict[str, Documents], search: str) -> None:
    """Even a search that may have to look at everything goes along an index."""
    found = _execution(stored, search)
    assert "COLLSCAN" not in found.stages
    assert found.indexes


@pytest.mark.parametrize(
    "search",
    [
        "Observation?patient=7&_sort=-date",
        "Observation?_sort=-date",
        "Observation?code=c3",
        "Observation?date=ge2012-03-01&date=lt2013-03-10&_sort=date",
        "Observation?date=ge2012-03-01&date=lt2013-03-10&_sort=-date",
        "Observation?date=ge2012-03-01&date=le2013-03-10",
        "Observation?date=sa2013-01-01",
        "Observation?_lastUpdated=ge2024-04-30T22:30:00Z",
    ],
)
def test_deep_page(stored: dict[str, Documents], search: str) -> None:
    """A later page reads no more than the first one, but for the resource that the last one ended with."""
    query = _query(search)
    after = None
    for _ in range(3):
        after = position(query, page(stored[query.resource_type], query, after, PAGE - 1)[-1])
    found = _execution(stored, search, after)
    assert found.returned == PAGE
    assert found.keys <= PAGE + 1
    assert "SORT" not in found.stages


@pytest.mark.parametrize(
    "search",
    [
        f"{found}&_sort={keys}"
        for found in ("patient=7", "code=c3")
        for keys in ("status,-date", "-combo-code")
    ],
)
def test_several_keys(stored: dict[str, Documents], search: str) -> None:
    """An order by several keys sorts what an index found."""
    query = parsed("Observation", search)
    command = {"aggregate": "Observation", "pipeline": pipeline(query, None, PAGE), "cursor": {}}
    found = _explain(stored["Observation"], command)
    assert "COLLSCAN" not in found.stages
    assert found.documents == found.returned
