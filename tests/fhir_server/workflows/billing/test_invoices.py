"""Invoices: what stands on them, that they add up, and that they stay. https://hl7.org/fhir/R4/invoice.html"""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.workflows.billing import invoice_operations
from tests.fhir_server.workflows.billing.desk import Desk, body, decimals, definition, money, price, rule_of

Resource = dict[str, Any]


def _issued(desk: Desk, *prices: str) -> Resource:
    """Return an invoice with a line for each price."""
    patient = desk.patient()
    account = desk.account(patient)
    for one in prices:
        desk.charge(patient, one, on=account)
    return desk.invoice(account)


@pytest.mark.workflow("4-20", "1-16", "1-34")
def test_an_invoice_has_a_line_for_each_charge(desk: Desk) -> None:
    """In order, with the parts of each price, and totals to the cent."""
    parts = [
        price("base", amount=money("10.05")),
        price("surcharge", factor=Decimal("0.10")),
        price("discount", factor=Decimal("0.05")),
        price("tax", factor=Decimal("0.19")),
    ]
    desk.stored(definition("taxed", *parts))
    patient = desk.patient()
    account = desk.account(patient)
    more = {"definitionCanonical": ["http://house.example/price-taxed"], "quantity": {"value": Decimal(3)}}
    charge = desk.charge(patient, "0", on=account, **more)
    charge.pop("priceOverride")
    desk.stored(charge)
    other = desk.charge(patient, "0.01", on=account)
    invoice = desk.invoice(account)
    lines = {line["chargeItemReference"]["reference"]: line["priceComponent"] for line in invoice["lineItem"]}
    assert set(lines) == {f"ChargeItem/{charge['id']}", f"ChargeItem/{other['id']}"}
    told = {one["type"]: one["amount"]["value"] for one in lines[f"ChargeItem/{charge['id']}"]}
    # 30.15, a tenth of it half up, a twentieth of it half up, and 19 % of it.
    assert told == {
        "base": Decimal("30.15"),
        "surcharge": Decimal("3.02"),
        "discount": Decimal("-1.51"),
        "tax": Decimal("5.73"),
    }
    assert invoice["totalNet"]["value"] == Decimal("31.67")
    assert invoice["totalGross"]["value"] == Decimal("37.40")
    assert desk.status(f"ChargeItem/{charge['id']}") == "billed"
    assert invoice["status"] == "issued"


def test_invoices_are_numbered(desk: Desk) -> None:
    """Each gets the next number when it is issued, and keeps it, whatever a client says."""
    first, second = _issued(desk, "1.00"), _issued(desk, "1.00")
    numbers = [int(one["identifier"][0]["value"][5:]) for one in (first, second)]
    assert numbers[1] == numbers[0] + 1
    desk.stored(first)
    assert desk.read(f"Invoice/{first['id']}")["identifier"] == first["identifier"]
    assert desk.search(f"Invoice?identifier={first['identifier'][0]['value']}")[0]["id"] == first["id"]


def test_a_draft_has_no_number_and_bills_nothing_yet(desk: Desk) -> None:
    """Issued, it does; a second invoice is not written for what stands on a draft."""
    patient = desk.patient()
    account = desk.account(patient)
    charge = desk.charge(patient, "7.00", on=account)
    draft = desk.invoice(account, issue=False)
    assert (draft["status"], draft.get("identifier")) == ("draft", None)
    assert desk.status(f"ChargeItem/{charge['id']}") == "billable"
    assert rule_of(desk.call(f"{account}/$invoice")) == "W8.nothing-to-bill"
    step = {"op": "replace", "path": "/status", "value": "issued"}
    answer = desk.patch(f"Invoice/{draft['id']}", step)
    assert answer.status_code == 200, answer.text
    assert decimals(answer)["identifier"]
    assert desk.status(f"ChargeItem/{charge['id']}") == "billed"


@pytest.mark.workflow("1-16")
def test_a_charge_is_on_one_invoice(desk: Desk) -> None:
    """A second invoice with it is refused, also in a transaction; a cancelled one gives it free."""
    invoice = _issued(desk, "7.00")
    again = {**invoice, "id": "second", "identifier": []}
    again.pop("identifier")
    answer = desk.put(again)
    assert (answer.status_code, rule_of(answer)) == (409, "W8.double-bill")
    assert desk.transaction(("PUT", "Invoice/second", again)).status_code == 409
    charge = invoice["lineItem"][0]["chargeItemReference"]["reference"]
    desk.stored(invoice | {"status": "cancelled", "cancelledReason": "wrong address"})
    assert desk.status(charge) == "billable"
    desk.stored(again | {"status": "draft"})
    assert rule_of(desk.put(invoice | {"id": "third", "status": "draft"})) == "W8.double-bill"
    desk.stored(again)
    assert desk.status(charge) == "billed"


def test_of_many_at_once_one_invoice_is_written(desk: Desk) -> None:
    """The others are told that there is nothing left, or that they came second."""
    patient = desk.patient()
    account = desk.account(patient)
    for _ in range(3):
        desk.charge(patient, "1.00", on=account)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: desk.call(f"{account}/$invoice"), range(6)))
    assert [one.status_code for one in answers].count(201) == 1
    others = {rule_of(one) for one in answers if one.status_code != 201}
    assert others <= {"W8.double-bill", "W8.nothing-to-bill"}
    assert len(desk.search(f"Invoice?subject={patient}")) == 1


def test_what_was_billed_before_is_not_looked_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much that is: an account has charges of years, of which a few are new."""
    monkeypatch.setattr(invoice_operations, "_MOST_CHARGES", 2)
    patient = desk.patient()
    account = desk.account(patient)
    for _ in range(2):
        desk.charge(patient, "1.00", on=account)
    desk.invoice(account)
    charge = desk.charge(patient, "7.00", on=account)
    assert [one["chargeItemReference"]["reference"] for one in desk.invoice(account)["lineItem"]] == [
        f"ChargeItem/{charge['id']}"
    ]


@pytest.mark.parametrize("status", ["aborted", "not-billable", "planned", "entered-in-error"])
def test_only_billable_charges_stand_on_invoices(desk: Desk, status: str) -> None:
    """And `$invoice` leaves the others out."""
    patient = desk.patient()
    account = desk.account(patient)
    charge = desk.charge(patient, "7.00", status=status, on=account)
    assert rule_of(desk.call(f"{account}/$invoice")) == "W8.nothing-to-bill"
    answer = desk.put(_by_hand(patient, charge))
    assert (answer.status_code, rule_of(answer)) == (422, "W8.not-billable")


def _by_hand(patient: str, charge: Resource, **more: Any) -> Resource:
    line = {
        "chargeItemReference": {"reference": f"ChargeItem/{charge['id']}"},
        "priceComponent": [price("base", amount=money("7.00"))],
    }
    return {
        "resourceType": "Invoice",
        "id": f"by-hand-{charge['id']}",
        "status": "issued",
        "subject": {"reference": patient},
        "lineItem": [line],
        "totalNet": money("7.00"),
        "totalGross": money("7.00"),
        **more,
    }


def test_charges_of_other_patients_do_not_stand_on_an_invoice(desk: Desk) -> None:
    """Nor do those that are not there."""
    patient = desk.patient()
    charge = desk.charge(desk.patient(), "7.00")
    assert rule_of(desk.put(_by_hand(patient, charge))) == "W8.not-billable"
    assert rule_of(desk.put(_by_hand(patient, {"id": "nobody"}))) == "W8.not-billable"


@pytest.mark.parametrize(
    "wrong",
    [
        {"totalNet": money("7.01")},
        {"totalGross": money("6.99")},
        {"totalGross": {"value": Decimal("7.00"), "currency": "EUR"}},
        {"totalGross": None},
    ],
)
def test_totals_are_the_sums_of_the_lines(desk: Desk, wrong: Resource) -> None:
    """To the cent, and in one currency."""
    patient = desk.patient()
    charge = desk.charge(patient, "7.00")
    right = _by_hand(patient, charge)
    invoice = {name: value for name, value in (right | wrong).items() if value is not None}
    answer = desk.put(invoice)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.totals")
    desk.stored(right | {"status": "draft"})
    answer = desk.put(invoice)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.totals")
    desk.stored(right)


@pytest.mark.parametrize("way", ["put", "post", "transaction"])
@pytest.mark.parametrize("status", ["issued", "balanced"])
def test_an_invoice_is_issued_by_the_operation(desk: Desk, status: str, way: str) -> None:
    """Nobody writes one by hand that is issued, or paid, from the beginning; a draft they do."""
    patient = desk.patient()
    charge = desk.charge(patient, "7.00")
    invoice = _by_hand(patient, charge, status=status)
    answer = {
        "put": lambda: desk.put(invoice),
        "post": lambda: desk.client.post("/Invoice", content=body(invoice)),
        "transaction": lambda: desk.transaction(("POST", "Invoice", invoice)),
    }[way]()
    assert (answer.status_code, rule_of(answer)) == (422, "W8.invoice-state")
    assert desk.status(f"ChargeItem/{charge['id']}") == "billable"
    desk.stored(invoice | {"status": "draft"})


def test_a_charge_is_billed_by_an_invoice(desk: Desk) -> None:
    """Nobody writes one by hand that is billed from the beginning, but by an import of the past."""
    charge = desk.charge(desk.patient(), "7.00")
    billed = {**charge, "id": "billed-by-hand", "status": "billed"}
    for answer in (desk.put(billed), desk.client.post("/ChargeItem", content=body(billed))):
        assert (answer.status_code, rule_of(answer)) == (422, "W8.charge-billed")
    answer = desk.client.put(
        "/ChargeItem/billed-by-hand", content=body(billed), headers={"x-import": "records"}
    )
    assert answer.status_code == 201, answer.text


def test_the_invoices_of_the_past_are_imported_as_they_are(desk: Desk) -> None:
    """Issued, and with their charges billed."""
    patient = desk.patient()
    charge = desk.charge(patient, "7.00")
    headers = {"x-import": "records"}
    invoice = _by_hand(patient, charge, status="balanced")
    answer = desk.client.put(f"/Invoice/{invoice['id']}", content=body(invoice), headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "change",
    [{"totalGross": money("8.00")}, {"note": [{"text": "x"}]}, {"lineItem": []}, {"date": "2026-01-01"}],
)
def test_an_issued_invoice_stays_as_it_is(desk: Desk, change: Resource) -> None:
    """Whether by PUT, PATCH or in a transaction, and also after it was cancelled; nor is it deleted."""
    invoice = _issued(desk, "7.00")
    reference = f"Invoice/{invoice['id']}"
    [(name, value)] = change.items()
    changed = {**invoice, **change} if value else {k: v for k, v in invoice.items() if k != name}
    answer = desk.put(changed)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.issued-invoice")
    step = (
        {"op": "add", "path": f"/{name}", "value": value} if value else {"op": "remove", "path": f"/{name}"}
    )
    assert rule_of(desk.patch(reference, step)) == "W8.issued-invoice"
    assert rule_of(desk.transaction(("PUT", reference, changed))) == "W8.issued-invoice"
    desk.stored(invoice | {"status": "cancelled", "cancelledReason": "x"})
    again = {**changed, "status": "cancelled", "cancelledReason": "x"}
    assert rule_of(desk.put(again)) == "W8.issued-invoice"
    assert rule_of(desk.client.delete(f"/{reference}")) == "W8.issued-invoice"


def test_a_draft_may_change_and_go(desk: Desk) -> None:
    """What is deleted gives its charges free."""
    patient = desk.patient()
    account = desk.account(patient)
    desk.charge(patient, "7.00", on=account)
    draft = desk.invoice(account, issue=False)
    desk.stored(draft | {"note": [{"text": "x"}]})
    assert desk.client.delete(f"/Invoice/{draft['id']}").status_code < 300
    desk.invoice(account)


@pytest.mark.parametrize(("before", "after"), [("cancelled", "issued"), ("issued", "draft")])
def test_an_invoice_goes_its_way(desk: Desk, before: str, after: str) -> None:
    """What is cancelled stays so, and nothing is a draft again."""
    invoice = _issued(desk, "7.00")
    if before == "cancelled":
        invoice = desk.stored(invoice | {"status": "cancelled", "cancelledReason": "x"})
    answer = desk.put(invoice | {"status": after})
    assert (answer.status_code, rule_of(answer)) == (422, "W8.invoice-state")


def test_an_invoice_is_cancelled_with_a_reason(desk: Desk) -> None:
    """Without one it is not; with payments on it it is not at all."""
    invoice = _issued(desk, "7.00")
    answer = desk.put(invoice | {"status": "cancelled"})
    assert (answer.status_code, rule_of(answer)) == (422, "W8.cancel-reason")
    desk.paid(invoice, "1.00")
    cancelled = invoice | {"status": "cancelled", "cancelledReason": "x"}
    answer = desk.put(cancelled)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.cancel-paid")


def test_nobody_says_that_an_invoice_is_paid(desk: Desk) -> None:
    """Only payments balance it."""
    invoice = _issued(desk, "7.00")
    step = {"op": "replace", "path": "/status", "value": "balanced"}
    answer = desk.patch(f"Invoice/{invoice['id']}", step)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.balance")


def test_what_costs_nothing_is_balanced_at_once(desk: Desk) -> None:
    """There is nothing to pay."""
    invoice = _issued(desk, "0.00")
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"


def test_a_charge_without_a_price_is_not_billed(desk: Desk) -> None:
    """Somebody has to say what it costs."""
    patient = desk.patient()
    account = desk.account(patient)
    charge = desk.charge(patient, "1", on=account)
    charge.pop("priceOverride")
    desk.stored(charge)
    answer = desk.call(f"{account}/$invoice")
    assert (answer.status_code, rule_of(answer)) == (422, "W8.no-price")


def test_a_billed_charge_stays_as_it_is(desk: Desk) -> None:
    """And is not billable again while its invoice lives."""
    invoice = _issued(desk, "7.00")
    charge = desk.read(invoice["lineItem"][0]["chargeItemReference"]["reference"])
    for change in ({"priceOverride": money("1.00")}, {"status": "billable"}, {"status": "entered-in-error"}):
        answer = desk.put(charge | change)
        assert (answer.status_code, rule_of(answer)) == (422, "W8.charge-billed")
    assert rule_of(desk.client.delete(f"/ChargeItem/{charge['id']}")) == "W8.charge-billed"


def test_a_line_is_credited_once(desk: Desk) -> None:
    """A credit note gives back exactly what the line took."""
    invoice = _issued(desk, "7.00", "5.55")
    path = f"Invoice/{invoice['id']}/$credit"
    answer = desk.call(path, line=2, reason="not done")
    assert answer.status_code == 201, answer.text
    credit = decimals(answer)
    second = invoice["lineItem"][1]["priceComponent"][0]["amount"]["value"]
    assert credit["totalGross"]["value"] == -second
    assert credit["status"] == "issued"
    again = desk.call(path, line=2, reason="not done")
    assert (again.status_code, rule_of(again)) == (409, "W8.double-bill")
    assert desk.call(path, line=3, reason="x").status_code == 400
    assert desk.call(path, line=1).status_code == 400
    of_credit = desk.call(f"Invoice/{credit['id']}/$credit", reason="x")
    assert (of_credit.status_code, rule_of(of_credit)) == (409, "W8.credited")


@pytest.mark.workflow("1-09")
def test_what_is_open_is_found(desk: Desk) -> None:
    """By its state, patient and account."""
    invoice = _issued(desk, "7.00")
    patient = invoice["subject"]["reference"]
    assert [one["id"] for one in desk.search(f"Invoice?status=issued&subject={patient}")] == [invoice["id"]]
    desk.paid(invoice)
    assert desk.search(f"Invoice?status=issued&subject={patient}") == []
