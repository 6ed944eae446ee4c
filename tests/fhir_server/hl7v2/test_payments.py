"""DFT^P03: payments of invoices that were made elsewhere (FT1-6 PY)."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.applying import Applied
from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import Records, Resource, msh
from tests.fhir_server.hl7v2.test_orders import pid

_NUMBER = "urn:fhir-hospital-server:invoice-number"


def _invoice(records: Records, name: str, patient: str, total: str = "100.00") -> str:
    """Issue an invoice to a patient; return its number."""
    records.send(msh("ADT^A28"), "EVN|A28|20240101", pid(patient))
    amount = {"value": Decimal(total), "currency": "EUR"}
    part = {"type": "base", "amount": amount}
    subject = {"reference": f"Patient/{records.one('Patient', patient)['id']}"}
    line = {"chargeItemCodeableConcept": {"text": "Something"}, "priceComponent": [part]}
    invoice: Resource = {"resourceType": "Invoice", "id": name, "subject": subject, "lineItem": [line]}
    for status in ("draft", "issued"):
        records.put({**invoice, "status": status, "totalNet": amount, "totalGross": amount})
    (made,) = [one for one in records.all("Invoice") if one["id"] == name]
    return next(str(one["value"]) for one in made["identifier"] if one["system"] == _NUMBER)


def _ft1(number: str, invoice: str, amount: str = "40^EUR", kind: str = "PY", day: str = "20240106") -> str:
    return f"FT1|1|{number}^BILL||{day}|{day}|{kind}|CASH^Cash^L||||{amount}||||||||||||{invoice}"


def _pay(records: Records, patient: str, *ft1: str, control: str = "P") -> Applied:
    return records.send(msh("DFT^P03", control), pid(patient), *ft1)


def _status(records: Records, name: str) -> Any:
    return next(one["status"] for one in records.all("Invoice") if one["id"] == name)


def test_a_payment_is_counted_once(records: Records) -> None:
    """It pays a part of the invoice; the same again changes nothing, and all of it balances the invoice."""
    number = _invoice(records, "i1", "8101")
    _pay(records, "8101", _ft1("Y1", number))
    payment = records.one("PaymentReconciliation", "Y1")
    assert (payment["status"], payment["paymentDate"]) == ("active", "2024-01-06")
    assert str(payment["paymentAmount"]["value"]) == "40"
    assert payment["detail"][0]["request"] == {"reference": "Invoice/i1"}
    codes = [one["code"] for one in payment["detail"][0]["type"]["coding"]]
    assert codes == ["payment", "CASH"]
    assert _status(records, "i1") == "issued"
    assert _pay(records, "8101", _ft1("Y1", number), control="P2").status == "unchanged"
    # Without a currency it is the invoice's; two payments may come in one message.
    _pay(records, "8101", _ft1("Y2", number, "35"), _ft1("Y3", number, "25"), control="P3")
    assert _status(records, "i1") == "balanced"
    assert records.one("PaymentReconciliation", "Y2")["paymentAmount"]["currency"] == "EUR"


@pytest.mark.parametrize(
    ("ft1", "patient", "code", "rule"),
    [
        (("Y10", "NUMBER", "100.01^EUR"), "8102", "207", "W8.overpaid"),
        (("Y11", "NUMBER", "10^USD"), "8102", "207", "W8.payment-target"),
        (("Y12", "9999-0000001"), "8102", "204", ""),
        (("Y13", "NUMBER^^^OTHER"), "8102", "204", ""),
        (("Y14", "NUMBER"), "8103", "204", ""),
        (("Y15", ""), "8102", "101", ""),
        (("", "NUMBER"), "8102", "101", ""),
        (("Y16", "NUMBER", ""), "8102", "101", ""),
        (("Y17", "NUMBER", "-10^EUR"), "8102", "102", ""),
        (("Y18", "NUMBER", "0^EUR"), "8102", "102", ""),
        (("Y19", "NUMBER", "10^EUR", "PY", ""), "8102", "101", ""),
        (("Y20", "NUMBER", "10^EUR", "AJ"), "8102", "103", ""),
    ],
)
def test_payments_that_are_refused(
    records: Records, ft1: tuple[str, ...], patient: str, code: str, rule: str
) -> None:
    """Too much, of an invoice nobody knows or of another patient, or not all said; adjustments too."""
    if not any(one["id"] == "i2" for one in records.all("Invoice")):
        _invoice(records, "i2", "8102")
        records.send(msh("ADT^A28"), "EVN|A28|20240101", pid("8103"))
    (invoice,) = [one for one in records.all("Invoice") if one["id"] == "i2"]
    number = next(one["value"] for one in invoice["identifier"] if one["system"] == _NUMBER)
    before = len(records.all("PaymentReconciliation"))
    with pytest.raises(HL7Error) as refused:
        _pay(records, patient, _ft1(*(one.replace("NUMBER", number) for one in ft1)))
    assert (refused.value.code, getattr(refused.value, "rule", "")) == (code, rule)
    assert len(records.all("PaymentReconciliation")) == before


def test_a_payment_is_not_changed(records: Records) -> None:
    """Another amount under the same number is refused: what is wrong about a payment is refunded."""
    number = _invoice(records, "i3", "8104")
    _pay(records, "8104", _ft1("Y30", number))
    with pytest.raises(HL7Error) as refused:
        _pay(records, "8104", _ft1("Y30", number, "41^EUR"), control="P4")
    assert getattr(refused.value, "rule", "") == "W8.payment-fixed"
    with pytest.raises(HL7Error) as twice:
        _pay(records, "8104", _ft1("Y31", number), _ft1("Y31", number), control="P5")
    assert twice.value.code == "205"
