"""Whatever is charged, billed, paid, given back, cancelled and credited, in any order, the money is right.

https://hypothesis.readthedocs.io/en/latest/stateful.html
"""

from concurrent.futures import ThreadPoolExecutor
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.fhir_server.workflows.billing.desk import Desk, decimals, definition, money, number, part, price

Resource = dict[str, Any]
_CENT = Decimal("0.01")
_UNIT, _TAX, _DISCOUNT = Decimal("3.335"), Decimal("0.19"), Decimal("0.05")


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


class Money(RuleBasedStateMachine):
    """One patient's account, and what the tests know of it by their own reckoning."""

    client: httpx.Client
    invoices = Bundle("invoices")
    payments = Bundle("payments")
    events = Bundle("events")

    @initialize()
    def open_account(self) -> None:
        """Begin with a patient, and a price list with a discount and a tax."""
        self.desk = Desk(self.client)
        parts = [
            price("base", amount={"value": _UNIT, "currency": "USD"}),
            price("discount", factor=_DISCOUNT),
            price("tax", factor=_TAX),
        ]
        self.desk.stored(definition("procedure", *parts))
        self.patient = self.desk.patient()
        self.done: set[str] = set()
        self.issued: dict[str, Decimal] = {}
        self.account: str | None = None

    @rule(target=events, repeats=st.integers(1, 3))
    def do_something(self, repeats: int) -> str:
        """Something is done for the patient, and told several times at once."""
        event = self.desk.event("Procedure", self.patient, status="completed", code={"text": "x"})
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: self.desk.put(event).status_code, range(repeats)))
        assert set(answers) <= {200, 201}
        reference = f"Procedure/{event['id']}"
        self.done.add(reference)
        return reference

    @rule(event=events)
    def find_an_error(self, event: str) -> None:
        """What was done was not done."""
        found = self.desk.read(event)
        if found["status"] == "completed":
            self.desk.stored(found | {"status": "entered-in-error"})

    @rule(target=invoices, times=st.integers(1, 3))
    def bill(self, times: int) -> str:
        """The account is billed, several times at once: one invoice is written at most."""
        accounts = self.desk.search(f"Account?subject={self.patient}")
        if not accounts:
            return ""
        self.account = f"Account/{accounts[0]['id']}"
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: self.desk.call(f"{self.account}/$invoice"), range(times)))
        made = [one for one in answers if one.status_code == 201]
        assert len(made) <= 1
        assert {one.status_code for one in answers} <= {201, 409, 422}
        return decimals(made[0])["id"] if made else ""

    @rule(target=payments, invoice=invoices, cents=st.integers(1, 900), times=st.integers(1, 2))
    def pay(self, invoice: str, cents: int, times: int) -> str:
        """A part of an invoice is paid, several times with one key."""
        if not invoice:
            return ""
        key, amount = number(), str(Decimal(cents) / 100)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: self.desk.pay({"id": invoice}, amount, key=key), range(times)))
        assert len({one.status_code for one in answers}) == 1
        assert answers[0].status_code in (200, 422)
        return part(answers[0], "payment")["id"] if answers[0].status_code == 200 else ""

    @rule(target=payments, invoice=invoices)
    def pay_the_rest(self, invoice: str) -> str:
        """What is left is paid."""
        if not invoice:
            return ""
        answer = self.desk.pay({"id": invoice})
        assert answer.status_code in (200, 422)
        return part(answer, "payment")["id"] if answer.status_code == 200 else ""

    @rule(payment=payments, cents=st.integers(1, 900))
    def give_back(self, payment: str, cents: int) -> None:
        """A part of a payment is given back, if that much of it is left."""
        if payment:
            given = {"amount": money(str(Decimal(cents) / 100)), "key": number()}
            answer = self.desk.call(f"PaymentReconciliation/{payment}/$refund", **given)
            assert answer.status_code in (200, 422)

    @rule(invoice=invoices)
    def cancel(self, invoice: str) -> None:
        """An invoice is cancelled, if nothing is paid on it."""
        if invoice:
            found = self.desk.read(f"Invoice/{invoice}")
            answer = self.desk.put(found | {"status": "cancelled", "cancelledReason": "x"})
            assert answer.status_code in (200, 422)

    @rule(invoice=invoices)
    def credit(self, invoice: str) -> None:
        """All lines of an invoice are credited, if none was."""
        if invoice:
            answer = self.desk.call(f"Invoice/{invoice}/$credit", reason="x")
            assert answer.status_code in (201, 409, 422)

    @invariant()
    def each_event_is_charged_once(self) -> None:
        """Neither more nor less often, but for what is given back."""
        if not hasattr(self, "desk"):
            return
        charges = self.desk.search(f"ChargeItem?subject={self.patient}&_count=500")
        taken = [one for one in charges if "partOf" not in one]
        assert sorted(one["service"][0]["reference"] for one in taken) == sorted(self.done)
        given = [one["partOf"][0]["reference"] for one in charges if "partOf" in one]
        assert len(set(given)) == len(given)

    @invariant()
    def each_invoice_adds_up(self) -> None:
        """By our own reckoning of each line; it stays as it was, and is never paid too much."""
        if not hasattr(self, "desk"):
            return
        live: list[str] = []
        for invoice in self.desk.search(f"Invoice?subject={self.patient}&_count=500"):
            lines = invoice["lineItem"]
            total = sum((_line(one) for one in lines), Decimal(0))
            assert invoice["totalGross"]["value"] == total
            assert self.issued.setdefault(invoice["id"], total) == total
            told = self.desk.balance(invoice)
            assert min(total, Decimal(0)) <= told["paid"] <= max(total, Decimal(0))
            if invoice["status"] == "cancelled":
                assert told["paid"] == 0
                continue
            assert (invoice["status"] == "balanced") == (told["paid"] == total)
            live += [one["chargeItemReference"]["reference"] for one in lines]
        assert len(set(live)) == len(live)


def _line(line: Resource) -> Decimal:
    """Return what a line costs, reckoned anew: the base, less the discount, and the tax on all of it."""
    amounts: dict[str, Decimal] = {one["type"]: one["amount"]["value"] for one in line["priceComponent"]}
    sign = 1 if amounts["base"] > 0 else -1
    base = _rounded(_UNIT)
    assert amounts["base"] == sign * base
    assert amounts["discount"] == -sign * _rounded(base * _DISCOUNT)
    assert amounts["tax"] == sign * _rounded(base * _TAX)
    return sum(amounts.values(), Decimal(0))


@pytest.mark.workflow("2-12", "4-20", "1-32")
def test_the_money_is_right_whatever_is_done(client: httpx.Client) -> None:
    """In any order, and several at once."""

    class Machine(Money):
        """The machine at this hospital."""

    Machine.client = client
    short = settings(
        max_examples=6,
        stateful_step_count=14,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=short)
