"""Orders: their states, the one task that a laboratory gets, and what patients may order.

https://hl7.org/fhir/R4/servicerequest.html, https://hl7.org/fhir/R4/task.html
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fhir_server.workflows.orders.laboratory import LOINC, Laboratory, Resource, coded, refer, rules

_SNOMED = "http://snomed.info/sct"


def _tasks(laboratory: Laboratory, order: Resource) -> list[Resource]:
    return laboratory.found("LB", f"Task?focus={refer(order)['reference']}")


def _own_order(code: Resource, **elements: object) -> Resource:
    order = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": code}
    return {**order, "subject": {"reference": "Patient/p"}, **elements}


@pytest.mark.workflow("0-14", "4-16")
def test_the_laboratory_gets_an_order_once(laboratory: Laboratory) -> None:
    """One task when it becomes active, whatever else is changed; it waits, to be seen, until it is taken."""
    order = laboratory.order(status="draft", note=[{"text": "fasting"}])
    assert _tasks(laboratory, order) == []
    laboratory.changed("DR", order, status="active", priority="urgent")
    laboratory.changed("DR", order, note=[{"text": "urgent"}])
    laboratory.changed("LB", order, status="on-hold")
    laboratory.changed("LB", order, status="active")
    [task] = _tasks(laboratory, order)
    assert task["code"]["coding"][0]["code"] == "fulfill"
    assert (task["priority"], task["for"]) == ("urgent", {"reference": "Patient/p"})
    waiting = laboratory.found("LB", "Task?code=fulfill&status=requested,received&_count=1000")
    assert task["id"] in {one["id"] for one in waiting}
    assert laboratory.read(order, "LB")["note"] == [{"text": "urgent"}]


def test_an_order_that_many_activate_has_one_task(laboratory: Laboratory) -> None:
    """However often, and at the same time."""
    order = laboratory.order(status="draft")

    def activated(_number: int) -> int:
        return laboratory.put("DR", {**order, "status": "active"}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(activated, range(6))) == {200}
    assert len(_tasks(laboratory, order)) == 1


def test_a_proposal_gets_no_task(laboratory: Laboratory) -> None:
    """Nobody is to carry out what is only proposed."""
    assert _tasks(laboratory, laboratory.order(intent="proposal")) == []


def test_a_proposal_that_is_ordered_gets_its_task(laboratory: Laboratory) -> None:
    """Though it was active before, as proposals are; once, whatever is changed after that."""
    proposal = laboratory.order(intent="proposal")
    for _ in range(2):
        laboratory.changed("DR", proposal, intent="order")
        assert [one["status"] for one in _tasks(laboratory, proposal)] == ["requested"]


@pytest.mark.workflow("1-02")
def test_a_task_of_an_order_goes_step_by_step(laboratory: Laboratory) -> None:
    """The laboratory receives, accepts and does it; steps back, and over what was not begun, are refused."""
    [task] = _tasks(laboratory, laboratory.order())
    refused = laboratory.put("LB", {**task, "status": "in-progress"})
    assert (refused.status_code, rules(refused)) == (422, {"W7.task-state"})
    refused = laboratory.patch("LB", task, "status", "completed")
    assert (refused.status_code, rules(refused)) == (422, {"W7.task-done"})
    for status in ("received", "accepted", "in-progress", "completed"):
        laboratory.changed("LB", task, status=status)
    refused = laboratory.transaction("LB", {**laboratory.read(task), "status": "requested"})
    assert (refused.status_code, rules(refused)) == (422, {"W7.task-state"})


@pytest.mark.parametrize(("status", "following"), [("revoked", "cancelled"), ("on-hold", "on-hold")])
def test_the_task_goes_where_its_order_goes(laboratory: Laboratory, status: str, following: str) -> None:
    """One that is not to be carried out, or not now, is nothing for the laboratory to do."""
    order = laboratory.order()
    laboratory.changed("DR", order, status=status)
    assert [task["status"] for task in _tasks(laboratory, order)] == [following]


def test_an_order_does_not_go_back(laboratory: Laboratory) -> None:
    """Neither by PUT, by PATCH nor in a transaction."""
    order = laboratory.changed("DR", laboratory.order(), status="revoked")
    for refused in (
        laboratory.put("DR", {**order, "status": "active"}),
        laboratory.patch("LB", order, "status", "completed"),
        laboratory.transaction("DR", {**order, "status": "active"}),
    ):
        assert (refused.status_code, rules(refused)) == (422, {"W7.order-state"})


def test_who_ordered_hears_that_it_is_not_done(laboratory: Laboratory) -> None:
    """The doctor is told of a task that the laboratory rejects."""
    [task] = _tasks(laboratory, laboratory.order())
    laboratory.changed("LB", task, status="rejected")
    assert laboratory.told("W7.order-not-done", task) == ["Practitioner/dr"]


@pytest.mark.workflow("4-15")
def test_patients_order_blood_tests_themselves(laboratory: Laboratory) -> None:
    """In their own name, for themselves; the laboratory gets it like any other."""
    order = laboratory.made("PT", _own_order(coded(LOINC, "58410-2")))
    assert order["requester"] == {"reference": "Patient/p"}
    assert len(_tasks(laboratory, order)) == 1
    for_another = laboratory.post(
        "PT", _own_order(coded(LOINC, "58410-2"), subject={"reference": "Patient/q"})
    )
    assert for_another.status_code == 403
    refused = laboratory.post(
        "PT", _own_order(coded(LOINC, "58410-2"), requester={"reference": "Practitioner/dr"})
    )
    assert (refused.status_code, rules(refused)) == (403, {"W7.requester"})


@pytest.mark.workflow("4-15")
@pytest.mark.parametrize(
    "code",
    [coded(_SNOMED, "399208008"), coded(_SNOMED, "113091000"), {"text": "MRI"}],
    ids=["X-ray", "MRI", "text"],
)
def test_pictures_need_an_order_of_a_doctor(laboratory: Laboratory, code: Resource) -> None:
    """A patient cannot order an X-ray or an MRI, not even beside a blood test; a doctor can."""
    refused = laboratory.post("PT", _own_order(code))
    assert (refused.status_code, rules(refused)) == (422, {"W7.needs-order"})
    both = {"coding": [*coded(LOINC, "58410-2")["coding"], *code.get("coding", [{"code": "x"}])]}
    assert rules(laboratory.post("PT", _own_order(both))) == {"W7.needs-order"}
    assert laboratory.order(code=code)["status"] == "active"
