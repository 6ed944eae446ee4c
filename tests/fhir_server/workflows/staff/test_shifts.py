"""The hours that somebody works, and who may write what about staff.

https://hl7.org/fhir/R4/basic.html
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.staff.house import House, at, day, rules

ROLES = ("PT", "DR", "RN", "BC", "AD")


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code."""
    person = "Patient/p" if token == "PT" else f"Practitioner/{token.lower()}"
    scopes = ("patient/*.cruds",) if token == "PT" else ("user/*.cruds",)
    return Principal("app", scopes, token, person, frozenset({token}), patient="p" if token == "PT" else None)


@pytest.fixture(scope="module")
def clients(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for each role, of people who have a record and a role."""
    with running_server(settings, _authenticate) as url, ExitStack() as opened:
        found = {}
        for role in ROLES:
            headers = {"content-type": FHIR_JSON, "authorization": f"Bearer {role}"}
            found[role] = opened.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
        house = House(found["AD"])
        for role in ROLES[1:]:
            person = house.doctor(id=role.lower())
            house.role(person, id=role.lower())
        yield found


def shift(person: str, start: float, hours: float | None) -> dict[str, Any]:
    """Return the record of a shift that began so many hours ago."""
    period = {"start": at(hours=-start)} | ({} if hours is None else {"end": at(hours=hours - start)})
    return {
        "resourceType": "Basic",
        "code": {"coding": [{"system": "urn:fhir-hospital-server:basic", "code": "shift-record"}]},
        "subject": {"reference": person},
        "extension": [{"url": "urn:fhir-hospital-server:shift-period", "valuePeriod": period}],
    }


@pytest.mark.workflow("4-32")
def test_staff_clock_in_and_out(clients: dict[str, httpx.Client]) -> None:
    """For themselves, once at a time; administrators for anybody, and patients for nobody."""
    nurse = clients["RN"]
    begun = nurse.post("/PractitionerRole/rn/$clock-in")
    assert begun.status_code == 200, begun.text
    assert begun.json()["subject"] == {"reference": "Practitioner/rn"}
    again = nurse.post("/PractitionerRole/rn/$clock-in")
    assert (again.status_code, rules(again)) == (409, {"W12.shift-overlap"})
    other = clients["DR"].post("/PractitionerRole/rn/$clock-out")
    assert (other.status_code, rules(other)) == (403, {"W12.own-shift"})
    assert clients["PT"].post("/PractitionerRole/rn/$clock-in").status_code == 403
    ended = nurse.post("/PractitionerRole/rn/$clock-out")
    assert ended.status_code == 200, ended.text
    assert ended.json()["extension"][0]["valuePeriod"]["end"]
    twice = nurse.post("/PractitionerRole/rn/$clock-out")
    assert (twice.status_code, rules(twice)) == (409, {"W12.no-open-shift"})
    assert nurse.get(f"/Basic/{begun.json()['id']}").status_code == 200
    assert clients["DR"].get(f"/Basic/{begun.json()['id']}").status_code == 404
    told = nurse.get("/PractitionerRole/rn/$worked-hours").json()["parameter"]
    assert told[0] == {"name": "shifts", "valueInteger": 1}


@pytest.mark.workflow("4-32")
def test_of_many_who_clock_in_at_once_one_does(clients: dict[str, httpx.Client]) -> None:
    """A button that is pressed ten times begins one shift."""
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: clients["BC"].post("/PractitionerRole/bc/$clock-in"), range(10)))
    assert sorted(one.status_code for one in answers) == [200, *[409] * 9]


def test_who_has_no_active_role_does_not_clock_in(clients: dict[str, httpx.Client]) -> None:
    """The role has ended."""
    house = House(clients["AD"])
    role = house.role(house.doctor(), active=False)
    refused = clients["AD"].post(f"/{role}/$clock-in")
    assert (refused.status_code, rules(refused)) == (422, {"W12.inactive-role"})


@pytest.mark.workflow("4-32")
def test_a_shift_has_a_day_at_most(clients: dict[str, httpx.Client]) -> None:
    """It ends after it begins, is not of tomorrow, and overlaps with no other of the person."""
    house = House(clients["AD"])
    person = house.doctor()
    for start, hours in ((30, 25), (30, 0), (-10, 5), (-10, None)):
        refused = house.post(shift(person, start, hours))
        assert (refused.status_code, rules(refused)) == (422, {"W12.shift-time"})
    assert house.post(shift(person, 30, 24)).status_code == 201
    for start, hours in ((31, 2), (20, 1), (7, 3)):
        refused = house.post(shift(person, start, hours))
        assert (refused.status_code, rules(refused)) == (409, {"W12.shift-overlap"})
    assert house.post(shift(person, 5, 4)).status_code == 201
    assert house.post(shift(house.doctor(), 30, 24)).status_code == 201
    told = clients["AD"].get(f"/{house.role(person)}/$worked-hours").json()["parameter"]
    assert [one.get("valueInteger", one.get("valueDecimal")) for one in told] == [2, 28]


def test_staff_do_not_write_their_hours_themselves(clients: dict[str, httpx.Client]) -> None:
    """Only by clocking in and out; an administrator corrects them."""
    assert clients["DR"].post("/Basic", json=shift("Practitioner/dr", 5, 4)).status_code == 403
    assert clients["AD"].post("/Basic", json=shift("Practitioner/dr", 5, 4)).status_code == 201


@pytest.mark.workflow("3-09")
def test_a_doctor_changes_their_own_profile_but_not_the_licence(clients: dict[str, httpx.Client]) -> None:
    """The telephone, not the qualification, the name of the record's owner or another's."""
    house = House(clients["DR"])
    phone = [{"system": "phone", "value": "1"}]
    assert house.patch("Practitioner/dr", telecom=phone).status_code == 200
    licence = [{"code": {"text": "Licence"}, "period": {"end": day(9000)}}]
    for refused in (
        house.patch("Practitioner/dr", qualification=licence),
        house.patch("Practitioner/dr", identifier=[{"system": "urn:licence", "value": "1"}]),
        house.patch("Practitioner/dr", active=True),
        house.patch("Practitioner/rn", telecom=phone),
        house.patch("PractitionerRole/dr", active=True),
    ):
        assert refused.status_code == 403
    assert House(clients["AD"]).patch("Practitioner/dr", qualification=licence).status_code == 200


@pytest.mark.workflow("3-46", "4-29")
def test_the_directory_is_open_to_who_has_signed_in(clients: dict[str, httpx.Client]) -> None:
    """Patients find a doctor by specialty, with telephone and e-mail, and staff that is not medical."""
    house = House(clients["AD"])
    telecom = [{"system": "phone", "value": "555"}, {"system": "email", "value": "d@hospital.example"}]
    doctor = house.doctor(telecom=telecom)
    cook = house.put({"resourceType": "Practitioner", "name": [{"family": "Cook"}]})
    heart = {"coding": [{"system": "http://snomed.info/sct", "code": "394579002", "display": "Cardiology"}]}
    house.role(doctor, specialty=[heart])
    house.role(cook, code=[{"text": "Cook"}])
    asked = {"specialty": "http://snomed.info/sct|394579002", "_include": "PractitionerRole:practitioner"}
    found = clients["PT"].get("/PractitionerRole", params=asked).json()["entry"]
    people = [one["resource"] for one in found if one["resource"]["resourceType"] == "Practitioner"]
    assert [one["telecom"] for one in people] == [telecom]
    assert clients["PT"].get(f"/{cook}").status_code == 200
    assert clients["PT"].post("/Practitioner", json={"resourceType": "Practitioner"}).status_code == 403


def test_leave_is_decided_by_another_administrator(clients: dict[str, httpx.Client]) -> None:
    """Not by who asks for it, be they an administrator or not."""
    absolute = House(clients["AD"]).absolute("Practitioner/ad")
    for asks, written in (
        ("DR", "Practitioner/dr"),
        ("AD", "Practitioner/ad"),
        ("AD", absolute),
        ("AD", "Practitioner/ad/_history/1"),
    ):
        house = House(clients[asks])
        task = house.task(
            "leave",
            f"PractitionerRole/{asks.lower()}",
            requester={"reference": written},
            restriction={"period": {"start": day(20), "end": day(25)}},
        )
        made = house.post(task)
        assert made.status_code == 201, made.text
        refused = house.patch(f"Task/{made.json()['id']}", status="accepted")
        assert (refused.status_code, rules(refused)) == (403, {"W12.approval"})
        if asks == "DR":  # what the doctor has asked for, the administrator decides
            decided = House(clients["AD"]).patch(f"Task/{made.json()['id']}", status="accepted")
            assert decided.status_code == 200


@pytest.mark.workflow("4-33")
def test_hiring_is_for_administrators(clients: dict[str, httpx.Client]) -> None:
    """Nobody else begins one, which would make a role inactive, nor ends, redirects or hides one."""
    office, nurse = House(clients["AD"]), House(clients["RN"])
    role = office.role(office.doctor())
    begun = nurse.post(nurse.task("hiring", role))
    assert (begun.status_code, rules(begun)) == (403, {"W12.approval"})
    assert office.get(role)["active"] is True
    hiring = office.put(office.task("hiring", role))
    assert office.get(role)["active"] is False
    other = {"coding": [{"system": "urn:x", "code": "other"}]}
    for change in (
        {"status": "accepted"},
        {"status": "cancelled"},
        {"focus": {"reference": "PractitionerRole/rn"}},
        {"code": other},
    ):
        refused = nurse.patch(hiring, **change)
        assert (refused.status_code, rules(refused)) == (403, {"W12.approval"})
    for state in ("accepted", "completed"):
        assert office.patch(hiring, status=state).status_code == 200
    assert office.get(role)["active"] is True


@pytest.mark.workflow("4-32")
def test_leave_that_was_given_stays_as_it_is(clients: dict[str, httpx.Client]) -> None:
    """Whoever changes, hides or deletes it; whose it is, and administrators, cancel it, and nobody else."""
    office, doctor, nurse = (House(clients[one]) for one in ("AD", "DR", "RN"))
    role = office.role("Practitioner/dr")
    period = {"start": day(40), "end": day(45)}
    asked = doctor.task(
        "leave", role, requester={"reference": "Practitioner/dr"}, restriction={"period": period}
    )
    leave = f"Task/{doctor.post(asked).json()['id']}"
    assert office.patch(leave, status="accepted").status_code == 200
    for change in (
        {"restriction": {"period": {"start": day(40), "end": day(60)}}},
        {"focus": {"reference": "PractitionerRole/rn"}},
        {"code": {"text": "nothing"}},
        {"requester": {"reference": "Practitioner/rn"}},
        {"status": "cancelled", "restriction": {"period": {"start": day(1), "end": day(2)}}},
    ):
        for who in (office, nurse):
            refused = who.patch(leave, **change)
            assert refused.status_code == 422, refused.text
            assert "W12.leave-given" in rules(refused)
    refused = office.client.delete(f"/{leave}")
    assert (refused.status_code, rules(refused)) == (422, {"W12.leave-given"})
    refused = nurse.patch(leave, status="cancelled")
    assert (refused.status_code, rules(refused)) == (403, {"W12.approval"})
    assert office.get(role)["notAvailable"] == [{"description": "Leave", "during": period}]
    assert doctor.patch(leave, status="cancelled", note=[{"text": "I stay"}]).status_code == 200
    assert "notAvailable" not in office.get(role)


def test_leave_that_is_interrupted_still_takes_its_time(clients: dict[str, httpx.Client]) -> None:
    """On hold it stands in the role as before, and is taken out when it is cancelled then."""
    office = House(clients["AD"])
    role = office.role(office.doctor())
    period = {"start": day(20), "end": day(25)}
    leave = office.put(office.task("leave", role, restriction={"period": period}))
    for state in ("accepted", "in-progress", "on-hold"):
        assert office.patch(leave, status=state).status_code == 200
    second = office.put(office.task("leave", role, restriction={"period": period}))
    refused = office.patch(second, status="accepted")
    assert (refused.status_code, rules(refused)) == (409, {"W12.leave-booked"})
    assert office.patch(leave, status="cancelled").status_code == 200
    assert "notAvailable" not in office.get(role)
