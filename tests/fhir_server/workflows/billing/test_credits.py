"""Credits: what they give back, and that nothing else is below nought.

https://hl7.org/fhir/R4/chargeitem-definitions.html#ChargeItem.priceOverride
"""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.workflows.made import key_id
from tests.fhir_server.workflows.billing.desk import Desk, decimals, definition, money, number, price, rule_of

Resource = dict[str, Any]


def _billed(desk: Desk, value: str = "10.00", **more: Any) -> Resource:
    """Return a charge that stands on an issued invoice."""
    patient = desk.patient()
    account = desk.account(patient)
    charge = desk.charge(patient, value, on=account, **more)
    desk.invoice(account)
    return desk.read(f"ChargeItem/{charge['id']}")


def _credit(charge: Resource, value: str, **more: Any) -> Resource:
    """Return the credit of a charge, as somebody writes it by hand."""
    kept = {name: charge[name] for name in ("code", "subject", "account")}
    return {
        "resourceType": "ChargeItem",
        "id": f"credit-{number()}",
        "status": "billable",
        "partOf": [{"reference": f"ChargeItem/{charge['id']}"}],
        "priceOverride": money(value),
        **kept,
        **more,
    }


@pytest.mark.parametrize(
    "below",
    [
        {"quantity": {"value": Decimal(-1)}},
        {"factorOverride": Decimal(-1)},
        {"factorOverride": Decimal("-0.01"), "quantity": {"value": Decimal(-3)}},
    ],
)
def test_no_charge_is_below_nought_by_its_quantity_or_factor(desk: Desk, below: Resource) -> None:
    """Neither a new one nor one that is changed, with a price of its own or by a definition."""
    desk.stored(definition("thing", price("base", amount=money("3.00"))))
    patient = desk.patient()
    charge = desk.charge(patient, "5.00")
    by_definition = {**charge, "definitionCanonical": ["http://house.example/price-thing"]}
    by_definition.pop("priceOverride")
    for wrong in (charge | below, by_definition | below, {**by_definition, "id": f"c{number()}"} | below):
        answer = desk.put(wrong)
        assert (answer.status_code, rule_of(answer)) == (422, "W8.credit-amount")


@pytest.mark.parametrize("value", ["-10.01", "-9.99", "-1000.00"])
def test_a_credit_gives_back_what_its_charge_took(desk: Desk, value: str) -> None:
    """Neither more nor less, and in its currency."""
    charge = _billed(desk)
    answer = desk.put(_credit(charge, value))
    assert (answer.status_code, rule_of(answer)) == (422, "W8.credit-amount")
    euros = _credit(charge, "-10.00", priceOverride={"value": Decimal("-10.00"), "currency": "EUR"})
    assert rule_of(desk.put(euros)) == "W8.credit-amount"
    twice = _credit(charge, "-10.00", factorOverride=Decimal(2))
    assert rule_of(desk.put(twice)) == "W8.credit-amount"
    credit = desk.stored(_credit(charge, "-10.00"))
    assert rule_of(desk.put(credit | {"priceOverride": money(value)})) == "W8.credit-amount"
    assert desk.invoice(charge["account"][0]["reference"])["totalGross"]["value"] == Decimal("-10.00")


def test_a_credit_is_of_one_charge_of_its_patient_that_is_billed(desk: Desk) -> None:
    """What was not billed, what somebody else has paid for, and what is not there are not given back."""
    charge, other = _billed(desk), _billed(desk)
    open_one = desk.charge(charge["subject"]["reference"], "10.00")
    both = [{"reference": f"ChargeItem/{one['id']}"} for one in (charge, other)]
    for wrong in (
        _credit(open_one, "-10.00"),
        _credit(charge, "-10.00", subject=other["subject"]),
        _credit(charge, "-10.00", partOf=both),
        _credit({**charge, "id": "nothing"}, "-10.00"),
    ):
        answer = desk.put(wrong)
        assert (answer.status_code, rule_of(answer)) == (422, "W8.credit-amount")


def test_a_credit_of_a_charge_with_a_factor_gives_back_that_much(desk: Desk) -> None:
    """By the operation, and for an event that was an error."""
    charge = _billed(desk, "10.00", factorOverride=Decimal("1.5"))
    [invoice] = desk.search(f"Invoice?subject={charge['subject']['reference']}")
    answer = desk.call(f"Invoice/{invoice['id']}/$credit", reason="x")
    assert answer.status_code == 201, answer.text
    assert decimals(answer)["totalGross"]["value"] == Decimal("-15.00")
    credit = desk.read(f"ChargeItem/{key_id('credit', 'ChargeItem/' + charge['id'])}")
    assert credit["priceOverride"]["value"] == Decimal("-15.00")
    patient = desk.patient()
    event = desk.stored(desk.event("Procedure", patient, status="completed", code={"text": "x"}))
    service = [{"reference": f"Procedure/{event['id']}"}]
    account = desk.account(patient)
    hand = desk.charge(patient, "10.00", on=account, factorOverride=Decimal("1.5"), service=service)
    desk.invoice(account)
    desk.stored(event | {"status": "entered-in-error"})
    credit = desk.read(f"ChargeItem/{key_id('credit', 'ChargeItem/' + hand['id'])}")
    assert credit["priceOverride"]["value"] == Decimal("-15.00")


def test_what_stands_in_the_place_of_a_credit_is_not_taken_for_it(desk: Desk) -> None:
    """A charge that somebody wrote under the id of the credit that is to come."""
    charge = _billed(desk)
    [invoice] = desk.search(f"Invoice?subject={charge['subject']['reference']}")
    place = key_id("credit", f"ChargeItem/{charge['id']}")
    squatter = desk.charge(charge["subject"]["reference"], "3.00", id=place)
    answer = desk.call(f"Invoice/{invoice['id']}/$credit", reason="x")
    assert (answer.status_code, rule_of(answer)) == (409, "W8.credited")
    assert desk.status(f"ChargeItem/{squatter['id']}") == "billable"
