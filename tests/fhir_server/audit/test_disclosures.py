"""A patient's account of disclosures is a search; it tells of nobody else."""

import httpx
import pytest

from tests.fhir_server.audit.log import Log, patients

Clients = dict[str, httpx.Client]


@pytest.mark.workflow("1-38", "4-49")
def test_a_patient_asks_who_saw_their_records(clients: Clients, log: Log) -> None:
    """Anna sees that the doctor read hers and that another tried to; of Boris's nothing, on no way."""
    clients["auditor"].get("/Observation?_sort=_id").raise_for_status()
    clients["doctor"].get("/Patient/anna").raise_for_status()
    clients["nobody"].get("/Patient/anna")
    clients["nobody"].get("/Patient/boris")
    assert log.events()
    for address in ("/AuditEvent?patient=anna&_count=500", "/AuditEvent?_count=500"):
        found = clients["patient"].get(address).json()
        events = [entry["resource"] for entry in found["entry"]]
        assert {patients(event) for event in events} <= {("Patient/anna",), ()}
        assert "boris" not in str(found)
        whose = {agent["who"].get("reference") for event in events for agent in event["agent"]}
        assert "Practitioner/dora" in whose
    nothing = clients["patient"].get("/AuditEvent?patient=boris").json()
    assert nothing["total"] == 0


def test_provenances_tell_of_nobody_else(clients: Clients) -> None:
    """A bundle about both patients leaves each a Provenance in which nothing is of the other."""
    found = clients["patient"].get("/Provenance?_count=200")
    assert found.json()["total"] > 0
    assert "boris" not in found.text


@pytest.mark.workflow("0-06", "0-26", "2-14")
def test_the_auditor_asks_by_resource_person_and_outcome(clients: Clients, log: Log) -> None:
    """Who saw this result, what did this doctor see, and what was refused: each is a search."""
    clients["doctor"].get("/Observation/observation-anna").raise_for_status()
    clients["doctor"].get("/Observation/observation-boris")
    wanted = {event["id"] for event in log.events()}
    searches = {
        "entity=Observation/observation-anna": 1,
        "agent=Practitioner/dora": 2,
        "agent=Practitioner/dora&outcome=4": 1,
        "agent:identifier=app&subtype=read": 2,
        "agent-role=DR&action=R": 2,
    }
    for search, number in searches.items():
        found = clients["auditor"].get(f"/AuditEvent?{search}&_count=500").json()
        ids = {entry["resource"]["id"] for entry in found.get("entry", ())}
        assert len(ids & wanted) == number, search
