"""_explain shows how a search is carried out, and one that no index serves is bounded."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from resources.operation_outcome import TooBusy
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.search.searching import encoded, refusal, store

# Far more than it takes: a request for the status takes a millisecond or more.
_MOST_POLLS = 60_000


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(
        client,
        [
            {"resourceType": "Patient", "id": "a", "gender": "female", "name": [{"family": "Ant"}]},
            {"resourceType": "Patient", "id": "b", "gender": "male", "name": [{"family": "Bee"}]},
            *(
                {
                    "resourceType": "Observation",
                    "id": f"o{number}",
                    "status": "final",
                    "code": {"text": "x"},
                    "subject": {"reference": f"Patient/{'ab'[number % 2]}"},
                }
                for number in range(10)
            ),
        ],
    )


def _explained(client: httpx.Client, search: str) -> list[dict[str, Any]]:
    answer = client.get(encoded(search)).raise_for_status().json()
    assert answer["resourceType"] == "Parameters"
    steps = [parameter["part"] for parameter in answer["parameter"] if parameter["name"] == "step"]
    return [
        {
            name: [value for part in parts if part["name"] == name for value in [*part.values()][1:]]
            for name in dict.fromkeys(part["name"] for part in parts)
        }
        for parts in steps
    ]


@pytest.mark.feature("search.explain")
def test_a_search_is_explained(client: httpx.Client) -> None:
    """Each question to MongoDB with its plan, its index and what was looked at."""
    (step,) = _explained(client, "Observation?patient=Patient/a&_explain=true")
    assert step["operation"] == ["find"]
    assert step["type"] == ["Observation"]
    assert "IXSCAN" in step["stage"]
    assert step["index"][0].startswith("patient")
    assert step["returned"] == [5]
    assert step["documentsExamined"] == [5]


def test_the_questions_before_a_search_are_explained(client: httpx.Client) -> None:
    """A chain is a question about other resources first."""
    steps = _explained(client, "Observation?patient.family=Ant&_total=accurate&_count=2&_explain=true")
    assert [(*step["operation"], *step["type"]) for step in steps] == [
        ("find", "Patient"),
        ("find", "Observation"),
        ("count", "Observation"),
    ]
    assert steps[0]["index"] == ["family"]


def test_an_aggregation_is_explained(client: httpx.Client) -> None:
    """Several sort keys are an aggregation, whose sorting shows."""
    (step,) = _explained(client, "Observation?patient=a&_sort=status,-date&_explain=true")
    assert step["operation"] == ["aggregate"]
    assert any("sort" in stage.lower() for stage in step["stage"])


def test_explain_is_true_or_false(client: httpx.Client) -> None:
    """Anything else is refused, and false is a search like any other."""
    assert "true or false" in refusal(client, "Patient?_explain=maybe")["diagnostics"]
    bundle = client.get("/Patient?_explain=false").raise_for_status().json()
    assert bundle["total"] == 2
    assert "_explain" not in bundle["link"][0]["url"]


@pytest.fixture(scope="module")
def hurried(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a server on the same records that lets no search without an index take its time."""
    limited = settings.model_copy(update={"scan_seconds": 0.001, "search_seconds": 60.0})
    with running_server(limited) as url, httpx.Client(base_url=url) as http:
        yield http


@pytest.mark.feature("search.limits")
def test_a_search_without_an_index_is_given_up(hurried: httpx.Client) -> None:
    """408 with advice when its time is over; with an index, or asynchronously, there is more time."""
    wide = "&".join(["_filter=" + " or ".join(f"name co {letter}q{letter}x" for letter in "abcdefgh")] * 12)
    patients = [
        {
            "resource": {"resourceType": "Patient", "name": [{"family": f"Long{number}" * 30}]},
            "request": {"method": "POST", "url": "Patient"},
        }
        for number in range(2_000)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": patients}
    hurried.post("", json=bundle, headers={"content-type": FHIR_JSON}, timeout=60).raise_for_status()
    answer = hurried.get(encoded(f"Patient?{wide}"))
    assert answer.status_code == 408
    assert "respond-async" in answer.json()["issue"][0]["diagnostics"]
    started = hurried.get(encoded(f"Patient?{wide}"), headers={"prefer": "respond-async"})
    assert started.status_code == 202
    for _ in range(_MOST_POLLS):
        status = hurried.get(started.headers["content-location"])
        if status.status_code == 200:
            break
    assert status.json()["entry"][0]["response"]["status"] == "200 OK"
    assert hurried.get("/Patient?family=ant").status_code == 200


@pytest.mark.feature("search.limits")
def test_only_a_few_searches_without_an_index_go_on_at_a_time(settings: Settings, mongo_url: str) -> None:
    """One more is refused with 429, and taken when one of the others is done."""

    async def scans() -> None:
        opened: Store = open_store(settings.model_copy(update={"max_scans": 1}), mongo_url)
        async with opened.scanning():
            with pytest.raises(TooBusy):
                async with opened.scanning():
                    pass
        async with opened.scanning() as view:
            assert await view.count("Patient", {}) >= 2
        await opened.close()

    asyncio.run(scans())
