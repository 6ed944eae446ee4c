"""FHIR_REQUIRE_IF_MATCH (https://hl7.org/fhir/R4/http.html#concurrency)."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server

pytestmark = pytest.mark.feature("http.if-match-required")

MATCHES = {"if-match": 'W/"1"'}


@pytest.fixture(scope="module")
def careful(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a server that changes nothing without If-Match."""
    with (
        running_server(settings.model_copy(update={"require_if_match": "on"})) as url,
        httpx.Client(base_url=url, headers={"content-type": "application/fhir+json"}, timeout=30) as http,
    ):
        yield http


def patient(resource_id: str) -> dict[str, Any]:
    """Return a Patient with an identifier."""
    return {"resourceType": "Patient", "id": resource_id, "identifier": [{"value": resource_id}]}


CHANGES = {
    "update": ("PUT", "/Patient/{id}", 200),
    "conditional update": ("PUT", "/Patient?identifier={id}", 200),
    "patch": ("PATCH", "/Patient/{id}", 200),
    "conditional patch": ("PATCH", "/Patient?identifier={id}", 200),
    "delete": ("DELETE", "/Patient/{id}", 204),
    "conditional delete": ("DELETE", "/Patient?identifier={id}", 204),
}


@pytest.mark.parametrize(("method", "address", "status"), CHANGES.values(), ids=CHANGES.keys())
def test_what_exists_is_changed_with_if_match_only(
    careful: httpx.Client, method: str, address: str, status: int
) -> None:
    """400 without If-Match, as the specification has it; 412 if it is stale."""
    resource_id = f"im-{method}-{len(address)}".lower()
    assert careful.put(f"/Patient/{resource_id}", json=patient(resource_id)).status_code == 201
    headers = {"content-type": "application/json-patch+json"} if method == "PATCH" else {}
    content: Any = [{"op": "add", "path": "/active", "value": True}]
    body = None if method == "DELETE" else json.dumps(content if method == "PATCH" else patient(resource_id))

    def send(**more: str) -> httpx.Response:
        url = address.replace("{id}", resource_id)
        return careful.request(method, url, content=body, headers={**headers, **more})

    missing = send()
    assert missing.status_code == 400, missing.text
    assert missing.json()["issue"][0]["code"] == "required"
    assert "If-Match" in missing.json()["issue"][0]["diagnostics"]
    assert send(**{"if-match": 'W/"7"'}).status_code == 412
    assert careful.get(f"/Patient/{resource_id}").json()["meta"]["versionId"] == "1"
    assert send(**MATCHES).status_code == status


def test_in_bundles(careful: httpx.Client) -> None:
    """ifMatch of the entry is what counts there."""
    careful.put("/Patient/bundled", json=patient("bundled"))
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "PUT", "url": "Patient/bundled"}, "resource": patient("bundled")},
            {"request": {"method": "PUT", "url": "Patient/other"}, "resource": patient("other")},
        ],
    }
    assert careful.post("", json=bundle).status_code == 400
    assert careful.get("/Patient/other").status_code == 404
    batch = careful.post("", json={**bundle, "type": "batch"}).json()["entry"]
    assert [item["response"]["status"][:3] for item in batch] == ["400", "201"]
    careful.delete("/Patient/other", headers=MATCHES)
    bundle["entry"][0]["request"]["ifMatch"] = 'W/"1"'
    assert careful.post("", json=bundle).status_code == 200


def test_what_is_new_needs_none(careful: httpx.Client) -> None:
    """Creates, updates as create, and deletions of nothing; also of what was deleted."""
    assert careful.post("/Patient", json=patient("x")).status_code == 201
    assert careful.put("/Patient/new", json=patient("new")).status_code == 201
    assert careful.delete("/Patient/new", headers=MATCHES).status_code == 204
    assert careful.delete("/Patient/new").status_code == 204
    assert careful.put("/Patient/new", json=patient("new")).status_code == 201


def test_the_capability_statement_tells(careful: httpx.Client, client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/valueset-versioning-policy.html."""
    found = [
        http.get("/metadata").json()["rest"][0]["resource"][0]["versioning"] for http in (careful, client)
    ]
    assert found == ["versioned-update", "versioned"]
