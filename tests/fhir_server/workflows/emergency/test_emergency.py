"""The emergency department: arrival, triage, the queue, and alerts. https://loinc.org/75636-1"""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.encounters.ward import Ward, concept, moment, rules

Resource = dict[str, Any]

OWN = "urn:fhir-hospital-server:emergency"
ROLES = ("PT", "DR", "RN")


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code."""
    if token not in ROLES:
        return None
    person = "Patient/er-p" if token == "PT" else f"Practitioner/er-{token.lower()}"
    scopes = ("patient/*.cruds",) if token == "PT" else ("user/*.cruds",)
    patient = "er-p" if token == "PT" else None
    return Principal("app", scopes, token, person, frozenset({token}), patient=patient)


@pytest.fixture(scope="module")
def staffed(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for each role."""
    with running_server(settings, _authenticate) as url, ExitStack() as opened:
        yield {
            role: opened.enter_context(
                httpx.Client(
                    base_url=url,
                    headers={"content-type": FHIR_JSON, "authorization": f"Bearer {role}"},
                    timeout=30,
                )
            )
            for role in ROLES
        }


@pytest.fixture
def ward(client: httpx.Client) -> Ward:
    """A ward of the test's own."""
    return Ward(client)


@pytest.fixture
def on_call(ward: Ward) -> Iterator[tuple[str, str]]:
    """A doctor and a nurse who are on call, until the test is over."""
    people, roles = [], []
    for job in ("doctor", "nurse"):
        person = ward.put({"resourceType": "Practitioner", "active": True})
        codes = [
            concept("http://terminology.hl7.org/CodeSystem/practitioner-role", job),
            concept(OWN, "on-call"),
        ]
        role = {"resourceType": "PractitionerRole", "active": True, "code": codes}
        roles.append(ward.put({**role, "practitioner": {"reference": person}}))
        people.append(person)
    yield people[0], people[1]
    for one in roles:
        assert ward.set(one, active=False).status_code == 200


def _check_in(ward: Ward, **values: Any) -> Resource:
    answer = ward.call("Encounter/$er-checkin", **values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _esi(ward: Ward, encounter: Resource, index: Any, status: str = "final") -> Resource:
    return {
        "resourceType": "Observation",
        "status": status,
        "code": concept("http://loinc.org", "75636-1"),
        "subject": encounter["subject"],
        "encounter": {"reference": f"Encounter/{encounter['id']}"},
        "effectiveDateTime": moment(),
        "valueInteger": index,
    }


def _tasks(ward: Ward, encounter: Resource, code: str) -> list[Resource]:
    return ward.search(f"Task?focus=Encounter/{encounter['id']}&code={OWN}|{code}")


def _told(settings: Settings, encounter: Resource) -> set[tuple[str, str]]:
    """Return the notices about an encounter: kind and recipient."""
    with MongoClient[Resource](settings.mongo_url) as mongo:
        about = {"subject": f"Encounter/{encounter['id']}", "action": "W14.notify"}
        found = list(mongo[settings.database]["agenda"].find(about))
    return {(one["data"]["kind"], one["data"]["recipient"]) for one in found}


@pytest.mark.workflow("4-24", "4-25")
def test_a_patient_is_checked_in(ward: Ward, settings: Settings, on_call: tuple[str, str]) -> None:
    """The encounter waits for triage, the nurse on call has a task and is told; nobody is here twice."""
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed"}
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "valueReference": {"reference": ward.patient}},
            {"name": "complaint", "valueString": "Chest pain"},
            {"name": "history", "resource": answers},
        ],
    }
    answer = ward.client.post("/Encounter/$er-checkin", json=body)
    assert answer.status_code == 201, answer.text
    encounter = answer.json()
    assert (encounter["status"], encounter["class"]["code"]) == ("arrived", "EMER")
    assert encounter["reasonCode"] == [{"text": "Chest pain"}]
    [history] = ward.search(f"QuestionnaireResponse?encounter=Encounter/{encounter['id']}")
    assert history["subject"]["reference"] == ward.patient
    [task] = _tasks(ward, encounter, "triage")
    assert task["owner"]["reference"] == on_call[1]
    assert _told(settings, encounter) == {("W11.arrived", on_call[1])}
    again = ward.call("Encounter/$er-checkin", patient=ward.patient, complaint="It hurts")
    assert again.status_code == 409
    assert rules(again) == {"W11.already-here"}
    assert rules(ward.client.post("/Encounter", json=ward.encounter("arrived", "EMER"))) == {
        "W11.already-here"
    }
    assert ward.call("Encounter/$er-checkin", patient="Patient/nobody", complaint="x").status_code == 404
    assert ward.call("Encounter/$er-checkin", patient=ward.patient).status_code == 400
    jump = ward.patch(f"Task/{task['id']}", "/status", "draft")
    assert rules(jump) == {"W11.task-state"}


@pytest.mark.workflow("4-24")
def test_nobody_knows_the_patient(ward: Ward) -> None:
    """Somebody who cannot say who they are has a temporary identity."""
    encounter = _check_in(ward, unknown=True, complaint="Found in the street", esi=1)
    patient = ward.get(encounter["subject"]["reference"])
    assert {one["use"] for one in patient["name"]} == {"temp"}
    assert encounter["status"] == "triaged"


@pytest.mark.workflow("4-24", "4-26")
def test_whom_staff_have_looked_at_is_triaged(
    ward: Ward, settings: Settings, staffed: dict[str, httpx.Client], on_call: tuple[str, str]
) -> None:
    """Nobody is asked to triage them once more; a patient who gives an index still waits for that."""
    nurse = Ward.__new__(Ward)
    nurse.client = staffed["RN"]
    for by in (ward, nurse):
        patient = ward.put({"resourceType": "Patient", "name": [{"family": "Seen"}]})
        encounter = _check_in(by, patient=patient, complaint="Cough", esi=4)
        assert (encounter["status"], encounter["priority"]["coding"][0]["code"]) == ("triaged", "R")
        assert encounter["meta"]["versionId"] == "1"
        assert _tasks(ward, encounter, "triage") == []
        assert _told(settings, encounter) == set()
        [index] = ward.search(f"Observation?encounter=Encounter/{encounter['id']}&code=75636-1")
        assert index["status"] == "final"


@pytest.mark.workflow("4-26")
def test_triage(ward: Ward) -> None:
    """The index is from 1 to 5, sets priority and state, and is given anew each time; the old one stays."""
    encounter = _check_in(ward, patient=ward.patient, complaint="Cough")
    for wrong in (0, 6):
        refused = ward.client.post("/Observation", json=_esi(ward, encounter, wrong))
        assert refused.status_code == 422
        assert rules(refused) == {"W11.esi-range"}
        other = ward.put({"resourceType": "Patient"})
        assert ward.call("Encounter/$er-checkin", patient=other, complaint="x", esi=wrong).status_code == 422
    first = ward.put(_esi(ward, encounter, 4))
    told = ward.get(f"Encounter/{encounter['id']}")
    assert (told["status"], told["priority"]["coding"][0]["code"]) == ("triaged", "R")
    assert [one["status"] for one in told["statusHistory"]] == ["arrived"]
    assert [one["status"] for one in _tasks(ward, encounter, "triage")] == ["completed"]
    changed = ward.patch(first, "/valueInteger", 2)
    assert changed.status_code == 422
    assert "W11.retriage" in rules(changed)
    ward.put(_esi(ward, encounter, 3))
    told = ward.get(f"Encounter/{encounter['id']}")
    assert (told["status"], told["priority"]["coding"][0]["code"]) == ("triaged", "UR")
    found = ward.search(f"Observation?encounter=Encounter/{encounter['id']}&code=75636-1")
    assert sorted(one["valueInteger"] for one in found) == [3, 4]


@pytest.mark.workflow("4-26")
def test_the_queue(ward: Ward) -> None:
    """The most urgent is first, then who came first; the last triage counts, whoever is gone is not in it."""
    mine = []
    for number, index in enumerate((4, 2, 2, 5)):
        patient = ward.put({"resourceType": "Patient"})
        mine.append(_check_in(ward, patient=patient, complaint=f"case {number}", esi=index))
    late = ward.put({"resourceType": "Patient"})
    mine.append(_check_in(ward, patient=late, complaint="not triaged"))
    ward.put({**_esi(ward, mine[3], 1), "effectiveDateTime": moment(1)})
    answer = ward.client.get("/Encounter/$er-queue")
    assert answer.status_code == 200, answer.text
    queue = answer.json()
    assert queue["resourceType"] == "List"
    names = {f"Encounter/{one['id']}": place for place, one in enumerate(mine)}
    listed = [one for one in queue["entry"] if one["item"]["reference"] in names]
    assert [names[one["item"]["reference"]] for one in listed] == [3, 1, 2, 0, 4]
    assert [one.get("flag", {}).get("text") for one in listed] == ["1", "2", "2", "4", None]
    assert ward.patch(f"Encounter/{mine[3]['id']}", "/status", "in-progress").status_code == 200
    queue = ward.client.get("/Encounter/$er-queue").json()
    assert f"Encounter/{mine[3]['id']}" not in {one["item"]["reference"] for one in queue["entry"]}


@pytest.mark.workflow("4-27", "4-25")
def test_the_most_urgent_are_told_of_at_once(
    ward: Ward, settings: Settings, on_call: tuple[str, str]
) -> None:
    """ESI 1 and 2: a task for doctor and nurse on call each, and a notice; it waits for one to accept."""
    encounter = _check_in(ward, patient=ward.patient, complaint="Chest pain", esi=2)
    tasks = _tasks(ward, encounter, "alert")
    assert {one["owner"]["reference"] for one in tasks} == set(on_call)
    assert {one["priority"] for one in tasks} == {"stat"}
    assert {("W11.urgent", one) for one in on_call} <= _told(settings, encounter)
    [told] = ward.search(f"Communication?encounter=Encounter/{encounter['id']}&category=alert")
    assert {one["reference"] for one in told["recipient"]} == set(on_call)
    calm = ward.put({"resourceType": "Patient"})
    other = _check_in(ward, patient=calm, complaint="Cold", esi=3)
    assert _tasks(ward, other, "alert") == []


def _hurry(settings: Settings, encounter: Resource) -> int:
    """Let the alert of an encounter be due now, and return how many wait."""
    wanted = {"subject": f"Encounter/{encounter['id']}", "action": "W11.escalate", "state": "waiting"}
    with MongoClient[Resource](settings.mongo_url) as mongo:
        due = {"$set": {"due": datetime.now(UTC) - timedelta(seconds=1)}}
        return int(mongo[settings.database]["agenda"].update_many(wanted, due).modified_count)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the agenda is another thread
            await asyncio.sleep(0.05)


@pytest.mark.workflow("4-27")
@pytest.mark.anyio
async def test_nobody_accepts_in_time(ward: Ward, settings: Settings, on_call: tuple[str, str]) -> None:
    """Everybody is told and it is waited once more; as soon as one accepts nothing more follows."""
    encounter = _check_in(ward, patient=ward.patient, complaint="Chest pain", esi=1)
    assert _hurry(settings, encounter) == 1
    wanted = {("W11.escalated", one) for one in on_call}
    await _until(lambda: wanted <= _told(settings, encounter))
    tasks = _tasks(ward, encounter, "alert")
    assert all("escalated-1" in str(one["businessStatus"]) for one in tasks)
    assert ward.patch(f"Task/{tasks[0]['id']}", "/status", "accepted").status_code == 200
    assert _hurry(settings, encounter) == 0


@pytest.mark.workflow("4-27")
@pytest.mark.anyio
async def test_all_decline(ward: Ward, settings: Settings, on_call: tuple[str, str]) -> None:
    """Once nobody is left who may accept it everybody is told at once, and whoever comes has a task."""
    encounter = _check_in(ward, patient=ward.patient, complaint="Chest pain", esi=1)
    first, last = _tasks(ward, encounter, "alert")
    assert ward.patch(f"Task/{first['id']}", "/status", "rejected").status_code == 200
    await asyncio.sleep(2)
    assert len(_tasks(ward, encounter, "alert")) == 2
    assert ward.patch(f"Task/{last['id']}", "/status", "rejected").status_code == 200
    wanted = {("W11.escalated", one) for one in on_call}
    await _until(lambda: wanted <= _told(settings, encounter))
    [task] = [one for one in _tasks(ward, encounter, "alert") if one["status"] == "requested"]
    assert "owner" not in task
    # What was to come in some minutes has come, and the next is waited for.
    assert _hurry(settings, encounter) == 2
    await _until(lambda: "escalated-2" in str(ward.get(f"Task/{task['id']}")))
    assert ward.patch(f"Task/{task['id']}", "/status", "rejected").status_code == 200
    await _until(lambda: len(_tasks(ward, encounter, "alert")) == 4)
    [task] = [one for one in _tasks(ward, encounter, "alert") if one["status"] == "requested"]
    assert "escalated-3" in str(task["businessStatus"])
    assert ward.patch(f"Task/{task['id']}", "/status", "accepted").status_code == 200
    assert _hurry(settings, encounter) == 0


@pytest.mark.workflow("4-27")
@pytest.mark.anyio
async def test_the_only_one_declines(ward: Ward, settings: Settings, on_call: tuple[str, str]) -> None:
    """A task of which nobody was told, as no doctor is on call, is not waited for."""
    for role in ward.search(f"PractitionerRole?practitioner={on_call[0]}"):
        assert ward.set(f"PractitionerRole/{role['id']}", active=False).status_code == 200
    encounter = _check_in(ward, patient=ward.patient, complaint="Chest pain", esi=1)
    [task] = [one for one in _tasks(ward, encounter, "alert") if "owner" in one]
    assert ward.patch(f"Task/{task['id']}", "/status", "rejected").status_code == 200
    await _until(lambda: ("W11.escalated", on_call[1]) in _told(settings, encounter))
    [left] = [one for one in _tasks(ward, encounter, "alert") if one["status"] == "requested"]
    assert "escalated-1" in str(left["businessStatus"])


@pytest.mark.workflow("4-24", "4-26")
def test_who_checks_in_and_triages(ward: Ward, staffed: dict[str, httpx.Client]) -> None:
    """A patient checks in only themselves, and their urgency is provisional; a nurse triages."""
    ward.put({"resourceType": "Patient", "id": "er-p", "name": [{"family": "Own"}]})
    mine = Ward.__new__(Ward)
    mine.client = staffed["PT"]
    foreign = mine.call("Encounter/$er-checkin", patient=ward.patient, complaint="x")
    assert foreign.status_code == 404
    unknown = mine.call("Encounter/$er-checkin", unknown=True, complaint="x")
    assert unknown.status_code == 403
    assert rules(unknown) == {"W11.unknown-patient"}
    checked = mine.call("Encounter/$er-checkin", complaint="Dizzy", esi=1)
    assert checked.status_code == 201, checked.text
    encounter = checked.json()
    assert encounter["status"] == "arrived"
    [own] = ward.search(f"Observation?encounter=Encounter/{encounter['id']}")
    assert own["status"] == "preliminary"
    assert len(_tasks(ward, encounter, "alert")) == 1
    assert mine.client.get("/Encounter/$er-queue").status_code == 403
    final = staffed["PT"].put(f"/Observation/{own['id']}", json={**own, "status": "final"})
    assert final.status_code in (403, 404)
    assert staffed["PT"].post("/Observation", json=_esi(ward, encounter, 1)).status_code == 403
    triaged = staffed["RN"].post("/Observation", json=_esi(ward, encounter, 3))
    assert triaged.status_code == 201, triaged.text
    assert ward.get(f"Encounter/{encounter['id']}")["status"] == "triaged"
    assert staffed["RN"].get("/Encounter/$er-queue").status_code == 200
    assert staffed["DR"].get("/Encounter/$er-queue").status_code == 200


def test_a_patient_never_sets_the_final_index() -> None:
    """The rule itself, wherever the access guard would let a patient write Observations."""
    from fhir_server.workflows.emergency.triage import Facts, check
    from fhir_server.workflows.pattern import Change
    from fhir_server.workflows.situation import Situation

    principal = Principal("app", ("patient/*.cruds",), "a", "Patient/p", frozenset({"PT"}), patient="p")
    now = datetime.now(UTC)
    patient = Situation(now, "http://x", Settings(), lambda: uuid.uuid4().hex, principal)
    esi = {
        "resourceType": "Observation",
        "status": "final",
        "code": concept("http://loinc.org", "75636-1"),
        "valueInteger": 1,
    }
    broken = check(Change("Observation", "o", None, esi), Facts(), patient)
    assert [one.rule.id for one in broken] == ["W11.final-esi"]
    provisional = {**esi, "status": "preliminary"}
    assert list(check(Change("Observation", "o", None, provisional), Facts(), patient)) == []
