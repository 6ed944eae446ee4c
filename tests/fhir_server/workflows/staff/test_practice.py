"""Who may be booked, prescribe and be assigned, and whose licence a number is.

https://hl7.org/fhir/R4/practitioner.html
"""

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff import PATTERN, may_practise
from fhir_server.workflows.staff.qualifications import lapsed
from tests.fhir_server.workflows.staff.house import LICENCE, House, at, day, rules, transaction

_NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_RENEWED = [
    {"code": {"text": "Licence"}, "period": {"end": "2026-01-01"}},
    {"code": {"text": "licence "}, "period": {"start": "2026-01-01", "end": "2028-01-01"}},
]
_ELECTIVE = {
    "code": {"coding": [{"system": "urn:fhir-hospital-server:qualification", "code": "elective"}]},
    "period": {"end": "2020-01-01"},
}
_QUALIFICATIONS: list[tuple[list[dict[str, Any]], bool]] = [
    ([], True),
    ([{"code": {"text": "Degree"}, "period": {"start": "2000-01-01"}}], True),
    ([{"code": {"text": "Licence"}, "period": {"end": "2026-06-01"}}], True),
    ([{"code": {"text": "Licence"}, "period": {"end": "2026-06"}}], True),
    ([{"code": {"text": "Licence"}, "period": {"end": "2026-05-31"}}], False),
    ([{"code": {"text": "Fire safety"}, "period": {"end": "2026-05"}}], False),
    (_RENEWED, True),
    ([_RENEWED[0], {"code": {"text": "Other"}, "period": {"end": "2028-01-01"}}], False),
    ([_ELECTIVE], True),
]
_ROLES: list[tuple[list[dict[str, Any]], bool]] = [
    ([], True),
    ([{"active": True}], True),
    ([{}], True),
    ([{"active": False}], False),
    ([{"active": False}, {"active": True}], True),
    ([{"period": {"end": "2026-05-31"}}], False),
    ([{"period": {"start": "2026-06-02"}}], False),
]


@pytest.mark.parametrize(("qualification", "may"), _QUALIFICATIONS)
def test_a_qualification_that_ended_has_to_be_renewed(qualification: list[Any], may: bool) -> None:
    """By one of the same code, unless it was elective."""
    assert (lapsed({"qualification": qualification}, _NOW) == []) is may
    assert (may_practise({"qualification": qualification}, [], _NOW) is None) is may


@pytest.mark.parametrize(("roles", "may"), _ROLES)
def test_somebody_works_in_a_role(roles: list[Any], may: bool) -> None:
    """In one that is active, on that day."""
    assert (may_practise({"active": True}, roles, _NOW) is None) is may


def test_who_is_inactive_may_not_practise() -> None:
    """Whatever their roles; of whom there is no record nothing is said."""
    assert may_practise({"active": False}, [{"active": True}], _NOW) is not None
    assert may_practise(None, [], _NOW) is None


@pytest.fixture
def house(client: httpx.Client) -> House:
    """The hospital."""
    return House(client)


@pytest.mark.workflow("3-02", "4-29")
def test_who_may_not_practise_is_not_booked(house: House) -> None:
    """As a person or by a role, by create, PATCH and transaction; the day of the appointment counts."""
    good, over, gone = house.doctor(day(400)), house.doctor(day(-1)), house.doctor(active=False)
    soon = house.doctor(day(10))
    left = house.doctor()
    role = house.role(left, active=False)
    assert house.post(house.appointment(good)).status_code == 201
    assert house.post(house.appointment(soon, hours=48)).status_code == 201
    later = house.post(house.appointment(soon, hours=24 * 20))
    assert (later.status_code, rules(later)) == (422, {"W12.may-not-practise"})
    for actor in (over, gone, left, role):
        for refused in (
            house.post(house.appointment(actor)),
            house.client.post("", json=transaction(house.appointment(actor))),
        ):
            assert refused.status_code == 422
            assert "W12.may-not-practise" in rules(refused)
    booked = house.post(house.appointment(good, hours=72)).json()
    other = [{"actor": {"reference": over}, "status": "accepted"}]
    moved = house.patch(f"Appointment/{booked['id']}", participant=other)
    assert (moved.status_code, rules(moved)) == (422, {"W12.may-not-practise"})
    house.patch(good, active=False)
    assert house.patch(f"Appointment/{booked['id']}", description="x").status_code == 200


@pytest.mark.workflow("3-02", "4-29")
def test_who_may_not_practise_does_not_prescribe(house: House) -> None:
    """A draft may be written, and does not become active; what was prescribed before stays."""
    over = house.doctor(day(-1))
    refused = house.post(house.prescription(over))
    assert refused.status_code == 422
    assert "W12.may-not-prescribe" in rules(refused)
    draft = house.post(house.prescription(over, "draft"))
    assert draft.status_code == 201, draft.text
    active = house.patch(f"MedicationRequest/{draft.json()['id']}", status="active")
    assert active.status_code == 422
    assert "W12.may-not-prescribe" in rules(active)
    assert "W12.may-not-prescribe" not in rules(house.post(house.prescription(house.doctor(day(5)))))


@pytest.mark.workflow("0-23")
def test_a_patient_is_not_assigned_to_who_has_left(house: House) -> None:
    """Neither as their doctor nor in a care team; who was assigned before stays on record."""
    here, gone = house.doctor(), house.doctor(active=False)
    left = house.doctor()
    house.role(left, period={"start": "2020-01-01", "end": "2021-01-01"})
    patient = {"resourceType": "Patient", "name": [{"family": uuid.uuid4().hex}], "birthDate": "1980-01-01"}
    for doctor, status in ((here, 201), (gone, 422), (left, 422)):
        answer = house.post({**patient, "generalPractitioner": [{"reference": doctor}]})
        assert answer.status_code == status
        assert ("W12.assigns-inactive" in rules(answer)) is (status == 422)
        team = [{"member": {"reference": doctor}}]
        answer = house.post({"resourceType": "CareTeam", "status": "active", "participant": team})
        assert answer.status_code == status
    known = house.put({**patient, "generalPractitioner": [{"reference": here}]})
    assert house.patch(here, active=False).status_code == 200
    assert house.patch(known, language="en").status_code == 200


@pytest.mark.workflow("3-02")
def test_a_licence_number_is_one_persons(house: House) -> None:
    """As an identifier or with a qualification; who gives it up leaves it to others."""
    number = {"type": LICENCE, "system": "urn:licence", "value": uuid.uuid4().hex}
    first = house.doctor(identifier=[number])
    plain = {name: value for name, value in number.items() if name != "type"}
    qualified = [{"code": {"text": "Licence"}, "identifier": [plain]}]
    for other in ({"identifier": [number]}, {"qualification": qualified}):
        refused = house.post({"resourceType": "Practitioner", **other})
        assert (refused.status_code, rules(refused)) == (409, {"W12.licence"})
    assert house.patch(first, gender="female").status_code == 200
    assert house.patch(first, identifier=[{**number, "value": uuid.uuid4().hex}]).status_code == 200
    assert house.post({"resourceType": "Practitioner", "identifier": [number]}).status_code == 201


def test_who_is_on_leave_is_not_booked(house: House) -> None:
    """For a time that touches the leave."""
    doctor = house.doctor()
    away = [{"description": "Leave", "during": {"start": day(5), "end": day(7)}}]
    house.role(doctor, notAvailable=away)
    refused = house.post(house.appointment(doctor, hours=24 * 6))
    assert refused.status_code == 422
    assert "W12.on-leave" in rules(refused)
    assert house.post(house.appointment(doctor, hours=24 * 10)).status_code == 201


@pytest.mark.workflow("1-10", "4-31")
def test_nobody_is_on_the_roster_twice(house: House) -> None:
    """Neither in one Schedule nor in two; the next Slot begins when the last one ends."""
    doctor = house.doctor()
    first, second = (
        house.put({"resourceType": "Schedule", "actor": [{"reference": doctor}]}) for _ in range(2)
    )
    stranger = house.put({"resourceType": "Schedule", "actor": [{"reference": house.doctor()}]})

    def slot(schedule: str, start: float, hours: float, status: str = "free") -> dict[str, Any]:
        return {
            "resourceType": "Slot",
            "schedule": {"reference": schedule},
            "status": status,
            "start": at(days=9, hours=start),
            "end": at(days=9, hours=start + hours),
        }

    assert house.post(slot(first, 0, 2)).status_code == 201
    for refused in (
        house.post(slot(first, 1, 2)),
        house.post(slot(second, 1, 0.5)),
        house.client.post("", json=transaction(slot(first, 6, 1), slot(first, 6.5, 1))),
        house.post(slot(f"{first}/_history/1", 1, 2)),
        house.post(slot(house.absolute(first), 1, 2)),
    ):
        assert refused.status_code == 409
        assert all("overlap" in one for one in rules(refused))
    assert house.post(slot(first, 2.01, 2)).status_code == 201
    assert house.post(slot(stranger, 0, 2)).status_code == 201
    assert house.post(slot(second, 0, 2, "busy-unavailable")).status_code == 201


@pytest.mark.parametrize(
    ("role", "element", "is_refused"),
    [
        ("DR", "qualification", True),
        ("DR", "active", True),
        ("DR", "telecom", False),
        ("AD", "qualification", False),
    ],
)
def test_a_licence_is_changed_by_administrators(
    settings: Settings, role: str, element: str, is_refused: bool
) -> None:
    """Whatever a hospital's own file of roles allows: the rule says so too."""
    principal = Principal("app", (), "1", "Practitioner/1", frozenset({role}))
    situation = Situation(_NOW, "http://server/fhir", settings, lambda: "1", principal)
    before = {"resourceType": "Practitioner", "id": "1"}
    change = Change("Practitioner", "1", before, {**before, element: [{"code": {"text": "x"}}]})
    (watch,) = (one for one in PATTERN.watches if one.types == {"Practitioner"})
    assert watch.check is not None
    found = [one.rule.id for one in watch.check(change, None, situation)]
    assert found == (["W12.own-licence"] if is_refused else [])
