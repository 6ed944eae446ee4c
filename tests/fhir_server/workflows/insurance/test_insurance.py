"""Insurance: coverages, claims and what comes of them. https://hl7.org/fhir/R4/claim.html"""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fhir_server.workflows.billing.desk import Desk, body, decimals, money, number, rule_of

Resource = dict[str, Any]
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
_CHARGE = "https://saguaro-valley.example/fhir/CodeSystem/charge"


@pytest.fixture
def desk(client: httpx.Client) -> Desk:
    """The billing office."""
    return Desk(client)


@pytest.fixture(autouse=True)
def insurer(desk: Desk) -> None:
    """Somebody who insures."""
    desk.stored({"resourceType": "Organization", "id": "insurer", "name": "Insurer"})


def _coverage(desk: Desk, patient: str, plan: str = "gold", **more: Any) -> Resource:
    return desk.stored(
        {
            "resourceType": "Coverage",
            "id": f"cov{number()}",
            "status": "active",
            "beneficiary": {"reference": patient},
            "payor": [{"reference": "Organization/insurer"}],
            "subscriberId": "M1",
            "class": [{"type": {"coding": [{"system": _CLASS, "code": "plan"}]}, "value": plan}],
            "period": {"start": "2020-01-01"},
            **more,
        }
    )


def _item(sequence: int, net: str, code: str = "consultation") -> Resource:
    return {
        "sequence": sequence,
        "productOrService": {"coding": [{"system": _CHARGE, "code": code}]},
        "net": money(net),
    }


def _claim(patient: str, coverage: Resource, *items: Resource, **more: Any) -> Resource:
    total = sum((one["net"]["value"] for one in items), Decimal("0.00"))
    return {
        "resourceType": "Claim",
        "identifier": [{"system": "urn:test:claims", "value": number()}],
        "status": "active",
        "type": {"text": "institutional"},
        "use": "claim",
        "patient": {"reference": patient},
        "created": "2026-11-20",
        "provider": {"display": "Hospital"},
        "priority": {"text": "normal"},
        "insurance": [
            {"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/{coverage['id']}"}}
        ],
        "item": list(items),
        "total": {"value": total, "currency": "USD"},
        **more,
    }


def _submit(desk: Desk, claim: Resource) -> httpx.Response:
    return desk.client.post("/Claim/$submit", content=body(claim))


def _amounts(response: Resource) -> dict[str, Decimal]:
    return {one["category"]["coding"][0]["code"]: one["amount"]["value"] for one in response["total"]}


@pytest.mark.workflow("0-16", "1-17")
def test_a_claim_is_answered(desk: Desk) -> None:
    """Each item by its number: the copay once, then the share of the rest."""
    patient = desk.patient()
    coverage = _coverage(desk, patient)
    answer = _submit(desk, _claim(patient, coverage, _item(1, "100.00"), _item(7, "33.33")))
    assert answer.status_code == 200, answer.text
    response = decimals(answer)
    assert (response["outcome"], response["use"]) == ("complete", "claim")
    assert [one["itemSequence"] for one in response["item"]] == [1, 7]
    # 80 % of 80.00, and of 33.33 half up.
    assert _amounts(response) == {
        "submitted": Decimal("133.33"),
        "deductible": Decimal("0.00"),
        "copay": Decimal("20.00"),
        "benefit": Decimal("90.66"),
    }
    assert response["payment"]["amount"]["value"] == Decimal("90.66")


@pytest.mark.workflow("0-41")
def test_the_patient_sees_what_the_insurer_pays(desk: Desk) -> None:
    """In an ExplanationOfBenefit of the claim, beside the answer."""
    patient = desk.patient()
    response = decimals(_submit(desk, _claim(patient, _coverage(desk, patient), _item(1, "100.00"))))
    [benefit] = desk.search(f"ExplanationOfBenefit?patient={patient}")
    assert benefit["claim"] == response["request"]
    assert benefit["total"] == response["total"]
    assert [one["id"] for one in desk.search(f"ClaimResponse?patient={patient}")] == [response["id"]]


@pytest.mark.workflow("1-17")
@pytest.mark.parametrize("way", ["submit", "put", "transaction"])
def test_the_total_of_a_claim_is_the_sum_of_its_items(desk: Desk, way: str) -> None:
    """To the cent, whichever way it comes; nothing is stored of one that is not."""
    patient = desk.patient()
    claim = _claim(patient, _coverage(desk, patient), _item(1, "10.10"), total=money("10.11"))
    named = {**claim, "id": f"cl{number()}"}
    answer = {
        "submit": lambda: _submit(desk, claim),
        "put": lambda: desk.put(named),
        "transaction": lambda: desk.transaction(("POST", "Claim", claim)),
    }[way]()
    assert (answer.status_code, rule_of(answer)) == (422, "W9.total")
    assert desk.search(f"Claim?patient={patient}") == []


@pytest.mark.workflow("0-16")
@pytest.mark.parametrize(
    "wrong",
    [
        {"period": {"start": "2020-01-01", "end": "2026-11-19"}},
        {"period": {"start": "2026-11-21"}},
        {"status": "cancelled"},
        {"beneficiary": {"reference": "Patient/somebody-else"}},
    ],
)
def test_a_coverage_has_to_be_the_patients_and_in_force(desk: Desk, wrong: Resource) -> None:
    """On the day of the service."""
    patient = desk.patient()
    coverage = _coverage(desk, patient, **wrong)
    answer = _submit(desk, _claim(patient, coverage, _item(1, "1.00")))
    assert (answer.status_code, rule_of(answer)) == (422, "W9.coverage")
    request = {
        "resourceType": "CoverageEligibilityRequest",
        "status": "active",
        "purpose": ["benefits"],
        "patient": {"reference": patient},
        "created": "2026-11-20",
        "insurer": {"reference": "Organization/insurer"},
        "insurance": [{"coverage": {"reference": f"Coverage/{coverage['id']}"}}],
    }
    answer = desk.client.post("/CoverageEligibilityRequest/$submit", content=body(request))
    assert (answer.status_code, rule_of(answer)) == (422, "W9.coverage")


@pytest.mark.workflow("0-16")
def test_it_is_told_whether_a_patient_is_insured(desk: Desk) -> None:
    """With what the plan pays."""
    patient = desk.patient()
    coverage = _coverage(desk, patient, "bronze")
    request = {
        "resourceType": "CoverageEligibilityRequest",
        "status": "active",
        "purpose": ["benefits", "validation"],
        "patient": {"reference": patient},
        "created": "2026-11-20",
        "insurer": {"reference": "Organization/insurer"},
        "insurance": [{"coverage": {"reference": f"Coverage/{coverage['id']}"}}],
    }
    answer = desk.client.post("/CoverageEligibilityRequest/$submit", content=body(request))
    assert answer.status_code == 200, answer.text
    response = decimals(answer)
    assert response["outcome"] == "complete"
    [insurance] = response["insurance"]
    assert insurance["inforce"] is True
    told = {one["type"]["coding"][0]["code"]: one for one in insurance["item"][0]["benefit"]}
    assert told["deductible"]["allowedMoney"]["value"] == Decimal("500.00")
    assert told["copay"]["allowedMoney"]["value"] == Decimal("40.00")
    draft = {**request, "status": "draft"}
    answer = desk.client.post("/CoverageEligibilityRequest/$submit", content=body(draft))
    assert (answer.status_code, rule_of(answer)) == (422, "W9.claim-state")


@pytest.mark.workflow("1-17")
def test_a_claim_is_submitted_once(desk: Desk) -> None:
    """The same identifier again is refused."""
    patient = desk.patient()
    claim = _claim(patient, _coverage(desk, patient), _item(1, "1.00"))
    assert _submit(desk, claim).status_code == 200
    answer = _submit(desk, claim)
    assert (answer.status_code, rule_of(answer)) == (409, "W9.duplicate")
    assert len(desk.search(f"Claim?patient={patient}")) == 1
    nameless = {name: value for name, value in claim.items() if name != "identifier"}
    answer = _submit(desk, nameless)
    assert (answer.status_code, rule_of(answer)) == (422, "W9.identifier")


def test_a_submitted_claim_stays_as_it_is(desk: Desk) -> None:
    """But for its status."""
    patient = desk.patient()
    _submit(desk, _claim(patient, _coverage(desk, patient), _item(1, "1.00")))
    [claim] = desk.search(f"Claim?patient={patient}")
    step = {"op": "replace", "path": "/item/0/net/value", "value": Decimal("2.00")}
    answer = desk.patch(f"Claim/{claim['id']}", step)
    assert (answer.status_code, rule_of(answer)) == (422, "W9.claim-fixed")
    cancelled = desk.stored(claim | {"status": "cancelled"})
    answer = desk.put(cancelled | {"status": "active"})
    assert (answer.status_code, rule_of(answer)) == (422, "W9.claim-state")


def test_items_have_numbers_of_their_own(desk: Desk) -> None:
    """Two with the same are refused."""
    patient = desk.patient()
    answer = _submit(desk, _claim(patient, _coverage(desk, patient), _item(1, "1.00"), _item(1, "2.00")))
    assert (answer.status_code, rule_of(answer)) == (422, "W9.sequence")


def test_the_deductible_is_paid_once_a_year(desk: Desk) -> None:
    """The second claim has less of it left."""
    patient = desk.patient()
    coverage = _coverage(desk, patient, "silver")
    first = _amounts(decimals(_submit(desk, _claim(patient, coverage, _item(1, "200.00")))))
    assert (first["deductible"], first["benefit"]) == (Decimal("200.00"), Decimal("0.00"))
    second = _amounts(decimals(_submit(desk, _claim(patient, coverage, _item(1, "200.00")))))
    # 50.00 of the deductible and 30.00 of copay; 70 % of the rest.
    assert (second["deductible"], second["copay"], second["benefit"]) == (
        Decimal("50.00"),
        Decimal("30.00"),
        Decimal("84.00"),
    )


def test_claims_at_once_share_the_deductible(desk: Desk) -> None:
    """What one of them has used up is not there for the others, whoever comes first."""
    patient = desk.patient()
    coverage = _coverage(desk, patient, "silver")
    claims = [_claim(patient, coverage, _item(1, "100.00")) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: _submit(desk, one), claims))
    assert [one.status_code for one in answers] == [200] * 6
    used = sorted(_amounts(decimals(one))["deductible"] for one in answers)
    # 250.00 in all.
    assert used == [Decimal(one) for one in ("0.00", "0.00", "0.00", "50.00", "100.00", "100.00")]


def test_some_things_are_agreed_to_before(desk: Desk) -> None:
    """Without a preauthorization they are not paid; one of another patient is none."""
    patient = desk.patient()
    coverage = _coverage(desk, patient)
    operation = _item(1, "1000.00", "operation")
    denied = decimals(_submit(desk, _claim(patient, coverage, operation)))
    assert denied["outcome"] == "partial"
    assert _amounts(denied)["benefit"] == Decimal("0.00")
    agreed = decimals(_submit(desk, _claim(patient, coverage, operation, use="preauthorization")))
    assert (agreed["outcome"], agreed["use"]) == ("complete", "preauthorization")
    assert desk.search(f"ExplanationOfBenefit?claim={agreed['request']['reference']}") == []
    claim = _claim(patient, coverage, operation)
    claim["insurance"][0]["preAuthRef"] = [agreed["preAuthRef"]]
    paid = decimals(_submit(desk, claim))
    assert _amounts(paid)["benefit"] == Decimal("784.00")
    other = desk.patient()
    foreign = _claim(other, _coverage(desk, other), operation)
    foreign["insurance"][0]["preAuthRef"] = [agreed["preAuthRef"]]
    answer = _submit(desk, foreign)
    assert (answer.status_code, rule_of(answer)) == (422, "W9.preauthorization")


def test_a_bundle_is_submitted_too(desk: Desk) -> None:
    """Its first entry is the claim; the answer is a Bundle of the ClaimResponse."""
    patient = desk.patient()
    claim = _claim(patient, _coverage(desk, patient), _item(1, "10.00"), use="preauthorization")
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": claim}]}
    answer = _submit(desk, bundle)
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["resource"]["resourceType"] == "ClaimResponse"
    assert _submit(desk, {"resourceType": "Bundle", "type": "collection"}).status_code == 400
    assert _submit(desk, {"resourceType": "Patient"}).status_code == 400


def _invoiced(desk: Desk, patient: str, *prices: str) -> Resource:
    account = desk.account(patient)
    for one in prices:
        desk.charge(patient, one, on=account)
    return desk.invoice(account)


@pytest.mark.workflow("4-22")
def test_an_invoice_is_claimed_and_the_patient_pays_the_rest(desk: Desk) -> None:
    """What the insurer pays is booked on the invoice; what is left is the patient's."""
    patient = desk.patient()
    _coverage(desk, patient)
    invoice = _invoiced(desk, patient, "100.00", "50.50")
    answer = desk.call(f"Invoice/{invoice['id']}/$claim")
    assert answer.status_code == 200, answer.text
    told = desk.balance(invoice)
    assert told["payerShare"] == _amounts(decimals(answer))["benefit"] == Decimal("104.40")
    assert told["patientShare"] == told["outstanding"] == Decimal("46.10")
    again = desk.call(f"Invoice/{invoice['id']}/$claim")
    assert (again.status_code, rule_of(again)) == (409, "W9.duplicate")
    desk.paid(invoice)
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"


def test_an_insurer_does_not_overpay_an_invoice(desk: Desk) -> None:
    """What the patient paid before is not paid again: the rest is an advance."""
    patient = desk.patient()
    _coverage(desk, patient)
    invoice = _invoiced(desk, patient, "100.00")
    desk.paid(invoice, "90.00")
    assert desk.call(f"Invoice/{invoice['id']}/$claim").status_code == 200
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    [payment] = desk.search(
        "PaymentReconciliation?payment-issuer=Organization/insurer&_sort=-_lastUpdated&_count=1"
    )[:1]
    assert payment["paymentAmount"]["value"] == Decimal("64.00")
    assert [one["amount"]["value"] for one in payment["detail"]] == [Decimal("10.00"), Decimal("54.00")]


def test_a_claim_is_for_an_invoice_of_the_patient(desk: Desk) -> None:
    """One that is issued, and not for more than it says."""
    patient = desk.patient()
    coverage = _coverage(desk, patient)
    mine, other = _invoiced(desk, patient, "10.00"), desk.bill("10.00")

    def about(invoice: Resource, net: str) -> Resource:
        told = {"sequence": 1, "category": {"text": "Invoice"}}
        told["valueReference"] = {"reference": f"Invoice/{invoice['id']}"}
        return _claim(patient, coverage, _item(1, net), supportingInfo=[told])

    for claim in (about(other, "1.00"), about(mine, "10.01")):
        answer = _submit(desk, claim)
        assert (answer.status_code, rule_of(answer)) == (422, "W9.invoice")
    assert _submit(desk, about(mine, "10.00")).status_code == 200


def test_who_is_not_insured_claims_nothing(desk: Desk) -> None:
    """Neither without a coverage nor with one by which people pay themselves."""
    patient = desk.patient()
    invoice = _invoiced(desk, patient, "10.00")
    answer = desk.call(f"Invoice/{invoice['id']}/$claim")
    assert (answer.status_code, rule_of(answer)) == (422, "W9.not-insured")
    _coverage(desk, patient, payor=[{"reference": patient}])
    assert rule_of(desk.call(f"Invoice/{invoice['id']}/$claim")) == "W9.not-insured"


@pytest.mark.workflow("0-31")
def test_coverages_are_found_and_stay_the_patients(desk: Desk) -> None:
    """By beneficiary; an end before the beginning, or another patient, is refused."""
    patient = desk.patient()
    coverage = _coverage(desk, patient)
    assert [one["id"] for one in desk.search(f"Coverage?beneficiary={patient}")] == [coverage["id"]]
    answer = desk.put(coverage | {"period": {"start": "2026-01-01", "end": "2025-01-01"}})
    assert answer.status_code == 422
    answer = desk.put(coverage | {"beneficiary": {"reference": desk.patient()}})
    assert (answer.status_code, rule_of(answer)) == (422, "W9.beneficiary")
    cancelled = desk.stored(coverage | {"status": "cancelled"})
    answer = desk.put(cancelled | {"status": "active"})
    assert (answer.status_code, rule_of(answer)) == (422, "W9.coverage-state")


def test_an_answer_is_for_its_claim(desk: Desk) -> None:
    """For its items, and its patient."""
    patient = desk.patient()
    response = decimals(_submit(desk, _claim(patient, _coverage(desk, patient), _item(1, "1.00"))))
    wrong = [{**response["item"][0], "itemSequence": 2}]
    answer = desk.put(response | {"item": wrong})
    assert (answer.status_code, rule_of(answer)) == (422, "W9.response")
    answer = desk.put(response | {"patient": {"reference": desk.patient()}})
    assert (answer.status_code, rule_of(answer)) == (422, "W9.response")
