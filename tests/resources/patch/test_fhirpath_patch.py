"""FHIRPath Patch: https://hl7.org/fhir/R4/fhirpatch.html."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from resources import xml_format
from resources.operation_outcome import ContentTooLarge, InvalidContent, TooCostly, UnprocessableContent
from resources.patch import apply_fhirpath_patch
from resources.validation import validate
from tests.resources.patch.operations import PATIENT, operation, patched

CASES = Path(__file__).parents[4] / "shared/data/fhir-test-cases/r4/patch/fhir-patch-tests.xml"


def resource_in(case: ElementTree.Element, name: str) -> dict[str, Any] | None:
    """Return the resource in a part of one of HL7's cases."""
    part = case.find(name)
    return None if part is None else xml_format.parse(ElementTree.tostring(part[0]))


def hl7_cases() -> Iterator[tuple[str, bool]]:
    """Yield the name of each case, and whether it is passed."""
    for case in ElementTree.parse(CASES).getroot().findall("case"):
        resource, patch, expected = (resource_in(case, name) for name in ("input", "diff", "output"))
        assert resource is not None
        try:
            passed = apply_fhirpath_patch(resource, patch) == expected
        except UnprocessableContent:
            passed = expected is None
        yield case.get("name", ""), passed


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/data/fhir-test-cases")
def test_hl7_cases() -> None:
    """All of https://github.com/FHIR/fhir-test-cases/blob/master/r4/patch/fhir-patch-tests.xml."""
    results = list(hl7_cases())
    assert len(results) == 33
    assert [name for name, passed in results if not passed] == []


GIVEN = "Patient.name[0].given"


@pytest.mark.parametrize(
    ("operations", "place", "expected"),
    [
        ([operation("add", "Patient", name="gender", value={"valueCode": "male"})], "gender", "male"),
        (
            [operation("add", "Patient.name[1]", name="given", value={"valueString": "J"})],
            "name",
            [PATIENT["name"][0], {"given": ["Jim", "J"]}],
        ),
        (
            [operation("add", "Patient", name="telecom", value={"valueContactPoint": {"system": "phone"}})],
            "telecom",
            [{"system": "phone"}],
        ),
        (
            [operation("add", "Patient", name="deceased", value={"valueBoolean": False})],
            "deceasedBoolean",
            False,
        ),
        (
            [operation("add", "Patient.contact[0]", name="period", value={"valuePeriod": {"start": "2012"}})],
            "contact",
            [{"name": {"text": "Ann"}, "period": {"start": "2012"}}],
        ),
        (
            [operation("add", "Patient", name="contained", value={"resource": {"resourceType": "Group"}})],
            "contained",
            [PATIENT["contained"][0], {"resourceType": "Group"}],
        ),
        (
            [operation("insert", "Patient.name", index=2, value={"valueHumanName": {"text": "x"}})],
            "name",
            [*PATIENT["name"], {"text": "x"}],
        ),
        (
            [operation("insert", "Patient.name", index=0, value={"valueHumanName": {"text": "x"}})],
            "name",
            [{"text": "x"}, *PATIENT["name"]],
        ),
        ([operation("delete", "Patient.name[0]")], "name", [{"given": ["Jim"]}]),
        ([operation("delete", "Patient.name.where(use = 'official')")], "name", [{"given": ["Jim"]}]),
        ([operation("delete", "Patient.name[1].given[0]")], "name", [PATIENT["name"][0]]),
        ([operation("delete", "Patient.contact.name.text")], "contact", None),
        ([operation("delete", "Patient.photo")], "photo", None),
        ([operation("delete", "Patient.multipleBirth")], "multipleBirthInteger", None),
        ([operation("delete", "Patient.contained.where(id = 'o')")], "contained", None),
        (
            [operation("replace", "Patient.managingOrganization.resolve().name", value={"valueString": "W"})],
            "contained",
            [{"resourceType": "Organization", "id": "o", "name": "W"}],
        ),
        ([operation("replace", "active", value={"valueBoolean": False})], "active", False),
        (
            [operation("replace", f"{GIVEN}[1]", value={"valueString": "J"})],
            "name",
            [{**PATIENT["name"][0], "given": ["Peter", "J"]}, PATIENT["name"][1]],
        ),
        (
            [
                operation(
                    "replace",
                    "Patient.contained[0]",
                    value={"resource": {"resourceType": "Basic", "id": "b"}},
                )
            ],
            "contained",
            [{"resourceType": "Basic", "id": "b"}],
        ),
        (
            [operation("move", GIVEN, source=0, destination=1)],
            "name",
            [{**PATIENT["name"][0], "given": ["James", "Peter"]}, PATIENT["name"][1]],
        ),
        ([operation("move", "Patient.name", source=1, destination=0)], "name", PATIENT["name"][::-1]),
        ([operation("delete", "Patient.name[0]"), operation("delete", "Patient.name[0]")], "name", None),
        ([], "name", PATIENT["name"]),
    ],
)
def test_operations(operations: list[Any], place: str, expected: Any) -> None:
    """The table of the chapter; None where nothing is left."""
    assert patched(*operations).get(place) == expected


def test_a_choice_may_change_its_type() -> None:
    """https://hl7.org/fhir/R4/formats.html#choice: another type is another property."""
    result = patched(operation("replace", "Patient.multipleBirth", value={"valueBoolean": True}))
    assert result["multipleBirthBoolean"] is True
    assert "multipleBirthInteger" not in result


def test_decimals_keep_their_digits() -> None:
    """https://hl7.org/fhir/R4/json.html#decimal."""
    value = {"valueQuantity": {"value": Decimal("1.50")}}
    result = patched(
        operation("replace", "value", value=value),
        resource={"resourceType": "Observation", "valueString": "x"},
    )
    assert str(result["valueQuantity"]["value"]) == "1.50"


def test_primitives_with_extensions() -> None:
    """https://hl7.org/fhir/R4/json.html#primitive: the two arrays of a list stay as long as each other."""
    extension = {"part": [{"name": "url", "valueUri": "urn:x"}, {"name": "value", "valueString": "v"}]}
    as_json = {"url": "urn:x", "valueString": "v"}
    one = patched(operation("add", f"{GIVEN}[1]", name="extension", value=extension))
    assert one["name"][0]["_given"] == [None, {"extension": [as_json]}]
    two = patched(
        operation("insert", GIVEN, index=0, value={"valueString": "A", "_valueString": {"id": "a"}}),
        resource=one,
    )
    assert two["name"][0]["given"] == ["A", "Peter", "James"]
    assert two["name"][0]["_given"] == [{"id": "a"}, None, {"extension": [as_json]}]
    three = patched(operation("move", GIVEN, source=2, destination=0), resource=two)
    assert three["name"][0]["given"] == ["James", "A", "Peter"]
    assert three["name"][0]["_given"] == [{"extension": [as_json]}, {"id": "a"}, None]
    four = patched(
        operation("delete", f"{GIVEN}[0].extension"), operation("delete", f"{GIVEN}[1].id"), resource=three
    )
    assert four["name"][0] == {"use": "official", "family": "Chalmers", "given": ["James", "A", "Peter"]}
    five = patched(operation("delete", "birthDate.extension"))
    assert "_birthDate" not in five
    six = patched(operation("replace", "birthDate", value={"valueDate": "1974"}))
    assert (six["birthDate"], six.get("_birthDate")) == ("1974", None)
    assert all(validate(result) == [] for result in (one, two, three, four, five, six))


def test_a_primitive_without_a_value_goes_with_its_last_extension() -> None:
    """An element without value and children is no element: https://hl7.org/fhir/R4/element.html."""
    resource = {
        "resourceType": "Patient",
        "_birthDate": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]},
    }
    assert patched(operation("delete", "birthDate.extension"), resource=resource) == {
        "resourceType": "Patient"
    }


def test_anonymous_types() -> None:
    """https://hl7.org/fhir/R4/fhirpatch.html#anonymous: parts stand for what has no name, at any depth."""
    component = [
        {"name": "code", "valueCodeableConcept": {"text": "c"}},
        {"name": "value", "valueString": "v"},
        {
            "name": "referenceRange",
            "part": [
                {"name": "text", "valueString": "r"},
                {"name": "appliesTo", "valueCodeableConcept": {"text": "a"}},
            ],
        },
        {"name": "referenceRange", "part": [{"name": "text", "valueString": "s"}]},
    ]
    result = patched(
        operation("add", "Observation", name="component", value={"part": component}),
        resource={"resourceType": "Observation"},
    )
    assert result["component"] == [
        {
            "code": {"text": "c"},
            "valueString": "v",
            "referenceRange": [{"text": "r", "appliesTo": [{"text": "a"}]}, {"text": "s"}],
        }
    ]


def test_all_or_nothing() -> None:
    """The resource and the patch stay as they were, whether the patch applies or fails on the way."""
    resource, add = (
        copy.deepcopy(PATIENT),
        operation("add", "Patient", name="photo", value={"valueAttachment": {"title": "t"}}),
    )
    before = copy.deepcopy(add)
    result = patched(
        add, operation("delete", "Patient.photo.title"), operation("delete", "Patient.name[0].given[0]")
    )
    assert "photo" not in result
    with pytest.raises(UnprocessableContent):
        patched(
            operation("delete", "Patient.name[0]"),
            operation("replace", "Patient.photo", value={"valueAttachment": {}}),
        )
    assert (resource, before) == (PATIENT, add)


def test_patches_are_bounded() -> None:
    """Very many operations, expressions that ask for much, and parts nested very deeply are refused."""
    with pytest.raises(ContentTooLarge):
        patched(*[operation("delete", "Patient.photo")] * 1001)
    with pytest.raises(TooCostly):
        patched(operation("delete", "1.repeat($this + 1)"))
    many = {**PATIENT, "name": [{"text": "x"}] * 20_000}
    with pytest.raises(TooCostly):
        patched(*[operation("delete", "Patient.name[0]")] * 20, resource=many)
    part: dict[str, Any] = {"name": "extension", "part": []}
    for _ in range(60):
        part = {"name": "extension", "part": [part]}
    with pytest.raises(InvalidContent, match="nested too deeply"):
        patched(operation("add", "Patient", name="extension", value={"part": part["part"]}))
