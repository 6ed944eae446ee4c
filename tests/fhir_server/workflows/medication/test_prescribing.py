"""Prescriptions: by whom, for what, against what, and how they change.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fhir_server.workflows.medication.ward import ACT, Ward
from tests.fhir_server.workflows.orders.laboratory import coded, refer, rules

Resource = dict[str, Any]


def issue(patient: str, kind: str, other: str, **elements: Any) -> Resource:
    """Return why something is right all the same."""
    return {
        "resourceType": "DetectedIssue",
        "id": "why",
        "status": "final",
        "code": coded(ACT, kind),
        "patient": {"reference": patient},
        "implicated": [{"reference": other}],
        "mitigation": [{"action": {"text": "no alternative; watched"}}],
        **elements,
    }


@pytest.mark.workflow("0-05")
def test_an_administrator_prepares_what_a_doctor_makes_active(ward: Ward, patient: str) -> None:
    """The doctor has a task until it is; nobody else makes it active, by no way."""
    draft = ward.made("AD", ward.prescription(patient, status="draft"))
    [task] = ward.tasks(draft, "approve")
    assert (task["status"], task["owner"]) == ("requested", {"reference": "Practitioner/dr"})
    active = {**draft, "status": "active"}
    for role in ("AD", "PH"):
        for refused in (
            ward.put(role, active),
            ward.patch(role, draft, "status", "active"),
            ward.transaction(role, active),
        ):
            assert (refused.status_code, rules(refused)) == (403, {"W6.prescriber"})
    refused = ward.post("AD", ward.prescription(patient))
    assert (refused.status_code, rules(refused)) == (403, {"W6.prescriber"})
    refused = ward.post("AD", ward.prescription(patient, status="on-hold"))
    assert (refused.status_code, rules(refused)) == (403, {"W6.draft-only"})
    ward.changed("DR", draft, status="active")
    assert [one["status"] for one in ward.tasks(draft, "approve")] == ["completed"]
    for status in ("stopped", "on-hold", "completed"):
        refused = ward.patch("AD", draft, "status", status)
        assert (refused.status_code, rules(refused)) == (403, {"W6.draft-only"})
    assert [one["status"] for one in ward.tasks(draft, "fulfill")] == ["requested"]


@pytest.mark.workflow("4-12")
def test_nurses_and_patients_do_not_prescribe(ward: Ward, patient: str) -> None:
    """Not even drafts; and they make none active."""
    for role in ("RN", "PT", "LB", "BC", "AU"):
        assert ward.post(role, ward.prescription(patient, status="draft")).status_code == 403


@pytest.mark.workflow("0-11")
def test_a_prescription_says_why_and_who(ward: Ward, patient: str) -> None:
    """When it is active; a draft need not, and the doctor's own name is filled in."""
    bare = ward.prescription(patient)
    del bare["reasonCode"]
    refused = ward.post("DR", bare)
    assert (refused.status_code, rules(refused)) == (422, {"W6.reason"})
    del bare["requester"]
    draft = ward.made("DR", {**bare, "status": "draft"})
    assert draft["requester"] == {"reference": "Practitioner/dr"}
    refused = ward.patch("DR", draft, "status", "active")
    assert (refused.status_code, rules(refused)) == (422, {"W6.reason"})
    other = ward.prescription(patient, requester={"reference": "Practitioner/rn"})
    refused = ward.post("DR", other)
    assert (refused.status_code, rules(refused)) == (422, {"W6.requester"})
    ward.changed("DR", draft, status="active", reasonCode=[{"text": "infection"}])


@pytest.mark.workflow("1-31")
def test_a_consultation_prescribes_in_its_encounter(ward: Ward, patient: str) -> None:
    """In one transaction with it; not in one that is over, nor in another patient's."""
    visit: Resource = {
        "resourceType": "Encounter",
        "id": patient.rpartition("/")[2],
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": {"reference": patient},
    }
    assert ward.put("SY", visit).status_code == 201
    encounter: Resource = {"encounter": refer(visit)}
    request = ward.prescription(patient, id=f"rx-{visit['id']}", **encounter)
    answer = ward.transaction("DR", {**visit, "reasonCode": [{"text": "cough"}]}, request)
    assert answer.status_code == 200, answer.text
    other = ward.patient()
    refused = ward.post("DR", ward.prescription(other, **encounter))
    assert (refused.status_code, rules(refused)) == (422, {"W6.same-patient", "W4.other-subject"})
    period = {"start": "2026-11-27T08:00:00Z", "end": "2026-11-27T09:00:00Z"}
    assert ward.put("SY", {**visit, "status": "finished", "period": period}).status_code == 200
    refused = ward.post("DR", ward.prescription(patient, "metformin", **encounter))
    assert refused.status_code == 422
    assert "W6.encounter" in rules(refused)


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize("name", ["Amoxicillin", "Penicillin", "Ampicillin"])
def test_an_allergy_is_overridden_with_a_reason(
    ward: Ward, patient: str, allergic: Callable[[str], str], name: str
) -> None:
    """To the ingredient, its class, or another of a class in which they go together."""
    allergy = allergic(name)
    refused = ward.post("DR", ward.prescription(patient))
    assert (refused.status_code, rules(refused)) == (422, {"W6.allergy"})
    draft = ward.made("DR", ward.prescription(patient, status="draft"))
    refused = ward.patch("DR", draft, "status", "active")
    assert (refused.status_code, rules(refused)) == (422, {"W6.allergy"})
    for wrong in (
        issue(patient, "DRG", allergy),
        issue(patient, "ALGY", patient),
        issue(patient, "ALGY", allergy, mitigation=[]),
        issue("Patient/q", "ALGY", allergy),
    ):
        wrong = {key: value for key, value in wrong.items() if value}
        request = ward.prescription(patient, contained=[wrong], detectedIssue=[{"reference": "#why"}])
        assert rules(ward.post("DR", request)) == {"W6.allergy"}
    why = issue(patient, "ALGY", allergy)
    request = ward.prescribed(patient, contained=[why], detectedIssue=[{"reference": "#why"}])
    [found] = ward.found("DR", f"DetectedIssue?implicated={refer(request)['reference']}")
    assert found["mitigation"][0]["action"]["text"] == "no alternative; watched"
    assert found["code"]["coding"][0]["code"] == "ALGY"


def test_other_allergies_do_not_matter(ward: Ward, patient: str, allergic: Callable[[str], str]) -> None:
    """Nor do those that are over."""
    allergic("Peanut")
    allergic("Ibuprofen")
    over = allergic("Amoxicillin")
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    allergy = ward.read({"resourceType": "AllergyIntolerance", "id": over.rpartition("/")[2]})
    ward.changed("SY", allergy, clinicalStatus=coded(system, "resolved"))
    ward.prescribed(patient)


@pytest.mark.workflow("3-53")
def test_a_change_is_a_new_prescription(ward: Ward, patient: str) -> None:
    """A dose is not changed by PUT or PATCH; the new one stops the one that it names, and is no duplicate."""
    first = ward.prescribed(patient)
    dosage = [{"text": "2 tablets a day"}]
    for refused in (
        ward.put("DR", {**first, "dosageInstruction": dosage}),
        ward.patch("DR", first, "dosageInstruction", dosage),
        ward.put("DR", {**first, "intent": "plan"}),
    ):
        assert (refused.status_code, rules(refused)) == (422, {"W6.changed"})
    refused = ward.post("DR", ward.prescription(patient))
    assert (refused.status_code, rules(refused)) == (422, {"W6.duplicate"})
    second = ward.prescribed(patient, dosageInstruction=dosage, priorPrescription=refer(first))
    assert ward.read(first)["status"] == "stopped"
    other = ward.patient()
    refused = ward.post("DR", ward.prescription(other, priorPrescription=refer(second)))
    assert (refused.status_code, rules(refused)) == (422, {"W6.same-patient"})
    ward.changed("DR", second, status="cancelled")
    refused = ward.post("DR", ward.prescription(patient, priorPrescription=refer(second)))
    assert (refused.status_code, rules(refused)) == (422, {"W6.prior"})


def test_of_two_that_prescribe_the_same_at_once_one_does(ward: Ward, patient: str) -> None:
    """Each sees what the other has written."""

    def prescribed(_number: int) -> int:
        return ward.post("DR", ward.prescription(patient)).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(prescribed, range(4))) == [201, 422, 422, 422]


def test_what_does_harm_together_is_refused_or_noted(ward: Ward, patient: str) -> None:
    """A grave interaction is refused unless a doctor says why; a slight one is only noted."""
    first = ward.prescribed(patient, "warfarin")
    refused = ward.post("DR", ward.prescription(patient, "ibuprofen"))
    assert (refused.status_code, rules(refused)) == (422, {"W6.interaction"})
    assert "bleeding" in refused.text
    why = issue(patient, "DRG", refer(first)["reference"])
    del why["id"]
    why = ward.made("DR", why)
    request = ward.prescribed(patient, "ibuprofen", detectedIssue=[refer(why)])
    assert ward.found("DR", f"DetectedIssue?implicated={refer(request)['reference']}") == []
    ward.prescribed(patient, "sertraline")
    slight = ward.prescribed(patient, "sumatriptan")
    [found] = ward.found("DR", f"DetectedIssue?implicated={refer(slight)['reference']}")
    assert (found["severity"], found["code"]["coding"][0]["code"]) == ("low", "DRG")


@pytest.mark.workflow("0-24")
@pytest.mark.parametrize("status", ["completed", "stopped", "cancelled"])
def test_what_is_over_stays_as_it_is(ward: Ward, patient: str, status: str) -> None:
    """It is found by its patient, and neither changed nor put in force again."""
    request = ward.prescribed(patient)
    ward.changed("DR", request, status=status)
    over = ward.read(request)
    refused = ward.put("DR", {**over, "note": [{"text": "later"}]})
    assert (refused.status_code, rules(refused)) == (422, {"W6.finished"})
    refused = ward.patch("DR", over, "status", "active")
    assert refused.status_code == 422
    assert "W6.state" in rules(refused)
    refused = ward.clients["SY"].delete(f"/{refer(over)['reference']}")
    assert (refused.status_code, rules(refused)) == (422, {"W6.finished"})
    found = ward.found("DR", f"MedicationRequest?patient={patient}&status={status}")
    assert [one["id"] for one in found] == [request["id"]]
    ward.changed("DR", over, status="entered-in-error")


@pytest.mark.workflow("4-13")
def test_the_pharmacy_gets_a_task_and_finds_it(ward: Ward, patient: str) -> None:
    """Once, and for as long as there is something to hand out."""
    pharmacy = ward.made("SY", {"resourceType": "Organization", "name": "Pharmacy"})
    wanted = ward.prescription(patient)["dispenseRequest"] | {"performer": refer(pharmacy)}
    request = ward.prescribed(patient, dispenseRequest=wanted)
    search = f"MedicationRequest?status=active&intended-dispenser={refer(pharmacy)['reference']}"
    assert [one["id"] for one in ward.found("PH", search)] == [request["id"]]
    [task] = ward.tasks(request, "fulfill")
    assert (task["status"], task["owner"], task["for"]) == (
        "requested",
        refer(pharmacy),
        {"reference": patient},
    )
    ward.changed("DR", request, status="on-hold")
    assert [one["status"] for one in ward.tasks(request, "fulfill")] == ["on-hold"]
    ward.changed("DR", request, status="active")
    assert [one["status"] for one in ward.tasks(request, "fulfill")] == ["received"]
    ward.changed("DR", request, status="stopped")
    assert [one["status"] for one in ward.tasks(request, "fulfill")] == ["cancelled"]
    assert ward.found("PH", search) == []


@pytest.mark.workflow("4-14")
def test_reminders_end_with_the_prescription(ward: Ward, patient: str) -> None:
    """There is one for each dose at home, and none for what is given in the ward."""
    request = ward.prescribed(patient)
    about = {"subject": refer(request)["reference"], "data.kind": "W6.take-medicine"}
    waiting = ward.database["agenda"].count_documents(about | {"state": "waiting"})
    assert 19 <= waiting <= 21
    ward.changed("DR", request, status="stopped")
    assert ward.database["agenda"].count_documents(about | {"state": "waiting"}) == 0
    system = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
    inside = ward.prescribed(patient, category=[coded(system, "inpatient")])
    about = {"subject": refer(inside)["reference"], "data.kind": "W6.take-medicine"}
    assert ward.database["agenda"].count_documents(about) == 0
