"""Who may do what about money: the billing office writes, patients read and pay their own.

https://hl7.org/fhir/R4/invoice.html
"""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from fhir_server.workflows.made import key_id
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.billing.desk import Desk, body, definition, money, part, price, rule_of
from tests.fhir_server.workflows.billing.stripe_stub import running_stub

# How Stripe's package hands a body to httpx.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

ROLES = ("PT", "DR", "RN", "LB", "PH", "BC", "AD", "AU")


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code, and a patient of any id."""
    if token.startswith("PT-"):
        patient = token.removeprefix("PT-")
        return Principal(
            "app", ("patient/*.cruds",), token, f"Patient/{patient}", frozenset({"PT"}), patient=patient
        )
    if token not in ROLES:
        return None
    return Principal("app", ("user/*.cruds",), token, f"Practitioner/{token.lower()}", frozenset({token}))


@pytest.fixture(scope="module")
def url(mongo_url: str) -> Iterator[str]:
    """A hospital that asks for tokens, and takes cards."""
    with running_stub() as (stripe, _):
        settings = Settings(
            mongo_url=mongo_url,
            database=f"test-{uuid.uuid4().hex[:12]}",
            log_level="error",
            auth="off",
            stripe_secret_key=SecretStr("sk_test_x"),
            stripe_webhook_secret=SecretStr("whsec"),
            stripe_url=stripe,
        )
        with running_server(settings, _authenticate) as address:
            yield address
        with MongoClient[dict[str, object]](mongo_url) as client:
            client.drop_database(settings.database)


class Desks(dict[str, Desk]):
    """What each role does, by its code; a patient is known by the invoice."""

    def __init__(self, url: str, opened: ExitStack) -> None:
        """Open clients that `opened` closes."""
        super().__init__()
        self._url, self._opened = url, opened

    def __missing__(self, token: str) -> Desk:
        """Let somebody in."""
        headers = {"content-type": FHIR_JSON, "authorization": f"Bearer {token}"}
        client = httpx.Client(base_url=self._url, headers=headers, timeout=30)
        self[token] = Desk(self._opened.enter_context(client))
        return self[token]

    def patient(self, invoice: dict[str, Any]) -> Desk:
        """Return what the patient of an invoice does."""
        return self["PT-" + invoice["subject"]["reference"].removeprefix("Patient/")]


@pytest.fixture
def desks(url: str) -> Iterator[Desks]:
    """What each role does."""
    with ExitStack() as opened:
        yield Desks(url, opened)


def _bill(desks: Desks, value: str = "10.00") -> dict[str, Any]:
    patient = desks["AD"].patient()
    office = desks["BC"]
    account = office.account(patient)
    office.charge(patient, value, on=account)
    return office.invoice(account)


@pytest.mark.workflow("4-21", "0-37")
def test_patients_see_their_own_bills(desks: Desks) -> None:
    """And nobody else's: those are not there for them."""
    mine, other = _bill(desks), _bill(desks)
    patient = desks.patient(mine)
    assert patient.read(f"Invoice/{mine['id']}")["totalGross"] == mine["totalGross"]
    assert [one["id"] for one in patient.search("Invoice")] == [mine["id"]]
    assert patient.client.get(f"/Invoice/{mine['id']}/$balance").status_code == 200
    for path in ("", "/$balance", "/$payments"):
        assert patient.client.get(f"/Invoice/{other['id']}{path}").status_code == 404
    answer = patient.pay(other, "1.00", "card")
    assert answer.status_code == 404


@pytest.mark.workflow("4-48", "4-22")
def test_patients_pay_their_own_bills_by_card(desks: Desks) -> None:
    """Not by saying that they paid in cash."""
    invoice = _bill(desks)
    patient = desks.patient(invoice)
    answer = patient.pay(invoice, method="cash")
    assert (answer.status_code, rule_of(answer)) == (403, "W8.method")
    answer = patient.pay(invoice, method="card", key="k")
    assert answer.status_code == 200, answer.text
    assert part(answer, "state") == "pending"
    assert len(patient.search(f"Invoice/{invoice['id']}/$payments")) == 1
    assert rule_of(patient.pay(invoice, "10.01", "card")) == "W8.overpaid"


def test_patients_write_nothing_else(desks: Desks) -> None:
    """No payment, charge, refund, credit or claim, nor a status."""
    invoice = _bill(desks)
    payment = desks["BC"].paid(invoice, "5.00")
    patient = desks.patient(invoice)
    detail = {
        "request": {"reference": f"Invoice/{invoice['id']}"},
        "type": {"text": "x"},
        "amount": money("5.00"),
    }
    written = {**payment, "id": "mine", "detail": [detail]}
    assert patient.put(written).status_code == 403
    step = {"op": "replace", "path": "/status", "value": "balanced"}
    assert patient.patch(f"Invoice/{invoice['id']}", step).status_code == 403
    for path, given in (
        (f"PaymentReconciliation/{payment['id']}/$refund", {"key": "k"}),
        (f"Invoice/{invoice['id']}/$credit", {"reason": "x"}),
        (f"Invoice/{invoice['id']}/$claim", {}),
        (f"{invoice['account']['reference']}/$invoice", {}),
    ):
        assert patient.call(path, **given).status_code in (403, 404), path
    assert patient.client.post("/Claim/$submit", content=body({"resourceType": "Claim"})).status_code == 403


@pytest.mark.workflow("2-04")
def test_the_billing_office_and_administrators_bill(desks: Desks) -> None:
    """Nobody else writes an invoice, takes a payment, or gives one back."""
    for role in ("BC", "AD"):
        patient = desks["AD"].patient()
        account = desks[role].account(patient)
        desks[role].charge(patient, "1.00", on=account)
        invoice = desks[role].invoice(account)
        payment = desks[role].paid(invoice)
        assert desks[role].call(f"PaymentReconciliation/{payment['id']}/$refund", key="k").status_code == 200
    invoice = _bill(desks)
    account = invoice["account"]["reference"]
    for role in ("DR", "RN", "LB", "PH", "AU"):
        assert desks[role].call(f"{account}/$invoice").status_code == 403, role
        assert desks[role].pay(invoice).status_code == 403, role
        assert desks[role].call(f"Invoice/{invoice['id']}/$credit", reason="x").status_code == 403, role
        assert (
            desks[role].client.post("/Claim/$submit", content=body({"resourceType": "Claim"})).status_code
            == 403
        )


@pytest.mark.parametrize("role", ["RN", "LB", "PH"])
def test_only_the_billing_office_gives_credits(desks: Desks, role: str) -> None:
    """Others charge, but nothing below nought."""
    patient = desks["AD"].patient()
    charge = {
        "resourceType": "ChargeItem",
        "status": "billable",
        "code": {"text": "x"},
        "subject": {"reference": patient},
        "priceOverride": money("-1.00"),
    }
    answer = desks[role].client.post("/ChargeItem", content=body(charge))
    assert (answer.status_code, rule_of(answer)) == (403, "W8.credit-role")
    fine = {**charge, "priceOverride": money("1.00")}
    assert desks[role].client.post("/ChargeItem", content=body(fine)).status_code == 201
    assert desks["BC"].client.post("/ChargeItem", content=body(charge)).status_code == 201


@pytest.mark.parametrize("role", ["RN", "LB", "PH"])
def test_the_id_of_a_credit_gives_nobody_a_right_to_it(desks: Desks, role: str) -> None:
    """Whoever knows the id under which the server would give a credit gives none by that."""
    invoice = _bill(desks)
    charge = invoice["lineItem"][0]["chargeItemReference"]["reference"]
    credit = {
        "resourceType": "ChargeItem",
        "id": key_id("credit", charge),
        "status": "billable",
        "partOf": [{"reference": charge}],
        "code": {"text": "x"},
        "subject": invoice["subject"],
        "priceOverride": money("-10.00"),
    }
    answer = desks[role].put(credit)
    assert (answer.status_code, rule_of(answer)) == (403, "W8.credit-role")


def test_whoever_reports_an_error_has_what_it_cost_given_back(desks: Desks) -> None:
    """The server gives the credit, whatever the role of who says that nothing was done."""
    desks["AD"].stored(definition("laboratory-panel", price("base", amount=money("46.50"))))
    patient = desks["AD"].patient()
    report = desks["AD"].event("DiagnosticReport", patient, status="final", code={"text": "x"})
    desks["LB"].stored(report)
    [charge] = desks["BC"].search(f"ChargeItem?subject={patient}")
    desks["BC"].invoice(charge["account"][0]["reference"])
    desks["LB"].stored(report | {"status": "entered-in-error"})
    credit = desks["BC"].read(f"ChargeItem/{key_id('credit', 'ChargeItem/' + charge['id'])}")
    assert str(credit["priceOverride"]["value"]) == "-46.50"


def test_a_price_is_applied_by_the_billing_office(desks: Desks) -> None:
    """By others it is not."""
    charge = desks["BC"].charge(desks["AD"].patient(), "1.00", status="planned")
    definition = {
        "resourceType": "ChargeItemDefinition",
        "id": "d",
        "url": "http://house.example/d",
        "status": "active",
        "propertyGroup": [{"priceComponent": [{"type": "base", "amount": money("2.00")}]}],
    }
    desks["AD"].stored(definition)
    given = {"chargeItem": {"reference": f"ChargeItem/{charge['id']}"}}
    for role in ROLES[1:]:
        answer = desks[role].call("ChargeItemDefinition/d/$apply", **given)
        assert answer.status_code == (200 if role in ("BC", "AD") else 403), role
