"""Payments: each once, never more than is owed. https://hl7.org/fhir/R4/paymentreconciliation.html"""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.fhir_server.workflows.billing.desk import Desk, money, number, part, rule_of

Resource = dict[str, Any]


def _payment(invoice: Resource, value: str, **more: Any) -> Resource:
    """Return a payment that a clerk writes by hand."""
    detail = {
        "type": {"text": "payment"},
        "request": {"reference": f"Invoice/{invoice['id']}"},
        "amount": money(value),
    }
    return {
        "resourceType": "PaymentReconciliation",
        "id": f"p{number()}",
        "status": "active",
        "created": "2026-11-27",
        "paymentDate": "2026-11-27",
        "paymentAmount": money(value),
        "detail": [detail],
        **more,
    }


@pytest.mark.workflow("2-04", "0-13")
def test_a_payment_balances_an_invoice(desk: Desk) -> None:
    """What is left is what is paid without an amount; a notice tells of it."""
    invoice = desk.bill("20.00")
    payment = desk.paid(invoice)
    assert payment["paymentAmount"] == {"value": Decimal("20.00"), "currency": "USD"}
    assert payment["status"] == "active"
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    [notice] = desk.search(f"PaymentNotice?request=Invoice/{invoice['id']}")
    assert notice["payment"] == {"reference": f"PaymentReconciliation/{payment['id']}"}


@pytest.mark.workflow("4-22")
def test_a_payment_is_split(desk: Desk) -> None:
    """In cash and by card, until everything is paid, and not a cent more."""
    invoice = desk.bill("20.00")
    desk.paid(invoice, "5.00")
    desk.paid(invoice, "4.99", method="card-terminal")
    assert desk.status(f"Invoice/{invoice['id']}") == "issued"
    answer = desk.pay(invoice, "10.02")
    assert (answer.status_code, rule_of(answer)) == (422, "W8.overpaid")
    told = desk.balance(invoice)
    assert (told["total"], told["paid"], told["outstanding"]) == (
        Decimal("20.00"),
        Decimal("9.99"),
        Decimal("10.01"),
    )
    desk.paid(invoice, "10.01")
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    listed = desk.search(f"Invoice/{invoice['id']}/$payments")
    assert sorted(one["paymentAmount"]["value"] for one in listed) == [
        Decimal("4.99"),
        Decimal("5.00"),
        Decimal("10.01"),
    ]


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "x"])
def test_a_payment_is_more_than_nought(desk: Desk, amount: str) -> None:
    """In whole cents."""
    invoice = desk.bill("20.00")
    given = amount if amount == "x" else money(amount)
    assert desk.pay(invoice, amount=given).status_code == 400


def test_the_same_key_pays_once(desk: Desk) -> None:
    """Who sends it again is answered the same; another amount or method is refused."""
    invoice = desk.bill("20.00")
    first = desk.paid(invoice, "5.00", key="once")
    assert desk.paid(invoice, "5.00", key="once") == first
    assert desk.paid(invoice, key="once") == first
    for answer in (
        desk.pay(invoice, "6.00", key="once"),
        desk.pay(invoice, "5.00", "card-terminal", key="once"),
    ):
        assert (answer.status_code, rule_of(answer)) == (409, "W8.payment-key")
    assert desk.balance(invoice)["paid"] == Decimal("5.00")


def test_many_at_once_with_one_key_pay_once(desk: Desk) -> None:
    """All of them are answered the same."""
    invoice = desk.bill("20.00")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: desk.pay(invoice, "5.00", key="many"), range(6)))
    assert {one.status_code for one in answers} == {200}
    assert len({part(one, "payment")["id"] for one in answers}) == 1
    assert desk.balance(invoice)["paid"] == Decimal("5.00")


def test_many_at_once_do_not_overpay(desk: Desk) -> None:
    """Of eight who pay a third each three do."""
    invoice = desk.bill("30.00")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: desk.pay(invoice, "10.00"), range(8)))
    assert [one.status_code for one in answers].count(200) == 3
    assert {rule_of(one) for one in answers if one.status_code != 200} <= {"W8.overpaid", "W8.payment-target"}
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    assert desk.balance(invoice)["paid"] == Decimal("30.00")


def test_what_is_written_by_hand_keeps_the_rules_too(desk: Desk) -> None:
    """By PUT, and in a transaction in which two payments are too much together."""
    invoice = desk.bill("10.00")
    assert rule_of(desk.put(_payment(invoice, "10.01"))) == "W8.overpaid"
    first, second = _payment(invoice, "6.00"), _payment(invoice, "5.00")
    both = [("PUT", f"PaymentReconciliation/{one['id']}", one) for one in (first, second)]
    answer = desk.transaction(*both)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.overpaid")
    desk.stored(first)
    desk.stored(_payment(invoice, "4.00"))
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"


def test_an_absolute_address_is_the_same_invoice(desk: Desk, base_url: str) -> None:
    """It does not go round the sum."""
    invoice = desk.bill("10.00")
    payment = _payment(invoice, "6.00")
    payment["detail"][0]["request"] = {"reference": f"{base_url}/Invoice/{invoice['id']}"}
    desk.stored(payment)
    assert rule_of(desk.pay(invoice, "5.00")) == "W8.overpaid"


def test_a_payment_adds_up(desk: Desk) -> None:
    """The amount is the sum of the details, in whole cents."""
    invoice = desk.bill("10.00")
    answer = desk.put(_payment(invoice, "6.00", paymentAmount=money("7.00")))
    assert (answer.status_code, rule_of(answer)) == (422, "W8.payment-amount")
    assert rule_of(desk.put(_payment(invoice, "0.005"))) == "W8.payment-amount"


def test_only_issued_invoices_are_paid(desk: Desk) -> None:
    """In their own currency."""
    patient = desk.patient()
    account = desk.account(patient)
    desk.charge(patient, "7.00", on=account)
    draft = desk.invoice(account, issue=False)
    answer = desk.put(_payment(draft, "7.00"))
    assert (answer.status_code, rule_of(answer)) == (422, "W8.payment-target")
    invoice = desk.bill("7.00")
    euros = {"value": Decimal("7.00"), "currency": "EUR"}
    assert rule_of(desk.pay(invoice, amount=euros)) == "W8.payment-target"
    assert rule_of(desk.put(_payment({"id": "nothing"}, "1.00"))) == "W8.payment-target"


@pytest.mark.parametrize("change", [{"paymentAmount": money("1.00")}, {"paymentDate": "2020-01-01"}])
def test_a_payment_stays_as_it_is(desk: Desk, change: Resource) -> None:
    """But for its state; and it is not deleted."""
    invoice = desk.bill("7.00")
    payment = desk.paid(invoice)
    answer = desk.put(payment | change)
    assert (answer.status_code, rule_of(answer)) == (422, "W8.payment-fixed")
    deleted = desk.client.delete(f"/PaymentReconciliation/{payment['id']}")
    assert rule_of(deleted) == "W8.payment-fixed"


def test_a_payment_that_is_void_does_not_count(desk: Desk) -> None:
    """The invoice is open again, and the payment stays void."""
    invoice = desk.bill("7.00")
    payment = desk.paid(invoice)
    desk.stored(payment | {"status": "cancelled"})
    assert desk.status(f"Invoice/{invoice['id']}") == "issued"
    answer = desk.put(payment | {"status": "active"})
    assert (answer.status_code, rule_of(answer)) == (422, "W8.payment-state")


def test_a_payment_is_given_back(desk: Desk) -> None:
    """In parts, each once for its key, and never more than it was."""
    invoice = desk.bill("7.00")
    payment = desk.paid(invoice)
    path = f"PaymentReconciliation/{payment['id']}/$refund"
    answer = desk.call(path, amount=money("3.00"), key="a")
    assert part(answer, "payment")["paymentAmount"]["value"] == Decimal("-3.00")
    assert part(desk.call(path, amount=money("3.00"), key="a"), "payment") == part(answer, "payment")
    assert rule_of(desk.call(path, amount=money("2.00"), key="a")) == "W8.payment-key"
    assert desk.status(f"Invoice/{invoice['id']}") == "issued"
    assert desk.balance(invoice)["paid"] == Decimal("4.00")
    too_much = desk.call(path, amount=money("4.01"), key="b")
    assert (too_much.status_code, rule_of(too_much)) == (422, "W8.refund")
    assert desk.call(path, key="c").status_code == 200
    assert rule_of(desk.call(path, key="d")) == "W8.refund"
    assert desk.balance(invoice)["paid"] == Decimal(0)
    assert rule_of(desk.put(_payment(invoice, "-0.01"))) == "W8.refund"


def test_a_credit_is_paid_out(desk: Desk) -> None:
    """The credit note is balanced by a refund on its account."""
    invoice = desk.bill("7.00")
    payment = desk.paid(invoice)
    credit = desk.call(f"Invoice/{invoice['id']}/$credit", reason="not done").json()
    path = f"PaymentReconciliation/{payment['id']}/$refund"
    assert rule_of(desk.pay(credit, "1.00")) == "W8.overpaid"
    answer = desk.call(path, key="out", invoice={"reference": f"Invoice/{credit['id']}"})
    assert answer.status_code == 200, answer.text
    assert desk.status(f"Invoice/{credit['id']}") == "balanced"
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    again = desk.call(path, amount=money("1.00"), key="more")
    assert (again.status_code, rule_of(again)) == (422, "W8.refund")


def test_a_card_that_is_declined_pays_nothing(desk: Desk) -> None:
    """The terminal declines what ends on 13 cents."""
    invoice = desk.bill("7.13")
    answer = desk.pay(invoice, method="card-terminal", key="x")
    assert (answer.status_code, rule_of(answer)) == (422, "W8.declined")
    assert rule_of(desk.pay(invoice, method="card-terminal", key="x")) == "W8.declined"
    assert desk.balance(invoice)["paid"] == Decimal(0)
    desk.paid(invoice)


def test_a_way_to_pay_has_to_be_there(desk: Desk) -> None:
    """Stripe is off without keys."""
    answer = desk.pay(desk.bill("7.00"), method="card")
    assert (answer.status_code, rule_of(answer)) == (422, "W8.no-gateway")
    assert desk.pay(desk.bill("7.00"), method="cash", key="").status_code == 400
    assert desk.client.post("/../payments/stripe", content=b"{}").status_code == 404
