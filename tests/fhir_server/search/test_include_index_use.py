"""What is included is found by indexes, with one question to a resource type in each round.

https://www.mongodb.com/docs/manual/reference/explain-results/
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo import MongoClient

from fhir_server.context import Context
from fhir_server.search.include import parse_includes
from fhir_server.search.included import included
from fhir_server.store.connection import CODEC_OPTIONS
from tests.fhir_server.search.stored import BASE_URL, Document, Documents, collection, document

PATIENTS, OBSERVATIONS = 200, 4000


def _observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "meta": {"versionId": "1"},
        "status": "final",
        "code": {"coding": [{"code": f"c{number % 9}"}]},
        "subject": {"reference": f"Patient/{number % PATIENTS}"},
        "hasMember": [{"reference": f"Observation/o{number + 1}"}],
    }


def _patient(number: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": str(number), "meta": {"versionId": "1"}}


def _questionnaire(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "id": f"q{number}",
        "meta": {"versionId": "1"},
        "version": "1",
        "status": "active",
    } | {"url": f"http://acme.org/q{number}"}


def _response(number: int) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "id": f"r{number}", "meta": {"versionId": "1"}} | {
        "status": "completed",
        "questionnaire": f"http://acme.org/q{number % 300}|1",
    }


_MADE = {
    "Observation": (_observation, OBSERVATIONS),
    "Patient": (_patient, PATIENTS),
    "Questionnaire": (_questionnaire, 300),
    "QuestionnaireResponse": (_response, 1000),
}


@dataclass(slots=True)
class Store:
    """As much of the store as includes ask, which notes how each question was carried out."""

    collections: dict[str, Documents]
    plans: list[tuple[str, set[str], int, int]] = field(default_factory=list)

    async def stored_types(self) -> list[str]:
        """Return the types of which something is stored."""
        return list(self.collections)

    async def find(
        self, name: str, condition: dict[str, Any], sort: Any, projection: Any, limit: int
    ) -> list[Document]:
        """Return what is found, and note the indexes and how much was read and returned."""
        command = {"find": name, "filter": condition, "sort": dict(sort), "limit": limit}
        answer = self.collections[name].database.command(
            "explain", command, verbosity="executionStats", codec_options=CODEC_OPTIONS
        )
        statistics = answer["executionStats"]
        plan = str(answer["queryPlanner"]["winningPlan"])
        assert "COLLSCAN" not in plan
        indexes = {index for index in self.collections[name].index_information() if f"'{index}'" in plan}
        self.plans.append((name, indexes, statistics["totalDocsExamined"], statistics["nReturned"]))
        return list(self.collections[name].find(condition, sort=list(sort), limit=limit))


@pytest.fixture(scope="module")
def collections(mongo_client: MongoClient[Document]) -> Iterator[dict[str, Documents]]:
    """Thousands of resources that refer to each other."""
    name = "test_include_index_use"
    mongo_client.drop_database(name)
    found = {resource_type: collection(mongo_client[name], resource_type) for resource_type in _MADE}
    for resource_type, (make, number) in _MADE.items():
        found[resource_type].insert_many([document(make(n), n) for n in range(number)])
    yield found
    mongo_client.drop_database(name)


ROWS = [
    ("Observation", 20, {"_include": ["Observation:subject"]}, [("Patient", {"_id_"})]),
    ("Observation", 20, {"_include": ["*"]}, [("Observation", {"_id_"}), ("Patient", {"_id_"})]),
    ("Patient", 20, {"_revinclude": ["Observation:subject"]}, [("Observation", {"subject"})]),
    ("Patient", 20, {"_revinclude": ["Observation:patient"]}, [("Observation", {"patient"})]),
    (
        "Patient",
        1,
        {"_revinclude": ["Observation:*"]},
        [("Observation", {"subject", "patient", "performer"})],
    ),
    (
        "QuestionnaireResponse",
        20,
        {"_include": ["QuestionnaireResponse:questionnaire"]},
        [("Questionnaire", {"url"})],
    ),
    (
        "Questionnaire",
        20,
        {"_revinclude": ["QuestionnaireResponse:questionnaire"]},
        [("QuestionnaireResponse", {"questionnaire"})],
    ),
]


@pytest.mark.parametrize(
    ("resource_type", "number", "given", "expected"),
    ROWS,
    ids=lambda value: str(value)[:50] if isinstance(value, str | int) else "",
)
def test_index(
    collections: dict[str, Documents],
    resource_type: str,
    number: int,
    given: dict[str, list[str]],
    expected: list[tuple[str, set[str]]],
) -> None:
    """Each question reads by its index what it gives, and no more."""
    store = Store(collections)
    context = SimpleNamespace(store=store, base_url=BASE_URL, settings=SimpleNamespace(max_included=1000))
    make, _ = _MADE[resource_type]
    matches = [make(n) for n in range(number)]
    found = asyncio.run(included(matches, parse_includes(given), cast(Context, context)))
    assert found.resources
    assert [name for name, *_ in store.plans] == [name for name, _ in expected]
    for (_, indexes, documents, returned), (_, allowed) in zip(store.plans, expected, strict=True):
        assert indexes & allowed
        assert documents == returned
