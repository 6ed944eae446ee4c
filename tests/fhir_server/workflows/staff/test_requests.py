"""Leave, hiring and training, and what the night does about licences that end.

https://hl7.org/fhir/R4/task.html
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.store.ruling import Entry
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from fhir_server.workflows.staff import PATTERN
from fhir_server.workflows.staff.nightly import NIGHTLY
from tests.fhir_server.workflows.staff.house import TASKS, House, day, rules


@pytest.fixture
def house(client: httpx.Client) -> House:
    """The hospital."""
    return House(client)


def _become(house: House, task: str, *states: str) -> httpx.Response:
    for state in states:
        answer = house.patch(task, status=state)
        if answer.status_code != 200:
            return answer
    return answer


@pytest.mark.workflow("4-32")
def test_leave_is_asked_for_and_given(house: House) -> None:
    """It stands in the role from then on, and is taken out when it is cancelled."""
    role = house.role(house.doctor())
    period = {"start": day(20), "end": day(25)}
    task = house.put(house.task("leave", role, restriction={"period": period}))
    assert "notAvailable" not in house.get(role)
    assert _become(house, task, "accepted").status_code == 200
    assert house.get(role)["notAvailable"] == [{"description": "Leave", "during": period}]
    assert _become(house, task, "cancelled").status_code == 200
    assert "notAvailable" not in house.get(role)
    assert house.get(task)["for"] == house.get(role)["practitioner"]
    back = _become(house, task, "accepted")
    assert (back.status_code, rules(back)) == (422, {"W12.task-state"})
    other = house.role(house.get(role)["practitioner"]["reference"])
    overlapping = {"period": {"start": day(25), "end": day(26)}}
    first = house.put(house.task("leave", role, restriction={"period": period}))
    second = house.put(house.task("leave", other, restriction=overlapping))
    assert _become(house, first, "accepted").status_code == 200
    refused = _become(house, second, "accepted")
    assert (refused.status_code, rules(refused)) == (409, {"W12.leave-booked"})


@pytest.mark.parametrize(
    ("is_absolute", "version"), [(True, ""), (False, "/_history/1"), (True, "/_history/1")]
)
def test_leave_takes_the_time_of_the_role_that_it_names(
    house: House, version: str, is_absolute: bool
) -> None:
    """However it is written, and also if it is nobody's yet: there is no second leave at that time."""
    role = house.put({"resourceType": "PractitionerRole", "active": True})
    written = (house.absolute(role) if is_absolute else role) + version
    period = {"restriction": {"period": {"start": day(40), "end": day(41)}}}
    first, second = (house.put(house.task("leave", one, **period)) for one in (written, role))
    assert _become(house, first, "accepted").status_code == 200
    refused = _become(house, second, "accepted")
    assert (refused.status_code, rules(refused)) == (409, {"W12.leave-booked"})


def test_leave_says_when_and_is_not_given_over_appointments(house: House) -> None:
    """What is booked is moved first."""
    doctor = house.doctor()
    role = house.role(doctor)
    for restriction in ({"repetitions": 1}, {"period": {"start": day(5)}}):
        refused = house.post(house.task("leave", role, restriction=restriction))
        assert (refused.status_code, rules(refused)) == (422, {"W12.leave-incomplete"})
    booked = house.post(house.appointment(doctor, hours=24 * 6)).json()
    task = house.put(house.task("leave", role, restriction={"period": {"start": day(5), "end": day(8)}}))
    refused = _become(house, task, "accepted")
    assert (refused.status_code, rules(refused)) == (409, {"W12.leave-booked"})
    cancelled = {"status": "cancelled", "cancelationReason": {"text": "moved"}}
    assert house.patch(f"Appointment/{booked['id']}", **cancelled).status_code == 200
    assert _become(house, task, "accepted").status_code == 200


@pytest.mark.workflow("4-33")
def test_a_role_is_active_after_the_checks_of_the_hiring(house: House) -> None:
    """Not before, by no way; when the hiring is completed it is."""
    role = house.role(house.doctor())
    hiring = house.put(house.task("hiring", role))
    assert house.get(role)["active"] is False
    early = house.patch(role, active=True)
    assert (early.status_code, rules(early)) == (422, {"W12.hiring-open"})
    check = house.put({**house.task("check", role), "partOf": [{"reference": hiring}]})
    refused = _become(house, hiring, "accepted", "in-progress", "completed")
    assert (refused.status_code, rules(refused)) == (422, {"W12.checks-open"})
    assert _become(house, check, "completed").status_code == 200
    assert _become(house, hiring, "completed").status_code == 200
    assert house.get(role)["active"] is True


@pytest.mark.workflow("4-33")
def test_nobody_is_hired_without_a_licence_in_force(house: House) -> None:
    """And a role of such a person does not become active."""
    doctor = house.doctor(day(-1))
    role = house.role(doctor, active=False)
    hiring = house.put(house.task("hiring", role))
    refused = _become(house, hiring, "accepted", "completed")
    assert refused.status_code == 422
    assert "W12.unqualified" in rules(refused)
    assert _become(house, hiring, "cancelled").status_code == 200
    active = house.patch(role, active=True)
    assert (active.status_code, rules(active)) == (422, {"W12.unqualified"})


def _work_at_night(settings: Settings) -> None:
    async def work() -> None:
        assert settings.mongo_url is not None
        store = open_store(settings, settings.mongo_url)

        def no_route(_request: object) -> Any:
            raise AssertionError

        jobs = Jobs(store.async_jobs)
        plain = Context("http://server/fhir", store, settings, _now, new_id, no_route, jobs)
        acting = ruled(plain, RuleBook([PATTERN], parse_modes(None, None), store))
        await PATTERN.actions[NIGHTLY](Entry("night", _now(), NIGHTLY, ""), acting, Services())
        await store.close()

    asyncio.run(work())


def _now() -> datetime:
    return datetime.now(UTC)


def _renewals(house: House, doctor: str) -> list[str]:
    params = {"owner": doctor, "code": f"{TASKS}|training"}
    found = house.client.get("/Task", params=params).json().get("entry", [])
    return [one["resource"]["status"] for one in found]


def _notices(settings: Settings, kind: str, recipient: str) -> int:
    wanted = {"data.kind": kind, "data.recipient": recipient}
    with MongoClient[dict[str, Any]](settings.mongo_url) as client:
        return client[settings.database]["agenda"].count_documents(wanted)


@pytest.mark.workflow("1-39", "4-34")
def test_what_expires_is_told_of_and_ends_in_suspension(house: House, settings: Settings) -> None:
    """Thirty days ahead there is one Task and one notice; who has not renewed has no active role."""
    soon, later, over = house.doctor(day(20)), house.doctor(day(60)), house.doctor(day(-1))
    roles = {one: house.role(one, active=one != over) for one in (soon, later)}
    # A licence that ends while the role is active.
    lapsing = house.doctor(day(5))
    roles[lapsing] = house.role(lapsing)
    ended = [{"code": {"text": "Licence"}, "period": {"end": day(-1)}}]
    assert house.patch(lapsing, qualification=ended).status_code == 200
    for _ in range(2):
        _work_at_night(settings)
        assert _renewals(house, soon) == ["requested"]
        assert _renewals(house, later) == []
        assert [house.get(roles[one])["active"] for one in (soon, later, lapsing)] == [True, True, False]
    assert _notices(settings, "W12.renew", soon) == 1
    assert _notices(settings, "W12.suspended", lapsing) == 1
    renewed = [{"code": {"text": "Licence"}, "period": {"end": day(800)}}]
    for doctor in (soon, lapsing):
        assert house.patch(doctor, qualification=renewed).status_code == 200
        assert _renewals(house, doctor) == ["completed"]
    assert house.patch(roles[lapsing], active=True).status_code == 200


@pytest.mark.workflow("3-43")
def test_who_leaves_has_no_active_role(house: House) -> None:
    """To make a person inactive ends all roles of theirs."""
    doctor = house.doctor()
    roles = [house.role(doctor), house.role(doctor)]
    assert house.patch(doctor, active=False).status_code == 200
    assert [house.get(one)["active"] for one in roles] == [False, False]
