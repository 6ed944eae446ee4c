"""What a server was given, as it gives it back: the world that the evaluator looks at.

https://github.com/synthetichealth/synthea, https://hl7.org/fhir/R4/http.html#transaction
"""

import bz2
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tests.fhir_server.search.agreement import invented
from tests.fhir_server.search.agreement.comparison import read
from tests.fhir_server.search.agreement.elements import Resource
from tests.fhir_server.search.agreement.evaluator import World
from tests.fhir_server.search.agreement.results import Address

SYNTHEA = Path(__file__).parents[5] / "shared/data/synthea"
_AT_ONCE = 100


def synthea_bundles(patients: int) -> Iterator[bytes]:
    """Yield the bundles of the patients with the least data, and before them the hospitals of these."""
    paths = sorted(SYNTHEA.glob("*.json.bz2"), key=lambda path: path.stat().st_size)
    first = [path for path in paths if path.name.startswith("0-")]
    of_patients = [bz2.decompress(path.read_bytes()) for path in paths if path not in first][:patients]
    for path in first:
        bundle = json.loads(bz2.decompress(path.read_bytes()))
        bundle["entry"] = [entry for entry in bundle["entry"] if _is_known(entry, of_patients)]
        yield json.dumps(bundle).encode()
    yield from of_patients


def _is_known(entry: Resource, bundles: list[bytes]) -> bool:
    """Tell whether one of the bundles refers to the resource of an entry by its identifier."""
    resource = entry["resource"]
    # A role and an organization's location are known by what they belong to.
    owner = resource.get("practitioner", {}).get("identifier") or resource.get("identifier", [{}])[0]
    value = str(owner.get("value")).encode()
    return any(value in bundle for bundle in bundles)


def store_synthea(client: httpx.Client, patients: int) -> list[Address]:
    """Store Synthea's resources; return type and id of each, in the order of their creation."""
    addresses: list[Address] = []
    for bundle in synthea_bundles(patients):
        answer = client.post("", content=bundle)
        assert answer.status_code == httpx.codes.OK, answer.text[:1000]
        for entry in answer.json()["entry"]:
            resource_type, resource_id = entry["response"]["location"].split("/")[-4:-2]
            addresses.append((resource_type, resource_id))
    return addresses


def world(client: httpx.Client, addresses: Iterable[Address]) -> World:
    """Return the world of the resources at `addresses`, as the server gives them."""
    by_type: dict[str, list[Resource]] = {}
    ordered = list(dict.fromkeys(addresses))
    while ordered:
        some, ordered = ordered[:_AT_ONCE], ordered[_AT_ONCE:]
        entries = [{"request": {"method": "GET", "url": f"{name}/{one}"}} for name, one in some]
        batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        for entry in read(client.post("", json=batch).raise_for_status())["entry"]:
            by_type.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    base_url = f"{str(client.base_url).rstrip('/')}/"
    if "CodeSystem" not in by_type:
        return World(by_type, datetime.now(UTC), base_url)
    return World(by_type, datetime.now(UTC), base_url, invented.VALUE_SETS, invented.PARENTS)
