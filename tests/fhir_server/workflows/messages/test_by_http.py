"""Messages by the interface that everybody uses, with a folder in the place of a mail server."""

import email
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings

Resource = dict[str, Any]

_SECONDS = 60.0


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which messages go."""
    return tmp_path_factory.mktemp("outbox")


@pytest.fixture(scope="module")
def settings(mongo_url: str, outbox: Path) -> Iterator[Settings]:
    """Settings of a server that puts its messages into the folder."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(
        mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off=None, mail_dir=outbox
    )
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


def until_sent(client: httpx.Client, about: str) -> Resource:
    """Return the Communication that carries out a request, once it was sent."""
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        found = client.get("/Communication", params={"based-on": about, "status": "completed"}).json()
        if found.get("entry"):
            resource: Resource = found["entry"][0]["resource"]
            return resource
    raise AssertionError("it was not sent")


@pytest.mark.workflow("0-02", "3-51", "4-42", "0-44")
def test_a_message_goes_out_and_stays_as_it_was(client: httpx.Client, outbox: Path) -> None:
    """What is asked for by a POST is sent by the running server; no way of changing it is left."""
    telecom = [{"system": "email", "value": "a@example.org"}]
    who = {"name": [{"family": "Abel"}], "birthDate": "1980-01-01"}
    patient = {"resourceType": "Patient", "id": "h1", "telecom": telecom, **who}
    assert client.put("/Patient/h1", json=patient).status_code == 201
    request = {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "subject": {"reference": "Patient/h1"},
        "payload": [{"contentString": "Come again in a week."}],
    }
    made = client.post("/CommunicationRequest", json=request).json()
    kept = until_sent(client, f"CommunicationRequest/{made['id']}")
    [path] = outbox.glob(f"{kept['id']}.eml")
    mail = email.message_from_bytes(path.read_bytes())
    assert mail["To"] == "a@example.org"
    assert "week" not in str(mail.get_payload())
    assert path.stat().st_mode & 0o777 == 0o600
    assert client.get(f"/CommunicationRequest/{made['id']}").json()["status"] == "completed"
    assert client.get("/Communication?sent=ge2020&recipient=Patient/h1").json()["total"] == 1

    where = f"/Communication/{kept['id']}"
    patch = [{"op": "replace", "path": "/payload/0/contentString", "value": "Do not come."}]
    json_patch = {"content-type": "application/json-patch+json"}
    changed = kept | {"payload": [{"contentString": "Do not come."}]}
    entry = {"resource": changed, "request": {"method": "PUT", "url": where[1:]}}
    refusals = [
        client.put(where, json=changed),
        client.patch(where, json=patch, headers=json_patch),
        client.delete(where),
        client.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]}),
        client.put(f"/Communication?_id={kept['id']}", json=changed),
    ]
    for answer in refusals:
        assert answer.status_code == 405, answer.text
        assert "W14.immutable" in answer.text
    assert client.get(where).json() == kept


@pytest.mark.workflow("4-09")
def test_a_request_is_revoked_by_a_patch(client: httpx.Client) -> None:
    """It is revoked, and stays so."""
    request = {
        "resourceType": "CommunicationRequest",
        "id": "h2",
        "status": "active",
        "subject": {"reference": "Patient/h1"},
        "occurrenceDateTime": "2099-01-01T00:00:00Z",
    }
    assert client.put("/CommunicationRequest/h2", json=request).status_code == 201
    json_patch = {"content-type": "application/json-patch+json"}

    def become(state: str) -> httpx.Response:
        patch = [{"op": "replace", "path": "/status", "value": state}]
        return client.patch("/CommunicationRequest/h2", json=patch, headers=json_patch)

    assert become("revoked").status_code == 200
    again = become("active")
    assert again.status_code == 422
    assert "W14.request-state" in again.text


@pytest.mark.workflow("0-02")
def test_a_subscription_that_nobody_carries_out_is_refused(client: httpx.Client) -> None:
    """No criteria are allowed, and none is kept as if it were; one that is off is only a record."""
    subscription = {
        "resourceType": "Subscription",
        "id": "s",
        "status": "requested",
        "reason": "To know",
        "criteria": "Observation?code=8867-4",
        "channel": {"type": "rest-hook", "endpoint": "https://example.org/hook"},
    }
    for status in ("requested", "active"):
        answer = client.put("/Subscription/s", json=subscription | {"status": status})
        assert answer.status_code == 422
        assert "W14.subscription" in answer.text
    assert client.put("/Subscription/s", json=subscription | {"status": "off"}).status_code == 201
    patch = [{"op": "replace", "path": "/status", "value": "active"}]
    headers = {"content-type": "application/json-patch+json"}
    assert client.patch("/Subscription/s", json=patch, headers=headers).status_code == 422
