"""Synthea's patients, hospitals and practitioners, loaded as they come: transactions over the REST interface.

https://github.com/synthetichealth/synthea, https://hl7.org/fhir/R4/http.html#transaction
"""

import bz2
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fhir_server.faults.content import content, of_the_client

SYNTHEA = Path(__file__).parents[3] / "shared/data/synthea"

pytestmark = pytest.mark.skipif(not SYNTHEA.exists(), reason="needs ../shared/data/synthea")

COUNTS = {
    "AllergyIntolerance": 26,
    "CarePlan": 96,
    "CareTeam": 96,
    "Claim": 1_197,
    "Condition": 261,
    "Device": 4,
    "DiagnosticReport": 1_118,
    "DocumentReference": 659,
    "Encounter": 659,
    "ExplanationOfBenefit": 659,
    "ImagingStudy": 6,
    "Immunization": 363,
    "Location": 194,
    "Medication": 15,
    "MedicationAdministration": 15,
    "MedicationRequest": 538,
    "Observation": 6_162,
    "Organization": 194,
    "Patient": 24,
    "Practitioner": 195,
    "PractitionerRole": 195,
    "Procedure": 308,
    "Provenance": 24,
    "SupplyDelivery": 215,
}
"""The resources in the bundles, by type; 13,223 in all."""

# Those whose entries have an ifNoneExist: https://hl7.org/fhir/R4/http.html#ccreate
CREATED_ONCE = ("Location", "Organization", "Practitioner")

Json = Any
Pair = tuple[dict[str, Json], dict[str, Json]]


@cache
def bundles() -> list[bytes]:
    """Return the bundles, hospitals and practitioners first, as the patients refer to them."""
    paths = sorted(SYNTHEA.glob("*.json.bz2"), key=lambda path: (not path.name.startswith("0-"), path.name))
    return [bz2.decompress(path.read_bytes()) for path in paths]


@pytest.fixture(scope="module")
def answers(client: httpx.Client) -> list[Json]:
    """Load all bundles, and return what the server answered to each."""
    return [_load(client, bundle) for bundle in bundles()]


def _load(client: httpx.Client, bundle: bytes) -> Json:
    answer = client.post("", content=bundle)
    assert answer.status_code == 200, answer.text[:1000]
    return answer.json()


def counts(client: httpx.Client) -> dict[str, int]:
    """Return how many resources of each type there are, as the server counts them."""
    found = {}
    for name in COUNTS:
        answer = client.get(f"/{name}", params={"_summary": "count"})
        found[name] = answer.json()["total"]
    return found


def test_every_resource_is_there(client: httpx.Client, answers: list[Json]) -> None:
    """All 13,223 entries are stored, and counted right by type."""
    statuses = Counter(entry["response"]["status"] for answer in answers for entry in answer["entry"])
    assert statuses == {"201 Created": 13_223}
    assert counts(client) == COUNTS


def test_every_resource_is_as_it_was_sent(client: httpx.Client, answers: list[Json]) -> None:
    """Apart from ids and links nothing has changed; each link leads to what was meant."""
    stored = {resource["resourceType"] + "/" + resource["id"]: resource for resource in _all(client)}
    addresses: dict[str, str] = {}
    pairs: list[Pair] = []
    for bundle, answer in zip(bundles(), answers, strict=True):
        for entry, part in zip(content(bundle)["entry"], answer["entry"], strict=True):
            address = "/".join(part["response"]["location"].split("/")[-4:-2])
            addresses[entry["fullUrl"]] = address
            pairs.append((entry["resource"], stored[address]))
    assert len(pairs) == sum(COUNTS.values())
    by_identifier = _by_identifier(stored)
    for sent, found in pairs:
        assert _linked(of_the_client(sent), addresses, by_identifier) == of_the_client(found)


def _all(client: httpx.Client) -> Iterator[dict[str, Json]]:
    """Yield every resource, page by page."""
    for name in COUNTS:
        url = f"/{name}?_count=1000"
        while url:
            page = content(client.get(url).content)
            yield from (entry["resource"] for entry in page["entry"])
            following = [link["url"] for link in page["link"] if link["relation"] == "next"]
            url = following[0] if following else ""


def _by_identifier(stored: dict[str, dict[str, Json]]) -> dict[str, str]:
    """Return where the resource with an identifier is, by the conditional reference to it."""
    return {
        f"{resource['resourceType']}?identifier={identifier['system']}|{identifier['value']}": address
        for address, resource in stored.items()
        for identifier in resource.get("identifier", [])
        if "system" in identifier
    }


_LINK = re.compile(r"urn:uuid:.*|\w+\?identifier=.*", re.DOTALL)


def _linked(value: Json, addresses: dict[str, str], by_identifier: dict[str, str]) -> Json:
    """Return `value` with each link to an entry, or by a search, as it must be once stored."""
    if isinstance(value, dict):
        # The value of an identifier is a string, and no link even if it looks like one.
        return {
            key: item if key == "identifier" else _linked(item, addresses, by_identifier)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_linked(item, addresses, by_identifier) for item in value]
    if isinstance(value, str) and _LINK.fullmatch(value):
        return addresses.get(value) or by_identifier[value]
    return value


def test_a_second_load_adds_no_hospital_and_no_practitioner(
    client: httpx.Client, answers: list[Json]
) -> None:
    """What is created on condition is there once; the rest, sent as new, is new."""
    before = counts(client)
    for bundle in bundles():
        _load(client, bundle)
    after = counts(client)
    for name, count in COUNTS.items():
        added = 0 if name in CREATED_ONCE else count
        assert after[name] == before[name] + added, name
