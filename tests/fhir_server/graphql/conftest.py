"""Asking in GraphQL, about a few made-up people and what was found out about them."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.conftest import FHIR_JSON, running_server

Ask = Callable[..., httpx.Response]

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
IDA: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "ida",
    "active": True,
    "identifier": [{"system": "urn:oid:1.2.3", "value": "77", "use": "usual"}],
    "name": [
        {"use": "official", "family": "Arenberg", "given": ["Ida", "Jo"], "period": {"start": "1990"}},
        {"use": "nickname", "given": ["Idi"]},
        {"use": "maiden", "family": "Berg", "given": ["Ida"]},
    ],
    "birthDate": "1970-03-30",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1970-03-30T07:15:00Z"}]},
    "gender": "female",
    "extension": [{"url": "urn:eyes", "valueString": "green"}, {"url": "urn:shoe", "valueDecimal": 41.50}],
    "maritalStatus": {"text": "married", "coding": [{"code": "M", "system": "urn:marital"}]},
    "telecom": [
        {"system": "phone", "value": "1", "use": "home", "rank": 2},
        {"system": "phone", "value": "2", "use": "work", "rank": 1},
    ],
    "contact": [{"name": {"family": "Other"}, "organization": {"reference": "#office"}}],
    "managingOrganization": {"reference": "Organization/clinic"},
    "generalPractitioner": [{"reference": "#doctor"}, {"reference": "Practitioner/none", "display": "gone"}],
    "contained": [
        {"resourceType": "Practitioner", "id": "doctor", "active": True, "name": [{"family": "Doe"}]},
        {"resourceType": "Organization", "id": "office", "name": "Office"},
    ],
}
OTHERS: tuple[dict[str, Any], ...] = (
    {
        "resourceType": "Patient",
        "id": "max",
        "active": False,
        "name": [
            {
                "family": "Comma, Junior",
                "given": [None, "Max"],
                "_given": [{"extension": [{"url": "urn:g", "valueCode": "x"}]}, None],
            }
        ],
    },
    {"resourceType": "Organization", "id": "clinic", "active": True, "name": "The Clinic"},
    *(
        {
            "resourceType": "Observation",
            "id": f"o{i}",
            "status": "final" if i < 3 else "amended",
            "code": {"coding": [{"system": "urn:code", "code": "pulse"}]},
            "subject": {"reference": "Patient/ida"},
            "performer": [{"reference": "Organization/clinic"}],
            "valueQuantity": {"value": 60 + i, "unit": "bpm"},
        }
        for i in range(1, 6)
    ),
    {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/ida"},
        "clinicalStatus": {"coding": [{"code": "active", "system": _CLINICAL}]},
        "evidence": [
            {"detail": [{"reference": "Observation/o1/_history/1"}, {"reference": "Observation/o2"}]}
        ],
    },
    {
        "resourceType": "Provenance",
        "id": "pr",
        "recorded": "2026-01-01T00:00:00Z",
        "target": [{"reference": "Patient/ida"}, {"reference": "Organization/clinic"}],
        "agent": [{"who": {"display": "nobody to be found"}}],
    },
)


@pytest.fixture(scope="package")
def settings(mongo_url: str) -> Iterator[Settings]:
    """Settings for one database for all these tests, which is dropped afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off="all")
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture(scope="package")
def base_url(settings: Settings) -> Iterator[str]:
    """The address of one server for all these tests."""
    with running_server(settings) as url:
        yield url


@pytest.fixture(scope="package")
def client(base_url: str) -> Iterator[httpx.Client]:
    """An HTTP client of that server, which sends FHIR JSON."""
    headers = {"content-type": FHIR_JSON}
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as http:
        yield http


@pytest.fixture(scope="package")
def ask(client: httpx.Client) -> Ask:
    """Send a query about what stands at an address ("" for the system), with the values of its variables."""

    def asking(address: str, query: str, **variables: Any) -> httpx.Response:
        return client.post(f"{address}/$graphql", json={"query": query, "variables": variables})

    return asking


@pytest.fixture(scope="package")
def records(client: httpx.Client) -> None:
    """The people and their records, stored."""
    for resource in (IDA, *OTHERS):
        answer = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text
    second = {**OTHERS[2], "status": "corrected"}
    assert client.put("/Observation/o1", json=second).status_code == 200
