"""Critical results: who is told, who acknowledges, and what happens if nobody does.

https://hl7.org/fhir/R4/flag.html
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.workflows.orders import critical
from tests.fhir_server.workflows.orders.laboratory import MEANING, Laboratory, Resource, coded, refer, rules
from tests.fhir_server.workflows.orders.time import meanwhile, pass_time


def _critical(laboratory: Laboratory, meaning: str = "HH") -> Resource:
    return laboratory.made("LB", laboratory.result(laboratory.order(), meaning))


def _task(laboratory: Laboratory, result: Resource) -> Resource:
    [task] = laboratory.found("DR", f"Task?focus={refer(result)['reference']}&code=acknowledge-critical")
    return task


@pytest.mark.workflow("0-20")
@pytest.mark.parametrize("meaning", ["HH", "LL", "AA"])
def test_a_critical_result_alerts_its_doctor(laboratory: Laboratory, meaning: str) -> None:
    """A flag, a message, a task with a time, an urgent notice; each once; the patient sees none of them."""
    result = _critical(laboratory, meaning)
    laboratory.changed("LB", result, status="corrected", note=[{"text": "measured twice"}])
    task = _task(laboratory, result)
    assert task["owner"] == {"reference": "Practitioner/dr"}
    assert task["restriction"]["period"]["end"] > task["authoredOn"]
    flag = laboratory.read({"resourceType": "Flag", "id": task["id"]}, "DR")
    assert flag["status"] == "active"
    message = laboratory.read({"resourceType": "Communication", "id": task["id"]}, "DR")
    assert message["recipient"] == [{"reference": "Practitioner/dr"}]
    assert laboratory.told("W7.critical-result", result) == ["Practitioner/dr"]
    for one in (task, flag, message):
        assert laboratory.clients["PT"].get(f"/{one['resourceType']}/{one['id']}").status_code == 404
    everything = laboratory.clients["PT"].get("/Patient/p/$everything?_count=1000").text
    assert task["id"] not in everything


@pytest.mark.parametrize("meaning", ["N", "H", "L", "A"])
def test_what_is_not_critical_alerts_nobody(laboratory: Laboratory, meaning: str) -> None:
    """There is nothing to acknowledge either."""
    result = _critical(laboratory, meaning)
    assert laboratory.told("W7.critical-result", result) == []
    answer = laboratory.clients["DR"].post(f"/Observation/{result['id']}/$acknowledge")
    assert (answer.status_code, rules(answer)) == (422, {"W7.not-critical"})


@pytest.mark.workflow("0-20")
def test_a_critical_result_is_acknowledged_once(laboratory: Laboratory) -> None:
    """The doctor does, by name and time; the flag and the timer end; a second time is refused."""
    result = _critical(laboratory)
    address = f"/Observation/{result['id']}/$acknowledge"
    for role in ("PT", "LB", "PH", "AD", "AU"):
        assert laboratory.clients[role].post(address).status_code == 403, role
    answer = laboratory.clients["DR"].post(address)
    assert answer.status_code == 200, answer.text
    task = answer.json()
    assert (task["status"], task["owner"]) == ("completed", {"reference": "Practitioner/dr"})
    assert "end" in task["executionPeriod"]
    assert laboratory.read({"resourceType": "Flag", "id": task["id"]})["status"] == "inactive"
    assert set(laboratory.agenda(f"W7/critical/{task['id']}").values()) == {"struck"}
    again = laboratory.clients["DR"].post(address)
    assert (again.status_code, rules(again)) == (409, {"W7.acknowledged"})
    refused = laboratory.patch("DR", task, "status", "requested")
    assert (refused.status_code, rules(refused)) == (409, {"W7.acknowledged"})


def test_of_many_who_acknowledge_at_once_one_does(laboratory: Laboratory) -> None:
    """The others are told that somebody has; the record says so once."""
    result = _critical(laboratory)
    address = f"/Observation/{result['id']}/$acknowledge"

    def acknowledged(_number: int) -> int:
        return laboratory.clients["DR"].post(address).status_code

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(acknowledged, range(6)))
    assert sorted(codes) == [200, *[409] * 5]
    assert _task(laboratory, result)["meta"]["versionId"] == "2"


def test_a_critical_result_of_nobodys_patient_is_not_lost(laboratory: Laboratory) -> None:
    """Where no doctor is known there are flag and task all the same, for whoever looks."""
    result = laboratory.made("LB", laboratory.result(meaning="HH", subject={"reference": "Patient/q"}))
    [task] = laboratory.found("LB", f"Task?focus={refer(result)['reference']}")
    assert "owner" not in task


def test_the_laboratory_does_not_acknowledge_its_own_result(laboratory: Laboratory) -> None:
    """Not by writing the task either; a nurse may."""
    task = _task(laboratory, _critical(laboratory))
    for refused in (
        laboratory.put("LB", {**task, "status": "completed"}),
        laboratory.patch("LB", task, "status", "completed"),
        laboratory.transaction("LB", {**task, "status": "completed"}),
    ):
        assert (refused.status_code, rules(refused)) == (403, {"W7.acknowledge-role"})
    done = laboratory.changed("RN", task, status="completed")
    assert done["owner"] == {"reference": "Practitioner/rn"}


def test_nobody_else_takes_away_what_waits_for_a_doctor(laboratory: Laboratory) -> None:
    """While the value is critical the task is neither closed, deleted nor made another by anybody else."""
    result = _critical(laboratory)
    task = _task(laboratory, result)
    other = laboratory.made("LB", laboratory.result())
    for elements in (
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"code": coded("urn:other", "look-at-it")},
        {"code": coded("urn:other", "look-at-it"), "status": "cancelled"},
        {"focus": refer(other)},
    ):
        for refused in (
            laboratory.put("LB", {**task, **elements}),
            laboratory.transaction("LB", {**task, **elements}),
        ):
            assert (refused.status_code, rules(refused)) == (403, {"W7.acknowledge-role"}), elements
    gone = laboratory.clients["AD"].delete(f"/Task/{task['id']}")
    assert (gone.status_code, rules(gone)) == (403, {"W7.acknowledge-role"})
    laboratory.changed("LB", task, note=[{"text": "The doctor was called"}])
    laboratory.changed("RN", task, status="cancelled")
    assert laboratory.read({"resourceType": "Flag", "id": task["id"]})["status"] == "inactive"


def test_an_alert_ends_with_a_correction(laboratory: Laboratory) -> None:
    """A result that turns out not to be critical has nothing to be acknowledged; if it is again, it has."""
    result = _critical(laboratory)
    task = _task(laboratory, result)
    laboratory.changed("LB", result, status="corrected", interpretation=[coded(MEANING, "N")])
    assert laboratory.read(task)["status"] == "cancelled"
    assert laboratory.read({"resourceType": "Flag", "id": task["id"]})["status"] == "inactive"
    assert set(laboratory.agenda(f"W7/critical/{task['id']}").values()) == {"struck"}
    laboratory.changed("LB", result, status="amended", interpretation=[coded(MEANING, "LL")])
    found = laboratory.found("DR", f"Task?focus={refer(result)['reference']}&status=requested")
    assert len(found) == 1


@pytest.mark.anyio
@pytest.mark.workflow("0-20")
async def test_an_alert_grows_louder_if_nobody_reacts(laboratory: Laboratory) -> None:
    """In time the patient's doctors and the one on call are told, again and again, until somebody does."""
    result = _critical(laboratory)
    task = _task(laboratory, result)
    now = datetime.now(UTC)
    await pass_time(laboratory.settings, now + timedelta(minutes=29))
    assert laboratory.told("W7.critical-escalated", task) == []
    await pass_time(laboratory.settings, now + timedelta(minutes=31))
    people = ["Practitioner/chief", "Practitioner/dr"]
    assert laboratory.told("W7.critical-escalated", task) == people
    marked = laboratory.read(task)
    assert marked["businessStatus"]["coding"][0]["code"] == "escalated-1"
    await pass_time(laboratory.settings, now + timedelta(minutes=62))
    assert laboratory.told("W7.critical-escalated", task) == sorted(people * 2)
    assert laboratory.clients["DR"].post(f"/Observation/{result['id']}/$acknowledge").status_code == 200
    await pass_time(laboratory.settings, now + timedelta(minutes=300))
    assert laboratory.told("W7.critical-escalated", task) == sorted(people * 2)


@pytest.mark.anyio
async def test_an_escalation_keeps_what_somebody_wrote_meanwhile(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with the task as it is then."""
    task = _task(laboratory, _critical(laboratory))
    note = [{"text": "The doctor is on the way"}]
    meanwhile(monkeypatch, critical, lambda: laboratory.changed("RN", task, note=note))
    now = datetime.now(UTC)
    await pass_time(laboratory.settings, now + timedelta(minutes=31))
    await pass_time(laboratory.settings, now + timedelta(minutes=32))
    marked = laboratory.read(task)
    assert (marked["note"], marked["businessStatus"]["coding"][0]["code"]) == (note, "escalated-1")
