"""What runs low or expires soon is told of once, and no more when it is over; orders come in by parts.

https://hl7.org/fhir/R4/flag.html, https://hl7.org/fhir/R4/supplyrequest.html
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
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
from fhir_server.workflows.supplies import PATTERN
from fhir_server.workflows.supplies.expiry import NIGHTLY
from tests.fhir_server.workflows.supplies.shelf import PATCH, STOCK, Resource, Shelf, in_days, quantity, rules


@pytest.fixture
def shelf(client: httpx.Client) -> Shelf:
    """An item and a pharmacy that no other test has."""
    return Shelf(client)


def _reorder_at(shelf: Shelf, number: int, place: str | None = None) -> None:
    interval: Resource = {"range": {"low": quantity(number)}}
    if place is not None:
        coding = {"system": "urn:fhir-hospital-server:stock-place", "code": place}
        interval["appliesTo"] = [{"coding": [coding]}]
    shelf.put(
        {
            "resourceType": "ObservationDefinition",
            "category": [{"coding": [{"system": STOCK, "code": "on-hand"}]}],
            "code": shelf.code,
            "qualifiedInterval": [interval],
        }
    )


def _flags(shelf: Shelf, subject: str, code: str) -> list[Resource]:
    found = shelf.client.get("/Flag", params={"subject": subject}).json().get("entry", [])
    return [
        one["resource"]
        for one in found
        if one["resource"]["status"] == "active" and one["resource"]["code"]["coding"][0]["code"] == code
    ]


def _tasks(shelf: Shelf, focus: str) -> list[Resource]:
    found = shelf.client.get("/Task", params={"focus": focus}).json().get("entry", [])
    return [one["resource"] for one in found]


@pytest.mark.workflow("1-14", "4-38")
def test_what_runs_low_is_told_of_once_and_until_it_is_restocked(shelf: Shelf) -> None:
    """At the reorder point there is one Flag and one Task to buy, which a receipt ends; then anew."""
    _reorder_at(shelf, 5)
    lot = shelf.lot()
    shelf.receive(lot, 10)
    assert shelf.give_out(4).status_code == 201
    assert _flags(shelf, lot, "low-stock") == []
    assert shelf.give_out(1).status_code == 201
    (flag,) = _flags(shelf, lot, "low-stock")
    (task,) = _tasks(shelf, f"Flag/{flag['id']}")
    assert (task["status"], task["code"]["coding"][0]["code"]) == ("requested", "buy")
    assert shelf.give_out(1).status_code == 201
    assert len(_flags(shelf, lot, "low-stock")) == 1
    assert len(_tasks(shelf, f"Flag/{flag['id']}")) == 1
    shelf.receive(lot, 50)
    assert _flags(shelf, lot, "low-stock") == []
    assert [one["status"] for one in _tasks(shelf, f"Flag/{flag['id']}")] == ["completed"]
    assert shelf.give_out(50).status_code == 201
    assert len(_flags(shelf, lot, "low-stock")) == 1
    assert sorted(one["status"] for one in _tasks(shelf, f"Flag/{flag['id']}")) == ["completed", "requested"]


@pytest.mark.workflow("1-14", "4-38")
def test_of_many_at_once_there_is_one_flag_and_one_task(shelf: Shelf) -> None:
    """Eight dispenses at the same moment pass the reorder point together."""
    _reorder_at(shelf, 5)
    lot = shelf.lot()
    shelf.receive(lot, 10)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shelf.give_out(1), range(8)))
    assert {one.status_code for one in answers} == {201}
    (flag,) = _flags(shelf, lot, "low-stock")
    assert len(_tasks(shelf, f"Flag/{flag['id']}")) == 1


def test_a_place_has_a_reorder_point_of_its_own(shelf: Shelf) -> None:
    """The ward runs low while the pharmacy is full; the flag is about the ward."""
    _reorder_at(shelf, 2, shelf.ward)
    lot = shelf.lot()
    shelf.receive(lot, 2)
    shelf.receive(lot, 3, destination={"reference": shelf.ward})
    assert _flags(shelf, shelf.ward, "low-stock") == []
    used = shelf.delivery(lot, 1, "use", destination={"reference": shelf.ward})
    assert shelf.client.post("/SupplyDelivery", json=used).status_code == 201
    assert len(_flags(shelf, shelf.ward, "low-stock")) == 1
    assert _flags(shelf, lot, "low-stock") == []


@pytest.mark.workflow("4-39")
def test_a_lot_that_expires_soon_is_flagged_on_receipt(shelf: Shelf) -> None:
    """Until nothing of it is left; the search for it is R4's own."""
    soon, later = shelf.lot(10), shelf.lot(90)
    shelf.receive(soon, 5)
    shelf.receive(later, 5)
    assert len(_flags(shelf, soon, "near-expiry")) == 1
    assert _flags(shelf, later, "near-expiry") == []
    found = shelf.client.get("/Medication", params={"expiration-date": f"le{in_days(30)}", "_count": "100"})
    assert soon.partition("/")[2] in {one["resource"]["id"] for one in found.json()["entry"]}
    listed = shelf.client.get(f"/{shelf.pharmacy}/$stock", params={"expires-before": in_days(30)})
    assert listed.json()["total"] == 1
    assert shelf.give_out(5).status_code == 201
    assert _flags(shelf, soon, "near-expiry") == []


def _now() -> datetime:
    return datetime.now(UTC)


def _work_at_night(settings: Settings) -> None:
    async def work() -> None:
        assert settings.mongo_url is not None
        store = open_store(settings, settings.mongo_url)

        def no_route(_request: object) -> Any:
            raise AssertionError

        jobs = Jobs(store.async_jobs)
        plain = Context("http://server/fhir", store, settings, _now, new_id, no_route, jobs)
        acting = ruled(plain, RuleBook([PATTERN], parse_modes(None, None), store))
        entry = Entry("night", datetime.now(UTC), NIGHTLY, "")
        await PATTERN.actions[NIGHTLY](entry, acting, Services())
        await store.close()

    asyncio.run(work())


@pytest.mark.workflow("4-39")
def test_each_night_what_has_come_near_its_end_is_flagged(shelf: Shelf, settings: Settings) -> None:
    """A lot whose flag was taken down by hand, as if it had not been near before, is flagged again, once."""
    lot = shelf.lot(10)
    shelf.receive(lot, 5)
    (flag,) = _flags(shelf, lot, "near-expiry")
    down = shelf.client.put(f"/Flag/{flag['id']}", json={**flag, "status": "inactive"})
    assert down.status_code == 200
    _work_at_night(settings)
    assert len(_flags(shelf, lot, "near-expiry")) == 1
    version = shelf.client.get(f"/Flag/{flag['id']}").json()["meta"]["versionId"]
    _work_at_night(settings)
    assert shelf.client.get(f"/Flag/{flag['id']}").json()["meta"]["versionId"] == version


def test_the_night_is_planned(shelf: Shelf, settings: Settings) -> None:
    """The agenda has one entry for the work of this day, whichever process made it."""
    shelf.receive(shelf.lot(), 1)
    with MongoClient[dict[str, Any]](settings.mongo_url) as client:
        entries = list(client[settings.database]["agenda"].find({"action": NIGHTLY}))
    assert len(entries) == 1


def _order(shelf: Shelf, item: str, number: int, status: str = "active") -> str:
    return shelf.put(
        {
            "resourceType": "SupplyRequest",
            "status": status,
            "itemReference": {"reference": item},
            "quantity": quantity(number),
            "supplier": [{"reference": "Organization/supplier"}],
            "deliverTo": {"reference": shelf.pharmacy},
        }
    )


@pytest.mark.workflow("1-15")
def test_an_order_comes_in_by_parts(shelf: Shelf) -> None:
    """The supplier has a Task until all has come; then the order is complete, and no more comes in for it."""
    lot, another = shelf.lot(), shelf.lot()
    order = _order(shelf, lot, 10)
    (task,) = _tasks(shelf, order)
    assert (task["status"], task["owner"]["reference"]) == ("requested", "Organization/supplier")
    based = [{"reference": order}]
    assert shelf.receive(lot, 4, basedOn=based).status_code == 201
    assert shelf.client.get(f"/{order}").json()["status"] == "active"
    refused = shelf.receive(lot, 7, basedOn=based)
    assert (refused.status_code, rules(refused)) == (422, {"W10.over-delivery"})
    assert shelf.on_hand() == 4
    assert shelf.receive(another, 6, basedOn=based).status_code == 201
    assert shelf.client.get(f"/{order}").json()["status"] == "completed"
    assert [one["status"] for one in _tasks(shelf, order)] == ["completed"]
    late = shelf.receive(lot, 1, basedOn=based)
    assert (late.status_code, rules(late)) == (422, {"W10.order-not-active"})
    assert shelf.on_hand() == 10


@pytest.mark.workflow("1-15")
def test_at_once_no_more_comes_in_than_was_ordered(shelf: Shelf) -> None:
    """Of five receipts of 4 for an order of 10 at the same moment two are taken."""
    lot = shelf.lot()
    based = [{"reference": _order(shelf, lot, 10)}]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: shelf.receive(lot, 4, basedOn=based), range(5)))
    assert sorted(one.status_code for one in answers) == [201, 201, 422, 422, 422]
    assert shelf.on_hand() == 8


def _take_back(shelf: Shelf, receipt: httpx.Response) -> httpx.Response:
    step = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    return shelf.client.patch(f"/SupplyDelivery/{receipt.json()['id']}", json=step, headers=PATCH)


@pytest.mark.workflow("1-15")
def test_an_order_is_open_again_when_what_completed_it_is_taken_back(shelf: Shelf) -> None:
    """The supplier has a Task again, and the rest comes in; nobody opens it otherwise."""
    lot = shelf.lot()
    order = _order(shelf, lot, 10)
    based = [{"reference": order}]
    first, second = (shelf.receive(lot, number, basedOn=based) for number in (4, 6))
    step = [{"op": "replace", "path": "/status", "value": "active"}]
    refused = shelf.client.patch(f"/{order}", json=step, headers=PATCH)
    assert (refused.status_code, rules(refused)) == (422, {"W10.order-state"})
    assert _take_back(shelf, second).status_code == 200
    assert shelf.client.get(f"/{order}").json()["status"] == "active"
    assert sorted(one["status"] for one in _tasks(shelf, order)) == ["completed", "requested"]
    assert _take_back(shelf, first).status_code == 200
    assert shelf.client.get(f"/{order}").json()["status"] == "active"
    assert shelf.receive(lot, 10, basedOn=based).status_code == 201
    assert shelf.client.get(f"/{order}").json()["status"] == "completed"
    assert [one["status"] for one in _tasks(shelf, order)] == ["completed", "completed"]
    assert shelf.on_hand() == 10


def test_an_order_that_somebody_ended_stays_so_when_a_part_is_taken_back(shelf: Shelf) -> None:
    """It was not the delivery that completed it."""
    lot = shelf.lot()
    for status in ("completed", "cancelled"):
        order = _order(shelf, lot, 10)
        receipt = shelf.receive(lot, 4, basedOn=[{"reference": order}])
        step = [{"op": "replace", "path": "/status", "value": status}]
        assert shelf.client.patch(f"/{order}", json=step, headers=PATCH).status_code == 200
        assert _take_back(shelf, receipt).status_code == 200
        assert shelf.client.get(f"/{order}").json()["status"] == status


def test_what_comes_in_and_what_is_taken_back_at_once_add_up(shelf: Shelf) -> None:
    """An order is complete if, and only if, as much as was ordered has come in the end."""
    lot = shelf.lot()
    for _ in range(3):
        order = _order(shelf, lot, 10)
        based = [{"reference": order}]
        receipt = shelf.receive(lot, 4, basedOn=based)
        with ThreadPoolExecutor(2) as pool:
            back = pool.submit(_take_back, shelf, receipt)
            came = pool.submit(shelf.receive, lot, 6, basedOn=based)
            assert (back.result().status_code, came.result().status_code) == (200, 201)
        assert shelf.client.get(f"/{order}").json()["status"] == "active"
        assert shelf.receive(lot, 4, basedOn=based).status_code == 201
        assert shelf.client.get(f"/{order}").json()["status"] == "completed"


def test_an_order_follows_its_states(shelf: Shelf) -> None:
    """A draft is not sent; what was cancelled stays so; what has come in part does not become less."""
    lot = shelf.lot()
    order = _order(shelf, lot, 10, "draft")
    assert _tasks(shelf, order) == []
    early = shelf.receive(lot, 1, basedOn=[{"reference": order}])
    assert (early.status_code, rules(early)) == (422, {"W10.order-not-active"})

    def become(status: str) -> httpx.Response:
        step = [{"op": "replace", "path": "/status", "value": status}]
        return shelf.client.patch(f"/{order}", json=step, headers=PATCH)

    assert become("completed").status_code == 422
    assert become("active").status_code == 200
    assert len(_tasks(shelf, order)) == 1
    other = Shelf(shelf.client)
    wrong = shelf.receive(other.lot(), 1, basedOn=[{"reference": order}])
    assert (wrong.status_code, rules(wrong)) == (422, {"W10.other-item"})
    assert shelf.receive(lot, 5, basedOn=[{"reference": order}]).status_code == 201
    less = [{"op": "replace", "path": "/quantity/value", "value": 4}]
    refused = shelf.client.patch(f"/{order}", json=less, headers=PATCH)
    assert (refused.status_code, rules(refused)) == (422, {"W10.over-delivery"})
    assert rules(shelf.client.delete(f"/{order}")) == {"W10.posted"}
    assert become("cancelled").status_code == 200
    assert [one["status"] for one in _tasks(shelf, order)] == ["cancelled"]
    again = become("active")
    assert (again.status_code, rules(again)) == (422, {"W10.order-state"})


def test_what_was_imported_is_booked_by_an_operation(shelf: Shelf) -> None:
    """Receipts first, whatever the order in which they came; once; and what was never received is told."""
    lot, unknown = shelf.lot(-5), shelf.lot()
    used = shelf.dispense(3, lot, whenHandedOver="2020-01-01T10:00:00Z")
    received = shelf.delivery(lot, 10, occurrenceDateTime="2024-01-01")
    missing = shelf.delivery(unknown, 1, "use")
    headers = {"x-import": "records"}
    addresses = []
    for one in (used, received, missing):
        answer = shelf.client.post(f"/{one['resourceType']}", json=one, headers=headers)
        assert answer.status_code == 201
        addresses.append(f"{one['resourceType']}/{answer.json()['id']}")
    assert shelf.on_hand() == 0
    for booked in (2, 0):
        answer = shelf.client.post("/$rebuild-stock")
        assert answer.status_code == 200, answer.text
        told = answer.json()["parameter"]
        assert told[0] == {"name": "booked", "valueInteger": booked}
        refused = [one["part"][0]["valueReference"]["reference"] for one in told[1:]]
        assert addresses[2] in refused
        assert shelf.on_hand(lot) == 7
    assert len(_flags(shelf, lot, "near-expiry")) == 1


def test_a_stock_that_is_not_what_the_ledger_says_is_found(shelf: Shelf, settings: Settings) -> None:
    """Somebody changed a number in the database."""
    shelf.receive(shelf.lot(), 10)
    (entry,) = shelf.client.get(f"/{shelf.pharmacy}/$stock").json()["entry"]
    shelf_id = entry["resource"]["id"]
    with MongoClient[dict[str, Any]](settings.mongo_url) as client:
        stock = client[settings.database]["stock"]
        stock.update_one({"_id": shelf_id}, {"$inc": {"quantity": 1}})
        told = shelf.client.get("/$verify-stock").json()["parameter"]
        stock.update_one({"_id": shelf_id}, {"$inc": {"quantity": -1}})
    assert told[0]["valueBoolean"] is False
    (difference,) = [one["part"] for one in told if one["name"] == "difference"]
    assert difference[0]["valueReference"]["reference"] == f"Observation/{shelf_id}"
    assert [part["valueDecimal"] for part in difference[1:]] == [11, 10]
    assert shelf.client.get("/$verify-stock").json()["parameter"][0]["valueBoolean"] is True


class _Meanwhile:
    """The ledger, of which something is booked as soon as it was added up."""

    def __init__(self, lines: Any, shelf: Shelf, lot: str) -> None:
        self._lines, self._shelf, self._lot = lines, shelf, lot

    async def aggregate(self, pipeline: Any) -> Any:
        found = await self._lines.aggregate(pipeline)
        answer = await asyncio.to_thread(self._shelf.receive, self._lot, 3)
        assert answer.status_code == 201
        return found


def test_what_is_booked_meanwhile_is_no_difference(
    shelf: Shelf, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger and what is on hand are compared as of one moment."""
    lot = shelf.lot()
    shelf.receive(lot, 10)

    async def compare() -> list[Any]:
        assert settings.mongo_url is not None
        store = open_store(settings, settings.mongo_url)
        monkeypatch.setattr(store.stock, "_lines", _Meanwhile(store.stock._lines, shelf, lot))
        found = await store.stock.differences()
        await store.close()
        return found

    assert asyncio.run(compare()) == []
    assert shelf.on_hand(lot) == 13
