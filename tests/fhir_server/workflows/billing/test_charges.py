"""Charges that follow from what was done, each once. https://hl7.org/fhir/R4/chargeitem.html"""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fhir_server.workflows.billing.desk import Desk, decimals, definition, money, price, rule_of

_LOINC, _ACT = "http://loinc.org", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_BASE = price("base", amount=money("46.50"))


@pytest.fixture(autouse=True)
def prices(desk: Desk) -> None:
    """A price list."""
    desk.stored(definition("laboratory-panel", _BASE))
    desk.stored(definition("consultation", price("base", amount=money("140.00"))))
    desk.stored(definition("bed-day", price("base", amount=money("980.00"))))
    desk.stored(definition("intensive-bed-day", price("base", amount=money("2850.00"))))
    desk.stored(definition("procedure", price("base", amount=money("120.00"))))
    desk.stored(definition("medicine-pack", price("base", amount=money("18.75"))))
    desk.stored(definition("24323-8", price("base", amount=money("33.33")), system=_LOINC))


def _report(desk: Desk, patient: str, status: str = "final", code: str = "x") -> dict[str, Any]:
    coded = {"coding": [{"system": _LOINC, "code": code}]}
    return desk.event("DiagnosticReport", patient, status=status, code=coded)


def _visit(desk: Desk, patient: str, kind: str, **more: Any) -> dict[str, Any]:
    coded = {"class": {"system": _ACT, "code": kind}}
    return desk.event("Encounter", patient, status="in-progress", **coded, **more)


def _charges(desk: Desk, patient: str) -> list[dict[str, Any]]:
    return desk.search(f"ChargeItem?subject={patient}")


@pytest.mark.workflow("2-12", "1-32")
def test_what_is_done_is_charged_once(desk: Desk) -> None:
    """A report is charged when it is final, and not again when it is amended."""
    patient = desk.patient()
    report = _report(desk, patient, "preliminary")
    desk.stored(report)
    assert _charges(desk, patient) == []
    for status in ("final", "amended", "amended"):
        desk.stored(report | {"status": status})
    [charge] = _charges(desk, patient)
    assert charge["status"] == "billable"
    assert charge["service"] == [{"reference": f"DiagnosticReport/{report['id']}"}]
    assert charge["priceOverride"] == {"value": Decimal("46.50"), "currency": "USD"}
    [account] = desk.search(f"Account?subject={patient}")
    assert charge["account"] == [{"reference": f"Account/{account['id']}"}]


def test_the_definition_of_the_very_code_comes_first(desk: Desk) -> None:
    """A code that has its own price costs that."""
    patient = desk.patient()
    desk.stored(_report(desk, patient, code="24323-8"))
    [charge] = _charges(desk, patient)
    assert charge["priceOverride"]["value"] == Decimal("33.33")
    assert charge["definitionCanonical"] == ["http://house.example/price-24323-8"]


@pytest.mark.parametrize(
    ("resource_type", "elements", "cost"),
    [
        ("Procedure", {"status": "completed", "code": {"text": "x"}}, "120.00"),
        ("MedicationDispense", {"status": "completed", "medicationCodeableConcept": {"text": "x"}}, "18.75"),
        ("DiagnosticReport", {"status": "final", "code": {"text": "x"}}, "46.50"),
    ],
)
@pytest.mark.workflow("0-13")
def test_each_kind_of_event_is_charged(
    desk: Desk, resource_type: str, elements: dict[str, Any], cost: str
) -> None:
    """What comes in done, in a transaction too, is charged."""
    patient = desk.patient()
    event = desk.event(resource_type, patient, **elements)
    assert desk.transaction(("POST", resource_type, event)).status_code == 200
    [charge] = _charges(desk, patient)
    assert charge["priceOverride"]["value"] == Decimal(cost)


@pytest.mark.parametrize(
    ("told", "is_charged"),
    [
        ({"asserter": {"reference": "Patient/p"}}, False),
        ({"asserter": {"reference": "http://other.example/fhir/RelatedPerson/mother"}}, False),
        ({"asserter": {"type": "Patient", "display": "the patient"}}, False),
        ({"performer": [{"actor": {"reference": "Patient/p"}}]}, False),
        ({"asserter": {"reference": "Practitioner/d"}}, True),
        (
            {
                "performer": [
                    {"actor": {"reference": "Patient/p"}},
                    {"actor": {"reference": "Practitioner/d"}},
                ]
            },
            True,
        ),
        ({"performer": [{"actor": {"display": "somebody"}}]}, True),
    ],
)
def test_what_a_patient_says_was_done_is_not_charged(
    desk: Desk, told: dict[str, Any], *, is_charged: bool
) -> None:
    """Nor what they did themselves: it is their history, and not the hospital's work."""
    patient = desk.patient()
    event = desk.event(
        "Procedure", patient, status="completed", code={"text": "appendectomy in 1998"}, **told
    )
    desk.stored(event)
    assert bool(_charges(desk, patient)) == is_charged


def test_a_visit_is_charged_when_it_ends(desk: Desk) -> None:
    """By a patch, too."""
    patient = desk.patient()
    period = {"start": "2026-11-01T10:00:00Z", "end": "2026-11-01T11:00:00Z"}
    visit = _visit(desk, patient, "AMB", period=period)
    desk.stored(visit)
    step = {"op": "replace", "path": "/status", "value": "finished"}
    assert desk.patch(f"Encounter/{visit['id']}", step).status_code == 200
    [charge] = _charges(desk, patient)
    assert charge["priceOverride"]["value"] == Decimal("140.00")
    assert charge["context"] == {"reference": f"Encounter/{visit['id']}"}


def test_each_begun_day_of_a_stay_is_charged_by_where_it_was_spent(desk: Desk) -> None:
    """Three days, one of them in intensive care."""
    patient = desk.patient()
    ward = {"resourceType": "Location", "id": "icu", "name": "ICU"}
    ward["type"] = [{"coding": [{"system": "http://x", "code": "ICU"}]}]  # type: ignore[assignment]
    desk.stored(ward)
    desk.stored({"resourceType": "Location", "id": "icu-bed", "partOf": {"reference": "Location/icu"}})
    desk.stored({"resourceType": "Location", "id": "bed"})
    period = {"start": "2026-11-01T10:00:00Z", "end": "2026-11-03T11:00:00Z"}
    places = [
        {"location": {"reference": "Location/icu-bed"}, "period": {"end": "2026-11-02T08:00:00Z"}},
        {"location": {"reference": "Location/bed"}, "period": {"start": "2026-11-02T08:00:00Z"}},
    ]
    visit = _visit(desk, patient, "IMP", period=period, location=places)
    desk.stored(visit)
    desk.stored(visit | {"status": "finished"})
    prices = sorted(one["priceOverride"]["value"] for one in _charges(desk, patient))
    assert prices == [Decimal("1960.00"), Decimal("2850.00")]


def test_what_has_no_price_is_not_charged(desk: Desk) -> None:
    """A supply without a definition goes without a charge."""
    patient = desk.patient()
    desk.stored(desk.event("SupplyDelivery", patient, status="completed"))
    assert _charges(desk, patient) == []


def test_what_was_charged_by_hand_is_not_charged_again(desk: Desk) -> None:
    """Nor is what was brought in with its charge."""
    patient = desk.patient()
    report = _report(desk, patient, "preliminary")
    desk.stored(report)
    desk.charge(patient, "5.00", service=[{"reference": f"DiagnosticReport/{report['id']}"}])
    desk.stored(report | {"status": "final"})
    assert len(_charges(desk, patient)) == 1


def test_an_event_is_charged_once_by_a_code(desk: Desk) -> None:
    """A second charge of the same code is refused, unless the first was an error."""
    patient = desk.patient()
    report = _report(desk, patient)
    desk.stored(report)
    [first] = _charges(desk, patient)
    again = {**first, "id": "again"}
    answer = desk.put(again)
    assert answer.status_code == 409
    assert rule_of(answer) == "W8.charged-twice"
    desk.stored(again | {"code": {"coding": [{"system": "urn:x", "code": "other"}]}})
    desk.stored(first | {"status": "entered-in-error"})
    desk.stored({**first, "id": "again-2"})


def test_many_at_once_charge_once(desk: Desk) -> None:
    """Of ten who finish the same report one charges it."""
    patient = desk.patient()
    report = _report(desk, patient, "preliminary")
    desk.stored(report)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: desk.put(report | {"status": "final"}).status_code, range(10)))
    assert set(answers) == {200}
    assert len(_charges(desk, patient)) == 1


def test_the_charge_of_an_error_is_taken_back(desk: Desk) -> None:
    """What is not billed yet becomes an error as well."""
    patient = desk.patient()
    report = _report(desk, patient)
    desk.stored(report)
    desk.stored(report | {"status": "entered-in-error"})
    [charge] = _charges(desk, patient)
    assert charge["status"] == "entered-in-error"


def test_the_billed_charge_of_an_error_is_credited(desk: Desk) -> None:
    """The next invoice gives back what the first took."""
    patient = desk.patient()
    report = _report(desk, patient)
    desk.stored(report)
    [charge] = _charges(desk, patient)
    account = charge["account"][0]["reference"]
    invoice = desk.invoice(account)
    desk.stored(report | {"status": "entered-in-error"})
    credit = desk.invoice(account)
    assert credit["totalGross"]["value"] == -invoice["totalGross"]["value"] == Decimal("-46.50")
    assert credit["type"]["coding"][0]["code"] == "credit-note"


@pytest.mark.parametrize(
    ("before", "after", "is_allowed"),
    [
        ("planned", "billable", True),
        ("billable", "aborted", True),
        ("billable", "not-billable", True),
        ("aborted", "billable", False),
        ("entered-in-error", "billable", False),
        ("billable", "billed", False),
    ],
)
def test_a_charge_goes_its_way(desk: Desk, before: str, after: str, *, is_allowed: bool) -> None:
    """From planned on; only an invoice bills it."""
    charge = desk.charge(desk.patient(), "1.00", status=before)
    answer = desk.put(charge | {"status": after})
    assert (answer.status_code == 200) == is_allowed
    if not is_allowed:
        wanted = "W8.charge-billed" if after == "billed" else "W8.charge-state"
        assert (answer.status_code, rule_of(answer)) == (422, wanted)


def test_a_definition_is_applied(desk: Desk, client: httpx.Client) -> None:
    """By GET the price is told, by POST it stands on the charge."""
    desk.stored(definition("thing", price("base", amount=money("3.335"))))
    charge = desk.charge(desk.patient(), "9.00", status="planned", quantity={"value": Decimal(3)})
    path = f"/ChargeItemDefinition/price-thing/$apply?chargeItem=ChargeItem/{charge['id']}"
    told = decimals(client.get(path))
    assert told["priceOverride"]["value"] == Decimal("10.01")
    assert desk.read(f"ChargeItem/{charge['id']}")["status"] == "planned"
    answer = desk.call(
        "ChargeItemDefinition/price-thing/$apply", chargeItem={"reference": f"ChargeItem/{charge['id']}"}
    )
    assert answer.status_code == 200, answer.text
    stored = desk.read(f"ChargeItem/{charge['id']}")
    assert (stored["status"], stored["priceOverride"]["value"]) == ("billable", Decimal("10.01"))


def test_a_factor_counts_once(desk: Desk) -> None:
    """A definition that is applied, once or twice, leaves it to the invoice to multiply by the factor."""
    desk.stored(definition("thing", price("base", amount=money("3.00"))))
    patient = desk.patient()
    account = desk.account(patient)
    more = {"quantity": {"value": Decimal(3)}, "factorOverride": Decimal("1.5")}
    charge = desk.charge(patient, "9.99", on=account, status="planned", **more)
    for _ in range(2):
        answer = desk.call(
            "ChargeItemDefinition/price-thing/$apply", chargeItem={"reference": f"ChargeItem/{charge['id']}"}
        )
        assert decimals(answer)["priceOverride"]["value"] == Decimal("9.00")
    assert desk.invoice(account)["totalNet"]["value"] == Decimal("13.50")
