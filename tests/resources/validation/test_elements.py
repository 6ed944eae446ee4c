"""Cardinality, choices of type, backbone elements and shared content, as the definitions say."""

from typing import Any

import pytest

from resources.validation import validate

CODE = {"text": "x"}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": CODE}
TWIN = {"extension": [{"url": "urn:x", "valueString": "y"}]}

Found = list[tuple[str, str]]

# https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.min
REQUIRED: list[tuple[str, dict[str, Any], Found]] = [
    ("all there", OBSERVATION, []),
    ("element", {"resourceType": "Observation", "status": "final"}, [("required", "Observation.code")]),
    (
        "several",
        {"resourceType": "Observation"},
        [("required", "Observation.status"), ("required", "Observation.code")],
    ),
    (
        "a primitive without a value",
        {**OBSERVATION, "status": None, "_status": TWIN},
        [("invalid", "Observation.status")],
    ),
    ("a twin in its place", {"resourceType": "Observation", "code": CODE, "_status": TWIN}, []),
    ("a value and a twin", {**OBSERVATION, "_status": TWIN}, []),
    (
        "in a backbone element",
        {**OBSERVATION, "component": [{"valueInteger": 1}]},
        [("required", "Observation.component[0].code")],
    ),
    (
        "in a data type",
        {**OBSERVATION, "note": [{"authorString": "x"}]},
        [("required", "Observation.note[0].text")],
    ),
    (
        "array",
        {"resourceType": "Linkage"},
        [("required", "Linkage.item")],
    ),
    (
        "a choice",
        {"resourceType": "MedicationStatement", "status": "active", "subject": {"display": "x"}},
        [("required", "MedicationStatement.medication")],
    ),
    (
        "a choice, by its twin",
        {
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": CODE,
            "patient": {"display": "x"},
        }
        | {"_occurrenceString": TWIN},
        [],
    ),
    (
        "extension without url",
        {**OBSERVATION, "extension": [{"valueString": "x"}]},
        [("required", "Observation.extension[0].url")],
    ),
]

# https://hl7.org/fhir/R4/formats.html#choice
CHOICES: list[tuple[str, dict[str, Any], Found]] = [
    ("one type", {**OBSERVATION, "valueQuantity": {"value": 1}}, []),
    ("a primitive with its twin", {**OBSERVATION, "valueString": "x", "_valueString": TWIN}, []),
    (
        "two types",
        {**OBSERVATION, "valueString": "x", "valueInteger": 1},
        [("structure", "Observation.value")],
    ),
    (
        "a type and the twin of another",
        {**OBSERVATION, "valueString": "x", "_valueInteger": TWIN},
        [("structure", "Observation.value")],
    ),
    (
        "three types in a backbone element",
        {
            **OBSERVATION,
            "component": [{"code": CODE, "valueString": "x", "valueInteger": 1, "valueBoolean": True}],
        },
        [("structure", "Observation.component[0].value")],
    ),
    ("two choices", {**OBSERVATION, "valueString": "x", "effectiveDateTime": "2000"}, []),
    (
        "a type of another element",
        {**OBSERVATION, "valueDecimal": 1},
        [("structure", "Observation.valueDecimal")],
    ),
    (
        "any type in an extension",
        {**OBSERVATION, "extension": [{"url": "urn:x", "valueTiming": {"repeat": {"count": 2}}}]},
        [],
    ),
    (
        "no resource type in an extension",
        {**OBSERVATION, "extension": [{"url": "urn:x", "valuePatient": {"resourceType": "Patient"}}]},
        [("structure", "Observation.extension[0].valuePatient")],
    ),
]

# https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.contentReference
SHARED_CONTENT: list[tuple[str, dict[str, Any], Found]] = [
    (
        "an element in itself",
        {
            "resourceType": "Questionnaire",
            "status": "draft",
            "item": [
                {
                    "linkId": "1",
                    "type": "group",
                    "item": [{"linkId": "2", "type": "group", "item": [{"type": "bogus"}]}],
                }
            ],
        },
        [
            ("code-invalid", "Questionnaire.item[0].item[0].item[0].type"),
            ("required", "Questionnaire.item[0].item[0].item[0].linkId"),
        ],
    ),
    (
        "an element of another place",
        {**OBSERVATION, "component": [{"code": CODE, "referenceRange": [{"text": 1, "x": 2}]}]},
        [
            ("structure", "Observation.component[0].referenceRange[0].text"),
            ("structure", "Observation.component[0].referenceRange[0].x"),
        ],
    ),
    (
        "backbone elements of data types",
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "subject": {"display": "x"},
            "occurrenceTiming": {"repeat": {"dayOfWeek": ["mon", "someday"], "boundsDuration": {"valu": 1}}},
        },
        [
            ("code-invalid", "ServiceRequest.occurrence.ofType(Timing).repeat.dayOfWeek[1]"),
            ("structure", "ServiceRequest.occurrence.ofType(Timing).repeat.bounds.ofType(Duration).valu"),
        ],
    ),
]

# https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/parameters.html
NESTED_RESOURCES: list[tuple[str, dict[str, Any], Found]] = [
    (
        "entries of a bundle",
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"resource": {"resourceType": "Patient", "gender": "bogus"}},
                {"resource": {"id": "x"}},
                {"resource": {"resourceType": "Foo"}},
                {"resource": "x"},
            ],
        },
        [
            ("code-invalid", "Bundle.entry[0].resource.gender"),
            ("required", "Bundle.entry[1].resource"),
            ("structure", "Bundle.entry[2].resource"),
            ("structure", "Bundle.entry[3].resource"),
        ],
    ),
    (
        "parameters",
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "x", "part": [{"name": "y", "resource": {"resourceType": "Linkage"}}]}],
        },
        [("required", "Parameters.parameter[0].part[0].resource.item")],
    ),
    (
        "a bundle in a bundle",
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Bundle",
                        "type": "batch",
                        "entry": [{"resource": OBSERVATION | {"x": 1}}],
                    }
                }
            ],
        },
        [("structure", "Bundle.entry[0].resource.entry[0].resource.x")],
    ),
]


def found(resource: Any) -> Found:
    """Return code and expression of each issue."""
    return [(issue.code, " ".join(issue.expression)) for issue in validate(resource)]


@pytest.mark.parametrize(
    ("_title", "resource", "expected"), REQUIRED + CHOICES + SHARED_CONTENT + NESTED_RESOURCES
)
def test_elements(_title: str, resource: dict[str, Any], expected: Found) -> None:
    """What breaks the definition of an element is found where it is, and once."""
    assert found(resource) == expected
