"""The few invariants that are checked by hand."""

from typing import Any

import pytest

from resources.validation import validate

ROWS: list[tuple[str, str, dict[str, Any], bool]] = [
    # https://hl7.org/fhir/R4/extensibility.html#Extension: ext-1
    ("value", "Coding", {"extension": [{"url": "urn:x", "valueString": "y"}]}, True),
    (
        "a value that is but a twin",
        "Coding",
        {
            "extension": [
                {"url": "urn:x", "_valueString": {"extension": [{"url": "urn:y", "valueCode": "z"}]}}
            ]
        },
        True,
    ),
    (
        "extensions",
        "Coding",
        {"extension": [{"url": "urn:x", "extension": [{"url": "y", "valueString": "z"}]}]},
        True,
    ),
    # https://hl7.org/fhir/R4/datatypes.html#Quantity: qty-3
    ("unit with system", "Quantity", {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"}, True),
    ("unit without system", "Quantity", {"value": 1, "code": "kg"}, False),
    ("unit in words", "Quantity", {"value": 1, "unit": "kg"}, True),
    ("age without system", "Age", {"value": 1, "code": "a"}, False),
    # https://hl7.org/fhir/R4/datatypes.html#ContactPoint: cpt-2
    ("telephone", "ContactPoint", {"system": "phone", "value": "1"}, True),
    ("contact of no kind", "ContactPoint", {"value": "1"}, False),
    ("contact without value", "ContactPoint", {"use": "home"}, True),
    # https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity: sqty-1
    ("range", "Range", {"low": {"value": 1}, "high": {"value": 2}}, True),
    # https://hl7.org/fhir/R4/datatypes.html#Period: per-1
    ("open", "Period", {"start": "2000"}, True),
    ("in order", "Period", {"start": "2000-01-01", "end": "2000-01-02"}, True),
    ("the same day", "Period", {"start": "2000-01-01", "end": "2000-01-01"}, True),
    ("not in order", "Period", {"start": "2000-01-02", "end": "2000-01-01"}, False),
    ("not in order by years", "Period", {"start": "2001", "end": "2000"}, False),
    ("of different precision", "Period", {"start": "2000-05-05", "end": "2000"}, True),
    ("of different precision, not in order", "Period", {"start": "2000-05-05", "end": "2000-04"}, False),
    (
        "the same instant",
        "Period",
        {"start": "2000-01-01T09:00:00Z", "end": "2000-01-01T10:00:00+01:00"},
        True,
    ),
    (
        "in order by zone",
        "Period",
        {"start": "2000-01-01T10:00:00+02:00", "end": "2000-01-01T09:00:00Z"},
        True,
    ),
    (
        "not in order by zone",
        "Period",
        {"start": "2000-01-01T09:00:00Z", "end": "2000-01-01T10:00:00+02:00"},
        False,
    ),
    ("leap second", "Period", {"start": "2016-12-31T23:59:60Z", "end": "2016-12-31T23:59:59Z"}, True),
    (
        "first and last year",
        "Period",
        {"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59:59-14:00"},
        True,
    ),
]


@pytest.mark.parametrize(("_title", "type_name", "value", "is_valid"), ROWS)
def test_rule(_title: str, type_name: str, value: dict[str, Any], is_valid: bool) -> None:
    """A data type's invariant is an issue of code invariant, at the value."""
    resource = {"resourceType": "Parameters", "parameter": [{"name": "x", f"value{type_name}": value}]}
    place = f"Parameters.parameter[0].value.ofType({type_name})"
    expected = [] if is_valid else [("invariant", place)]
    assert [(issue.code, *issue.expression) for issue in validate(resource)] == expected


@pytest.mark.parametrize(
    "extension",
    [
        {"url": "urn:x"},
        {"url": "urn:x", "valueString": "y", "extension": [{"url": "y", "valueString": "z"}]},
    ],
)
def test_extension(extension: dict[str, Any]) -> None:
    """https://hl7.org/fhir/R4/extensibility.html#Extension: ext-1, a value or extensions, not both."""
    issues = validate({"resourceType": "Patient", "extension": [extension]})
    assert [(issue.code, *issue.expression) for issue in issues] == [("invariant", "Patient.extension[0]")]


def test_simple_quantity() -> None:
    """https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity: sqty-1, no comparator."""
    value = {"low": {"value": 1, "comparator": "<"}, "high": {"value": 2, "code": "kg"}}
    issues = validate({"resourceType": "Parameters", "parameter": [{"name": "x", "valueRange": value}]})
    place = "Parameters.parameter[0].value.ofType(Range)"
    assert [(issue.code, *issue.expression, issue.diagnostics[:6]) for issue in issues] == [
        ("invariant", f"{place}.low", "sqty-1"),
        ("invariant", f"{place}.high", "qty-3:"),
    ]
