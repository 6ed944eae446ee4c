"""Nobody changes or removes an AuditEvent through the interface, whoever they are and on whatever way."""

from typing import Any

import httpx
import pytest

from tests.fhir_server.audit.log import Log

Clients = dict[str, httpx.Client]
Resource = dict[str, Any]
JSON_PATCH = {"content-type": "application/json-patch+json"}
PATCH = [{"op": "replace", "path": "/outcome", "value": "8"}]
META = {
    "resourceType": "Parameters",
    "parameter": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:t", "code": "x"}]}}],
}


@pytest.fixture
def event(clients: Clients, log: Log) -> Resource:
    """An event in the log."""
    clients["doctor"].get("/Observation/observation-anna").raise_for_status()
    [found] = log.events()
    return found


def _ways(event: Resource) -> list[tuple[str, str, Any, dict[str, str]]]:
    address = f"AuditEvent/{event['id']}"
    changed = {**event, "outcome": "8"}
    entries = [
        {"resource": changed, "request": {"method": "PUT", "url": address}},
        {"request": {"method": "DELETE", "url": address}},
        {"resource": changed, "request": {"method": "PUT", "url": f"AuditEvent?_id={event['id']}"}},
        {"request": {"method": "DELETE", "url": f"AuditEvent?_id={event['id']}"}},
    ]
    bundles: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]}, {})
        for kind in ("batch", "transaction")
        for entry in entries
    ]
    mutation = {"query": f'mutation {{ AuditEventDelete(id: "{event["id"]}") {{ information }} }}'}
    return [
        ("PUT", address, changed, {}),
        ("PUT", address, changed, {"if-match": 'W/"1"'}),
        ("PUT", f"AuditEvent?_id={event['id']}", changed, {}),
        ("PUT", "AuditEvent/another", {**changed, "id": "another"}, {}),
        ("PATCH", address, PATCH, JSON_PATCH),
        ("PATCH", f"AuditEvent?_id={event['id']}", PATCH, JSON_PATCH),
        ("DELETE", address, None, {}),
        ("DELETE", f"AuditEvent?_id={event['id']}", None, {}),
        ("POST", f"{address}/$meta-add", META, {}),
        ("POST", f"{address}/_history/1/$meta-add", META, {}),
        ("POST", f"{address}/$expunge?expungeEverything=true", None, {}),
        ("POST", "$graphql", mutation, {"content-type": "application/json"}),
        *bundles,
    ]


@pytest.mark.workflow("0-06", "0-46")
@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("caller", ["backend", "administrator"])
def test_no_way_changes_an_event(clients: Clients, event: Resource, caller: str, number: int) -> None:
    """The event stays as it was, in its only version."""
    method, address, body, headers = _ways(event)[number]
    answer = clients[caller].request(method, f"/{address}", headers=headers, json=body)
    assert answer.status_code < 500, answer.text
    assert clients["auditor"].get(f"/AuditEvent/{event['id']}").json() == event
    history = clients["auditor"].get(f"/AuditEvent/{event['id']}/_history").json()
    assert history["total"] == 1


def test_all_ways_are_asked(event: Resource) -> None:
    """The number of ways is the one that the test above goes through."""
    assert len(_ways(event)) == 20


def test_the_statement_does_not_promise_it(clients: Clients) -> None:
    """AuditEvents are read, searched and created."""
    statement = clients["auditor"].get("/metadata").json()
    [found] = [one for one in statement["rest"][0]["resource"] if one["type"] == "AuditEvent"]
    assert {one["code"] for one in found["interaction"]} == {
        *("read", "vread", "history-instance", "history-type", "create", "search-type"),
    }
    assert found["updateCreate"] is False
    assert found["conditionalDelete"] == "not-supported"


def test_an_application_adds_events_of_its_own(clients: Clients, event: Resource) -> None:
    """A system that is allowed to may tell of what happened there, and that is sealed as well."""
    own = {key: value for key, value in event.items() if key not in ("id", "meta")}
    answer = clients["backend"].post("/AuditEvent", json=own)
    assert answer.status_code == 201
    assert clients["doctor"].post("/AuditEvent", json=own).status_code == 403
    told = clients["auditor"].get("/AuditEvent/$verify").json()
    assert told["parameter"][0] == {"name": "result", "valueBoolean": True}


def test_the_log_is_not_among_the_records(clients: Clients, event: Resource) -> None:
    """Searches over all types, and the history of all, leave the log out, unless it is named."""
    for address in ("/?_lastUpdated=gt2020-01-01&_count=500", "/_history?_count=500"):
        found = clients["auditor"].get(address).json()
        assert {entry["resource"]["resourceType"] for entry in found["entry"]}.isdisjoint({"AuditEvent"})
    named = clients["auditor"].get(f"/?_type=AuditEvent&_id={event['id']}").json()
    assert named["total"] == 1
