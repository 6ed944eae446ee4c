"""Every way of changing something, by callers who may not: nothing of others is changed, moved or made.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fhir_server.conftest import FHIR_JSON
from tests.fhir_server.smart.access.test_matrix import TYPES, clients, url
from tests.fhir_server.smart.access.world import of_patient, secret

__all__ = ["clients", "url"]

Resource = dict[str, Any]

_PATCH = [{"op": "add", "path": "/language", "value": "de"}]
_PATCH_HEADERS = {"content-type": "application/json-patch+json"}
_META = {
    "resourceType": "Parameters",
    "parameter": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:t", "code": "x"}]}}],
}


def _entry(method: str, address: str, resource: Resource | None = None, **more: str) -> Resource:
    entry: Resource = {"request": {"method": method, "url": address, **more}}
    return entry if resource is None else {"resource": resource, **entry}


def _bundle(kind: str, *entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def _ways(resource_type: str) -> Iterator[tuple[str, str, Any, dict[str, str]]]:
    """Yield all ways to change Boris's resource: method, address, body, headers."""
    foreign = {**of_patient(resource_type, "boris"), "language": "de"}
    address = f"{resource_type}/{foreign['id']}"
    found = f"{resource_type}?_id={foreign['id']}"
    another = {key: value for key, value in foreign.items() if key != "id"}
    yield "PUT", address, foreign, {}
    yield "PUT", address, foreign, {"if-match": 'W/"1"'}
    yield "PUT", address, foreign, {"if-none-match": "*"}
    yield "PATCH", address, _PATCH, _PATCH_HEADERS
    yield "DELETE", address, None, {}
    yield "PUT", found, foreign, {}
    yield "PATCH", found, _PATCH, _PATCH_HEADERS
    yield "DELETE", found, None, {}
    yield "POST", f"{address}/$meta-add", _META, {}
    yield "POST", resource_type, another, {"if-none-exist": f"_id={foreign['id']}"}
    for kind in ("batch", "transaction"):
        yield "POST", "", _bundle(kind, _entry("PUT", address, foreign)), {}
        yield "POST", "", _bundle(kind, _entry("DELETE", address)), {}
        yield "POST", "", _bundle(kind, _entry("PUT", found, foreign)), {}
        yield "POST", "", _bundle(kind, _entry("POST", resource_type, another)), {}
    yield "POST", resource_type, another, {}


def _count(backend: httpx.Client, resource_type: str) -> int:
    return int(backend.get(f"/{resource_type}?_summary=count").json()["total"])


@pytest.mark.parametrize("resource_type", [name for name in TYPES if name != "Patient"])
@pytest.mark.parametrize("caller", ["patient", "doctor", "narrow"])
def test_what_is_anothers_stays(clients: dict[str, httpx.Client], caller: str, resource_type: str) -> None:
    """No way changes Boris's resource, deletes it, or makes another one about him."""
    client, backend = clients[caller], clients["backend"]
    foreign = of_patient(resource_type, "boris")
    before = _count(backend, resource_type)
    for method, address, body, headers in _ways(resource_type):
        answer = client.request(method, f"/{address}", json=body, headers=headers)
        assert answer.status_code < 500, (method, address, answer.text)
        assert secret("boris") not in answer.text, (method, address)
        now = backend.get(f"/{resource_type}/{foreign['id']}", headers={"accept": FHIR_JSON})
        assert now.json()["meta"]["versionId"] == "1", (method, address, answer.text)
        assert "tag" not in now.json()["meta"], (method, address)
    assert _count(backend, resource_type) == before


@pytest.mark.parametrize("caller", ["patient", "patient-app"])
def test_nothing_moves_between_patients(clients: dict[str, httpx.Client], caller: str) -> None:
    """A patient can neither give away what is theirs, nor take what is another's."""
    client, backend = clients[caller], clients["backend"]
    mine = of_patient("Appointment", "anna")
    moved = copy.deepcopy(mine)
    moved["participant"][0]["actor"]["reference"] = "Patient/boris"
    patch = [{"op": "replace", "path": "/participant/0/actor/reference", "value": "Patient/boris"}]
    assert client.put(f"/Appointment/{mine['id']}", json=moved).status_code == 403
    assert client.patch(f"/Appointment/{mine['id']}", json=patch, headers=_PATCH_HEADERS).status_code == 403
    stored = backend.get(f"/Appointment/{mine['id']}").json()
    assert stored["participant"][0]["actor"]["reference"] == "Patient/anna"


@pytest.mark.requirement("smart-119")
@pytest.mark.parametrize(
    ("caller", "resource_type", "change", "status"),
    [
        ("patient", "Patient", {"telecom": [{"system": "phone", "value": "1"}]}, 200),
        ("patient", "Patient", {"birthDate": "1990-01-01"}, 403),
        ("patient", "Appointment", {"comment": "late"}, 200),
        ("patient", "Observation", {"status": "amended"}, 403),
        ("doctor", "Condition", {"recordedDate": "2026-01-01"}, 200),
        ("doctor", "Observation", {"status": "amended"}, 403),
        ("laboratory", "Observation", {"status": "amended"}, 200),
        ("laboratory", "ServiceRequest", {"status": "completed"}, 200),
        ("laboratory", "ServiceRequest", {"priority": "stat"}, 403),
        ("pharmacist", "MedicationRequest", {"status": "completed"}, 200),
        ("pharmacist", "MedicationRequest", {"intent": "plan"}, 403),
        ("clerk", "Invoice", {"date": "2026-01-01"}, 200),
        ("clerk", "Encounter", {"status": "finished"}, 403),
        ("nurse", "Patient", {"gender": "female"}, 200),
        ("administrator", "Patient", {"gender": "female"}, 200),
        ("auditor", "Patient", {"gender": "male"}, 403),
        ("doctor-app", "Condition", {"recordedDate": "2026-01-01"}, 403),
    ],
)
def test_changes_by_role(
    clients: dict[str, httpx.Client], caller: str, resource_type: str, change: Resource, status: int
) -> None:
    """Each role changes of what it sees what the hospital's table says, and nothing else."""
    backend = clients["backend"]
    address = f"/{resource_type}/{of_patient(resource_type, 'anna')['id']}"
    stored = backend.get(address).json()
    answer = clients[caller].put(address, json={**stored, **change})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("caller", "address", "status"),
    [
        ("patient", "$reindex", 403),
        ("administrator", "$reindex-status", 200),
        ("auditor", "$reindex-status", 403),
        ("backend", "$reindex-status", 200),
        ("patient", "Patient?_explain=true", 403),
        ("administrator", "Patient?_explain=true", 200),
        ("laboratory", "Patient?address-city=x", 200),
    ],
)
def test_operations_for_some(
    clients: dict[str, httpx.Client], caller: str, address: str, status: int
) -> None:
    """What is for administrators is refused to others."""
    method = "POST" if address == "$reindex" else "GET"
    assert clients[caller].request(method, f"/{address}").status_code == status


def test_parts_of_resources(clients: dict[str, httpx.Client]) -> None:
    """The laboratory sees who a patient is, not where they live, on every way, marked as a part."""
    for address in ("Patient/anna", "Patient/anna/_history/1", "Patient?_id=anna", "Patient/anna/_history"):
        answer = clients["laboratory"].get(f"/{address}")
        assert answer.status_code == 200
        assert '"city"' not in answer.text, address
        assert "SUBSETTED" in answer.text, address


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        (None, None),
        ("Bearer", "invalid_token"),
        ("Bearer unknown", "invalid_token"),
        ("Basic YTpi", "invalid_token"),
        (f"Bearer {'x' * 10_000}", "invalid_token"),
    ],
)
def test_without_a_token(url: str, authorization: str | None, error: str | None) -> None:
    """Without a good token there is nothing but /metadata, and the answer says how to come in (RFC 6750)."""
    headers = {"authorization": authorization} if authorization else {}
    answer = httpx.get(f"{url}/Patient/anna", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["issue"][0]["code"] == "login"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (f'error="{error}"' in answer.headers["www-authenticate"]) == (error is not None)
    assert httpx.get(f"{url}/metadata", headers=headers).status_code == 200
