"""Every change is on record, in the transaction that makes it: AuditEvents and Provenances.

https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/provenance.html
"""

import json
from typing import Any

import httpx
import pytest

from resources.validation import validate
from tests.fhir_server.audit.log import Log, data, patients

Clients = dict[str, httpx.Client]
Resource = dict[str, Any]
ANNA, BORIS = ("Patient/anna",), ("Patient/boris",)
JSON_PATCH = {"content-type": "application/json-patch+json"}


def _observation(patient: str, **more: Any) -> Resource:
    about = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": about, **more}


def _provenances(clients: Clients, target: str) -> list[Resource]:
    found = clients["auditor"].get(f"/Provenance?target={target}").json()
    return [entry["resource"] for entry in found.get("entry", ())]


def test_create_update_patch_delete(clients: Clients, log: Log) -> None:
    """Each version that comes of a change is named, with the patient."""
    backend = clients["backend"]
    made = backend.post("/Observation", json=_observation("anna")).json()
    address = f"Observation/{made['id']}"
    backend.put(f"/{address}", json={**made, "status": "amended"}).raise_for_status()
    patch = [{"op": "replace", "path": "/status", "value": "corrected"}]
    backend.patch(f"/{address}", json=patch, headers=JSON_PATCH).raise_for_status()
    backend.delete(f"/{address}").raise_for_status()
    told = [
        (event["subtype"][0]["code"], event["action"], patients(event), data(event)) for event in log.events()
    ]
    assert sorted(told, key=lambda one: one[3]) == [
        ("create", "C", ANNA, (f"{address}/_history/1",)),
        ("update", "U", ANNA, (f"{address}/_history/2",)),
        ("update", "U", ANNA, (f"{address}/_history/3",)),
        ("delete", "D", ANNA, (f"{address}/_history/4",)),
    ]
    profiles = {event["meta"]["profile"][0].rpartition(".")[2] for event in log.events()}
    assert profiles == {"PatientCreate", "PatientUpdate", "PatientDelete"}
    activities = [one["activity"]["coding"][0]["code"] for one in _provenances(clients, address)]
    assert sorted(activities) == ["CREATE", "DELETE", "UPDATE", "UPDATE"]


def test_a_resource_that_changes_its_patient(clients: Clients, log: Log) -> None:
    """Both patients have the change in their accounts."""
    made = clients["backend"].post("/Observation", json=_observation("anna")).json()
    moved = _observation("boris", id=made["id"])
    clients["backend"].put(f"/Observation/{made['id']}", json=moved).raise_for_status()
    updates = {patients(event) for event in log.events() if event["action"] == "U"}
    assert updates == {ANNA, BORIS}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_many_changes_together(clients: Clients, log: Log, kind: str) -> None:
    """One event and one Provenance for each patient name all that came of a bundle."""
    entries = [
        {"resource": _observation(patient), "request": {"method": "POST", "url": "Observation"}}
        for patient in ("anna", "anna", "boris")
    ]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    answer = clients["backend"].post("", json=bundle).json()
    places = [entry["response"]["location"].partition("/fhir/")[2] for entry in answer["entry"]]
    told = {patients(event): set(data(event)) for event in log.events()}
    assert told == {ANNA: set(places[:2]), BORIS: set(places[2:])}
    [of_anna] = _provenances(clients, places[0].partition("/_history")[0])
    assert [target["reference"] for target in of_anna["target"]] == places[:2]


def test_a_refused_transaction_leaves_no_event_of_a_change(clients: Clients, log: Log) -> None:
    """What was undone was not done; that it was refused is on record."""
    entries = [
        {"resource": _observation("anna"), "request": {"method": "POST", "url": "Observation"}},
        {"request": {"method": "DELETE", "url": "Patient?family=none&birthdate=1900-01-01"}},
        {
            "resource": {"resourceType": "Patient", "id": "anna"},
            "request": {"method": "PUT", "url": "Patient/anna", "ifMatch": 'W/"99"'},
        },
    ]
    answer = clients["backend"].post(
        "", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
    )
    assert answer.status_code == 412
    assert [(event["action"], event["outcome"]) for event in log.events()] == [("E", "4")]


def test_labels(clients: Clients, log: Log) -> None:
    """A change of labels, from which no version comes, is on record."""
    meta = {"tag": [{"system": "urn:t", "code": "audited"}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    clients["backend"].post("/Observation/observation-anna/$meta-add", json=body).raise_for_status()
    [event] = log.events()
    assert (event["subtype"][-1]["code"], patients(event)) == ("meta-add", ANNA)
    clients["backend"].post("/Observation/observation-anna/$meta-delete", json=body).raise_for_status()


def test_a_conditional_create_that_finds_one(clients: Clients, log: Log) -> None:
    """Nothing was written; that there is one was told."""
    headers = {"if-none-exist": "_id=observation-anna"}
    answer = clients["backend"].post("/Observation", json=_observation("anna"), headers=headers)
    assert answer.status_code == 200
    [event] = log.events()
    assert (event["action"], data(event)) == ("R", ("Observation/observation-anna/_history/1",))


class TestProvenance:
    """Who, on whose behalf, with which application."""

    def test_of_a_person(self, clients: Clients) -> None:
        """The person is the author, and the application acts on their behalf."""
        made = clients["doctor"].post("/Observation", json=_observation("anna")).json()
        [found] = _provenances(clients, f"Observation/{made['id']}")
        assert validate(found) == []
        author, application = found["agent"]
        assert author["who"]["reference"] == "Practitioner/dora"
        assert application["who"]["identifier"]["value"] == "app"
        assert application["onBehalfOf"]["reference"] == "Practitioner/dora"

    def test_of_a_backend_service(self, clients: Clients) -> None:
        """The service itself is the author."""
        made = clients["backend"].post("/Observation", json=_observation("anna")).json()
        [found] = _provenances(clients, f"Observation/{made['id']}")
        assert [agent["who"]["identifier"]["value"] for agent in found["agent"]] == ["backend"]

    def test_that_is_sent_in_the_header(self, clients: Clients) -> None:
        """A Provenance of the client's own takes the place of ours; its targets are what was written."""
        sent = {
            "resourceType": "Provenance",
            "recorded": "2026-11-27T10:00:00Z",
            "agent": [{"who": {"display": "the laboratory"}}],
        }
        headers = {"x-provenance": json.dumps(sent)}
        made = clients["backend"].post("/Observation", json=_observation("anna"), headers=headers).json()
        [found] = _provenances(clients, f"Observation/{made['id']}")
        assert found["agent"] == sent["agent"]
        assert found["target"] == [{"reference": f"Observation/{made['id']}/_history/1"}]

    @pytest.mark.parametrize(
        "header",
        [
            "x",
            "[]",
            '{"resourceType": "Patient"}',
            '{"resourceType": "Provenance"}',
            '{"resourceType": "Provenance", "target": [], "recorded": "2026-11-27T10:00:00Z"}',
        ],
    )
    def test_that_is_none(self, clients: Clients, header: str) -> None:
        """What is no Provenance is refused, and nothing is written."""
        before = clients["backend"].get("/Observation?_summary=count").json()["total"]
        answer = clients["backend"].post(
            "/Observation", json=_observation("anna"), headers={"x-provenance": header}
        )
        assert answer.status_code in (400, 422)
        assert clients["backend"].get("/Observation?_summary=count").json()["total"] == before

    def test_that_is_in_the_transaction(self, clients: Clients) -> None:
        """Where the client tells of a change in the same transaction, there is no other Provenance."""
        observation = {
            "fullUrl": "urn:uuid:6b0a5d4e-5b3f-4a58-8c2b-0d1f7f4a1c11",
            "resource": _observation("anna"),
        }
        provenance = {
            "resourceType": "Provenance",
            "target": [{"reference": observation["fullUrl"]}],
            "recorded": "2026-11-27T10:00:00Z",
            "agent": [{"who": {"display": "the laboratory"}}],
        }
        entries = [
            {**observation, "request": {"method": "POST", "url": "Observation"}},
            {"resource": provenance, "request": {"method": "POST", "url": "Provenance"}},
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = clients["backend"].post("", json=bundle).json()
        address = answer["entry"][0]["response"]["location"].partition("/fhir/")[2].partition("/_history")[0]
        [found] = _provenances(clients, address)
        assert found["agent"] == provenance["agent"]
