"""What JSON a resource may be made of: https://hl7.org/fhir/R4/json.html."""

from collections.abc import Callable
from typing import Any

import pytest

from resources.validation import validate

EXTENSION = {"url": "urn:x", "valueString": "y"}
TWIN = {"extension": [EXTENSION]}

Found = list[tuple[str, str]]

# https://hl7.org/fhir/R4/json.html#primitive
TWINS: list[tuple[str, dict[str, Any], Found]] = [
    ("value and extension", {"birthDate": "2000", "_birthDate": TWIN}, []),
    ("value and id", {"birthDate": "2000", "_birthDate": {"id": "a"}}, []),
    ("extension alone", {"_birthDate": TWIN}, []),
    ("id alone", {"_birthDate": {"id": "a"}}, [("invalid", "Patient.birthDate")]),
    ("empty", {"birthDate": "2000", "_birthDate": {}}, [("invalid", "Patient.birthDate")]),
    ("null", {"birthDate": "2000", "_birthDate": None}, [("invalid", "Patient.birthDate")]),
    ("no object", {"birthDate": "2000", "_birthDate": "x"}, [("structure", "Patient.birthDate")]),
    ("array", {"birthDate": "2000", "_birthDate": [TWIN]}, [("structure", "Patient.birthDate")]),
    ("other property", {"_birthDate": {"value": "x", **TWIN}}, [("structure", "Patient.birthDate.value")]),
    (
        "mistake in the extension",
        {"_birthDate": {"extension": [{"url": "urn:x", "valueDate": "x"}]}},
        [("value", "Patient.birthDate.extension[0].value.ofType(date)")],
    ),
    ("of a complex element", {"_maritalStatus": TWIN}, [("structure", "Patient._maritalStatus")]),
    ("of a resource's id", {"id": "a", "_id": TWIN}, []),
    ("of nothing", {"_": TWIN}, [("structure", "Patient._")]),
    ("twice over", {"__birthDate": TWIN}, [("structure", "Patient.__birthDate")]),
]

NAME_TWINS: list[tuple[str, dict[str, Any], Found]] = [
    ("aligned", {"given": ["a", "b"], "_given": [None, TWIN]}, []),
    ("null for no value", {"given": ["a", None], "_given": [None, TWIN]}, []),
    ("twins alone", {"_given": [TWIN, TWIN]}, []),
    ("ids beside values", {"given": ["a"], "_given": [{"id": "x"}]}, []),
    ("null without twins", {"given": ["a", None]}, [("invalid", "given[1]")]),
    ("both null", {"given": ["a", None], "_given": [TWIN, None]}, [("invalid", "given[1]")]),
    ("null and id", {"given": ["a", None], "_given": [None, {"id": "x"}]}, [("invalid", "given[1]")]),
    ("null alone among twins", {"_given": [TWIN, None]}, [("invalid", "given[1]")]),
    ("id alone among twins", {"_given": [TWIN, {"id": "x"}]}, [("invalid", "given[1]")]),
    ("fewer twins", {"given": ["a", "b"], "_given": [TWIN]}, [("structure", "given")]),
    ("more twins", {"given": ["a"], "_given": [None, TWIN]}, [("structure", "given")]),
    ("empty twins", {"given": ["a"], "_given": []}, [("invalid", "given")]),
    ("one object", {"given": ["a"], "_given": TWIN}, [("structure", "given")]),
    ("twin no object", {"given": ["a"], "_given": ["x"]}, [("structure", "given[0]")]),
    ("of a data type's id", {"given": ["a"], "id": "x", "_id": TWIN}, [("structure", "_id")]),
]

EMPTY: list[tuple[str, dict[str, Any], Found]] = [
    ("object", {"maritalStatus": {}}, [("invalid", "Patient.maritalStatus")]),
    ("array", {"name": []}, [("invalid", "Patient.name")]),
    ("object in array", {"name": [{}]}, [("invalid", "Patient.name[0]")]),
    ("string", {"gender": ""}, [("invalid", "Patient.gender")]),
    ("string in array", {"name": [{"given": [""]}]}, [("invalid", "Patient.name[0].given[0]")]),
    ("null", {"maritalStatus": None}, [("invalid", "Patient.maritalStatus")]),
    ("null array", {"name": None}, [("invalid", "Patient.name")]),
    ("null in array", {"name": [{"text": "x"}, None]}, [("invalid", "Patient.name[1]")]),
    ("nothing but an id", {"maritalStatus": {"id": "x"}}, [("invalid", "Patient.maritalStatus")]),
    ("nothing but an extension", {"maritalStatus": TWIN}, []),
]

SHAPES: list[tuple[str, dict[str, Any], Found]] = [
    ("unknown element", {"nick": "x"}, [("structure", "Patient.nick")]),
    ("unknown in a data type", {"name": [{"nick": "x"}]}, [("structure", "Patient.name[0].nick")]),
    ("case matters", {"birthdate": "2000"}, [("structure", "Patient.birthdate")]),
    ("comments", {"fhir_comments": ["x"]}, [("structure", "Patient.fhir_comments")]),
    ("choice without type", {"deceased": True}, [("structure", "Patient.deceased")]),
    ("choice of another type", {"deceasedString": "x"}, [("structure", "Patient.deceasedString")]),
    (
        "resourceType inside",
        {"name": [{"resourceType": "x"}]},
        [("structure", "Patient.name[0].resourceType")],
    ),
    ("a name that may be content", {"Jane Doe, 1 Main St": 1}, [("structure", "Patient")]),
    ("a very long name", {"x" * 65: 1}, [("structure", "Patient")]),
    ("object for array", {"name": {"text": "x"}}, [("structure", "Patient.name")]),
    ("string for array", {"name": [{"given": "x"}]}, [("structure", "Patient.name[0].given")]),
    ("array for object", {"maritalStatus": [{"text": "x"}]}, [("structure", "Patient.maritalStatus")]),
    ("array for string", {"gender": ["male"]}, [("structure", "Patient.gender")]),
    ("array in array", {"name": [[{"text": "x"}]]}, [("structure", "Patient.name[0]")]),
    ("string for object", {"maritalStatus": "M"}, [("structure", "Patient.maritalStatus")]),
    ("number for object", {"name": [1]}, [("structure", "Patient.name[0]")]),
]


def found(resource: Any) -> Found:
    """Return code and expression of each issue."""
    return [(issue.code, " ".join(issue.expression)) for issue in validate(resource)]


@pytest.mark.parametrize(("_title", "content", "expected"), TWINS + EMPTY + SHAPES)
def test_patient(_title: str, content: dict[str, Any], expected: Found) -> None:
    """What is wrong with the JSON is found where it is, and once."""
    assert found({"resourceType": "Patient", **content}) == expected


@pytest.mark.parametrize(("_title", "name", "expected"), NAME_TWINS)
def test_arrays_of_primitives(_title: str, name: dict[str, Any], expected: Found) -> None:
    """https://hl7.org/fhir/R4/json.html#primitive: the two arrays are aligned by nulls."""
    resource = {"resourceType": "Patient", "name": [name]}
    assert found(resource) == [(code, f"Patient.name[0].{path}") for code, path in expected]


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (None, "invalid"),
        ([], "structure"),
        ("Patient", "structure"),
        (1, "structure"),
        ({}, "required"),
        ({"id": "x"}, "required"),
        ({"resourceType": None}, "structure"),
        ({"resourceType": ["Patient"]}, "structure"),
        ({"resourceType": "patient"}, "structure"),
        ({"resourceType": "DomainResource"}, "structure"),
        ({"resourceType": "HumanName", "text": "x"}, "structure"),
        ({"resourceType": "Jane Doe"}, "structure"),
    ],
)
def test_no_resource(resource: Any, code: str) -> None:
    """https://hl7.org/fhir/R4/json.html#resources: a resource is an object that names its type."""
    assert found(resource) == [(code, "")]


def test_smallest_resource() -> None:
    """A resource of a type without required elements needs nothing but the name of its type."""
    assert found({"resourceType": "Patient"}) == []


def test_every_issue_is_listed_in_order() -> None:
    """All issues are listed, in the order of the document, those of what is not there last."""
    resource = {
        "resourceType": "Observation",
        "status": "bogus",
        "component": [{"code": {"text": "x"}}, {"valueQuantity": {"value": "1"}, "x": 1}],
        "issued": "2000",
    }
    assert found(resource) == [
        ("code-invalid", "Observation.status"),
        ("structure", "Observation.component[1].value.ofType(Quantity).value"),
        ("structure", "Observation.component[1].x"),
        ("required", "Observation.component[1].code"),
        ("value", "Observation.issued"),
        ("required", "Observation.code"),
    ]


def test_too_many_issues() -> None:
    """A million mistakes do not make a million issues: after 1000 one more tells that there are others."""
    issues = validate({"resourceType": "Patient", "name": [1] * 100_000})
    assert len(issues) == 1001
    assert issues[999].expression == ("Patient.name[999]",)
    assert (issues[1000].severity, issues[1000].code) == ("information", "incomplete")


def extensions(levels: int) -> list[dict[str, Any]]:
    """Return extensions in extensions, with the given even number of levels of arrays and objects."""
    innermost: list[dict[str, Any]] = [EXTENSION]
    for _ in range(levels // 2 - 1):
        innermost = [{"url": "urn:x", "extension": innermost}]
    return innermost


@pytest.mark.parametrize(
    ("content", "levels_around"),
    [
        (lambda inner: {"extension": inner}, 1),
        (lambda inner: {"_gender": {"extension": inner}}, 2),
        (lambda inner: {"maritalStatus": {"extension": inner}}, 2),
        (lambda inner: {"name": [{"_given": [{"extension": inner}]}]}, 5),
        (lambda inner: {"contact": [{"name": {"extension": inner}}]}, 4),
    ],
)
def test_depth(content: Callable[[Any], dict[str, Any]], levels_around: int) -> None:
    """Ninety levels of objects and arrays are accepted, more are one issue, and none overflow the stack."""
    deepest = (90 - levels_around) // 2 * 2
    assert found({"resourceType": "Patient", **content(extensions(deepest))}) == []
    for levels in (deepest + 2, 9_000):
        ((code, _),) = found({"resourceType": "Patient", **content(extensions(levels))})
        assert code == "too-long"


def test_breadth() -> None:
    """Only what is around a value makes its depth, not what is beside it."""
    name = {"period": {"start": "2000"}, "_given": [TWIN], "_family": TWIN}
    assert found({"resourceType": "Patient", "name": [name] * 100}) == []
