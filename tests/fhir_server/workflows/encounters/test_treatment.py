"""What is written in encounters: of whom, when, and by whom once they have ended.

https://hl7.org/fhir/R4/clinicalsummary-module.html
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.encounters.ward import Ward, concept, moment, rules

Resource = dict[str, Any]


@pytest.fixture
def ward(client: httpx.Client) -> Ward:
    """A ward of the test's own."""
    return Ward(client)


def _procedure(ward: Ward, encounter: str, **more: Any) -> Resource:
    return {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": {"reference": ward.patient},
        "encounter": {"reference": encounter},
        "performedDateTime": moment(-5),
        **more,
    }


def _condition(ward: Ward, encounter: str, **more: Any) -> Resource:
    return {
        "resourceType": "Condition",
        "code": {"text": "Cough"},
        "subject": {"reference": ward.patient},
        "encounter": {"reference": encounter},
        **more,
    }


def _finish(ward: Ward, encounter: str) -> None:
    period = {"start": moment(-60), "end": moment()}
    assert ward.set(encounter, status="finished", period=period).status_code == 200


@pytest.mark.workflow("0-10", "0-25", "1-08", "4-11")
def test_what_is_done_is_about_the_patient_of_the_encounter(ward: Ward) -> None:
    """Another patient's is refused in every form; the patient's own is found by patient."""
    encounter = ward.begin()
    other = {"reference": ward.put({"resourceType": "Patient"})}
    plan = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": other}
    for wrong in (
        {**plan, "encounter": {"reference": encounter}},
        _procedure(ward, encounter, subject=other),
        _condition(ward, encounter, subject=other),
    ):
        refused = ward.client.post(f"/{wrong['resourceType']}", json=wrong)
        assert refused.status_code == 422
        assert rules(refused) == {"W4.other-subject"}
        assert rules(ward.transact(wrong)) == {"W4.other-subject"}
    good = ward.put({**plan, "subject": {"reference": ward.patient}, "encounter": {"reference": encounter}})
    assert rules(ward.patch(good, "/subject", other)) == {"W4.other-subject"}
    done = ward.put(_procedure(ward, encounter))
    assert [one["id"] for one in ward.search(f"CarePlan?patient={ward.patient}&status=active")] == [good[9:]]
    assert [one["id"] for one in ward.search(f"Procedure?patient={ward.patient}")] == [done[10:]]
    ward.put(_condition(ward, encounter))
    everything = ward.search(f"{ward.patient}/$everything?_type=Condition,Procedure,CarePlan")
    kinds = {one["resourceType"] for one in everything}
    assert {"Condition", "Procedure", "CarePlan"} <= kinds
    assert ward.client.get("/Patient/nobody/$everything").status_code == 404


@pytest.mark.workflow("1-31")
def test_a_consultation_is_one_transaction(ward: Ward) -> None:
    """While it goes on, everything is stored; once it has ended nothing new is, and all or nothing holds."""
    encounter = ward.begin()
    assert ward.transact(_condition(ward, encounter), _procedure(ward, encounter)).status_code == 200
    _finish(ward, encounter)
    before = len(ward.search(f"Condition?encounter={encounter}"))
    refused = ward.transact(_condition(ward, encounter), _procedure(ward, encounter))
    assert refused.status_code == 422
    assert rules(refused) == {"W4.closed-encounter"}
    assert len(ward.search(f"Condition?encounter={encounter}")) == before
    # A way round: written without, and moved into it afterwards.
    outside = ward.put(_condition(ward, ward.begin()))
    assert rules(ward.patch(outside, "/encounter/reference", encounter)) == {"W4.closed-encounter"}


def test_results_come_after_the_end(ward: Ward) -> None:
    """A laboratory result answers what was asked before."""
    encounter = ward.begin()
    _finish(ward, encounter)
    found = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Glucose"},
        "subject": {"reference": ward.patient},
        "encounter": {"reference": encounter},
    }
    assert rules(ward.client.post("/Observation", json=found)) == {"W4.closed-encounter"}
    laboratory = concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")
    assert ward.client.post("/Observation", json={**found, "category": [laboratory]}).status_code == 201


@pytest.mark.workflow("4-28")
def test_what_is_recorded_was_done(ward: Ward) -> None:
    """Neither the time to come, nor a record from before what it is of; what is only prepared may come."""
    encounter = ward.begin("in-progress", "EMER")
    for wrong in (
        _procedure(ward, encounter, performedDateTime=moment(120)),
        _procedure(ward, encounter, performedDateTime=None, performedPeriod={"start": moment(120)}),
        _condition(ward, encounter, recordedDate=moment(-600), onsetDateTime=moment(-60)),
    ):
        body = {name: value for name, value in wrong.items() if value is not None}
        refused = ward.client.post(f"/{body['resourceType']}", json=body)
        assert refused.status_code == 422
        assert rules(refused) == {"W4.performed-later"}
    planned = _procedure(ward, encounter, status="preparation", performedDateTime=moment(120))
    prepared = ward.put(planned)
    assert rules(ward.patch(prepared, "/status", "in-progress")) == {"W4.performed-later"}
    found = ward.put(_condition(ward, encounter, recordedDate=moment(), onsetDateTime=moment(-60)))
    assert rules(ward.patch(found, "/recordedDate", moment(-600))) == {"W4.performed-later"}
    given = ward.put(_procedure(ward, encounter))
    assert ward.get(given)["status"] == "completed"
    assert rules(ward.patch(given, "/status", "in-progress")) == {"W4.procedure-state"}


@pytest.mark.workflow("0-10", "0-42", "4-46")
def test_activities_of_a_plan_go_on(ward: Ward) -> None:
    """An activity is done once; it does not leave the plan once it was begun, nor begins anew."""
    activity = {"detail": {"status": "not-started", "description": "Walk"}}
    plan = ward.put(
        {
            "resourceType": "CarePlan",
            "status": "draft",
            "intent": "plan",
            "subject": {"reference": ward.patient},
            "activity": [activity],
        }
    )
    where = "/activity/0/detail/status"
    assert rules(ward.patch(plan, where, "completed")) == {"W4.activity-state"}
    for status in ("scheduled", "in-progress", "completed"):
        assert ward.patch(plan, where, status).status_code == 200
    assert rules(ward.patch(plan, where, "in-progress")) == {"W4.activity-state"}
    without = {name: value for name, value in ward.get(plan).items() if name != "activity"}
    assert rules(ward.client.put(f"/{plan}", json=without)) == {"W4.activity-state"}
    assert rules(ward.patch(plan, "/status", "completed")) == {"W4.plan-state"}
    assert ward.patch(plan, "/status", "active").status_code == 200
    [found] = ward.search(f"CarePlan?patient={ward.patient}&status=active")
    assert found["activity"][0]["detail"]["status"] == "completed"


@pytest.mark.workflow("1-02", "1-36")
def test_tasks_go_step_by_step(ward: Ward) -> None:
    """A task is accepted, begun and done, once; its owner finds those that are to be done."""
    task = ward.put(
        {
            "resourceType": "Task",
            "status": "draft",
            "intent": "order",
            "description": "Call the family",
            "owner": {"reference": ward.doctor},
        }
    )
    refused = ward.patch(task, "/status", "completed")
    assert refused.status_code == 422
    assert rules(refused) == {"W4.task-state"}
    for status in ("requested", "accepted", "in-progress"):
        assert ward.patch(task, "/status", status).status_code == 200
    query = f"Task?owner={ward.doctor}&status=requested,accepted,in-progress"
    assert [one["id"] for one in ward.search(query)] == [task[5:]]
    assert ward.patch(task, "/status", "completed").status_code == 200
    assert rules(ward.transact({**ward.get(task), "status": "in-progress"})) == {"W4.task-state"}
    assert ward.search(query) == []


ROLES = ("DR", "RN")


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code."""
    if token not in ROLES:
        return None
    return Principal("app", ("user/*.cruds",), token, f"Practitioner/{token.lower()}", frozenset({token}))


@pytest.fixture(scope="module")
def staffed(settings: Settings) -> Iterator[str]:
    """A server that knows a doctor and a nurse."""
    with running_server(settings, _authenticate) as url:
        yield url


def test_only_a_doctor_amends(ward: Ward, staffed: str) -> None:
    """What was written in a finished encounter is amended by a doctor, and the server says by whom."""
    doctor = ward.client.put("/Practitioner/dr", json={"resourceType": "Practitioner", "id": "dr"})
    assert doctor.status_code in (200, 201)
    encounter = ward.begin(participant=[{"individual": {"reference": "Practitioner/dr"}}])
    vital = concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")
    found = ward.put(
        {
            "resourceType": "Observation",
            "status": "final",
            "category": [vital],
            "code": {"text": "Pulse"},
            "valueInteger": 70,
            "subject": {"reference": ward.patient},
            "encounter": {"reference": encounter},
        }
    )
    condition = ward.put(_condition(ward, encounter))
    _finish(ward, encounter)
    headers = {"content-type": FHIR_JSON}
    nurse = {**headers, "authorization": "Bearer RN"}
    changed = {**ward.get(found), "valueInteger": 90, "status": "amended"}
    with httpx.Client(base_url=staffed, timeout=30) as http:
        refused = http.put(f"/{found}", json=changed, headers=nurse)
        assert refused.status_code == 403
        assert rules(refused) == {"W4.amend"}
        better = {**ward.get(condition), "code": {"text": "Whooping cough"}}
        headers["authorization"] = "Bearer DR"
        amended = http.put(f"/{condition}", json=better, headers=headers)
        assert amended.status_code == 200, amended.text
    [provenance] = ward.search(f"Provenance?target={condition}")
    assert provenance["agent"][0]["who"]["reference"] == "Practitioner/dr"
