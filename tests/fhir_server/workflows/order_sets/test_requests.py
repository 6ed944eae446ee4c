"""What becomes of each element of a definition, in each kind of request.

https://hl7.org/fhir/R4/activitydefinition-definitions.html
"""

from typing import Any

import pytest

from resources.operation_outcome import UnprocessableContent
from tests.fhir_server.workflows.order_sets.sets import ENCOUNTER, about, activity, drafted

Resource = dict[str, Any]

PERIOD = {"start": "2026-12-01", "end": "2026-12-08"}
THRICE = {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}
AMOXICILLIN = {"text": "amoxicillin"}
NURSE = {"text": "nurse"}
TABLET = {"value": 1, "unit": "tablet"}
DRAFT = {"status": "draft", "intent": "option"}
DOSE = [{"text": "1 tablet"}]
OF_PATIENT = {"reference": "Patient/p"}
PLACE = {"reference": "Location/1"}


def kind_of_performer(code: str) -> Resource:
    """Return a kind of participant as a concept."""
    return {"coding": [{"system": "http://hl7.org/fhir/action-participant-type", "code": code}]}


# Kind, elements of the definition, elements of the request.
MAPPED: list[tuple[str, Resource, Resource]] = [
    (
        "MedicationRequest",
        {"dosage": DOSE},
        {"dosageInstruction": DOSE, "status": "draft", "intent": "option"},
    ),
    (
        "MedicationRequest",
        {"priority": "stat", "doNotPerform": True},
        {"priority": "stat", "doNotPerform": True},
    ),
    (
        "MedicationRequest",
        {"quantity": TABLET, "timingTiming": THRICE, "bodySite": [{"text": "arm"}]},
        {
            "dosageInstruction": [
                {"timing": THRICE, "doseAndRate": [{"doseQuantity": TABLET}], "site": {"text": "arm"}}
            ]
        },
    ),
    (
        "MedicationRequest",
        {"timingPeriod": PERIOD},
        {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": PERIOD}}}]},
    ),
    (
        "MedicationRequest",
        {"timingDateTime": "2026-12-01"},
        {"dosageInstruction": [{"timing": {"event": ["2026-12-01"]}}]},
    ),
    (
        "MedicationRequest",
        {"participant": [{"type": "practitioner", "role": NURSE}]},
        {"performerType": NURSE},
    ),
    ("MedicationRequest", {"participant": [{"type": "patient"}]}, {"performer": OF_PATIENT}),
    ("ServiceRequest", {"code": {"text": "CBC"}}, {"code": {"text": "CBC"}, "intent": "option"}),
    ("ServiceRequest", {"timingTiming": THRICE}, {"occurrenceTiming": THRICE}),
    ("ServiceRequest", {"timingDateTime": "2026-12-01"}, {"occurrenceDateTime": "2026-12-01"}),
    ("ServiceRequest", {"timingPeriod": PERIOD}, {"occurrencePeriod": PERIOD}),
    ("ServiceRequest", {"location": PLACE}, {"locationReference": [PLACE]}),
    ("ServiceRequest", {"quantity": TABLET}, {"quantityQuantity": TABLET}),
    ("ServiceRequest", {"bodySite": [{"text": "arm"}]}, {"bodySite": [{"text": "arm"}]}),
    (
        "ServiceRequest",
        {"participant": [{"type": "practitioner"}, {"type": "patient"}]},
        {"performerType": kind_of_performer("practitioner"), "performer": [OF_PATIENT]},
    ),
    (
        "ServiceRequest",
        {"profile": "http://house.example/lab"},
        {"meta": {"profile": ["http://house.example/lab"]}},
    ),
    (
        "DeviceRequest",
        {"productCodeableConcept": {"text": "walker"}, "timingPeriod": PERIOD},
        {"codeCodeableConcept": {"text": "walker"}, "occurrencePeriod": PERIOD, "intent": "option"},
    ),
    (
        "Task",
        {
            "code": {"text": "teach"},
            "description": "Teach it",
            "timingPeriod": PERIOD,
            "location": PLACE,
        },
        {
            "code": {"text": "teach"},
            "description": "Teach it",
            "restriction": {"period": PERIOD},
            "location": PLACE,
            "for": OF_PATIENT,
            "intent": "option",
        },
    ),
    ("Task", {"participant": [{"type": "practitioner", "role": NURSE}]}, {"performerType": [NURSE]}),
    ("Task", {"title": "Weigh"}, {"description": "Weigh"}),
    (
        "SupplyRequest",
        {"productCodeableConcept": {"text": "gauze"}, "quantity": TABLET, "code": {"text": "central"}},
        {
            "itemCodeableConcept": {"text": "gauze"},
            "quantity": TABLET,
            "category": {"text": "central"},
            "deliverTo": OF_PATIENT,
            "status": "draft",
        },
    ),
    (
        "CommunicationRequest",
        {"code": {"text": "advice"}, "description": "Drink a lot", "participant": [{"type": "patient"}]},
        {
            "category": [{"text": "advice"}],
            "payload": [{"contentString": "Drink a lot"}],
            "recipient": [OF_PATIENT],
            "status": "draft",
        },
    ),
    (
        "Appointment",
        {
            "code": {"text": "follow-up"},
            "timingPeriod": PERIOD,
            "location": PLACE,
            "participant": [{"type": "practitioner", "role": NURSE}, {"type": "patient"}],
        },
        {
            "status": "proposed",
            "serviceType": [{"text": "follow-up"}],
            "requestedPeriod": [PERIOD],
            "participant": [
                {"actor": OF_PATIENT, "status": "needs-action"},
                {"type": [NURSE], "status": "needs-action"},
                {"actor": PLACE, "status": "needs-action"},
            ],
        },
    ),
    ("Appointment", {"timingDateTime": "2026-12-01"}, {"requestedPeriod": [{"start": "2026-12-01"}]}),
]
NEEDED: dict[str, Resource] = {
    "MedicationRequest": {"productCodeableConcept": AMOXICILLIN},
    "SupplyRequest": {"productCodeableConcept": {"text": "x"}, "quantity": {"value": 1}},
}


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize(("kind", "told", "wanted"), MAPPED)
def test_an_element_of_a_definition_has_a_place(kind: str, told: Resource, wanted: Resource) -> None:
    """It is in the request, which is valid and says of whom it is and when it was written."""
    found = drafted(activity(kind, **{**NEEDED.get(kind, {}), **told}))
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["resourceType"] == kind
    assert "2026-11-28T09:00:00.000Z" in (found.get("authoredOn"), found.get("created"))


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize("kind", ["MedicationRequest", "ServiceRequest", "DeviceRequest"])
def test_a_draft_says_by_what_and_by_whom_and_why(kind: str) -> None:
    """By which version of a definition, in which encounter, who asks for it, and what it is for."""
    definition = activity(kind, version="2", productCodeableConcept=AMOXICILLIN)
    if kind == "ServiceRequest":
        definition = activity(kind, version="2", code=AMOXICILLIN)
    given = {"reason": [{"text": "sepsis"}], "priority": "urgent"}
    found = drafted(definition, given, encounter=ENCOUNTER, practitioner="Practitioner/dr")
    assert found["instantiatesCanonical"] == [f"http://house.example/{kind}|2"]
    assert found["encounter"] == {"reference": "Encounter/e"}
    assert found["requester"] == {"reference": "Practitioner/dr"}
    assert (found["reasonCode"], found["priority"]) == ([{"text": "sepsis"}], "urgent")
    assert "requester" not in drafted(definition)
    assert drafted(definition, organization="Organization/o")["requester"]["reference"] == "Organization/o"


@pytest.mark.workflow("0-11")
def test_an_action_says_otherwise_than_the_definition() -> None:
    """Its time and who takes part count, where such a request has them; a dose is the definition's."""
    definition = activity(
        "ServiceRequest",
        timingDateTime="2026-12-01",
        participant=[{"type": "practitioner"}],
        priority="routine",
    )
    given = {
        "timingPeriod": PERIOD,
        "participant": [{"type": "practitioner", "role": NURSE}],
        "priority": "stat",
    }
    found = drafted(definition, given)
    assert "occurrenceDateTime" not in found
    assert (found["occurrencePeriod"], found["performerType"], found["priority"]) == (PERIOD, NURSE, "stat")
    medicine = activity("MedicationRequest", productCodeableConcept=AMOXICILLIN, dosage=DOSE)
    assert drafted(medicine, {"timingTiming": THRICE})["dosageInstruction"] == DOSE


# Kind, elements of the definition, what the refusal says.
REFUSED: list[tuple[str, Resource, str]] = [
    ("MedicationRequest", {"dosage": DOSE, "quantity": TABLET}, "quantity stands in the dosage"),
    ("MedicationRequest", {"dosage": DOSE, "timingTiming": THRICE}, "timingTiming stands in the dosage"),
    ("MedicationRequest", {"timingAge": {"value": 1, "unit": "a"}}, "timingAge has no place in a dosage"),
    ("MedicationRequest", {"bodySite": [{"text": "a"}, {"text": "b"}]}, "bodySite has no place in a dosage"),
    ("MedicationRequest", {"location": PLACE}, "location has no place in a MedicationRequest"),
    ("MedicationRequest", {"code": {"text": "x"}}, "code has no place in a MedicationRequest"),
    (
        "MedicationRequest",
        {"participant": [{"type": "practitioner"}, {"type": "device"}]},
        "one performerType, and more are said",
    ),
    ("ServiceRequest", {"dosage": DOSE}, "dosage has no place in a ServiceRequest"),
    ("ServiceRequest", {"timingAge": {"value": 1}}, "timingAge has no place in a ServiceRequest"),
    ("ServiceRequest", {"productCodeableConcept": AMOXICILLIN}, "productCodeableConcept has no place"),
    ("ServiceRequest", {"transform": "http://house.example/map"}, "transform is not carried out"),
    ("ServiceRequest", {"modifierExtension": [{"url": "http://x.example"}]}, "modifierExtension is not"),
    (
        "DeviceRequest",
        {"code": {"text": "x"}, "productCodeableConcept": {"text": "y"}},
        "one codeCodeableConcept",
    ),
    ("Task", {"quantity": TABLET}, "quantity has no place in a Task"),
    ("Task", {"doNotPerform": True}, "doNotPerform has no place in a Task"),
    ("SupplyRequest", {"participant": [{"type": "device"}]}, "participant has no place in a SupplyRequest"),
    ("Appointment", {"priority": "stat"}, "priority has no place in a"),
    ("NutritionOrder", {}, "defines none of MedicationRequest"),
    ("Claim", {}, "defines none of MedicationRequest"),
    (
        "ServiceRequest",
        {
            "timingTiming": {
                "_event": [{"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/cqf-expression"}]}]
            }
        },
        "values to be calculated",
    ),
]


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize(("kind", "told", "says"), REFUSED)
def test_what_has_no_place_is_refused(kind: str, told: Resource, says: str) -> None:
    """Nothing that a definition says is left out in silence."""
    with pytest.raises(UnprocessableContent) as refused:
        drafted(activity(kind, **{**NEEDED.get(kind, {}), **told}))
    [issue] = refused.value.issues
    assert (issue.rule, issue.expression) == ("W7.order-set-content", ("PlanDefinition.action[0]",))
    assert says in issue.diagnostics


def test_what_is_not_valid_is_refused() -> None:
    """A medicine without a product is no prescription; the refusal names the action."""
    with pytest.raises(UnprocessableContent) as refused:
        drafted(activity("MedicationRequest"))
    issue = refused.value.issues[0]
    assert (issue.rule, issue.expression) == ("W7.order-set-content", ("PlanDefinition.action[0]",))
    assert "MedicationRequest.medication" in issue.diagnostics


def test_a_request_is_about_whom_its_kind_is_about() -> None:
    """A prescription is not about a place; an examination may be."""
    place = {"resourceType": "Location", "id": "l"}
    patient = {"resourceType": "Patient", "id": "p"}
    for kind in ("MedicationRequest", "Appointment"):
        definition = activity(kind, **NEEDED.get(kind, {}), **about("Location"))
        with pytest.raises(UnprocessableContent) as refused:
            drafted(definition, subjects=(patient, place))
        assert refused.value.issues[0].rule == "W7.order-set-subject"
    found = drafted(activity("ServiceRequest", **about("Location")), subjects=(patient, place))
    assert found["subject"] == {"reference": "Location/l"}
