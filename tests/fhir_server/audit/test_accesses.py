"""Every way of reading, and every refusal, is on record: who, what, whose, how it ended.

https://profiles.ihe.net/ITI/BALP/
"""

from typing import Any

import httpx
import pytest

from resources.validation import validate
from tests.fhir_server.audit.log import Log, application, data, patients, person, query

Clients = dict[str, httpx.Client]
ANNA, BORIS = ("Patient/anna",), ("Patient/boris",)
OBSERVATION = "Observation/observation-anna"


def _told(log: Log) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    return sorted(log.told())


READS = [
    ("GET", OBSERVATION, ("read", ANNA, (f"{OBSERVATION}/_history/1",))),
    ("HEAD", OBSERVATION, ("read", ANNA, (f"{OBSERVATION}/_history/1",))),
    ("GET", f"{OBSERVATION}?_elements=status", ("read", ANNA, (f"{OBSERVATION}/_history/1",))),
    ("GET", f"{OBSERVATION}/_history/1", ("vread", ANNA, (f"{OBSERVATION}/_history/1",))),
    ("GET", f"{OBSERVATION}/_history", ("history", ANNA, (OBSERVATION,))),
    ("GET", "Observation?_id=observation-anna", ("search-type", ANNA, (OBSERVATION,))),
    ("GET", "Observation?_id=observation-anna&_elements=code", ("search-type", ANNA, (OBSERVATION,))),
    ("GET", "Observation?_id=observation-anna&_summary=text", ("search-type", ANNA, (OBSERVATION,))),
    ("GET", "Patient/anna/Observation", ("search-type", ANNA, (OBSERVATION,))),
    ("GET", "?_type=Observation&_id=observation-anna", ("search-system", ANNA, (OBSERVATION,))),
    ("GET", "Patient?_id=anna", ("search-type", ANNA, ("Patient/anna",))),
    ("GET", "Practitioner/dora", ("read", (), ("Practitioner/dora/_history/1",))),
    ("GET", "Observation?patient=anna&code=none", ("search-type", ANNA, ())),
    ("GET", "Observation?subject=Patient/anna&code=none", ("search-type", ANNA, ())),
    ("GET", "Observation?code=none", ("search-type", (), ())),
    ("GET", "Observation?patient=anna&_summary=count", ("search-type", ANNA, ())),
    ("GET", "Observation/$lastn?patient=anna&category=laboratory&max=1", ("lastn", ANNA, (OBSERVATION,))),
    (
        "GET",
        "Observation/$lastn?patient=anna&category=laboratory&_graphql={type}",
        ("lastn", ANNA, (OBSERVATION,)),
    ),
]


@pytest.mark.workflow("0-45", "1-38")
@pytest.mark.parametrize(
    ("method", "address", "expected"), READS, ids=[f"{one[0]} {one[1]}" for one in READS]
)
def test_what_is_read(
    clients: Clients, log: Log, method: str, address: str, expected: tuple[str, Any, Any]
) -> None:
    """One event tells what it was, of which patient and which resources."""
    answer = clients["backend"].request(method, f"/{address}")
    assert answer.status_code == 200, answer.text
    code, patient, resources = expected
    assert _told(log) == [(code, "0", patient, resources)]


def test_a_search_that_finds_two_patients(clients: Clients, log: Log) -> None:
    """Each has an event of their own, in which nothing is of the other."""
    clients["auditor"].get("/Observation?_sort=_id").raise_for_status()
    found = {patients(event): data(event) for event in log.events()}
    assert found == {
        ANNA: ("Observation/observation-anna",),
        BORIS: ("Observation/observation-boris",),
    }


def test_what_is_included(clients: Clients, log: Log) -> None:
    """What comes beside the matches was given out as well."""
    address = "/Observation?_id=observation-anna&_include=Observation:subject&_include=Observation:encounter"
    clients["auditor"].get(address).raise_for_status()
    [event] = log.events()
    assert set(data(event)) == {OBSERVATION, "Patient/anna", "Encounter/encounter-anna"}
    assert query(event) == address.removeprefix("/").replace(":", "%3A")


def test_everything_about_a_patient(clients: Clients, log: Log) -> None:
    """Of `$everything` each resource is named; the audit log itself is not given out with it."""
    answer = clients["auditor"].get("/Patient/anna/$everything?_count=200")
    given = {entry["resource"]["resourceType"] for entry in answer.json()["entry"]}
    assert "AuditEvent" not in given
    told = {reference for event in log.events() for reference in data(event)}
    assert {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json()["entry"]} == told


def test_graphql(clients: Clients, log: Log) -> None:
    """A query in GraphQL reads like others do."""
    question = {"query": '{ Observation(id: "observation-anna") { status subject { resource { id } } } }'}
    answer = clients["auditor"].get("/$graphql", params=question)
    assert answer.json()["data"]["Observation"]["status"] == "final"
    told = {reference.partition("/_history")[0] for event in log.events() for reference in data(event)}
    assert told == {OBSERVATION, "Patient/anna"}


def test_entries_of_a_batch_and_a_transaction(clients: Clients, log: Log) -> None:
    """Each entry that reads has its event."""
    entries = [{"request": {"method": "GET", "url": one}} for one in (OBSERVATION, "Patient?_id=boris")]
    for kind in ("batch", "transaction"):
        clients["backend"].post("", json={"resourceType": "Bundle", "type": kind, "entry": entries})
    assert _told(log) == [
        ("read", "0", ANNA, (f"{OBSERVATION}/_history/1",)),
        ("search-type", "0", BORIS, ("Patient/boris",)),
    ]
    assert len(log.events()) == 4


def test_what_is_answered_later(clients: Clients, log: Log) -> None:
    """A request that nobody waits for is on record when it was carried out."""
    started = clients["auditor"].get("/Patient?_id=anna", headers={"prefer": "respond-async"})
    address = started.headers["content-location"]
    while clients["auditor"].get(address).status_code == 202:
        pass
    assert _told(log) == [("search-type", "0", ANNA, ("Patient/anna",))]


@pytest.mark.parametrize("caller", ["auditor", "backend", "laboratory", "doctor", "patient"])
def test_the_labels_in_use(clients: Clients, caller: str) -> None:
    """Asked of a type, where a part of each resource is read: whoever may see some gets an answer."""
    meta = {"tag": [{"system": "urn:t", "code": "x"}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    for address in ("/Observation/observation-anna", "/Patient/anna"):
        clients["backend"].post(f"{address}/$meta-add", json=body).raise_for_status()
    for address in ("/Observation/$meta", "/Patient/$meta", "/$meta"):
        answer = clients[caller].get(address)
        assert answer.status_code == 200, answer.text


def test_who_it_was(clients: Clients, log: Log) -> None:
    """Person, roles and application are named, and the number under which the request is in the log."""
    answer = clients["doctor"].get(f"/{OBSERVATION}")
    [event] = log.events()
    agent = person(event)
    assert agent is not None
    assert agent["who"]["reference"] == "Practitioner/dora"
    assert [role["coding"][0]["code"] for role in agent["role"]] == ["DR"]
    assert application(event) == "app"
    request_ids = [
        one["what"]["identifier"]["value"] for one in event["entity"] if "identifier" in one["what"]
    ]
    assert request_ids == [answer.headers["x-request-id"]]


REFUSALS = [
    ("doctor", "GET", "Observation/observation-boris", "read", "404 not-found"),
    ("doctor", "GET", "Patient/boris", "read", "404 not-found"),
    ("narrow", "GET", "Condition?patient=anna", "search-type", "403 forbidden"),
    ("nobody", "GET", "Patient/anna", "read", "403 forbidden"),
    ("auditor", "DELETE", "Patient/anna", "delete", "403 forbidden"),
    ("auditor", "PUT", "Patient/anna", "update", "403 forbidden"),
    ("unknown", "GET", "Patient/anna", "read", "401 login"),
    ("auditor", "GET", "Patient?unknown=1", "search-type", "400 not-supported"),
]


@pytest.mark.parametrize(("caller", "method", "address", "code", "reason"), REFUSALS)
def test_what_is_refused(
    clients: Clients, log: Log, caller: str, method: str, address: str, code: str, reason: str
) -> None:
    """A refusal is on record, with what was asked for and what was answered."""
    headers = {"authorization": f"Bearer {caller}"}
    body = {"resourceType": "Patient", "id": "anna"} if method == "PUT" else None
    answer = clients["auditor"].request(method, f"/{address}", headers=headers, json=body)
    assert str(answer.status_code) == reason[:3]
    [event] = log.events()
    assert (event["subtype"][0]["code"], event["outcome"], event["outcomeDesc"]) == (code, "4", reason)
    if "/" in address:
        assert data(event) == (address,)
    if caller == "unknown":
        assert person(event) is None


def test_an_entry_that_is_refused(clients: Clients, log: Log) -> None:
    """What a batch is refused is on record by entry, a transaction as a whole as well."""
    write = {
        "resource": {"resourceType": "Patient", "id": "anna"},
        "request": {"method": "PUT", "url": "Patient/anna"},
    }
    for kind in ("batch", "transaction"):
        clients["auditor"].post("", json={"resourceType": "Bundle", "type": kind, "entry": [write]})
    refused = [(event["subtype"][0]["code"], event["outcomeDesc"]) for event in log.events()]
    assert refused.count(("update", "403 forbidden")) == 2


def test_what_is_public(clients: Clients, log: Log) -> None:
    """What everybody may know is not on record."""
    httpx.get(f"{clients['auditor'].base_url}metadata").raise_for_status()
    assert log.events() == []


def test_events_are_valid_and_follow_ihe(clients: Clients, log: Log) -> None:
    """The events of all ways together keep the rules of R4, and claim the profile for what it is made."""
    for method, address, _ in READS:
        clients["backend"].request(method, f"/{address}")
    clients["nobody"].get("/Patient/anna")
    events = log.events()
    assert [validate(event) for event in events] == [[]] * len(events)
    profiles = {event.get("meta", {}).get("profile", [""])[0].rpartition(".")[2] for event in events}
    assert profiles == {"Read", "PatientRead", "Query", "PatientQuery", ""}
