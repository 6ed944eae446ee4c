"""The official examples and Synthea's patients on a running server: nothing of their meaning is lost.

https://hl7.org/fhir/R4/json.html#primitive, https://hl7.org/fhir/R4/http.html#update
"""

import bz2
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resources import json_format
from tests.resources.validation.test_official_examples import INVALID

SYNTHEA_COUNTS = {"Patient": 24, "Observation": 6162, "Claim": 1197, "SupplyDelivery": 215}


def examples(shared_data: Path) -> Iterator[tuple[str, Any]]:
    """Yield name and content of each official example."""
    with tarfile.open(shared_data / "fhir" / "r4-examples.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield Path(member.name).stem, json_format.parse(file.read())


def as_sent(resource: Any) -> bytes:
    """Return a resource without what the server gives, to the digit, whatever the order of its elements."""
    meta = resource.get("meta", {})
    meta = {key: value for key, value in meta.items() if key not in ("versionId", "lastUpdated")}
    rest = {key: value for key, value in resource.items() if key not in ("meta", "id")}
    return json_format.dumps(_sorted({**rest, **({"meta": meta} if meta else {})}))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_every_official_example_comes_back_as_it_was_sent(client: httpx.Client, shared_data: Path) -> None:
    """All 717 are stored and read back equal, but those that break a rule, which is named with each."""
    names, refused, changed = [], set(), []
    for name, resource in examples(shared_data):
        names.append(name)
        address = f"/{resource['resourceType']}/{resource['id']}"
        answer = client.put(address, content=json_format.dumps(resource))
        if answer.status_code >= 400:
            refused.add(name)
        elif as_sent(json_format.parse(client.get(address).content)) != as_sent(resource):
            changed.append(name)
    assert len(names) == 717
    assert refused == set(INVALID)
    assert changed == []


def bundles(shared_data: Path) -> Iterator[bytes]:
    """Yield Synthea's bundles, those that the others refer to first."""
    for path in sorted((shared_data / "synthea").glob("*.json.bz2")):
        yield bz2.decompress(path.read_bytes())


def count(client: httpx.Client, resource_type: str) -> int:
    """Return how many resources of a type are stored."""
    total: int = client.get(f"/{resource_type}?_summary=count").json()["total"]
    return total


@pytest.fixture(scope="module")
def stored(client: httpx.Client, shared_data: Path) -> list[tuple[Any, str]]:
    """Each resource of Synthea's bundles with the address at which it is stored now."""
    found = []
    for body in bundles(shared_data):
        answer = client.post("", content=body, timeout=120)
        assert answer.status_code == 200, answer.text[:1000]
        entries = json_format.parse(body)["entry"]
        responses = [entry["response"] for entry in answer.json()["entry"]]
        assert {response["status"][:2] for response in responses} == {"20"}
        found += [
            (entry["resource"], response["location"])
            for entry, response in zip(entries, responses, strict=True)
            if response["status"].startswith("201")
        ]
    return found


def test_synthea_is_stored_to_the_last_digit(client: httpx.Client, stored: list[tuple[Any, str]]) -> None:
    """What is stored differs from what was sent in its id and its links to other entries only."""
    assert len(stored) > 13_000
    for resource, location in stored[::29]:
        read = json_format.parse(client.get(location).content)
        assert without_links(read) == without_links(resource)


def without_links(resource: Any) -> bytes:
    """Return a resource as it was sent, but for the texts of its references."""
    return as_sent(_without_references(resource))


def _without_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "" if key == "reference" and isinstance(item, str) else _without_references(item)
            for key, item in value.items()
        }
    return [_without_references(item) for item in value] if isinstance(value, list) else value


def test_a_second_load_adds_no_hospital_and_no_practitioner(
    client: httpx.Client, stored: list[tuple[Any, str]], shared_data: Path
) -> None:
    """The types have the right counts after one load; what is created conditionally is not doubled."""
    sent = Counter(resource["resourceType"] for resource, _ in stored)
    for resource_type, expected in SYNTHEA_COUNTS.items():
        assert sent[resource_type] == expected
    before = {name: count(client, name) for name in ("Organization", "Practitioner", "Location", "Patient")}
    for body in bundles(shared_data):
        client.post("", content=body, timeout=120).raise_for_status()
    after = {name: count(client, name) for name in before}
    assert after == {**before, "Patient": before["Patient"] + 24}
    assert client.get("/Observation?_total=accurate&_count=1").json()["total"] >= 2 * 6162
