"""Dynamic values: where they go, and what they may be.

https://hl7.org/fhir/R4/fhirpath.html#simple
"""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.workflows.order_sets.dynamic import put
from resources.fhirpath import evaluate_items
from resources.fhirpath.nodes import type_shape
from resources.operation_outcome import UnprocessableContent
from resources.patch.places import copied
from tests.fhir_server.workflows.order_sets.sets import NOW, PATIENT, activity, drafted, dynamic

Resource = dict[str, Any]

DOSE = "dosageInstruction.doseAndRate.dose"
DOSED = {"dosageInstruction": [{"text": "once", "doseAndRate": [{"rateQuantity": {"value": 1}}]}]}
LISTED = {"instantiatesUri": ["urn:a"]}
NOTES = {"note": [{"text": "a"}, {"text": "b"}]}

# What the request has, path, expression, what it has then.
PUT: list[tuple[Resource, str, str, Resource]] = [
    ({}, "priority", "'stat'", {"priority": "stat"}),
    ({"priority": "routine"}, "MedicationRequest.priority", "'stat'", {"priority": "stat"}),
    ({"priority": "routine"}, "priority", "{}", {"priority": "routine"}),
    ({}, "reasonCode.text", "Patient.gender", {"reasonCode": [{"text": "female"}]}),
    ({}, "dispenseRequest.numberOfRepeatsAllowed", "3", {"dispenseRequest": {"numberOfRepeatsAllowed": 3}}),
    (
        {},
        "dispenseRequest.quantity",
        "30 '{tbl}'",
        {
            "dispenseRequest": {
                "quantity": {
                    "value": Decimal(30),
                    "unit": "{tbl}",
                    "system": "http://unitsofmeasure.org",
                    "code": "{tbl}",
                }
            }
        },
    ),
    (
        {},
        DOSE,
        "2.5 'mg'",
        {
            "dosageInstruction": [
                {
                    "doseAndRate": [
                        {
                            "doseQuantity": {
                                "value": Decimal("2.5"),
                                "unit": "mg",
                                "system": "http://unitsofmeasure.org",
                                "code": "mg",
                            }
                        }
                    ]
                }
            ]
        },
    ),
    ({}, "dosageInstruction.asNeeded", "true", {"dosageInstruction": [{"asNeededBoolean": True}]}),
    (
        {"dosageInstruction": [{"asNeededCodeableConcept": {"text": "pain"}}]},
        "dosageInstruction.asNeededBoolean",
        "true",
        {"dosageInstruction": [{"asNeededBoolean": True}]},
    ),
    (
        {},
        "dispenseRequest.validityPeriod.start",
        "@2026-12-01",
        {"dispenseRequest": {"validityPeriod": {"start": "2026-12-01"}}},
    ),
    ({}, "authoredOn", "now()", {"authoredOn": "2026-11-28T09:00:00.000Z"}),
    (NOTES, "note[1].text", "'c'", {"note": [{"text": "a"}, {"text": "c"}]}),
    (NOTES, "note[2].text", "'c'", {"note": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}),
    ({}, "instantiatesUri", "'urn:a' | 'urn:b'", {"instantiatesUri": ["urn:a", "urn:b"]}),
    (
        {"instantiatesUri": ["urn:a"]},
        "instantiatesUri[1]",
        "'urn:b'",
        {"instantiatesUri": ["urn:a", "urn:b"]},
    ),
    ({}, "performer", "%subject", {"performer": {"reference": "Patient/p"}}),
    ({}, "note.time", "@2026-12-01", {"note": [{"time": "2026-12-01"}]}),
]
REFUSED = [
    ({}, "status", "'active'", "not for an expression"),
    ({}, "intent", "'order'", "not for an expression"),
    ({}, "MedicationRequest.subject.reference", "'Patient/q'", "not for an expression"),
    ({}, "id", "{}", "not for an expression"),
    ({}, "colour", "'red'", "not there"),
    ({}, "priority.text", "'x'", "has no parts"),
    ({}, "medication.text", "'x'", "of no one type"),
    ({}, "priority", "3", "another type"),
    ({}, "priority", "'a' | 'b'", "several values"),
    ({}, "instantiatesUri[0]", "'a' | 'b'", "several values"),
    (NOTES, "note.text", "'c'", "which one of several"),
    (NOTES, "note[3].text", "'c'", "leaves a gap"),
    ({}, "instantiatesUri[1]", "'a'", "leaves a gap"),
    ({}, "note.where(text = 'a').text", "'c'", "names and numbers"),
    ({}, "$this", "%subject", "names and numbers"),
    ({}, "reasonCode", "%subject", "another type"),
]


def _put(before: Resource, path: str, expression: str) -> Resource:
    found: Resource = copied(before)
    items = evaluate_items(expression, PATIENT, variables={"subject": PATIENT}, now=NOW)
    put(found, type_shape("MedicationRequest"), path, items)
    return found


@pytest.mark.parametrize(("before", "path", "expression", "after"), PUT)
def test_a_value_has_its_place(before: Resource, path: str, expression: str, after: Resource) -> None:
    """Elements on the way are made, types of choices found, and lists filled."""
    assert _put(before, path, expression) == after


@pytest.mark.parametrize(("before", "path", "expression", "says"), REFUSED)
def test_a_value_without_a_place_is_refused(before: Resource, path: str, expression: str, says: str) -> None:
    """What it is, and that it waits for somebody, no expression changes."""
    with pytest.raises(ValueError, match=says):
        _put(before, path, expression)


@pytest.mark.workflow("0-11")
def test_values_of_the_definition_come_before_those_of_the_action() -> None:
    """Each in its order, and the last one stays."""
    definition = activity(
        "ServiceRequest",
        dynamicValue=[dynamic("priority", "'urgent'"), dynamic("code.text", "'by definition'")],
    )
    found = drafted(
        definition, {"dynamicValue": [dynamic("priority", "'asap'"), dynamic("priority", "'stat'")]}
    )
    assert (found["priority"], found["code"]) == ("stat", {"text": "by definition"})
    assert "dynamicValue" not in found


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (dynamic("status", "'active'"), "not for an expression"),
        (dynamic("priority", "'stat'", "text/cql"), "Only expressions of text/fhirpath"),
        (
            {"path": "priority", "expression": {"language": "text/fhirpath", "reference": "http://x"}},
            "Only expr",
        ),
        (dynamic("priority", "birthDay"), "no element birthDay"),
        (dynamic("priority", "%nobody"), "no variable"),
        (dynamic("priority", "("), "FHIRPath"),
    ],
)
def test_a_refusal_names_the_dynamic_value(value: Resource, says: str) -> None:
    """The rule, and where it stands in the order set."""
    with pytest.raises(UnprocessableContent) as refused:
        drafted(activity("ServiceRequest"), {"dynamicValue": [value]})
    [issue] = refused.value.issues
    assert issue.rule == "W7.order-set-content"
    assert issue.expression == ("PlanDefinition.action[0].dynamicValue[0]",)
    assert says in issue.diagnostics
