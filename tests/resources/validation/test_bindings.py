"""Required bindings: https://hl7.org/fhir/R4/terminologies.html#required."""

from typing import Any

import pytest

from resources.definitions import structure, type_names, value_set_codes
from resources.validation import validate
from resources.validation.bindings import enforced_value_set

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ACTIVE = {"system": CLINICAL, "code": "active"}
LOCAL = {"system": "urn:local", "code": "active"}
ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}

Found = list[tuple[str, str]]


def condition(clinical_status: Any) -> dict[str, Any]:
    """Return a Condition with the given clinical status, which has a required binding."""
    return {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "clinicalStatus": clinical_status,
    }


# https://hl7.org/fhir/R4/terminologies.html#4.1: one of the codings must be from the value set
CONCEPTS: list[tuple[str, Any, Found]] = [
    ("in the value set", {"coding": [ACTIVE]}, []),
    ("one of several", {"coding": [LOCAL, ACTIVE], "text": "x"}, []),
    ("of another system", {"coding": [LOCAL]}, [("code-invalid", "Condition.clinicalStatus")]),
    ("without a system", {"coding": [{"code": "active"}]}, [("code-invalid", "Condition.clinicalStatus")]),
    (
        "of another case",
        {"coding": [ACTIVE | {"code": "Active"}]},
        [("code-invalid", "Condition.clinicalStatus")],
    ),
    ("text alone", {"text": "active"}, [("code-invalid", "Condition.clinicalStatus")]),
    ("absent for a reason", {"extension": [ABSENT]}, []),
    ("text, coding absent for a reason", {"extension": [ABSENT], "text": "x"}, []),
    (
        "an extension is no coding",
        {"extension": [ABSENT], "coding": [LOCAL]},
        [("code-invalid", "Condition.clinicalStatus")],
    ),
    (
        "beside another mistake",
        {"coding": [LOCAL], "x": 1},
        [("structure", "Condition.clinicalStatus.x"), ("code-invalid", "Condition.clinicalStatus")],
    ),
    ("empty", {}, [("invalid", "Condition.clinicalStatus")]),
    ("a mere code", "active", [("structure", "Condition.clinicalStatus")]),
    (
        "codings that are none",
        {"coding": ["active", {"system": [CLINICAL], "code": "active"}]},
        [
            ("structure", "Condition.clinicalStatus.coding[0]"),
            ("structure", "Condition.clinicalStatus.coding[1].system"),
            ("code-invalid", "Condition.clinicalStatus"),
        ],
    ),
]


@pytest.mark.parametrize(("_title", "concept", "expected"), CONCEPTS)
def test_codeable_concept(_title: str, concept: Any, expected: Found) -> None:
    """A concept with a required binding has one coding from the value set."""
    assert found(condition(concept)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("male", []),
        ("unknown", []),
        ("Male", ["code-invalid"]),
        ("m", ["code-invalid"]),
        (" male", ["value"]),
        (1, ["structure"]),
        ("", ["invalid"]),
    ],
)
def test_code(code: Any, expected: list[str]) -> None:
    """A code with a required binding is from the value set, in its case; a broken one is one issue."""
    resource = {"resourceType": "Patient", "gender": code}
    assert found(resource) == [(issue_code, "Patient.gender") for issue_code in expected]


def test_codes_in_arrays() -> None:
    """Each code of an array is checked: https://hl7.org/fhir/R4/timing-definitions.html#Timing.repeat.dayOfWeek."""
    place = {"resourceType": "HealthcareService", "availableTime": [{"daysOfWeek": ["mon", "friday", "sun"]}]}
    assert found(place) == [("code-invalid", "HealthcareService.availableTime[0].daysOfWeek[1]")]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Binary", "contentType": "text/plain"}, []),
        ({"resourceType": "Binary", "contentType": "application/fhir+json; charset=UTF-8"}, []),
        ({"resourceType": "Binary", "contentType": "xml"}, []),
        ({"resourceType": "Binary", "contentType": "plain"}, [("value", "Binary.contentType")]),
        ({"resourceType": "Binary", "contentType": "text/"}, [("value", "Binary.contentType")]),
        ({"resourceType": "Patient", "language": "de-AT"}, []),
        ({"resourceType": "Patient", "language": "zh-Hans-CN"}, []),
        ({"resourceType": "Patient", "language": "German!"}, [("value", "Patient.language")]),
        ({"resourceType": "Patient", "language": "de_AT"}, [("value", "Patient.language")]),
        ({"resourceType": "Parameters", "parameter": [{"name": "x", "valueMoney": {"currency": "EUR"}}]}, []),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "x", "valueMoney": {"currency": "euro"}}]},
            [("value", "Parameters.parameter[0].value.ofType(Money).currency")],
        ),
    ],
)
def test_codes_that_others_keep(resource: dict[str, Any], expected: Found) -> None:
    """MIME types (BCP 13), languages (BCP 47) and currencies (ISO 4217) have the form of their standards."""
    assert found(resource) == expected


def test_weaker_bindings_are_not_enforced() -> None:
    """https://hl7.org/fhir/R4/terminologies.html#extensible: such a binding allows other codes."""
    observation = {"resourceType": "Observation", "status": "final", "code": {"coding": [LOCAL]}}
    assert found(observation | {"category": [{"coding": [LOCAL]}], "dataAbsentReason": {"text": "x"}}) == []


def test_all_enforced_bindings_are_of_kinds_that_are_checked() -> None:
    """No definition has a required binding on anything but a code or a CodeableConcept."""
    kinds = {
        type_.code
        for kind in ("resource", "complex-type")
        for name in type_names(kind)
        for element in structure(name).elements.values()
        if enforced_value_set(element.binding)
        for type_ in element.types
    }
    assert kinds == {"code", "CodeableConcept"}


def test_value_sets_that_cannot_be_listed() -> None:
    """These alone of the enforced value sets cannot be listed; at most the form of their codes is checked."""
    value_sets = {
        enforced_value_set(element.binding)
        for kind in ("resource", "complex-type")
        for name in type_names(kind)
        for path, element in structure(name).elements.items()
        if path
    }
    assert {url for url in value_sets if url and value_set_codes(url) is None} == {
        "http://hl7.org/fhir/ValueSet/all-languages",
        "http://hl7.org/fhir/ValueSet/currencies",
        "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://loinc.org/vs/LL379-9",
        "http://www.rfc-editor.org/bcp/bcp13.txt",
    }


def found(resource: Any) -> Found:
    """Return code and expression of each issue."""
    return [(issue.code, " ".join(issue.expression)) for issue in validate(resource)]
