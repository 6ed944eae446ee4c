"""Two records of one person become one, with all that was written, and are parted again."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.workflows.registration.conftest import clients, settings
from tests.fhir_server.workflows.registration.people import numbers, rules_of, somebody, transaction

__all__ = ["clients", "settings"]

Resource = dict[str, Any]
Clients = dict[str, httpx.Client]


def _new(client: httpx.Client, **elements: Any) -> Resource:
    answer = client.post("/Patient", json=somebody(**elements))
    assert answer.status_code == 201, answer.text
    made: Resource = answer.json()
    return made


def _about(patient: str) -> list[Resource]:
    """Return something of many kinds that is about a patient."""
    subject = {"reference": f"Patient/{patient}"}
    code = {"code": {"text": "x"}}
    return [
        {"resourceType": "Condition", "subject": subject, **code},
        {"resourceType": "AllergyIntolerance", "patient": subject, **code},
        {"resourceType": "Observation", "status": "final", "subject": subject, **code},
        {"resourceType": "Coverage", "status": "active", "beneficiary": subject, "payor": [subject]},
        {"resourceType": "Flag", "status": "active", "subject": subject, **code},
        {"resourceType": "Basic", "subject": subject, **code},
        {"resourceType": "Device", "patient": subject},
        {"resourceType": "RelatedPerson", "patient": subject},
    ]


def _call(client: httpx.Client, source: str, target: str, **more: Any) -> httpx.Response:
    parameters: list[Resource] = [
        {"name": "source-patient", "valueReference": {"reference": f"Patient/{source}"}},
        {"name": "target-patient", "valueReference": {"reference": f"Patient/{target}"}},
        *more.get("also", ()),
    ]
    return client.post("/Patient/$merge", json={"resourceType": "Parameters", "parameter": parameters})


def _parts(answer: httpx.Response) -> dict[str, Resource]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["resource"] for one in answer.json()["parameter"]}


def _eventually(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.05)


@pytest.mark.workflow("4-04", "1-06")
def test_everything_of_one_record_is_in_the_other(client: httpx.Client) -> None:
    """The source is out of use and says where it went; the old number finds the survivor; nothing is lost."""
    passport = {"system": "urn:merge:passport", "value": "A"}
    source, target = _new(client, identifier=[passport]), _new(client)
    about = [client.post(f"/{one['resourceType']}", json=one).json() for one in _about(source["id"])]
    preview = _call(client, source["id"], target["id"], also=[{"name": "preview", "valueBoolean": True}])
    assert "task" not in _parts(preview)
    assert client.get(f"/Patient/{source['id']}").json() == source
    parts = _parts(_call(client, source["id"], target["id"]))
    assert parts["task"]["status"] == "completed"
    assert f"{len(about)} resources" in parts["outcome"]["issue"][0]["diagnostics"]
    was, becomes = (client.get(f"/Patient/{one['id']}").json() for one in (source, target))
    assert was["active"] is False
    assert was["link"] == [{"other": {"reference": f"Patient/{target['id']}"}, "type": "replaced-by"}]
    assert becomes["link"] == [{"other": {"reference": f"Patient/{source['id']}"}, "type": "replaces"}]
    assert parts["result"] == becomes
    old = {one["value"]: one.get("use") for one in becomes["identifier"]}
    assert old[numbers(source)[0]] == "old"
    assert old["A"] == "old"
    assert old[numbers(target)[0]] == "official"
    for one in about:
        now = client.get(f"/{one['resourceType']}/{one['id']}").json()
        assert f"Patient/{target['id']}" in str(now)
        assert f"Patient/{source['id']}" not in str(now)
    found = client.get(f"/Patient?identifier={numbers(source)[0]}").json()
    assert [one["resource"]["id"] for one in found["entry"]] == [target["id"]]
    everything = client.get(f"/Patient/{target['id']}/$everything").json()
    ids = {one["resource"]["id"] for one in everything["entry"]}
    assert {one["id"] for one in about if one["resourceType"] in ("Condition", "Observation", "Flag")} <= ids
    known = client.post(
        "/Patient", json=somebody(), headers={"if-none-exist": "identifier=urn:merge:passport|A"}
    )
    assert (known.status_code, known.json()["id"]) == (200, target["id"])
    # The number is the survivor's: nobody else gets it, and it stays through changes.
    taken = client.post("/Patient", json=somebody(identifier=[passport]))
    assert rules_of(taken) == {"W1.duplicate-identifier"}
    assert client.put(f"/Patient/{target['id']}", json=becomes | {"gender": "male"}).status_code == 200


def test_a_merged_record_is_no_match(client: httpx.Client) -> None:
    """Whoever looks for the person finds the survivor alone, and registers nobody again."""
    name = [{"family": "Matchless", "given": ["Mona"]}]
    target = _new(client, name=name)
    tag = {"system": "urn:fhir-hospital-server:registration", "code": "confirmed-new"}
    source = _new(client, name=name, meta={"tag": [tag]})
    _parts(_call(client, source["id"], target["id"]))
    body = {"resourceType": "Patient", "name": name, "birthDate": "1980-04-05"}
    found = client.post("/Patient/$match", json=body).json()
    ids = [one["resource"]["id"] for one in found["entry"] if one["search"]["mode"] == "match"]
    assert ids == [target["id"]]
    assert rules_of(client.post("/Patient", json=body)) == {"W1.duplicate-patient"}


def test_nothing_new_is_written_about_what_is_no_more(client: httpx.Client) -> None:
    """By no way; about the survivor it is."""
    source, target = _new(client), _new(client)
    known = client.post("/Condition", json=_about(source["id"])[0]).json()
    _parts(_call(client, source["id"], target["id"]))
    late = _about(source["id"])[0]
    for answer in (
        client.post("/Condition", json=late),
        client.put("/Condition/late", json=late | {"id": "late"}),
        client.post("/", json=transaction(("POST", "Condition", late))),
        client.patch(
            f"/Condition/{known['id']}",
            json=[{"op": "replace", "path": "/subject/reference", "value": f"Patient/{source['id']}"}],
            headers={"content-type": "application/json-patch+json"},
        ),
    ):
        assert answer.status_code == 422, answer.text
        assert rules_of(answer) == {"W1.merged"}
    assert client.post("/Condition", json=_about(target["id"])[0]).status_code == 201


@pytest.mark.parametrize("way", ["itself", "again", "chain", "nobody", "no patient"])
def test_what_is_not_merged(client: httpx.Client, way: str) -> None:
    """Neither a patient into themselves, nor one who is merged already, nor into one who is."""
    source, target, third = _new(client), _new(client), _new(client)
    if way == "itself":
        answer = _call(client, source["id"], source["id"])
    elif way == "nobody":
        assert _call(client, source["id"], "nobody").status_code == 404
        return
    elif way == "no patient":
        bad = {"name": "target-patient", "valueReference": {"reference": "Practitioner/1"}}
        parameters = {"resourceType": "Parameters", "parameter": [bad]}
        assert client.post("/Patient/$merge", json=parameters).status_code == 400
        return
    else:
        _parts(_call(client, source["id"], target["id"]))
        into = third["id"] if way == "again" else source["id"]
        answer = _call(client, source["id"] if way == "again" else third["id"], into)
    assert answer.status_code == 422, answer.text
    assert rules_of(answer) == {"W1.merge"}


def test_patients_are_named_by_their_numbers(client: httpx.Client) -> None:
    """As clerks know them."""
    source, target = _new(client), _new(client)
    parameters = [
        {"name": f"{name}-patient-identifier", "valueIdentifier": {"value": numbers(one)[0]}}
        for name, one in (("source", source), ("target", target))
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert _parts(client.post("/Patient/$merge", json=body))["result"]["id"] == target["id"]
    parameters[0]["valueIdentifier"] = {"value": "no such number"}
    assert client.post("/Patient/$merge", json=body).status_code == 404


@pytest.mark.workflow("4-04")
def test_a_large_record_goes_on_by_the_agenda(client: httpx.Client, settings: Settings) -> None:
    """What one request does not move, the agenda does, whatever is written meanwhile."""
    source, target = _new(client), _new(client)
    subject = f"Patient/{source['id']}"
    entries = [
        ("POST", "Condition", {"resourceType": "Condition", "subject": {"reference": subject}})
        for _ in range(700)
    ]
    assert client.post("/", json=transaction(*entries)).status_code == 200
    task = _parts(_call(client, source["id"], target["id"]))["task"]
    assert task["status"] == "in-progress"

    def is_done() -> bool:
        return bool(client.get(f"/Task/{task['id']}").json()["status"] == "completed")

    # Now, and not when the request would have had its time.
    _make_due(settings, task["id"])
    _eventually(is_done)
    assert client.get(f"/Condition?subject={subject}&_summary=count").json()["total"] == 0
    moved = client.get(f"/Condition?subject=Patient/{target['id']}&_summary=count").json()["total"]
    assert moved == 700


@pytest.mark.workflow("4-04")
def test_a_merge_is_taken_back(client: httpx.Client) -> None:
    """What was written about each before is theirs again; what was written since stays with the survivor."""
    source, target = _new(client), _new(client)
    mine = client.post("/Condition", json=_about(source["id"])[0]).json()
    theirs = client.post("/Condition", json=_about(target["id"])[0]).json()
    _parts(_call(client, source["id"], target["id"]))
    since = client.post("/Condition", json=_about(target["id"])[0]).json()
    answer = client.post(f"/Patient/{source['id']}/$unmerge")
    assert _parts(answer)["task"]["status"] == "completed"
    again, alone = (client.get(f"/Patient/{one['id']}").json() for one in (source, target))
    assert "active" not in again
    assert "link" not in again
    assert "link" not in alone
    assert numbers(again) == numbers(source)
    assert numbers(alone) == numbers(target)
    for resource, patient in ((mine, source), (theirs, target), (since, target)):
        now = client.get(f"/Condition/{resource['id']}").json()
        assert now["subject"]["reference"] == f"Patient/{patient['id']}"
        assert "tag" not in now["meta"]
    assert client.post("/Condition", json=_about(source["id"])[0]).status_code == 201
    refused = client.post(f"/Patient/{source['id']}/$unmerge")
    assert rules_of(refused) == {"W1.unmerge"}
    _parts(_call(client, source["id"], target["id"]))
    assert client.get(f"/Condition/{mine['id']}").json()["subject"]["reference"] == f"Patient/{target['id']}"


def test_what_comes_in_late_is_moved_too(client: httpx.Client, settings: Settings) -> None:
    """Records of the past that name the old patient, and what was under way while the two were merged."""
    source, target = _new(client), _new(client)
    task = _parts(_call(client, source["id"], target["id"]))["task"]
    late = client.post("/Condition", json=_about(source["id"])[0], headers={"x-import": "records"})
    assert late.status_code == 201

    def is_moved() -> bool:
        now = client.get(f"/Condition/{late.json()['id']}").json()
        return bool(now["subject"]["reference"] == f"Patient/{target['id']}")

    assert not is_moved()
    _make_due(settings, task["id"])
    _eventually(is_moved)


@pytest.mark.parametrize("way", ["merge", "unmerge"])
def test_what_was_done_since_is_not_undone_by_a_late_look(
    client: httpx.Client, settings: Settings, way: str
) -> None:
    """The look at what came in late is none of two records that were parted, or merged again, meanwhile."""
    source, target = _new(client), _new(client)
    mine = client.post("/Condition", json=_about(source["id"])[0]).json()
    first = _parts(_call(client, source["id"], target["id"]))["task"]
    parted = _parts(client.post(f"/Patient/{source['id']}/$unmerge"))["task"]
    patient, late = source, first
    if way == "unmerge":
        _parts(_call(client, source["id"], target["id"]))
        patient, late = target, parted
    _make_due(settings, late["id"])
    with MongoClient[Resource](settings.mongo_url) as mongo:
        agenda = mongo[settings.database]["agenda"]
        key = f"W1.move/Task/{late['id']}/sweep"
        _eventually(lambda: agenda.count_documents({"_id": key, "state": "done"}) == 1)
    now = client.get(f"/Condition/{mine['id']}").json()
    assert now["subject"]["reference"] == f"Patient/{patient['id']}"


def _make_due(settings: Settings, task: str) -> None:
    """Have the agenda do now what it would do in a while."""
    with MongoClient[Resource](settings.mongo_url) as mongo:
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        agenda = mongo[settings.database]["agenda"]
        agenda.update_many({"subject": f"Task/{task}"}, {"$min": {"due": begun}})


def test_an_unknown_patient_goes_into_the_right_record(client: httpx.Client) -> None:
    """Who came without a name is found to be somebody."""
    unknown = _new(client, name=[{"use": "temp", "text": "Unknown man, 3:15"}], birthDate=None)
    known = _new(client)
    visit = client.post("/Condition", json=_about(unknown["id"])[0]).json()
    _parts(_call(client, unknown["id"], known["id"]))
    assert client.get(f"/Condition/{visit['id']}").json()["subject"]["reference"] == f"Patient/{known['id']}"


@pytest.mark.parametrize("caller", ["doctor", "nurse", "anna"])
def test_only_administrators_merge(clients: Clients, caller: str) -> None:
    """403 for others, whomever they name; an administrator, who sees no clinical notes, moves them too."""
    backend = clients["backend"]
    source, target = _new(backend), _new(backend)
    note = backend.post("/Condition", json=_about(source["id"])[0]).json()
    observation = backend.post("/Observation", json=_about(source["id"])[2]).json()
    assert _call(clients[caller], source["id"], target["id"]).status_code == 403
    assert clients[caller].post(f"/Patient/{source['id']}/$unmerge").status_code == 403
    forged = {
        "resourceType": "Task",
        "status": "in-progress",
        "intent": "order",
        "code": {"coding": [{"system": "urn:fhir-hospital-server:task", "code": "patient-merge"}]},
        "input": [
            {"type": {"text": name}, "valueString": one["id"]}
            for name, one in (("source", source), ("target", target))
        ],
    }
    # The rule W1.merge-task, where the role may write Tasks at all.
    assert clients[caller].post("/Task", json=forged).status_code == 403
    assert (
        _parts(_call(clients["administrator"], source["id"], target["id"]))["task"]["status"] == "completed"
    )
    for one in (note, observation):
        now = backend.get(f"/{one['resourceType']}/{one['id']}").json()
        assert now["subject"]["reference"] == f"Patient/{target['id']}"
    assert clients["administrator"].post(f"/Patient/{source['id']}/$unmerge").status_code == 200
