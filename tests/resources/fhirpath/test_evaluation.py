"""Evaluating expressions on resources: http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from resources.fhirpath import FhirPathEvaluationError, FhirPathSyntaxError, Node, evaluate, evaluate_items
from resources.operation_outcome import FhirError

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "contained": [
        {"resourceType": "Organization", "id": "org", "name": "Ward"},
        {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Doe"}]},
    ],
    "extension": [{"url": "urn:size", "valueQuantity": {"value": Decimal("1.80"), "unit": "m"}}],
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", None], "_given": [None, {"id": "g2"}]},
        {"use": "usual", "given": ["Jim"]},
    ],
    "birthDate": "1974-12-25",
    "_birthDate": {
        "id": "b",
        "extension": [{"url": "urn:time", "valueDateTime": "1974-12-25T14:35:45-05:00"}],
    },
    "_gender": {"extension": [{"url": "urn:why", "valueCode": "unknown"}]},
    "multipleBirthInteger": 2,
    "managingOrganization": {"reference": "#org"},
    "generalPractitioner": [{"reference": "#doc"}, {"reference": "Practitioner/2"}, {"display": "someone"}],
    "contact": [{"name": {"text": "Ann"}, "period": {"start": "2012"}}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "valueQuantity": {"value": 12, "system": "http://unitsofmeasure.org", "code": "mg"},
    "component": [{"valueString": "a"}, {"valueInteger": 5}, {"valueDateTime": "2012"}],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.given", ["Peter", None, "Jim"]),
        ("Patient.name.use", ["official", "usual"]),
        ("DomainResource.active", [True]),
        ("Resource.id", ["p1"]),
        ("Observation.id", []),
        ("name[1].given", ["Jim"]),
        ("name[7].given", []),
        ("name[-1].given", []),
        ("name.period", []),
        ("nothing.at.all", []),
        ("`name`.`given`[2]", ["Jim"]),
        ("multipleBirth", [2]),
        ("multipleBirthInteger", []),
        ("extension.value.unit", ["m"]),
        ("extension.value.value", [Decimal("1.80")]),
        ("contact.name.text", ["Ann"]),
        ("contained.name", ["Ward", {"family": "Doe"}]),
        ("contained.name.family", ["Doe"]),
        ("birthDate.id", ["b"]),
        ("birthDate.value", ["1974-12-25"]),
        ("name.given.id", ["g2"]),
        ("gender", [None]),
        ("gender.extension.value", ["unknown"]),
        ("$this.id", ["p1"]),
        ("{}", []),
    ],
)
def test_paths(expression: str, expected: list[Any]) -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#rules."""
    assert evaluate(expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("value is Quantity", [True]),
        ("value is FHIR.Quantity", [True]),
        ("value is System.Quantity", [False]),
        ("value is Element", [True]),
        ("value is string", [False]),
        ("$this is DomainResource", [True]),
        ("$this is System.Patient", [False]),
        ("note is Annotation", []),
        ("(value as Quantity).code", ["mg"]),
        ("(value as string)", []),
        ("value.as(Quantity).code", ["mg"]),
        ("status is code", [True]),
        ("status is string", [True]),
        ("status.as(string)", []),
        ("status.ofType(string)", []),
        ("status.ofType(code)", ["final"]),
        ("status.as(System.String).upper()", ["FINAL"]),
        ("component.value.ofType(string)", ["a"]),
        ("component.value.ofType(integer) + 1", [6]),
        ("component.value.ofType(System.DateTime)", ["2012"]),
        ("component.ofType(BackboneElement).count()", [3]),
        ("status.is(System.Any)", [False]),
        ("'a'.is(System.Any)", [True]),
        ("1 is Integer", [True]),
        ("1 is Decimal", [False]),
        ("(1 | 2).ofType(Integer)", [1, 2]),
        ("@2012 is Date", [True]),
        ("@2012T is DateTime", [True]),
        ("status.type().namespace & '.' & status.type().name", ["FHIR.code"]),
        ("status.type().baseType", ["FHIR.string"]),
        ("1.type()", [{"namespace": "System", "name": "Integer", "baseType": "System.Any"}]),
        ("component[0].type().name", ["BackboneElement"]),
        ("status.type().type().name", ["Any"]),
        ("status.type().other", []),
    ],
)
def test_types(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#types-and-reflection, https://hl7.org/fhir/R4/fhirpath.html#types."""
    assert evaluate(expression, OBSERVATION) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.select(given.first() & ' ' & family)", ["Peter Chalmers", "Jim "]),
        ("name.where($index = 1).use", ["usual"]),
        ("name.select(given.select($index))", [0, 1, 0]),
        ("$index", []),
        ("$total", []),
        ("name.given.first().select($this.length())", [5]),
        ("name.select(use.union(%context.name.given)).count()", [8]),
        ("name.use.combine($this.id)", ["official", "usual", "p1"]),
    ],
)
def test_scopes(expression: str, expected: list[Any]) -> None:
    """An argument that is asked for each item sees it as `$this`; others see what surrounds the call."""
    assert evaluate(expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("%resource.id", ["p1"]),
        ("%context.id", ["p1"]),
        ("%rootResource.id", ["p1"]),
        ("%ucum", ["http://unitsofmeasure.org"]),
        ("%sct", ["http://snomed.info/sct"]),
        ("%loinc", ["http://loinc.org"]),
        ("%`vs-administrative-gender`", ["http://hl7.org/fhir/ValueSet/administrative-gender"]),
        ("%'ext-patient-birthTime'", ["http://hl7.org/fhir/StructureDefinition/patient-birthTime"]),
        ("%number + 1", [42]),
        ("%list.count()", [2]),
        ("%other.status", ["final"]),
        ("%other is Observation", [True]),
        ("%nothing", []),
    ],
)
def test_variables(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#environment-variables, https://hl7.org/fhir/R4/fhirpath.html#vars."""
    variables = {"number": 41, "list": ["a", "b"], "other": OBSERVATION, "nothing": []}
    assert evaluate(expression, PATIENT, variables=variables) == expected


def test_variables_in_a_contained_resource() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#variables: the root resource is the container of the resource."""
    family = evaluate_items("contained.name.family", PATIENT)[0]
    assert isinstance(family, Node)
    found = evaluate("%context | %resource.id | %rootResource.id", family)
    assert found == ["Doe", "doc", "p1"]


def test_nodes_know_their_place() -> None:
    """Elements are returned with their type, and with the key and index where they stand."""
    given = evaluate_items("name.given", PATIENT)[2]
    assert isinstance(given, Node)
    assert (given.type, given.key, given.index, given.value) == ("string", "given", 0, "Jim")
    assert given.parent is not None
    assert (given.parent.type, given.parent.key, given.parent.index) == ("HumanName", "name", 1)
    assert repr(given) == "<string given>"


def test_what_the_caller_provides() -> None:
    """Other resources, value sets and the time are asked of the caller."""
    other = {"resourceType": "Practitioner", "id": "2", "active": True}
    known = {"Practitioner/2": other, "urn:x": other}
    assert evaluate("generalPractitioner.resolve().id", PATIENT, resolve=known.get) == ["doc", "2"]
    assert evaluate("generalPractitioner.resolve().id", PATIENT) == ["doc"]
    assert evaluate("'urn:x'.resolve() is Practitioner", PATIENT, resolve=known.get) == [True]
    assert evaluate("managingOrganization.resolve().name", PATIENT) == ["Ward"]
    asked: list[Any] = []

    def member_of(coded: Any, url: str) -> bool:
        asked.append((coded, url))
        return True

    assert evaluate("status.memberOf('urn:v')", OBSERVATION, member_of=member_of) == [True]
    assert evaluate("note.memberOf('urn:v')", OBSERVATION, member_of=member_of) == []
    assert asked == [("final", "urn:v")]
    now = datetime(2024, 2, 29, 12, 30, 15, 250_999, tzinfo=UTC)
    assert evaluate("now() | today() | timeOfDay()", {}, now=now) == [
        "2024-02-29T12:30:15.250Z",
        "2024-02-29",
        "12:30:15.250",
    ]


def test_references_within_a_contained_resource() -> None:
    """https://hl7.org/fhir/R4/references.html#contained: `#` is the container, `#id` a sibling."""
    resource = {
        "resourceType": "Patient",
        "id": "outer",
        "contained": [
            {
                "resourceType": "Provenance",
                "target": [{"reference": "#"}, {"reference": "#o"}, {"reference": "#x"}],
            },
            {"resourceType": "Organization", "id": "o"},
        ],
    }
    assert evaluate("contained.target.resolve().id", resource) == ["outer", "o"]


def test_now_is_the_same_everywhere() -> None:
    """http://hl7.org/fhirpath/N1/#current-date-and-time-functions: in one evaluation time stands still."""
    assert evaluate("now() = now() and timeOfDay() = timeOfDay() and today() = now().toDate()", {}) == [True]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("extension('urn:size').value.unit", ["m"]),
        ("birthDate.extension('urn:time').value", ["1974-12-25T14:35:45-05:00"]),
        ("extension('urn:other')", []),
        ("extension({})", []),
        ("birthDate.hasValue()", [True]),
        ("gender.hasValue()", [False]),
        ("name.hasValue()", [False]),
        ("name.given.hasValue()", [False]),
        ("name.given.select(hasValue())", [True, False, True]),
        ("birthDate.getValue() is System.Date", [True]),
        ("gender.getValue()", []),
        ("name.first().getValue()", []),
        ("checkModifiers().id", ["p1"]),
        ("active.htmlChecks()", []),
        ("'<div>'.htmlChecks()", []),
    ],
)
def test_functions_of_fhir(expression: str, expected: list[Any]) -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#functions."""
    assert evaluate(expression, PATIENT) == expected


def test_modifiers_and_narratives_are_checked() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#functions: checkModifiers() and htmlChecks()."""
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p></div>'
    resource = {
        "resourceType": "Basic",
        "text": {"status": "generated", "div": div},
        "modifierExtension": [{"url": "urn:m", "valueBoolean": True}],
    }
    assert evaluate("checkModifiers('urn:m').text.`div`.htmlChecks()", resource) == [True]
    assert evaluate("text.`div`.htmlChecks()", {**resource, "text": {"div": "<div><script/></div>"}}) == [
        False
    ]
    with pytest.raises(FhirPathEvaluationError, match="a modifier extension that is not allowed"):
        evaluate("checkModifiers('urn:other')", resource)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("name.single()", "single() found 2 items"),
        ("name is HumanName", "'is' takes a single item, not 2"),
        ("name as HumanName", "'as' takes a single item, not 2"),
        ("name.as(HumanName)", "'as' takes a single item, not 2"),
        ("active is Strange", "there is no type 'Strange'"),
        ("active is FHIR.Strange", "there is no type 'FHIR.Strange'"),
        ("active.ofType(1)", "a type is named by a name, or by two with a point between them"),
        ("active.strange()", "there is no function strange()"),
        ("active.where()", "where() does not take 0 arguments"),
        ("active.empty(1)", "empty() does not take 1 arguments"),
        ("%strange", "there is no variable %strange"),
        ("@2015-02-30", "@2015-02-30 is no date"),
        ("@T25", "@25 is no time"),
        ("name['a']", "[] takes an Integer, not a System.String"),
        ("name.memberOf('urn:v')", "memberOf() needs a terminology service"),
        ("conformsTo('urn:p')", "conformsTo() is not supported here: it needs a validator of profiles"),
        ("slice('urn:p', 'a')", "slice() is not supported here: it needs the definitions of profiles"),
        (
            "elementDefinition()",
            "elementDefinition() is not supported here: it needs the definitions as data",
        ),
        ("subsumes(active)", "subsumes() is not supported here: it needs a terminology service"),
        ("subsumedBy(active)", "subsumedBy() is not supported here: it needs a terminology service"),
        ("name.where(given)", "a criterion takes a single item, not 2"),
        ("name.allTrue()", "this function takes Booleans, not a FHIR.HumanName"),
        ("iif('a', 1)", "the criterion of iif() takes a Boolean, not a System.String"),
        ("name.iif(true, 1)", "iif() takes a single item, not 2"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    """An expression that cannot be evaluated is an error that says why."""
    with pytest.raises(FhirPathEvaluationError) as caught:
        evaluate(expression, PATIENT)
    assert str(caught.value) == f"FHIRPath: {message}"


def test_a_value_set_is_asked_of_one_item() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#functions: memberOf() is invoked on one element."""
    with pytest.raises(FhirPathEvaluationError, match="takes a single item, not 2"):
        evaluate("name.memberOf('urn:v')", PATIENT, member_of=lambda _coded, _url: True)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("name.given1", "a FHIR.HumanName has no element given1"),
        ("Observation.id", "the path begins with Observation, but is evaluated on something else"),
        ("multipleBirthInteger", "a FHIR.Patient has no element multipleBirthInteger"),
        ("(multipleBirth as integer).given", "a FHIR.integer has no element given"),
        ("(id as Period).unit", "a FHIR.Period has no element unit"),
        ("active.select((id as Period).unit)", "a FHIR.Period has no element unit"),
        ("'a'.name", "a System.String has no element name"),
        ("children().skip(1)", "skip() is asked of items that have no order"),
        ("descendants().where(id = 'a').first()", "first() is asked of items that have no order"),
        ("iif(true, children().id[0])", "an index is asked of items that have no order"),
    ],
)
def test_strict_evaluation(expression: str, message: str) -> None:
    """http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation: what finds nothing is an error."""
    evaluate(expression, PATIENT)
    with pytest.raises(FhirPathEvaluationError) as caught:
        evaluate(expression, PATIENT, is_strict=True)
    assert str(caught.value) == f"FHIRPath: {message}"


def test_what_is_right_is_right_in_strict_evaluation() -> None:
    """Strict evaluation finds the same where there is no mistake."""
    for expression in (
        "name.given",
        "Patient.contact.name",
        "(1 'mg').value",
        "1.type().name",
        "children().count()",
    ):
        assert evaluate(expression, PATIENT, is_strict=True) == evaluate(expression, PATIENT)


def test_results_are_json() -> None:
    """Values that an expression makes come as FHIR has them in JSON."""
    assert evaluate("@2012-01-01T10:00:00+02:00 | @T10:30 | @2012-01", {}) == [
        "2012-01-01T10:00:00+02:00",
        "10:30",
        "2012-01",
    ]
    assert evaluate("1.50 'mg' | 2 days", {}) == [
        {"value": Decimal("1.50"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
        {"value": Decimal(2), "unit": "day"},
    ]


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "name": "no object"},
        {"resourceType": "Patient", "name": [1, None, ["x"]]},
        {"resourceType": "Patient", "_name": 5, "active": {"a": 1}, "_active": "x"},
        {"resourceType": "Patient", "birthDate": "no date", "contained": ["x", {"resourceType": 5}]},
        {"resourceType": "Strange", "a": 1},
        {"resourceType": ["x"]},
        {},
    ],
)
def test_any_json_can_be_walked(resource: dict[str, Any]) -> None:
    """A resource that was not validated gives what there is, and never another error than a FhirError."""
    for expression in (
        "descendants()",
        "name.given",
        "active and birthDate < today()",
        "contained.id",
        "$this = $this",
    ):
        try:
            evaluate(expression, resource)
        except FhirError:
            continue


def test_syntax_errors_are_as_the_parser_has_them() -> None:
    """A text that is no expression is refused before anything is evaluated."""
    with pytest.raises(FhirPathSyntaxError):
        evaluate("name.", PATIENT)


def test_a_variable_must_be_json() -> None:
    """What is no JSON value is a mistake of the program, not of the expression."""
    with pytest.raises(TypeError, match="object is no value of FHIRPath"):
        evaluate("%a", {}, variables={"a": object()})
