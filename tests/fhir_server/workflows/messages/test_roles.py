"""Threads by tokens of patients and doctors: who sees a message, and who may write one."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server

Resource = dict[str, Any]

PEOPLE = {"anna": "PT", "boris": "PT", "dora": "DR", "otto": "DR", "nora": "RN"}


async def authenticate(token: str) -> Principal | None:
    """Return whom a token stands for; `service` is the hospital itself."""
    if token == "service":
        return Principal("service", ("system/*.cruds",))
    role = PEOPLE.get(token)
    if role is None:
        return None
    kind = "Patient" if role == "PT" else "Practitioner"
    return Principal("app", ("user/*.cruds",), token, f"{kind}/{token}", frozenset({role}))


@pytest.fixture(scope="module")
def clients(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for each of the people: Dora treats Anna."""
    with running_server(settings, authenticate) as url:
        made = {
            name: httpx.Client(
                base_url=url,
                headers={"authorization": f"Bearer {name}", "content-type": FHIR_JSON},
                timeout=30,
            )
            for name in (*PEOPLE, "service")
        }
        for name, role in PEOPLE.items():
            kind = "Patient" if role == "PT" else "Practitioner"
            person: Resource = {"resourceType": kind, "id": name}
            if name == "anna":
                person["generalPractitioner"] = [{"reference": "Practitioner/dora"}]
            assert made["service"].put(f"/{kind}/{name}", json=person).status_code == 201
        yield made
        for client in made.values():
            client.close()


def message(to: str, **elements: Any) -> Resource:
    """Return a message about Anna."""
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "recipient": [{"reference": to}],
        "payload": [{"contentString": "May I run?"}],
        **elements,
    }


@pytest.mark.workflow("4-47", "4-19")
def test_a_thread_by_tokens(clients: dict[str, httpx.Client]) -> None:
    """Anna asks, Dora answers; both see the thread, and no other patient or doctor does."""
    asked = clients["anna"].post("/Communication", json=message("Practitioner/dora"))
    assert asked.status_code == 201, asked.text
    first = asked.json()
    answered = message("Patient/anna", inResponseTo=[{"reference": f"Communication/{first['id']}"}])
    del answered["subject"]
    reply = clients["dora"].post("/Communication", json=answered | {"subject": {"reference": "Patient/anna"}})
    assert reply.status_code == 201, reply.text
    thread = f"/Communication?identifier=urn:fhir-hospital-server:threads|{first['id']}"
    for name, number in {"anna": 2, "dora": 2, "boris": 0, "otto": 0}.items():
        assert clients[name].get(thread).json()["total"] == number, name
    patch = [{"op": "replace", "path": "/payload/0/contentString", "value": "?"}]
    headers = {"content-type": "application/json-patch+json"}
    for name in ("anna", "dora", "nora"):
        assert clients[name].patch(
            f"/Communication/{first['id']}", json=patch, headers=headers
        ).status_code in (403, 405)


@pytest.mark.workflow("4-47")
def test_strangers_and_others(clients: dict[str, httpx.Client]) -> None:
    """Anna does not write to Otto, who does not treat her, and Boris does not write about Anna."""
    stranger = clients["anna"].post("/Communication", json=message("Practitioner/otto"))
    assert stranger.status_code == 403
    assert "W14.care-team" in stranger.text
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": message("Practitioner/otto"), "request": {"method": "POST", "url": "Communication"}}
        ],
    }
    assert clients["anna"].post("/", json=bundle).status_code == 403
    assert clients["boris"].post("/Communication", json=message("Practitioner/dora")).status_code == 403
    forged = message("Practitioner/dora", sender={"reference": "Practitioner/dora"})
    assert clients["anna"].post("/Communication", json=forged).status_code == 403


@pytest.mark.workflow("4-42")
def test_staff_revoke_what_they_asked_for(clients: dict[str, httpx.Client]) -> None:
    """A nurse asks for a reminder and revokes it; she changes nothing else of it."""
    request = {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "subject": {"reference": "Patient/anna"},
        "occurrenceDateTime": "2099-01-01T00:00:00Z",
        "payload": [{"contentString": "Come again."}],
    }
    made = clients["nora"].post("/CommunicationRequest", json=request).json()
    address = f"/CommunicationRequest/{made['id']}"
    other = made | {"subject": {"reference": "Patient/boris"}}
    assert clients["nora"].put(address, json=other).status_code == 403
    assert clients["nora"].put(address, json=made | {"status": "revoked"}).status_code == 200
