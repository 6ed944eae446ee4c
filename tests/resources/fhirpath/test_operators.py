"""The operators: http://hl7.org/fhirpath/N1/#operations."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.fhirpath import FhirPathEvaluationError, evaluate

UCUM = "http://unitsofmeasure.org"
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
    "valueQuantity": {"value": Decimal("72.50"), "unit": "kilos", "system": UCUM, "code": "kg"},
    "referenceRange": [
        {"low": {"value": 60, "system": UCUM, "code": "kg"}, "high": {"value": 1, "unit": "lots"}},
        {
            "low": {"value": Decimal("60.0"), "system": UCUM, "code": "kg"},
            "high": {"value": 1, "unit": "lots"},
        },
    ],
    "component": [
        {"id": "a", "code": {"coding": [{"system": "s", "code": "c", "display": "one"}]}},
        {"id": "b", "code": {"coding": [{"system": "s", "code": "c", "display": "two"}, {"code": "d"}]}},
        {"id": "a", "code": {"text": "e"}},
    ],
}

TRUE = [True]
FALSE = [False]
EMPTY: list[Any] = []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 = 1.0", TRUE),
        ("1.10 = 1.1", TRUE),
        ("1 = true", FALSE),
        ("'a' = 'A'", FALSE),
        ("{} = {}", EMPTY),
        ("1 != {}", EMPTY),
        ("(1 | 2) = (1 | 2)", TRUE),
        ("(1 | 2) = (2 | 1)", FALSE),
        ("(1 | 2) != (1 | 2 | 3)", TRUE),
        ("@2012 = @2012", TRUE),
        ("@2012-01 = @2012", EMPTY),
        ("@2012-01 = @2013", FALSE),
        ("@2012-01-01T10:30:31.0 = @2012-01-01T10:30:31", TRUE),
        ("@2012-01-01T10:30:31.1 = @2012-01-01T10:30:31", FALSE),
        ("@2017-11-05T01:30:00.0-04:00 = @2017-11-05T00:30:00.0-05:00", TRUE),
        ("@2017-11-05T01:30Z = @2017-11-05T01:30", EMPTY),
        ("@2017-11-05T01:30Z = @2017-11-08T01:30", FALSE),
        ("@2012-01-01 = @T10", FALSE),
        ("@2012-01-01 = @2012-01-01T", TRUE),
        ("(@2012 | 1) = (@2012-01 | 1)", EMPTY),
        ("(@2012 | 1) = (@2012-01 | 2)", FALSE),
        ("1 'h' = 3600 's'", TRUE),
        ("7 days = 1 'wk'", TRUE),
        ("1 year = 12 months", TRUE),
        ("1 year = 1 'a'", EMPTY),
        ("1 'cm' = 1 's'", EMPTY),
        ("23 = 23 '1'", TRUE),
        ("value = 72.5 'kg'", TRUE),
        ("value = 73 'kg'", FALSE),
        ("referenceRange[0] = referenceRange[1]", TRUE),
        ("component[0].code = component[1].code", FALSE),
        ("1.type() = 2.type()", TRUE),
        ("1.type() = 'a'.type()", FALSE),
    ],
)
def test_equals(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#equals."""
    assert evaluate(expression, OBSERVATION) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{} ~ {}", True),
        ("1 ~ {}", False),
        ("'a b' ~ 'A\\tB'", True),
        ("'a  b' ~ 'a b'", False),
        ("1.2 / 1.8 ~ 0.67", True),
        ("1.2 / 1.8 !~ 0.6", True),
        ("1.10 ~ 1.1", True),
        ("1 ~ true", False),
        ("true ~ true", True),
        ("@2012-01 ~ @2012", False),
        ("@2012 ~ @2012", True),
        ("(1 | 2 | 3) ~ (3 | 1 | 2)", True),
        ("(1 | 2).combine(2) ~ (1 | 2).combine(1)", False),
        ("1 year ~ 1 'a'", True),
        ("1 'mo' ~ 1 month", True),
        ("1 'h' ~ 61 'min'", True),
        ("1 'h' ~ 91 'min'", False),
        ("1 'cm' ~ 1 's'", False),
        ("value ~ 72.5 'kg'", True),
        ("component[0].code ~ component[1].code", True),
        ("component[0].code ~ component[2].code", False),
        ("component[0] ~ component[1]", True),
        ("component[0] ~ component[2]", False),
        ("component[0].code.coding ~ component[1].code.coding.first()", True),
        ("code.coding ~ component[0].code.coding", False),
        ("component[0] ~ component[0].code", False),
    ],
)
def test_equivalent(expression: str, expected: bool) -> None:
    """http://hl7.org/fhirpath/N1/#equivalent, https://hl7.org/fhir/R4/fhirpath.html#changes."""
    assert evaluate(expression, OBSERVATION) == [expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 < 2", TRUE),
        ("2 <= 2.0", TRUE),
        ("'abc' > 'ABC'", TRUE),
        ("'a' >= 'b'", FALSE),
        ("1 > {}", EMPTY),
        ("@2018-03-01 > @2018-01-01", TRUE),
        ("@2018-03 > @2018-03-01", EMPTY),
        ("@2018-03-01T10 > @2018-03-01T10:30", EMPTY),
        ("@2018-03-01T10:30:00 > @2018-03-01T10:30:00.0", FALSE),
        ("@2018-01-01T16:00:00+12:00 < @2018-01-01T15:00:00.0+10:00", TRUE),
        ("@2018-01-01T16:00:00+11:00 < @2018-01-01T15:00:00.0+10:00", FALSE),
        ("@2018-01-01T23:30-12:00 > @2018-01-02T10:00Z", TRUE),
        ("@2018-01-01T12:00Z < @2018-01-01T18:00", EMPTY),
        ("@2018-01-01T12:00Z < @2018-01-03", TRUE),
        ("@2018-01-05 > @2018-01-01T12:00Z", TRUE),
        ("@0001-01-01T00:00+14:00 < @0001-01-01T00:00Z", TRUE),
        ("@9999-12-31T23:00-12:00 > @9999-12-31T23:00Z", TRUE),
        ("@T10 < @T10:30", EMPTY),
        ("@T10:30:00 < @T10:30:01", TRUE),
        ("6 days < 1 week", TRUE),
        ("1 'h' > 59 'min'", TRUE),
        ("1 year > 1 'a'", EMPTY),
        ("value < 100 'kg'", TRUE),
        ("value < 100 'g'", EMPTY),
        ("referenceRange[0].high > referenceRange[1].high", EMPTY),
        ("2 < 3 '1'", TRUE),
    ],
)
def test_comparison(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#comparison."""
    assert evaluate(expression, OBSERVATION) == expected


@pytest.mark.parametrize(
    ("operator", "table"),
    [
        ("and", "true false empty false false false empty false empty"),
        ("or", "true true true true false empty true empty empty"),
        ("xor", "false true empty true false empty empty empty empty"),
        ("implies", "true false empty true true true true empty empty"),
    ],
)
def test_boolean_logic(operator: str, table: str) -> None:
    """http://hl7.org/fhirpath/N1/#boolean-logic, the rows and columns in the order true, false, empty."""
    operands = ("true", "false", "{}")
    found = [evaluate(f"{left} {operator} {right}", {}) for left in operands for right in operands]
    assert found == [{"true": TRUE, "false": FALSE, "empty": EMPTY}[cell] for cell in table.split()]


def test_a_single_item_counts_as_true() -> None:
    """http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections."""
    assert evaluate("true and 'no Boolean'", {}) == TRUE
    assert evaluate("code implies value", OBSERVATION) == TRUE


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 | 2 | 1", [1, 2]),
        ("1 | 1.0 | 'a' | true", [1, "a", True]),
        ("1 in (1 | 2)", TRUE),
        ("3 in (1 | 2)", FALSE),
        ("{} in (1 | 2)", EMPTY),
        ("1 in {}", FALSE),
        ("(1 | 2) contains 2", TRUE),
        ("{} contains 2", FALSE),
        ("(1 | 2) contains {}", EMPTY),
        ("@2012 in (@2012-01 | @2012)", TRUE),
    ],
)
def test_collections(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#collections-2."""
    assert evaluate(expression, {}) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("5 + 10.0", [Decimal("15.0")]),
        ("'ABC' + 'DEF'", ["ABCDEF"]),
        ("'ABC' + {}", EMPTY),
        ("'ABC' & {} & 'DEF'", ["ABCDEF"]),
        ("{} & {}", [""]),
        ("1.8 - 1.2", [Decimal("0.6")]),
        ("1.2 * 1.8", [Decimal("2.16")]),
        ("2 * 3", [6]),
        ("1 / 2", [Decimal("0.5")]),
        ("1 / 0", EMPTY),
        ("0.0 / 0", EMPTY),
        ("5 div 2", [2]),
        ("(-5) div 2", [-2]),
        ("5.5 div 0.7", [Decimal(7)]),
        ("5 div 0", EMPTY),
        ("5 mod 2", [1]),
        ("(-5) mod 2", [-1]),
        ("5.5 mod 0.7", [Decimal("0.6")]),
        ("5 mod 0", EMPTY),
        ("2147483647 + 1", EMPTY),
        ("2147483647 * 2147483647", EMPTY),
        ("-5 + 3", [-2]),
        ("+5", [5]),
        ("-{}", EMPTY),
        ("(-(5.5 'mg')) = -5.5 'mg'", TRUE),
    ],
)
def test_arithmetic(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#math-2."""
    assert evaluate(expression, {}) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(2 minutes + 60 seconds).toString()", ["3 minutes"]),
        ("(60 's' + 2 minutes).toString()", ["180 's'"]),
        ("(1 minute - 30 's').toString()", ["0.5 minutes"]),
        ("(3 'd' + 1 'wk').toString()", ["10 'd'"]),
        ("3 'm' + 3 'kg'", EMPTY),
        ("3 'm' + 1", EMPTY),
        ("(12 'cm' * 3 'cm').toString()", ["36 'cm2'"]),
        ("(3 * 2 'cm').toString()", ["6 'cm'"]),
        ("(120 'm' / 60 's').toString()", ["2 'm/s'"]),
        ("(60 / 1 's').toString()", ["60 '/s'"]),
        ("(60 's' / 2).toString()", ["30 's'"]),
        ("(1 'h' / 30 'min').toString()", ["2 '1'"]),
        ("(4.0 'g' / 2.0 'm').toString()", ["2 'g/m'"]),
        ("12 days * 45 'm'", EMPTY),
        ("12 'm2' * 45 'm'", EMPTY),
        ("12 'm2' / 45 'm'", EMPTY),
        ("1 'm' / 0 's'", EMPTY),
        ("(12 'kg' * 2 'm').toString()", ["24 'kg.m'"]),
    ],
)
def test_arithmetic_with_quantities(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#math-2, as far as no conversion by UCUM is needed."""
    assert evaluate(expression, {}) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 < 'a'", "there is no order between System.Integer and System.String"),
        ("true < false", "there is no order between System.Boolean and System.Boolean"),
        ("@2012 < @T10", "there is no order between System.Date and System.Time"),
        ("code > 1", "there is no order between FHIR.CodeableConcept and System.Integer"),
        ("(1 | 2) > 1", "'>' takes a single item, not 2"),
        ("(1 | 2) in (1 | 2)", "membership is asked of a single item, not of 2"),
        ("(1 | 2) and true", "'and' takes a single item, not 2"),
        ("'a' - 'b'", "'-' is not defined for System.String and System.String"),
        ("'a' * 2", "'*' is not defined for System.String and System.Integer"),
        ("true + 1", "'+' is not defined for System.Boolean and System.Integer"),
        ("'a' / 2", "'/' is not defined for System.String and System.Integer"),
        ("1 'm' div 2", "'div' is not defined for System.Quantity and System.Integer"),
        ("1 'm' mod 2", "'mod' is not defined for System.Quantity and System.Integer"),
        ("-'a'", "'-' is not defined for System.String"),
        ("(1 | 2) & 'b'", "'&' takes a single item, not 2"),
        ("1 & 'b'", "'&' takes a String, not a System.Integer"),
    ],
)
def test_wrong_operands(expression: str, message: str) -> None:
    """What an operator is not defined for is an error that names the types, never the values."""
    with pytest.raises(FhirPathEvaluationError) as caught:
        evaluate(expression, OBSERVATION)
    assert str(caught.value) == f"FHIRPath: {message}"


ITEMS = st.one_of(
    st.booleans(),
    st.text(alphabet="ab'\\ ", max_size=3),
    st.integers(-3, 3),
    st.decimals(-3, 3, places=1),
)


@given(st.lists(ITEMS, max_size=6), st.lists(ITEMS, max_size=6))
def test_the_laws_of_sets(left: list[Any], right: list[Any]) -> None:
    """Union, intersection, exclusion, membership and distinct agree with each other."""
    variables = {"a": left, "b": right}

    def ask(expression: str) -> list[Any]:
        return evaluate(expression, {}, variables=variables)

    assert ask("(%a | %b).count() = %a.combine(%b).distinct().count()") == TRUE
    assert ask("%a.intersect(%b).subsetOf(%b) and %a.intersect(%b).subsetOf(%a)") == TRUE
    assert ask("%a.exclude(%b).all(($this in %b).not())") == TRUE
    assert ask("%a.distinct().isDistinct()") == TRUE
    assert ask("(%a | %b).supersetOf(%a) and %a.subsetOf(%b | %a)") == TRUE
    assert ask("%a ~ %a") == TRUE
    assert ask("%a = %a") == (TRUE if left else EMPTY)
