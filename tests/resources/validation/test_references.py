"""References and contained resources: https://hl7.org/fhir/R4/references.html."""

from typing import Any

import pytest

from resources.validation import validate

Found = list[tuple[str, str]]


def observation(subject: Any, **more: Any) -> dict[str, Any]:
    """Return an Observation of a subject, which may be a Patient, Group, Device or Location."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": subject,
        **more,
    }


def found(resource: Any) -> Found:
    """Return code and expression of each issue."""
    return [(issue.code, " ".join(issue.expression)) for issue in validate(resource)]


# https://hl7.org/fhir/R4/references.html#literal
WELL_FORMED = [
    "Patient/1",
    "Patient/1/_history/2",
    "http://example.org/fhir/Patient/1",
    "https://example.org/a/b/Group/x-1.2/_history/3",
    "http://example.org/whatever",
    "http://example.org/Foo/1",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "urn:oid:1.2.3",
    "Patient?identifier=http://example.org|1",
    "#",
]

MALFORMED = [
    "1",
    "Patient",
    "Patient/",
    "patient/1",
    "Foo/1",
    "Foo?x=1",
    "/Patient/1",
    "Patient/1/2",
    "Patient/a b",
    "Patient/" + "x" * 65,
    "Patient/1/_history/",
    "Patient?",
    "http:// example.org",
    "Patient/1\n",
]

OF_ANOTHER_TYPE = [
    "Practitioner/1",
    "http://example.org/fhir/Practitioner/1/_history/2",
    "Practitioner?identifier=x",
]


@pytest.mark.parametrize("reference", WELL_FORMED)
def test_well_formed(reference: str) -> None:
    """A literal reference is relative, absolute or local; in a transaction it may be conditional."""
    assert found(observation({"reference": reference})) == []


@pytest.mark.parametrize("reference", MALFORMED + OF_ANOTHER_TYPE)
def test_wrong_reference(reference: str) -> None:
    """A reference of another form, or to a type that the element does not allow, is an issue of its value."""
    assert found(observation({"reference": reference})) == [("value", "Observation.subject.reference")]


def test_any_target() -> None:
    """https://hl7.org/fhir/R4/observation-definitions.html#Observation.focus allows every type of target."""
    focus = [{"reference": "Practitioner/1"}, {"reference": "Foo/1"}]
    assert found(observation({"display": "x"}, focus=focus)) == [("value", "Observation.focus[1].reference")]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"type": "Patient", "identifier": {"value": "x"}}, []),
        ({"type": "Practitioner", "display": "x"}, [("value", "Observation.subject.type")]),
        ({"type": "Patient", "reference": "Patient/1"}, []),
        ({"type": "Group", "reference": "Patient/1"}, [("value", "Observation.subject.type")]),
        ({"type": "Patient", "reference": "urn:uuid:1"}, []),
        ({"type": "http://example.org/StructureDefinition/X", "display": "x"}, []),
        (
            {"type": "Practitioner", "reference": "Practitioner/1"},
            [("value", "Observation.subject.reference"), ("value", "Observation.subject.type")],
        ),
        (
            {"reference": 1, "type": 2},
            [("structure", "Observation.subject.reference"), ("structure", "Observation.subject.type")],
        ),
        ({"reference": "", "display": "x"}, [("invalid", "Observation.subject.reference")]),
        (
            {"reference": "Foo", "x": 1},
            [("structure", "Observation.subject.x"), ("value", "Observation.subject.reference")],
        ),
        ("Patient/1", [("structure", "Observation.subject")]),
        ({}, [("invalid", "Observation.subject")]),
    ],
)
def test_reference(reference: Any, expected: Found) -> None:
    """https://hl7.org/fhir/R4/references-definitions.html#Reference.type agrees with the rest."""
    assert found(observation(reference)) == expected


PATIENT = {"resourceType": "Patient", "id": "p"}
LOCAL = {"reference": "#p"}

# https://hl7.org/fhir/R4/references.html#contained
CONTAINED: list[tuple[str, dict[str, Any], Found]] = [
    ("referred to", observation(LOCAL, contained=[PATIENT]), []),
    ("nothing contained", observation(LOCAL), [("invariant", "Observation.subject.reference")]),
    (
        "another one contained",
        observation({"reference": "#q"}, contained=[PATIENT], focus=[LOCAL]),
        [("invariant", "Observation.subject.reference")],
    ),
    (
        "of another type",
        observation(LOCAL, contained=[{"resourceType": "Practitioner", "id": "p"}]),
        [("value", "Observation.subject.reference")],
    ),
    (
        "dom-3: not referred to",
        observation({"display": "x"}, contained=[PATIENT]),
        [("invariant", "Observation.contained[0]")],
    ),
    (
        "dom-3: without an id",
        observation({"display": "x"}, contained=[{"resourceType": "Patient", "active": True}]),
        [("invariant", "Observation.contained[0]")],
    ),
    (
        "dom-3: refers to the container",
        observation(
            {"display": "x"},
            contained=[
                {
                    "resourceType": "Provenance",
                    "recorded": "2000-01-01T00:00:00Z",
                    "target": [{"reference": "#"}],
                    "agent": [{"who": {"display": "x"}}],
                }
            ],
        ),
        [],
    ),
    (
        "dom-3: referred to by another contained one",
        observation(
            LOCAL,
            contained=[
                PATIENT | {"managingOrganization": {"reference": "#o"}},
                {"resourceType": "Organization", "id": "o", "name": "x"},
            ],
        ),
        [],
    ),
    (
        "dom-3: referred to by a canonical",
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "questionnaire": "#q",
            "contained": [{"resourceType": "Questionnaire", "id": "q", "status": "draft"}],
        },
        [],
    ),
    (
        "dom-2: contains another",
        observation(LOCAL, contained=[PATIENT | {"contained": [{"resourceType": "Patient", "id": "q"}]}]),
        [("invariant", "Observation.contained[0].contained")],
    ),
    (
        "dom-4 and dom-5: meta",
        observation(
            LOCAL,
            contained=[
                PATIENT
                | {
                    "meta": {
                        "versionId": "1",
                        "lastUpdated": "2000-01-01T00:00:00Z",
                        "security": [{"code": "R"}],
                        "profile": ["urn:x"],
                    }
                }
            ],
        ),
        [
            ("invariant", "Observation.contained[0].meta.versionId"),
            ("invariant", "Observation.contained[0].meta.lastUpdated"),
            ("invariant", "Observation.contained[0].meta.security"),
        ],
    ),
    (
        "one id for two",
        observation(LOCAL, contained=[PATIENT, PATIENT]),
        [("duplicate", "Observation.contained[1].id")],
    ),
    (
        "checked as what it is",
        observation(LOCAL, contained=[PATIENT | {"gender": "bogus"}]),
        [("code-invalid", "Observation.contained[0].gender")],
    ),
    (
        "no resources",
        observation({"display": "x"}, contained=["x", {"id": "p"}, {"resourceType": "X"}]),
        [
            ("structure", "Observation.contained[0]"),
            ("required", "Observation.contained[1]"),
            ("structure", "Observation.contained[2]"),
            ("invariant", "Observation.contained[1]"),
            ("invariant", "Observation.contained[2]"),
        ],
    ),
    ("no array", observation({"display": "x"}, contained=PATIENT), [("structure", "Observation.contained")]),
    (
        "a malformed one that is referred to",
        observation(LOCAL, contained=[{"id": "p"}]),
        [("required", "Observation.contained[0]")],
    ),
    (
        "only in the entry itself",
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"resource": observation(LOCAL, contained=[PATIENT])},
                {"resource": observation(LOCAL)},
            ],
        },
        [("invariant", "Bundle.entry[1].resource.subject.reference")],
    ),
]


@pytest.mark.parametrize(("_title", "resource", "expected"), CONTAINED)
def test_contained(_title: str, resource: dict[str, Any], expected: Found) -> None:
    """Local references and contained resources match, and these lack what only other resources have."""
    assert found(resource) == expected
