"""What the pharmacy hands out and nurses give: on which prescriptions, how much, and of which lots.

https://hl7.org/fhir/R4/medicationdispense.html, https://hl7.org/fhir/R4/medicationadministration.html
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fhir_server.workflows.medication.ward import Ward, medicine
from tests.fhir_server.workflows.orders.laboratory import refer, rules

Resource = dict[str, Any]


def test_all_is_handed_out_with_refills_and_no_more(ward: Ward, patient: str) -> None:
    """Then the prescription is completed, and the task of the pharmacy."""
    request = ward.prescribed(patient)
    first = ward.made("PH", ward.dispense(request, status="preparation"))
    refused = ward.post("PH", ward.dispense(request, 22))
    assert (refused.status_code, rules(refused)) == (422, {"W6.quantity"})
    ward.changed("PH", first, status="in-progress")
    refused = ward.patch("PH", first, "quantity", {"value": 43, "unit": "tablet"})
    assert (refused.status_code, rules(refused)) == (422, {"W6.quantity"})
    ward.changed("PH", first, status="completed")
    assert ward.read(request)["status"] == "active"
    ward.made("PH", ward.dispense(request))
    assert ward.read(request)["status"] == "completed"
    assert [one["status"] for one in ward.tasks(request, "fulfill")] == ["completed"]
    refused = ward.post("PH", ward.dispense(request, 1))
    assert refused.status_code == 422
    assert rules(refused) == {"W6.prescription", "W6.quantity"}
    refused = ward.put("PH", {**ward.read(first), "status": "in-progress"})
    assert refused.status_code == 422
    assert "W6.dispense-state" in rules(refused)
    refused = ward.patch("PH", first, "quantity", {"value": 1, "unit": "tablet"})
    assert (refused.status_code, rules(refused)) == (422, {"W6.dispensed"})


def test_many_who_hand_out_at_once_hand_out_no_more(ward: Ward, patient: str) -> None:
    """Six of seven tablets each are all that there are."""
    request = ward.prescribed(patient)

    def handed_out(_number: int) -> int:
        return ward.post("PH", ward.dispense(request, 7)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(handed_out, range(8))) == [201] * 6 + [422] * 2


@pytest.mark.parametrize("quantity", [None, {"value": 1, "unit": "ml"}, {"value": 0, "unit": "tablet"}])
def test_a_dispense_says_how_much(ward: Ward, patient: str, quantity: Resource | None) -> None:
    """In the unit of the prescription."""
    dispense = ward.dispense(ward.prescribed(patient))
    del dispense["quantity"]
    refused = ward.post("PH", {**dispense, **({"quantity": quantity} if quantity else {})})
    assert (refused.status_code, rules(refused)) == (422, {"W6.quantity"})


def test_nothing_is_handed_out_without_a_prescription(ward: Ward, patient: str) -> None:
    """That is active, valid, and of the same patient."""
    request = ward.prescribed(patient)
    without = ward.dispense(request)
    del without["authorizingPrescription"]
    refused = ward.post("PH", without)
    assert (refused.status_code, rules(refused)) == (422, {"W6.prescription"})
    other = ward.patient()
    refused = ward.post("PH", ward.dispense(request, subject={"reference": other}))
    assert (refused.status_code, rules(refused)) == (422, {"W6.same-patient"})
    ward.changed("DR", request, status="on-hold")
    refused = ward.post("PH", ward.dispense(request))
    assert (refused.status_code, rules(refused)) == (422, {"W6.prescription"})
    late = ward.prescription(other)
    late["dispenseRequest"]["validityPeriod"] = {"end": "2026-01-31"}
    refused = ward.post("PH", ward.dispense(ward.made("DR", late)))
    assert (refused.status_code, rules(refused)) == (422, {"W6.validity"})
    refused = ward.post("RN", ward.dispense(request))
    assert refused.status_code == 403


def test_another_medicine_is_handed_out_if_the_prescription_allows_it(ward: Ward, patient: str) -> None:
    """And if the pharmacist says so."""
    other: dict[str, Any] = {"medicationCodeableConcept": medicine("ampicillin")}
    said: dict[str, Any] = {"substitution": {"wasSubstituted": True}}
    strict = ward.prescribed(patient, substitution={"allowedBoolean": False})
    for elements in (other, other | said):
        refused = ward.post("PH", ward.dispense(strict, **elements))
        assert (refused.status_code, rules(refused)) == (422, {"W6.substitution"})
    loose = ward.prescribed(ward.patient())
    assert rules(ward.post("PH", ward.dispense(loose, **other))) == {"W6.substitution"}
    ward.made("PH", ward.dispense(loose, **other, **said))


def test_nothing_is_taken_from_a_lot_that_has_expired(ward: Ward, patient: str) -> None:
    """Neither by the pharmacy nor by nurses."""
    request = ward.prescribed(patient)
    lots = [
        ward.made(
            "PH",
            {
                "resourceType": "Medication",
                "code": medicine("amoxicillin"),
                "batch": {"lotNumber": "1", "expirationDate": date},
            },
        )
        for date in ("2026-01", "2999-01")
    ]
    for lot, status in zip(lots, (422, 201), strict=True):
        dispense, given = ward.dispense(request, 7), ward.given(request)
        for role, resource in (("PH", dispense), ("RN", given)):
            del resource["medicationCodeableConcept"]
            answer = ward.post(role, {**resource, "medicationReference": refer(lot)})
            assert answer.status_code == status, answer.text
            if status == 422:
                assert rules(answer) == {"W6.expired-lot"}


@pytest.mark.parametrize("intent", ["proposal", "plan"])
def test_nothing_is_given_on_what_is_no_prescription(ward: Ward, patient: str, intent: str) -> None:
    """A proposal or plan is not checked as a prescription is; not even a doctor gives on it."""
    planned = ward.made("DR", ward.prescription(patient, intent=intent))
    for role in ("RN", "SY"):
        refused = ward.post(role, ward.given(planned))
        assert (refused.status_code, rules(refused)) == (422, {"W6.given-on"})


def test_nurses_give_what_is_prescribed_to_the_patient(ward: Ward, patient: str) -> None:
    """On a prescription that is active, in the patient's own encounter; a doctor may give without one."""
    request = ward.prescribed(patient)
    given = ward.made("RN", ward.given(request))
    without = ward.given(request)
    del without["request"]
    refused = ward.post("RN", without)
    assert (refused.status_code, rules(refused)) == (422, {"W6.given-on"})
    other = ward.patient()
    refused = ward.post("RN", ward.given(request, subject={"reference": other}))
    assert (refused.status_code, rules(refused)) == (422, {"W6.same-patient"})
    refused = ward.put("SY", {**given, "status": "in-progress"})
    assert (refused.status_code, rules(refused)) == (422, {"W6.given-state"})
    ward.changed("DR", request, status="stopped")
    refused = ward.post("RN", ward.given(request))
    assert (refused.status_code, rules(refused)) == (422, {"W6.given-on"})


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize("intent", ["proposal", "plan"])
def test_nothing_is_given_on_what_is_only_proposed(ward: Ward, patient: str, intent: str) -> None:
    """Nobody has looked at allergies, and no doctor has put it in force."""
    proposal = ward.made("DR", ward.prescription(patient, intent=intent))
    for role in ("RN", "SY"):
        refused = ward.post(role, ward.given(proposal))
        assert (refused.status_code, rules(refused)) == (422, {"W6.given-on"}), role
