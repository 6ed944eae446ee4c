"""FHIRPath Patches that are malformed or do not apply: https://hl7.org/fhir/R4/fhirpatch.html."""

from typing import Any

import pytest

from resources.operation_outcome import InvalidContent, UnprocessableContent
from resources.patch import apply_fhirpath_patch
from tests.resources.patch.operations import PATIENT, operation, patched


@pytest.mark.parametrize(
    ("operation_", "message"),
    [
        (
            operation("add", "Patient.photo", name="url", value={"valueUrl": "u"}),
            "the path selects no element",
        ),
        (
            operation("add", "Patient.name", name="text", value={"valueString": "t"}),
            "the path selects 2 elements, and must",
        ),
        (operation("add", "Patient", name="active", value={"valueBoolean": True}), "is there already"),
        (operation("add", "Patient", name="multipleBirth", value={"valueBoolean": True}), "is there already"),
        (
            operation("add", "Patient", name="agender", value={"valueCode": "male"}),
            "A Patient has no element of the name",
        ),
        (
            operation("add", "Patient", name="gender", value={"valueString": "male"}),
            "must be of the type code, and is of string",
        ),
        (
            operation("add", "Patient", name="deceased", value={"valueString": "x"}),
            "must be of the type boolean or dateTime",
        ),
        (
            operation("add", "Patient.contact", name="name", value={"valueString": "x"}),
            "must be of the type HumanName",
        ),
        (
            operation("add", "Patient.managingOrganization", name="extension", value={"valueString": "x"}),
            "type Extension",
        ),
        (
            operation("add", "Patient", name="gender", value={"part": []}),
            "Parts stand for a value that has no parts",
        ),
        (
            operation("add", "Patient", name="contact", value={"part": [{"name": "x", "valueCode": "a"}]}),
            "has no element",
        ),
        (
            operation(
                "add",
                "Patient",
                name="contact",
                value={"part": [{"name": "gender", "valueCode": "male"}] * 2},
            ),
            "A part that is no list is given twice",
        ),
        (
            operation("add", "Patient.birthDate + 1 day", name="id", value={"valueString": "x"}),
            "not calculated values",
        ),
        (
            operation("add", "Patient.brithDate", name="id", value={"valueString": "x"}),
            "has no element brithDate",
        ),
        (
            operation("add", "Patient.generalPractitioner.resolve()", name="id", value={"valueId": "x"}),
            "selects no element",
        ),
        (
            operation("add", "Patient.name.single()", name="text", value={"valueString": "x"}),
            "single() found 2 items",
        ),
        (
            operation("insert", "Patient.photo", index=0, value={"valueAttachment": {}}),
            "the path selects no element",
        ),
        (
            operation("insert", "Patient.active", index=0, value={"valueBoolean": True}),
            "the path must select one list",
        ),
        (
            operation("insert", "Patient.name.given", index=0, value={"valueString": "x"}),
            "the path must select one list",
        ),
        (
            operation("insert", "Patient.name[0]", index=0, value={"valueHumanName": {}}),
            "must select the whole list",
        ),
        (
            operation("insert", "Patient.name", index=3, value={"valueHumanName": {}}),
            "the index must be from 0 to 2",
        ),
        (
            operation("insert", "Patient.name", index=-1, value={"valueHumanName": {}}),
            "the index must be from 0 to 2",
        ),
        (operation("insert", "Patient", index=0, value={"valueHumanName": {}}), "not the resource"),
        (operation("delete", "Patient.name"), "the path selects 2 elements, and only one can be deleted"),
        (operation("delete", "Patient"), "not the resource"),
        (
            operation("replace", "Patient", value={"resource": {"resourceType": "Patient"}}),
            "not the resource",
        ),
        (operation("replace", "Patient.photo", value={"valueAttachment": {}}), "the path selects no element"),
        (
            operation("replace", "Patient.active", value={"valueString": "x"}),
            "must be of the type boolean, and is of string",
        ),
        (
            operation("move", "Patient.name", source=2, destination=0),
            "source and destination must be from 0 to 1",
        ),
        (
            operation("move", "Patient.name", source=0, destination=2),
            "source and destination must be from 0 to 1",
        ),
        (operation("move", "Patient.photo", source=0, destination=0), "the path selects no element"),
    ],
)
def test_what_does_not_apply(operation_: dict[str, Any], message: str) -> None:
    """The rules of the chapter; an error names the operation, and nothing of the patient."""
    with pytest.raises(UnprocessableContent) as caught:
        patched(operation("delete", "Patient.photo"), operation_)
    assert message in str(caught.value)
    assert caught.value.issues[0].expression == ("Parameters.parameter[1]",)
    assert type(caught.value) is UnprocessableContent


PART = {"name": "value", "valueString": "x"}


@pytest.mark.parametrize(
    "patch",
    [
        None,
        [],
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": ["x"]},
        {"resourceType": "Parameters", "parameter": [{"name": "other"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": "x"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": ["x"]}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [{"name": "x"}]}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [PART, PART]}]},
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "operation", "part": [{"name": "type", "valueCode": 1}]}],
        },
        {"resourceType": "Parameters", "parameter": [operation("put", "Patient")]},
        {"resourceType": "Parameters", "parameter": [operation("add", "Patient")]},
        {"resourceType": "Parameters", "parameter": [operation("delete", "Patient.photo", index=1)]},
        {"resourceType": "Parameters", "parameter": [operation("move", "Patient.name", source=0)]},
        {
            "resourceType": "Parameters",
            "parameter": [operation("move", "Patient.name", source=True, destination=0)],
        },
        {"resourceType": "Parameters", "parameter": [operation("delete", "Patient.(")]},
        {"resourceType": "Parameters", "parameter": [operation("replace", "active", value={})]},
        {
            "resourceType": "Parameters",
            "parameter": [operation("replace", "active", value={"valueBoolean": True, "valueString": "x"})],
        },
        {
            "resourceType": "Parameters",
            "parameter": [
                operation("add", "Patient", name="contact", value={"part": [{"valueCode": "male"}]})
            ],
        },
    ],
)
def test_what_is_no_patch(patch: Any) -> None:
    """https://hl7.org/fhir/R4/fhirpatch.html#format: what is no such Parameters resource is refused."""
    with pytest.raises(InvalidContent) as caught:
        apply_fhirpath_patch(PATIENT, patch)
    assert type(caught.value) is InvalidContent
