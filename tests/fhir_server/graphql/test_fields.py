"""Which fields an object has, and which elements of a list are given.

https://hl7.org/fhir/R4/graphql.html#fields, https://hl7.org/fhir/R4/graphql.html#list
"""

from typing import Any

import pytest

from tests.fhir_server.graphql.conftest import Ask

pytestmark = pytest.mark.usefixtures("records")

_FIELDS: list[tuple[str, Any]] = [
    ("{ id resourceType active }", {"id": "ida", "resourceType": "Patient", "active": True}),
    ("{ name { family } }", {"name": [{"family": "Arenberg"}, {}, {"family": "Berg"}]}),
    ("{ name { period { start end } } }", {"name": [{"period": {"start": "1990"}}, {}, {}]}),
    ("{ multipleBirthInteger photo { url } }", {}),
    (
        "{ __typename name { __typename } }",
        {"__typename": "Patient", "name": [{"__typename": "HumanName"}] * 3},
    ),
    ("{ contact { __typename } }", {"contact": [{"__typename": "PatientContact"}]}),
    ("{ born: birthDate }", {"born": "1970-03-30"}),
    (
        "{ birthDate _birthDate { extension { valueDateTime } } }",
        {
            "birthDate": "1970-03-30",
            "_birthDate": {"extension": [{"valueDateTime": "1970-03-30T07:15:00Z"}]},
        },
    ),
    (
        "{ maritalStatus { text } maritalStatus { coding { code } } }",
        {"maritalStatus": {"text": "married", "coding": [{"code": "M"}]}},
    ),
    (
        "{ ...F } fragment F on Patient { gender ...G } fragment G on Patient { id }",
        {"gender": "female", "id": "ida"},
    ),
    (
        "{ ... on Patient { gender } ... on Resource { id } ... { active } }",
        {"gender": "female", "id": "ida", "active": True},
    ),
    (
        "{ contained { id resourceType } }",
        {
            "contained": [
                {"id": "doctor", "resourceType": "Practitioner"},
                {"id": "office", "resourceType": "Organization"},
            ]
        },
    ),
    ("{ contained { ... on Organization { name } } }", {"contained": [{}, {"name": "Office"}]}),
    ("{ contained { active } }", {"contained": [{"active": True}, {}]}),
]

_LISTS: list[tuple[str, Any]] = [
    ("{ name(use: official) { family } }", {"name": [{"family": "Arenberg"}]}),
    ('{ name(use: "official") { family } }', {"name": [{"family": "Arenberg"}]}),
    ("{ name(given: Ida) { family } }", {"name": [{"family": "Arenberg"}, {"family": "Berg"}]}),
    ("{ name(given: Ida, family: Berg) { use } }", {"name": [{"use": "maiden"}]}),
    ("{ name(use: old) { family } }", {}),
    ('{ name(fhirpath: "family.exists()") { use } }', {"name": [{"use": "official"}, {"use": "maiden"}]}),
    ('{ name(fhirpath: "$index = 1") { use } }', {"name": [{"use": "nickname"}]}),
    ('{ name(fhirpath: "use", given: Idi) { use } }', {"name": [{"use": "nickname"}]}),
    (
        "{ name(fhirpath: \"%resource.gender = 'female'\", _count: 1) { use } }",
        {"name": [{"use": "official"}]},
    ),
    ("{ name(_count: 2) { use } }", {"name": [{"use": "official"}, {"use": "nickname"}]}),
    ("{ name(_offset: 1, _count: 1) { use } }", {"name": [{"use": "nickname"}]}),
    ("{ name(given: Ida, _offset: 1) { use } }", {"name": [{"use": "maiden"}]}),
    ("{ name(_offset: 3) { use } }", {}),
    ("{ name(_count: 0) { use } }", {}),
    ("{ telecom(rank: 1) { value } }", {"telecom": [{"value": "2"}]}),
    ('{ eyes: extension(url: "urn:eyes") { value: valueString } }', {"eyes": [{"value": "green"}]}),
    ("{ extension(valueDecimal: 41.5) { valueDecimal } }", {"extension": [{"valueDecimal": 41.50}]}),
    ('{ maritalStatus(text: "single") { text } }', {}),
    ("{ maritalStatus(fhirpath: \"coding.code = 'M'\") { text } }", {"maritalStatus": {"text": "married"}}),
    ("{ contained(id: office) { id } }", {"contained": [{"id": "office"}]}),
    ('{ contained(fhirpath: "$this is Practitioner") { id } }', {"contained": [{"id": "doctor"}]}),
]


@pytest.mark.feature("operation.graphql.fields")
@pytest.mark.parametrize(("query", "expected"), _FIELDS)
def test_fields_are_the_properties_of_the_json(ask: Ask, query: str, expected: Any) -> None:
    """A field gives the property of its name; what is not there is left out; fragments are put in place."""
    assert ask("/Patient/ida", query).json() == {"data": expected}


@pytest.mark.feature("operation.graphql.list")
@pytest.mark.parametrize(("query", "expected"), _LISTS)
def test_arguments_select_among_elements(ask: Ask, query: str, expected: Any) -> None:
    """Values of sub-elements, a FHIRPath, and then offset and count say which elements are wanted."""
    assert ask("/Patient/ida", query).json() == {"data": expected}


def test_decimals_keep_their_digits(ask: Ask) -> None:
    """A decimal is given with the digits that it was stored with."""
    answer = ask("/Patient/ida", '{ extension(url: "urn:shoe") { valueDecimal } }')
    assert '"valueDecimal":41.5' in answer.text


def test_primitives_with_extensions_only_keep_their_place(ask: Ask) -> None:
    """Where `given` has a null for one that is in `_given` alone, both lists stay as long as they are."""
    expected = {"name": [{"given": [None, "Max"], "_given": [{"extension": [{"valueCode": "x"}]}, None]}]}
    assert ask("/Patient/max", "{ name { given _given { extension { valueCode } } } }").json() == {
        "data": expected
    }


_REFUSED = [
    ("{ nonsense }", "Cannot query field 'nonsense' on type 'Patient'."),
    ("{ value }", "Cannot query field 'value' on type 'Patient'."),
    ("{ name }", "Field 'name' of type '[HumanName]' must have a selection of subfields."),
    ("{ gender { x } }", "Field 'gender' must not have a selection since type 'code' has no subfields."),
    ("{ gender(x: 1) }", "Unknown argument 'x' on field 'Patient.gender'."),
    ("{ name(nonsense: x) { use } }", "Unknown argument 'nonsense' on field 'Patient.name'."),
    ("{ name(use: {}) { use } }", "The value does not have the type that is wanted here"),
    ("{ name(_count: few) { use } }", "The value does not have the type that is wanted here"),
    ("{ name(_count: -1) { use } }", "_offset and _count are whole numbers of at least 0"),
    ('{ name(fhirpath: "((") { use } }', "FHIRPath"),
    ('{ name(fhirpath: "given") { use } }', "The FHIRPath of a filter gives one value at most"),
    ("{ a: gender a: active }", "Different fields are named 'a' in the answer: give one an alias"),
    ("{ n: name(use: usual) { use } n: name { use } }", "Different fields are named 'n'"),
    ("{ ... on Observation { id } }", "can never be of type 'Observation'"),
    ("{ ...F }", "Unknown fragment 'F'."),
    ("{ ...F } fragment F on Patient { ...F }", "Cannot spread fragment 'F' within itself"),
    ("{ id @nonsense }", "Unknown directive '@nonsense'."),
    ("{ contained { nonsense } }", "Cannot query field 'nonsense' on type 'Resource'."),
    ("query A { id } query B { id }", "operationName"),
    ("subscription { id }", "not supported"),
    ("{ id", "Syntax Error"),
]


@pytest.mark.feature("operation.graphql.errors")
@pytest.mark.parametrize(("query", "message"), _REFUSED)
def test_what_the_schema_does_not_have_is_an_error(ask: Ask, query: str, message: str) -> None:
    """ "SHALL return an error when fields that are not valid or not supported are used"."""
    answer = ask("/Patient/ida", query)
    assert (answer.status_code, answer.json()["data"]) == (400, None)
    assert message in answer.json()["errors"][0]["message"]
