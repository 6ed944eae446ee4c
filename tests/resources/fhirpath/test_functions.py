"""The functions on collections, values and the tree: http://hl7.org/fhirpath/N1/#functions-2."""

from decimal import Decimal
from typing import Any

import pytest

from resources.fhirpath import FhirPathEvaluationError, evaluate

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
        {"use": "maiden", "family": "Windsor", "given": ["Peter", "James"]},
    ],
    "_birthDate": {"extension": [{"url": "urn:x", "valueBoolean": True}]},
}
QUESTIONNAIRE: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "item": [{"linkId": "1", "item": [{"linkId": "1.1"}, {"linkId": "1.2"}]}, {"linkId": "2"}],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.empty()", [False]),
        ("{}.empty()", [True]),
        ("name.exists()", [True]),
        ("name.exists(use = 'nickname')", [False]),
        ("name.exists(use = 'usual')", [True]),
        ("name.all(given.exists())", [True]),
        ("name.all(family.exists())", [False]),
        ("{}.all(false)", [True]),
        ("true.not()", [False]),
        ("{}.not()", []),
        ("0.not()", [False]),
        ("(true | false).allTrue()", [False]),
        ("{}.allTrue()", [True]),
        ("(true | false).anyTrue()", [True]),
        ("{}.anyTrue()", [False]),
        ("(true | false).allFalse()", [False]),
        ("{}.allFalse()", [True]),
        ("(true | false).anyFalse()", [True]),
        ("{}.anyFalse()", [False]),
        ("name.first().subsetOf($this.name)", [True]),
        ("{}.subsetOf(1)", [True]),
        ("1.subsetOf({})", [False]),
        ("name.supersetOf($this.name.first())", [True]),
        ("{}.supersetOf(1)", [False]),
        ("name.count()", [3]),
        ("name.given.distinct()", ["Peter", "James", "Jim"]),
        ("name.given.isDistinct()", [False]),
        ("name.use.isDistinct()", [True]),
    ],
)
def test_existence(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#existence."""
    assert evaluate(expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.where(use = 'usual').given", ["Jim"]),
        ("name.where(family.startsWith('C')).use", ["official"]),
        ("name.select(given | family)", ["Peter", "James", "Chalmers", "Jim", "Peter", "James", "Windsor"]),
        ("{}.select('x')", []),
        ("name.use.single()", None),
        ("name.first().use.single()", ["official"]),
        ("name.use.first()", ["official"]),
        ("name.use.last()", ["maiden"]),
        ("name.use.tail()", ["usual", "maiden"]),
        ("{}.first() | {}.last() | {}.tail()", []),
        ("name.use.skip(2)", ["maiden"]),
        ("name.use.skip(-1).count()", [3]),
        ("name.use.skip({})", []),
        ("name.use.take(2)", ["official", "usual"]),
        ("name.use.take(0)", []),
        ("name.use.take(9).count()", [3]),
        ("(1 | 2 | 3).intersect(2 | 4)", [2]),
        ("1.combine(1).intersect(1)", [1]),
        ("(1 | 2 | 3).exclude(2)", [1, 3]),
        ("1.combine(1).exclude(2)", [1, 1]),
        ("1.combine(1).union(2)", [1, 2]),
        ("(1 | 2).combine(2)", [1, 2, 2]),
        ("(1 | 2 | 3).aggregate($this + $total, 2)", [8]),
        ("(3 | 1 | 2).aggregate(iif($total.empty() or $this < $total, $this, $total))", [1]),
        ("name.aggregate($index, 0)", [2]),
        ("{}.aggregate($this, 7)", [7]),
        ("(3 | 1 | 2).sort()", [1, 2, 3]),
        ("(3 | 1 | 2).sort(-$this)", [3, 2, 1]),
        ("('b' | 'a').sort(-$this)", ["b", "a"]),
        ("name.sort(-family, given.first()).use", ["usual", "maiden", "official"]),
        ("name.sort(given.first(), family).use", ["usual", "official", "maiden"]),
        ("name.sort(family).use", ["official", "maiden", "usual"]),
        ("iif(active, 'yes', 'no')", ["yes"]),
        ("iif({}, 'yes', 'no')", ["no"]),
        ("iif(false, 'yes')", []),
        ("iif(true, 'yes', name.single())", ["yes"]),
        ("name.first().iif(use = 'official', given.first(), 'other')", ["Peter"]),
        ("name.select(iif(true, $index, 9))", [0, 1, 2]),
    ],
)
def test_filtering_subsetting_and_combining(expression: str, expected: list[Any] | None) -> None:
    """http://hl7.org/fhirpath/N1/#filtering-and-projection and the two chapters after it; None: an error."""
    if expected is None:
        with pytest.raises(FhirPathEvaluationError):
            evaluate(expression, PATIENT)
    else:
        assert evaluate(expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("repeat(item).linkId", ["1", "2", "1.1", "1.2"]),
        ("descendants().linkId", ["1", "1.1", "1.2", "2"]),
        ("descendants().where($this is Questionnaire)", []),
        ("item.children().linkId", ["1.1", "1.2"]),
        ("item[1].children()", ["2"]),
        ("item[1].linkId.children()", ["2"]),
        ("item[1].linkId.children() is System.String", [True]),
        ("item.trace('items').count()", [2]),
        ("item.trace('ids', linkId).count()", [2]),
        ("'x'.children()", []),
        ("1.repeat('a')", ["a"]),
    ],
)
def test_tree_navigation(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#tree-navigation, http://hl7.org/fhirpath/N1/#utility-functions."""
    assert evaluate(expression, QUESTIONNAIRE) == expected


def test_children_of_a_primitive() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#functions: a primitive has its value among its children."""
    assert evaluate("birthDate.children().value", PATIENT) == [True]
    assert evaluate("active.children()", PATIENT) == [True]
    assert evaluate("birthDate.descendants().count()", PATIENT) == [5]


def test_nothing_of_a_patient_is_traced(capfd: pytest.CaptureFixture[str]) -> None:
    """What trace() is called on are patients' data: it goes nowhere."""
    evaluate("name.trace('names')", PATIENT)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true.toBoolean()", [True]),
        ("'YES'.toBoolean()", [True]),
        ("'f'.toBoolean()", [False]),
        ("'maybe'.toBoolean()", []),
        ("1.toBoolean()", [True]),
        ("0.0.toBoolean()", [False]),
        ("2.toBoolean()", []),
        ("0.5.toBoolean()", []),
        ("@2012.toBoolean()", []),
        ("'+12'.toInteger()", [12]),
        ("'2147483648'.toInteger()", []),
        ("'99999999999999999999'.toInteger()", []),
        ("'1.0'.toInteger()", []),
        ("false.toInteger()", [0]),
        ("1.5.toInteger()", []),
        ("'1.50'.toDecimal()", [Decimal("1.50")]),
        ("'1e5'.toDecimal()", []),
        ("true.toDecimal()", [Decimal("1.0")]),
        ("'٣'.toInteger()", []),
        ("1.toDecimal() is Decimal", [True]),
        ("'4 days'.toQuantity().toString()", ["4 days"]),
        ("'10 \\'mm[Hg]\\''.toQuantity().toString()", ["10 'mm[Hg]'"]),
        ("'4 wk'.toQuantity()", []),
        ("1.5.toQuantity().toString()", ["1.5 '1'"]),
        ("true.toQuantity().toString()", ["1.0 '1'"]),
        ("@2012.toQuantity()", []),
        ("1 'h'.toQuantity('min').toString()", ["60 'min'"]),
        ("1 'h'.toQuantity('kg')", []),
        ("1 'h'.convertsToQuantity('kg')", [False]),
        ("'1 week'.convertsToQuantity()", [True]),
        ("{}.convertsToQuantity()", []),
        ("1.50.toString()", ["1.50"]),
        ("true.toString()", ["true"]),
        ("name.first().toString()", []),
        ("name.first().convertsToString()", [False]),
        ("{}.toString()", []),
        ("'2012-02-30'.toDate()", []),
        ("'2012-02'.toDate()", ["2012-02"]),
        ("@2012-02-03T10:00Z.toDate()", ["2012-02-03"]),
        ("@2012-02.toDateTime() is DateTime", [True]),
        ("'2012-02-03T10:00'.toDateTime()", ["2012-02-03T10:00"]),
        ("'2012-02-03T24:00'.toDateTime()", []),
        ("'2012-02-03T10:00+15:00'.toDateTime()", []),
        ("'14:34'.toTime()", ["14:34"]),
        ("'14:34:60'.toTime()", []),
        ("@T14:34.toTime()", ["14:34"]),
        ("@2012.toTime()", []),
        ("'x'.convertsToTime()", [False]),
        ("'1'.convertsToInteger()", [True]),
        ("{}.convertsToInteger()", []),
    ],
)
def test_conversion(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#conversion."""
    assert evaluate(expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(-5).abs()", [5]),
        ("(-5.5 'mg').abs() = 5.5 'mg'", [True]),
        ("(-1.1).ceiling()", [-1]),
        ("(-1.1).floor()", [-2]),
        ("(-1.56).truncate()", [-1]),
        ("(1.5 'mg').ceiling() = 2 'mg'", [True]),
        ("3000000000.5.floor()", []),
        ("0.exp()", [Decimal(1)]),
        ("100000.exp()", []),
        ("1.ln()", [Decimal(0)]),
        ("0.ln()", []),
        ("(-1).ln()", []),
        ("16.log(2)", [Decimal(4)]),
        ("100.0.log(10.0)", [Decimal(2)]),
        ("16.log(1)", []),
        ("16.log({})", []),
        ("2.power(3)", [Decimal(8)]),
        ("2.power(-1)", [Decimal("0.5")]),
        ("(-1).power(0.5)", []),
        ("10.power(1000000)", []),
        ("81.sqrt()", [Decimal(9)]),
        ("(-1).sqrt()", []),
        ("3.14159.round(3)", [Decimal("3.142")]),
        ("2.5.round()", [Decimal(3)]),
        ("(-2.5).round()", [Decimal(-3)]),
        ("(2.25 'mg').round(1) = 2.3 'mg'", [True]),
        ("{}.round()", []),
        ("{}.abs()", []),
        ("{}.floor()", []),
    ],
)
def test_mathematics(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#math; a result that cannot be represented is empty."""
    assert evaluate(expression, {}) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("'a'.abs()", "abs() takes a number, not a System.String"),
        ("'a'.ln()", "ln() takes a number, not a System.String"),
        ("1.round(-1)", "round() takes a number of decimal places that is not negative"),
        ("'a'.floor()", "floor() takes a number, not a System.String"),
        (
            "'a'.lowBoundary()",
            "lowBoundary() takes a number, Quantity, Date, DateTime or Time, not a System.String",
        ),
        ("'a'.precision()", "precision() takes a number, Date, DateTime or Time, not a System.String"),
    ],
)
def test_wrong_input(expression: str, message: str) -> None:
    """A function on numbers refuses what is none."""
    with pytest.raises(FhirPathEvaluationError) as caught:
        evaluate(expression, {})
    assert str(caught.value) == f"FHIRPath: {message}"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 'mg'.comparable(2 'mg')", [True]),
        ("1 'd'.comparable(2 'h')", [True]),
        ("1 year.comparable(1 'a')", [False]),
        ("1 'mg'.comparable(2 's')", [False]),
        ("1 'mg'.comparable({})", []),
        ("1 'mg'.comparable('x')", []),
        ("{}.comparable(1 'mg')", []),
    ],
)
def test_comparable(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/#comparableother--quantity--boolean."""
    assert evaluate(expression, {}) == expected
