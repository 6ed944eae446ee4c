"""What comes in and goes out: stock is what the ledger says, what expires first goes first.

https://hl7.org/fhir/R4/supplydelivery.html, https://hl7.org/fhir/R4/medicationdispense.html
"""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fhir_server.workflows.supplies.shelf import PATCH, SOURCE, Shelf, quantity, rules


@pytest.fixture
def shelf(client: httpx.Client) -> Shelf:
    """An item and a pharmacy that no other test has."""
    return Shelf(client)


@pytest.mark.workflow("1-13", "4-36")
def test_what_is_received_is_there(shelf: Shelf) -> None:
    """A delivery brings a lot to its destination, once, however often it is sent again."""
    lot = shelf.lot()
    answer = shelf.receive(lot, 100)
    assert answer.status_code == 201
    assert shelf.on_hand(lot) == 100
    assert shelf.on_hand(lot, shelf.ward) == 0
    again = shelf.client.put(f"/SupplyDelivery/{answer.json()['id']}", json=answer.json())
    assert again.status_code == 200
    assert shelf.on_hand(lot) == 100


@pytest.mark.workflow("1-13", "4-36")
def test_equipment_is_kept_as_medicines_are(client: httpx.Client) -> None:
    """Tools and laboratory equipment are Devices, counted and used as medicines are."""
    shelf = Shelf(client, "piece")
    device = {"resourceType": "Device", "lotNumber": "L1", "type": {"text": shelf.token}}
    gloves = shelf.put(device)
    assert shelf.receive(gloves, 50).status_code == 201
    used = shelf.delivery(gloves, 12, "use")
    assert client.post("/SupplyDelivery", json=used).status_code == 201
    assert shelf.on_hand(gloves) == 38
    refused = client.post("/SupplyDelivery", json=shelf.delivery(gloves, 39, "use"))
    assert (refused.status_code, rules(refused)) == (422, {"W10.insufficient"})
    assert shelf.on_hand(gloves) == 38


@pytest.mark.workflow("4-37")
def test_a_dispense_takes_what_expires_first(shelf: Shelf) -> None:
    """Without a lot the earliest goes first, and the next when it is used up; an expired one stays."""
    late, early, over = shelf.lot(400), shelf.lot(100), shelf.lot(-3)
    for lot, number in ((late, 10), (early, 5), (over, 50)):
        assert shelf.receive(lot, number).status_code == 201
    assert shelf.give_out(3).status_code == 201
    assert [shelf.on_hand(lot) for lot in (early, late, over)] == [2, 10, 50]
    assert shelf.give_out(6).status_code == 201
    assert [shelf.on_hand(lot) for lot in (early, late, over)] == [0, 6, 50]


@pytest.mark.workflow("1-13", "4-37")
def test_more_than_there_is_moves_nothing(shelf: Shelf) -> None:
    """The dispense is refused, and neither it nor a part of it is stored."""
    lot = shelf.lot()
    shelf.receive(lot, 5)
    for refused in (shelf.give_out(6), shelf.give_out(6, lot)):
        assert (refused.status_code, rules(refused)) == (422, {"W10.insufficient"})
    assert shelf.on_hand() == 5
    found = shelf.client.get("/MedicationDispense", params={"code": shelf.token})
    assert found.json()["total"] == 0


@pytest.mark.workflow("4-37", "4-39")
def test_an_expired_lot_is_not_given_out(shelf: Shelf) -> None:
    """Neither if it is named, nor if it is all that is left; to throw it away is allowed."""
    lot = shelf.lot(-1)
    shelf.receive(lot, 5)
    for refused in (shelf.give_out(1, lot), shelf.give_out(1)):
        assert (refused.status_code, rules(refused)) == (422, {"W10.expired"})
    assert shelf.on_hand() == 5
    assert shelf.client.post("/SupplyDelivery", json=shelf.delivery(lot, 5, "waste")).status_code == 201
    assert shelf.on_hand() == 0


def test_a_dispense_moves_when_it_is_completed(shelf: Shelf) -> None:
    """By PATCH and in a transaction too; and is put back when it was a mistake, once."""
    lot = shelf.lot()
    shelf.receive(lot, 10)
    address = f"/MedicationDispense/{shelf.give_out(4, status='in-progress').json()['id']}"
    assert shelf.on_hand() == 10
    step = [{"op": "replace", "path": "/status", "value": "completed"}]
    assert shelf.client.patch(address, json=step, headers=PATCH).status_code == 200
    assert shelf.on_hand() == 6
    wrong = {**shelf.client.get(address).json(), "status": "entered-in-error"}
    entry = {"resource": wrong, "request": {"method": "PUT", "url": address[1:]}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert shelf.client.post("", json=bundle).status_code == 200
    assert shelf.on_hand() == 10
    assert shelf.client.put(address, json={**wrong, "status": "completed"}).status_code == 405
    assert shelf.on_hand() == 10


def test_two_dispenses_in_one_transaction_share_what_is_there(shelf: Shelf) -> None:
    """The second finds what the first has left; if that is too little, neither is stored."""
    first, second = shelf.lot(10), shelf.lot(20)
    shelf.receive(first, 5)
    shelf.receive(second, 5)

    def post(*numbers: int) -> httpx.Response:
        entries = [
            {"resource": shelf.dispense(number), "request": {"method": "POST", "url": "MedicationDispense"}}
            for number in numbers
        ]
        return shelf.client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})

    refused = post(6, 6)
    assert (refused.status_code, rules(refused)) == (422, {"W10.insufficient"})
    assert shelf.on_hand() == 10
    assert post(4, 4).status_code == 200
    assert [shelf.on_hand(first), shelf.on_hand(second)] == [0, 2]


@pytest.mark.workflow("4-37")
def test_what_is_posted_stays(shelf: Shelf) -> None:
    """Its quantity is not changed and it is not deleted, by any way; another one takes it back."""
    lot = shelf.lot()
    posted = shelf.receive(lot, 10).json()
    address = f"/SupplyDelivery/{posted['id']}"
    more = [{"op": "replace", "path": "/suppliedItem/quantity/value", "value": 20}]
    both = [{"op": "replace", "path": "/status", "value": "entered-in-error"}, *more]
    changed = {**posted, "suppliedItem": {**posted["suppliedItem"], "quantity": quantity(20)}}
    for refused in (
        shelf.client.patch(address, json=more, headers=PATCH),
        shelf.client.patch(address, json=both, headers=PATCH),
        shelf.client.put(address, json=changed),
        shelf.client.delete(address),
    ):
        assert (refused.status_code, rules(refused)) == (405, {"W10.posted"})
    assert shelf.on_hand() == 10
    back = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    assert shelf.client.patch(address, json=back, headers=PATCH).status_code == 200
    assert shelf.on_hand() == 0


def test_a_receipt_whose_goods_are_gone_is_not_taken_back(shelf: Shelf) -> None:
    """That would bring the stock below zero."""
    address = f"/SupplyDelivery/{shelf.receive(shelf.lot(), 10).json()['id']}"
    assert shelf.give_out(4).status_code == 201
    back = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    refused = shelf.client.patch(address, json=back, headers=PATCH)
    assert (refused.status_code, rules(refused)) == (422, {"W10.insufficient"})
    assert shelf.on_hand() == 6


def test_a_transfer_leaves_one_place_for_another(shelf: Shelf) -> None:
    """The lot is the same in both; a ward takes of its own stock what its patients are given."""
    lot = shelf.lot()
    shelf.receive(lot, 10)
    source = [{"url": SOURCE, "valueReference": {"reference": shelf.pharmacy}}]
    moved = shelf.delivery(lot, 4, "transfer", extension=source, destination={"reference": shelf.ward})
    assert shelf.client.post("/SupplyDelivery", json=moved).status_code == 201
    assert [shelf.on_hand(lot), shelf.on_hand(lot, shelf.ward)] == [6, 4]
    visit = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "location": [{"location": {"reference": shelf.ward}, "status": "active"}],
    }
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "context": {"reference": shelf.put(visit)},
        "medicationCodeableConcept": shelf.code,
        "effectiveDateTime": "2026-11-27T10:00:00Z",
        "dosage": {"dose": quantity(1)},
    }
    assert shelf.client.post("/MedicationAdministration", json=given).status_code == 201
    assert [shelf.on_hand(lot), shelf.on_hand(lot, shelf.ward)] == [6, 3]
    nowhere = shelf.client.post("/SupplyDelivery", json=shelf.delivery(lot, 1, "transfer"))
    assert (nowhere.status_code, rules(nowhere)) == (422, {"W10.incomplete"})


def test_what_the_pharmacy_handed_out_is_not_taken_twice(shelf: Shelf) -> None:
    """A dose of a prescription that was dispensed has left the stock already."""
    shelf.receive(shelf.lot(), 10)
    order = shelf.put(
        {
            "resourceType": "MedicationRequest",
            "status": "completed",
            "intent": "order",
            "subject": {"reference": "Patient/p"},
            "medicationCodeableConcept": shelf.code,
        }
    )
    answer = shelf.give_out(4, authorizingPrescription=[{"reference": order}])
    assert answer.status_code == 201, answer.text
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "request": {"reference": order},
        "medicationCodeableConcept": shelf.code,
        "effectiveDateTime": "2026-11-27T10:00:00Z",
        "dosage": {"dose": quantity(1)},
    }
    assert shelf.client.post("/MedicationAdministration", json=given).status_code == 201
    assert shelf.on_hand() == 6


def test_a_count_corrects_what_is_on_hand(shelf: Shelf) -> None:
    """An adjustment goes up or down, and not below what is there."""
    lot = shelf.lot()
    shelf.receive(lot, 10)
    for number, there in ((-3, 7), (5, 12)):
        moved = shelf.client.post("/SupplyDelivery", json=shelf.delivery(lot, number, "adjustment"))
        assert moved.status_code == 201
        assert shelf.on_hand() == there
    refused = shelf.client.post("/SupplyDelivery", json=shelf.delivery(lot, -13, "adjustment"))
    assert (refused.status_code, rules(refused)) == (422, {"W10.insufficient"})


def test_a_movement_that_is_none_is_refused(shelf: Shelf) -> None:
    """Another unit, no such kind, nothing to move, and a state that does not follow."""
    lot = shelf.lot()
    shelf.receive(lot, 10)
    other = shelf.delivery(lot, 1)
    other["suppliedItem"]["quantity"]["unit"] = "box"
    nothing = shelf.delivery(lot, 0, "use")
    for movement, rule in (
        (other, "W10.unit"),
        (shelf.delivery(lot, 1, "gift"), "W10.kind"),
        (nothing, "W10.incomplete"),
        ({**shelf.delivery(lot, 1, "use"), "destination": None}, "W10.incomplete"),
        ({**shelf.delivery(lot, 1), "destination": None}, "W10.incomplete"),
    ):
        sent = {name: value for name, value in movement.items() if value is not None}
        refused = shelf.client.post("/SupplyDelivery", json=sent)
        assert (refused.status_code, rules(refused)) == (422, {rule})
    unsaid = {name: value for name, value in shelf.dispense(1).items() if name != "quantity"}
    refused = shelf.client.post("/MedicationDispense", json=unsaid)
    assert refused.status_code == 422
    assert "W10.incomplete" in rules(refused)
    ended = shelf.client.post("/SupplyDelivery", json=shelf.delivery(lot, 1, status="abandoned")).json()
    done = shelf.client.put(f"/SupplyDelivery/{ended['id']}", json={**ended, "status": "completed"})
    assert (done.status_code, rules(done)) == (422, {"W10.state"})
    assert shelf.on_hand() == 10


def test_what_is_not_kept_in_stock_is_left_alone(shelf: Shelf) -> None:
    """A medicine of which nothing was ever received is handed out as before; use of it is refused."""
    lot = shelf.lot()
    assert shelf.give_out(5).status_code == 201
    refused = shelf.client.post("/SupplyDelivery", json=shelf.delivery(lot, 5, "use"))
    assert (refused.status_code, rules(refused)) == (422, {"W10.insufficient"})


def test_what_is_on_hand_is_written_by_nobody(shelf: Shelf) -> None:
    """The Observation is neither changed, nor deleted, nor made; a lot with a past keeps its number."""
    lot = shelf.lot()
    shelf.receive(lot, 10)
    (entry,) = shelf.client.get(f"/{shelf.pharmacy}/$stock").json()["entry"]
    told = shelf.client.get(f"/Observation/{entry['resource']['id']}").json()
    assert told["subject"]["reference"] == shelf.pharmacy
    assert told["focus"][0]["reference"] == lot
    better = {**told, "valueQuantity": quantity(99)}
    address = f"/Observation/{told['id']}"
    hidden = {**told, "code": {"text": "something else"}}
    new = {name: value for name, value in better.items() if name not in ("id", "meta")}
    for refused in (
        shelf.client.put(address, json=better),
        shelf.client.put(address, json=hidden),
        shelf.client.delete(address),
        shelf.client.post("/Observation", json=new),
    ):
        assert (refused.status_code, rules(refused)) == (405, {"W10.projection"})
    medication = shelf.client.get(f"/{lot}").json()
    renamed = {**medication, "batch": {**medication["batch"], "lotNumber": "other"}}
    for refused in (shelf.client.put(f"/{lot}", json=renamed), shelf.client.delete(f"/{lot}")):
        assert (refused.status_code, rules(refused)) == (409, {"W10.lot-in-use"})
    assert shelf.client.put(f"/{lot}", json={**medication, "status": "inactive"}).status_code == 200


@pytest.mark.workflow("4-37")
def test_at_once_no_more_goes_out_than_is_there(shelf: Shelf) -> None:
    """Of twenty who want 3 of 20 at the same moment six get theirs, and the rest is refused."""
    shelf.receive(shelf.lot(10), 10)
    shelf.receive(shelf.lot(20), 10)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: shelf.give_out(3), range(20)))
    assert sorted({one.status_code for one in answers}) == [201, 422]
    assert [one.status_code for one in answers].count(201) == 6
    assert shelf.on_hand() == 2
    verified = shelf.client.get("/$verify-stock").json()
    assert {one["name"]: one.get("valueBoolean") for one in verified["parameter"]}["result"] is True


def test_a_lot_that_is_written_down_in_the_dispense_is_found(shelf: Shelf) -> None:
    """A contained Medication names a lot by its number; one that was never here is not handed out."""
    shelf.receive(shelf.lot(10), 10)
    shelf.receive(shelf.lot(20, "B7"), 10)
    for number, status in (("B7", 201), ("B8", 422)):
        inner = {"resourceType": "Medication", "id": "m", "code": shelf.code, "batch": {"lotNumber": number}}
        answer = shelf.give_out(4, "#m", contained=[inner])
        assert answer.status_code == status
    assert shelf.on_hand() == 16
