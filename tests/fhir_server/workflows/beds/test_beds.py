"""Beds: who has which, in which state it is, and what becomes of it. https://hl7.org/fhir/R4/location.html"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.fhir_server.workflows.encounters.ward import (
    BED_STATES,
    PHYSICAL,
    Ward,
    concept,
    moment,
    rules,
)

Resource = dict[str, Any]


@pytest.fixture
def ward(client: httpx.Client) -> Ward:
    """A ward of the test's own."""
    return Ward(client)


def _open_tasks(ward: Ward, bed: str) -> list[Resource]:
    return ward.search(f"Task?focus={bed}&status=requested,accepted,in-progress")


def _in_bed(bed: str, status: str = "active", *, is_said: bool = False) -> list[Resource]:
    place: Resource = {"location": {"reference": bed}, "status": status}
    return [place | ({"physicalType": concept(PHYSICAL, "bd")} if is_said else {})]


def _set_state(ward: Ward, bed: str, code: str) -> httpx.Response:
    return ward.set(bed, operationalStatus={"system": BED_STATES, "code": code})


@pytest.mark.workflow("0-15", "0-40")
def test_a_stay_from_admission_to_a_clean_bed(ward: Ward) -> None:
    """Admit, transfer, and clean: the state of each bed follows, and the allocation is found from the bed."""
    first, second = ward.bed(), ward.bed()
    assert ward.state(first) == "U"
    encounter = ward.begin("arrived", "EMER")
    admitted = ward.call(f"{encounter}/$admit", bed=first)
    assert admitted.status_code == 200, admitted.text
    told = admitted.json()
    assert (told["status"], told["class"]["code"], told["location"][0]["status"]) == (
        "in-progress",
        "IMP",
        "active",
    )
    assert ward.state(first) == "O"
    found = ward.search(f"Location?_id={first[9:]}&_revinclude=Encounter:location")
    assert {one["resourceType"] for one in found} == {"Location", "Encounter"}
    moved = ward.call(f"{encounter}/$transfer", bed=second)
    assert moved.status_code == 200, moved.text
    assert (ward.state(first), ward.state(second)) == ("H", "O")
    assert [one["status"] for one in moved.json()["location"]] == ["completed", "active"]
    assert "end" in moved.json()["location"][0]["period"]
    [task] = _open_tasks(ward, first)
    assert ward.patch(f"Task/{task['id']}", "/status", "completed").status_code == 200
    assert ward.state(first) == "U"
    assert ward.call(f"{encounter}/$transfer", bed=second).json()["meta"] == moved.json()["meta"]
    period = {"start": moment(-600), "end": moment(1)}
    assert ward.set(encounter, status="finished", period=period).status_code == 200
    assert ward.state(second) == "H"
    assert ward.get(encounter)["location"][1]["status"] == "completed"
    assert _set_state(ward, second, "U").status_code == 200
    assert _open_tasks(ward, second) == []


@pytest.mark.workflow("0-15")
def test_a_bed_is_for_one(ward: Ward) -> None:
    """Whoever comes second is told 409: by operation, PUT, PATCH and transaction, said to be a bed or not."""
    bed = ward.bed()
    assert ward.call(f"{ward.begin()}/$admit", bed=bed).status_code == 200
    other = ward.begin()
    refused = ward.call(f"{other}/$admit", bed=bed)
    assert refused.status_code == 409
    assert rules(refused) == {"W5.bed-taken"}
    for status in ("active", "reserved"):
        for is_said in (True, False):
            places = _in_bed(bed, status, is_said=is_said)
            for answer in (
                ward.set(other, location=places),
                ward.patch(other, "/location", places, "add"),
                ward.transact({**ward.get(other), "location": places}),
                ward.client.post("/Encounter", json=ward.encounter(location=places)),
            ):
                assert answer.status_code == 409, answer.text
                assert rules(answer) == {"W5.bed-taken"}
    pair = [ward.encounter(location=_in_bed(ward.bed())) for _ in range(2)]
    pair[1]["location"] = pair[0]["location"]
    assert ward.transact(*pair).status_code == 409


@pytest.mark.parametrize("are_said", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_bed_is_not_handed_on_uncleaned(ward: Ward, turn: int, are_said: tuple[bool, bool]) -> None:
    """In one transaction it goes to nobody else, in exchange or not, whether or not it is said to be one."""
    first, second = ward.bed(), ward.bed()
    encounters = [ward.begin(), ward.begin()]
    for encounter, bed, is_said in zip(encounters, (first, second), are_said, strict=True):
        assert ward.set(encounter, location=_in_bed(bed, is_said=is_said)).status_code == 200
    leaving, staying = (ward.get(one) for one in encounters)
    left = [{**leaving["location"][0], "status": "completed"}]
    taken = [{**staying["location"][0], "status": "completed"}, *_in_bed(first, is_said=are_said[1])]
    exchanged = [*left, *_in_bed(second, is_said=are_said[0])]
    takes = {**staying, "location": taken}
    ended = {"status": "finished", "period": {"start": moment(-60), "end": moment()}}
    for leaves in ({"location": left}, {"location": exchanged}, ended):
        refused = ward.transact(*({**leaving, **leaves}, takes)[::turn])
        assert refused.status_code == 409, refused.text
    assert ward.client.post("", json=_deleting(leaving, takes)).status_code == 409
    assert (ward.state(first), ward.state(second)) == ("O", "O")
    assert ward.set(encounters[0], location=left).status_code == 200
    assert ward.transact(takes).status_code == 422
    assert _set_state(ward, first, "U").status_code == 200
    assert ward.transact(takes).status_code == 200
    assert (ward.state(first), ward.state(second)) == ("O", "H")


def _deleting(gone: Resource, other: Resource) -> Resource:
    request = {"method": "PUT", "url": f"Encounter/{other['id']}"}
    entries = [
        {"request": {"method": "DELETE", "url": f"Encounter/{gone['id']}"}},
        {"resource": other, "request": request},
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_many_want_one_bed(ward: Ward) -> None:
    """At the same time: one has it, the others are told that it is taken."""
    bed = ward.bed()
    encounters = [ward.begin() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: ward.set(one, location=_in_bed(bed)), encounters))
    assert sorted(one.status_code for one in answers) == [200] + [409] * 7
    assert ward.state(bed) == "O"


@pytest.mark.parametrize(("state", "rule"), [(one, "W5.not-assignable") for one in "CKH"])
@pytest.mark.workflow("0-15")
def test_some_beds_are_given_to_nobody(ward: Ward, state: str, rule: str) -> None:
    """A bed that is closed, contaminated or not cleaned is refused."""
    refused = ward.call(f"{ward.begin()}/$admit", bed=ward.bed(state))
    assert refused.status_code == 422
    assert rules(refused) == {rule}


def test_only_a_bed_is_given_as_one(ward: Ward) -> None:
    """A room is no bed; and a patient has one bed."""
    refused = ward.call(f"{ward.begin()}/$admit", bed=ward.room)
    assert refused.status_code == 422
    assert rules(refused) == {"W5.not-a-bed"}
    both = ward.bed()
    twice = _in_bed(both) + _in_bed(both, "reserved")
    assert rules(ward.set(ward.begin(), location=twice)) == {"W5.one-bed"}
    two = _in_bed(ward.bed()) + _in_bed(ward.bed())
    assert rules(ward.set(ward.begin(), location=two)) == {"W5.one-bed"}
    assert rules(ward.set(ward.begin("planned"), location=_in_bed(ward.bed()))) == {"W5.not-here"}
    assert ward.set(ward.begin(), location=_in_bed(ward.room)).status_code == 200


def test_a_reserved_bed_waits(ward: Ward) -> None:
    """It is kept for whom it is reserved for, is not closed, and becomes theirs without being named again."""
    bed, expected = ward.bed(), ward.begin("planned", "IMP")
    reserved = ward.call(f"{expected}/$admit", bed=bed, reserve=True)
    assert reserved.status_code == 200, reserved.text
    assert reserved.json()["status"] == "planned"
    assert ward.state(bed) == "U"
    assert ward.call(f"{ward.begin()}/$admit", bed=bed).status_code == 409
    closed = _set_state(ward, bed, "C")
    assert closed.status_code == 409
    assert rules(closed) == {"W5.bed-in-use"}
    assert ward.call(f"{expected}/$admit").status_code == 200
    assert ward.state(bed) == "O"
    assert ward.call(f"{ward.begin('planned')}/$admit").status_code == 400


def test_a_reservation_ends_with_the_encounter(ward: Ward) -> None:
    """Whoever does not come leaves the bed free, and clean."""
    bed, expected = ward.bed(), ward.begin("planned", "IMP")
    assert ward.call(f"{expected}/$admit", bed=bed, reserve=True).status_code == 200
    assert ward.patch(expected, "/status", "cancelled").status_code == 200
    assert ward.state(bed) == "U"
    assert _open_tasks(ward, bed) == []
    assert ward.call(f"{ward.begin()}/$admit", bed=bed).status_code == 200


def test_an_end_to_the_second(ward: Ward) -> None:
    """Whoever says the end of an encounter without milliseconds does not end a stay before it began."""
    encounter = ward.begin("arrived", period={"start": moment(-600)})
    assert ward.call(f"{encounter}/$admit", bed=ward.bed()).status_code == 200
    start = ward.get(encounter)["location"][0]["period"]["start"]
    period = {"start": moment(-600), "end": f"{start[:19]}Z"}
    assert ward.set(encounter, status="finished", period=period).status_code == 200


def test_isolation(ward: Ward) -> None:
    """Isolation beds are for patients to be isolated, by the encounter or a Flag, and are decontaminated."""
    bed, plain = ward.bed("I"), ward.bed()
    assert rules(ward.call(f"{ward.begin()}/$admit", bed=bed)) == {"W5.isolation"}
    assert rules(ward.call(f"{ward.begin()}/$admit", bed=plain, isolation=True)) == {"W5.isolation"}
    flag = {"resourceType": "Flag", "status": "active", "subject": {"reference": ward.patient}}
    ward.put({**flag, "code": concept("http://snomed.info/sct", "40174006")})
    encounter = ward.begin()
    assert rules(ward.call(f"{encounter}/$admit", bed=plain)) == {"W5.isolation"}
    assert ward.call(f"{encounter}/$admit", bed=bed).status_code == 200
    period = {**ward.get(encounter)["period"], "end": moment(1)}
    assert ward.set(encounter, status="finished", period=period).status_code == 200
    assert ward.state(bed) == "K"
    [task] = _open_tasks(ward, bed)
    assert task["code"]["coding"][0]["code"] == "decontaminate"
    assert rules(ward.patch(f"Task/{task['id']}", "/status", "draft")) == {"W5.cleaning-state"}
    assert ward.patch(f"Task/{task['id']}", "/status", "completed").status_code == 200
    assert ward.state(bed) == "I"


@pytest.mark.workflow("0-30", "1-35")
def test_the_state_of_a_bed_is_what_its_encounters_say(ward: Ward) -> None:
    """A bed is occupied, or free, by an encounter only; its states go in order, and have codes."""
    bed = ward.bed()
    assert rules(_set_state(ward, bed, "O")) == {"W5.occupied-by-encounter"}
    wrong = _set_state(ward, bed, "X")
    assert wrong.status_code == 422
    assert "W5.state-code" in rules(wrong) or wrong.json()["issue"][0]["code"] == "code-invalid"
    encounter = ward.begin()
    assert ward.call(f"{encounter}/$admit", bed=bed).status_code == 200
    for code in ("U", "H", "C"):
        refused = _set_state(ward, bed, code)
        assert refused.status_code in (409, 422)
        assert rules(refused) <= {"W5.bed-in-use", "W5.bed-state"}
        assert rules(refused)
    assert rules(ward.client.delete(f"/{bed}")) <= {"W5.bed-in-use"}
    assert ward.client.delete(f"/{bed}").status_code == 409
    closed = ward.bed("C")
    states = f"Location?partof={ward.room}&operational-status={BED_STATES}|O"
    assert [one["id"] for one in ward.search(states)] == [bed[9:]]
    assert _set_state(ward, closed, "H").status_code == 200
    assert _set_state(ward, closed, "U").status_code == 200


def test_places_are_within_places(ward: Ward) -> None:
    """A ward is in no bed, and no place in itself."""
    bed = ward.bed()
    assert rules(ward.set(ward.ward, partOf={"reference": bed})) >= {"W5.hierarchy"}
    building = ward.place("bu")
    assert ward.set(ward.ward, partOf={"reference": building}).status_code == 200
    odd = ward.put({"resourceType": "Location", "name": "Odd"})
    assert rules(ward.set(odd, partOf={"reference": odd})) == {"W5.hierarchy"}


@pytest.mark.workflow("1-35", "0-40")
def test_the_bed_board(ward: Ward) -> None:
    """Each bed of a ward with its state and its encounter, and how many are free."""
    taken, reserved, closed, free = ward.bed(), ward.bed(), ward.bed("C"), ward.bed()
    encounter, expected = ward.begin(), ward.begin("planned")
    assert ward.call(f"{encounter}/$admit", bed=taken).status_code == 200
    assert ward.call(f"{expected}/$admit", bed=reserved, reserve=True).status_code == 200
    answer = ward.client.get("/Location/$bed-board", params={"ward": ward.ward})
    assert answer.status_code == 200, answer.text
    [board] = answer.json()["parameter"]
    values = {one["name"]: one for one in board["part"]}
    assert values["free"]["valueInteger"] == 1
    assert (values["U"]["valueInteger"], values["O"]["valueInteger"], values["C"]["valueInteger"]) == (
        2,
        1,
        1,
    )
    assert values["location"]["valueReference"]["reference"] == ward.ward
    beds = {}
    for one in board["part"]:
        if one["name"] == "bed":
            part = {each["name"]: each for each in one["part"]}
            use = None
            if "use" in part:
                use = (part["encounter"]["valueReference"]["reference"], part["use"]["valueCode"])
            beds[part["location"]["valueReference"]["reference"]] = (part["state"]["valueCode"], use)
    assert beds == {
        taken: ("O", (encounter, "active")),
        reserved: ("U", (expected, "reserved")),
        closed: ("C", None),
        free: ("U", None),
    }


def test_nobody_is_admitted_without_somebody_responsible(ward: Ward) -> None:
    """The attender is named, or is there; a new one takes the place of the one before."""
    bed, encounter = ward.bed(), ward.begin("arrived", participant=None)
    refused = ward.call(f"{encounter}/$admit", bed=bed)
    assert rules(refused) == {"W4.one-attender"}
    other = ward.put({"resourceType": "Practitioner"})
    assert ward.call(f"{encounter}/$admit", bed=bed, attender=ward.doctor).status_code == 200
    again = ward.call(f"{encounter}/$admit", bed=bed, attender=other)
    assert again.status_code == 200, again.text
    present = [one for one in again.json()["participant"] if "end" not in one.get("period", {})]
    assert [one["individual"]["reference"] for one in present] == [other]
    assert rules(ward.call(f"{ward.begin('planned')}/$transfer", bed=bed)) == {"W5.not-here"}
    assert ward.call("Encounter/nobody/$admit", bed=bed).status_code == 404
