"""Structures as the specification's own pages show them: https://hl7.org/fhir/R4/resourcelist.html."""

import re

import pytest

from resources.definitions import (
    Binding,
    Constraint,
    Element,
    TypeReference,
    profile,
    profile_urls,
    resource_types,
    structure,
    type_names,
)

ALL_TYPES = [
    name for kind in ("primitive-type", "complex-type", "resource", "logical") for name in type_names(kind)
]


def test_there_are_146_resource_types() -> None:
    """R4 has 146 resource types that are not abstract."""
    names = resource_types()
    assert len(names) == 146
    assert list(names) == sorted(names)
    assert {"Patient", "Observation", "Parameters", "Bundle", "Binary"} <= set(names)
    assert not {"Resource", "DomainResource"} & set(names)


def test_there_are_20_primitive_types() -> None:
    """All primitive types of https://hl7.org/fhir/R4/datatypes.html#primitive and xhtml are there."""
    assert " ".join(type_names("primitive-type")) == (
        "base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid "
        "positiveInt string time unsignedInt uri url uuid xhtml"
    )


def test_all_653_structures_load() -> None:
    """Each type and profile of the package with a snapshot is a Structure."""
    assert len({structure(name).name for name in ALL_TYPES}) == 214
    assert len({profile(url).name for url in profile_urls()}) == 439


@pytest.mark.parametrize("name", ["Patiant", "patient", "", "bp", "../index", "MoneyQuantity"])
def test_an_unknown_type_is_a_key_error(name: str) -> None:
    """Only types are structures; a profile is asked for by its URL."""
    with pytest.raises(KeyError):
        structure(name)


ELEMENT_ONE = Constraint("ele-1", "error", "hasValue() or (children().count() > id.count())")


def test_an_element_has_all_its_facts() -> None:
    """https://hl7.org/fhir/R4/patient-definitions.html#Patient.gender."""
    assert structure("Patient").elements["gender"] == Element(
        path="gender",
        minimum=0,
        maximum=1,
        types=(TypeReference("code"),),
        binding=Binding("required", "http://hl7.org/fhir/ValueSet/administrative-gender"),
        constraints=(ELEMENT_ONE,),
        is_summary=True,
    )


@pytest.mark.parametrize(
    ("type_name", "path", "expected"),
    [
        ("Patient", "name", (0, None)),
        ("Patient", "deceased[x]", (0, 1)),
        ("Observation", "status", (1, 1)),
        ("Observation", "component.code", (1, 1)),
        ("Bundle", "entry", (0, None)),
        ("SampledData", "period", (1, 1)),
        ("ObservationDefinition", "", (0, None)),
    ],
)
def test_cardinalities(type_name: str, path: str, expected: tuple[int, int | None]) -> None:
    """Cardinalities are those on the resource's page; None means any number."""
    element = structure(type_name).elements[path]
    assert (element.minimum, element.maximum) == expected


@pytest.mark.parametrize(
    ("type_name", "path", "expected"),
    [
        ("Patient", "id", ["id"]),  # https://hl7.org/fhir/R4/resource.html#id
        ("Patient", "contact.id", ["string"]),  # https://hl7.org/fhir/R4/element.html
        ("Extension", "url", ["uri"]),
        ("Patient", "deceased[x]", ["boolean", "dateTime"]),
        ("Patient", "contact", ["BackboneElement"]),
        ("Timing", "repeat", ["Element"]),
        ("Patient", "contained", ["Resource"]),
        ("Narrative", "div", ["xhtml"]),
        ("Questionnaire", "item.item", []),
    ],
)
def test_types_of_elements(type_name: str, path: str, expected: list[str]) -> None:
    """Types are FHIR's own names, also where the package has those of FHIRPath."""
    assert [reference.code for reference in structure(type_name).elements[path].types] == expected


def test_no_type_is_one_of_fhirpath() -> None:
    """The System types of FHIRPath never reach the rest of the server, and each type is defined."""
    codes = {
        reference.code
        for name in ALL_TYPES
        for element in structure(name).elements.values()
        for reference in element.types
    }
    assert codes - {"Definition", "Event", "Request", "FiveWs", "MetadataResource"} <= set(ALL_TYPES)


@pytest.mark.parametrize(
    ("type_name", "path", "expected"),
    [
        ("Patient", "managingOrganization", {"Organization"}),
        ("Patient", "generalPractitioner", {"Organization", "Practitioner", "PractitionerRole"}),
        ("Observation", "focus", {"Resource"}),
        ("CarePlan", "instantiatesUri", set()),
        ("MedicationRequest", "medication[x]", {"Medication"}),
    ],
)
def test_targets_of_references(type_name: str, path: str, expected: set[str]) -> None:
    """Targets are names of types."""
    types = structure(type_name).elements[path].types
    assert {target for reference in types for target in reference.targets} == expected


@pytest.mark.parametrize(
    ("type_name", "path", "expected"),
    [
        ("Questionnaire", "item.item", "item"),
        ("Observation", "component.referenceRange", "referenceRange"),
        ("Bundle", "entry.link", "link"),
        ("Parameters", "parameter.part", "parameter"),
        ("Patient", "name", None),
    ],
)
def test_content_references(type_name: str, path: str, expected: str | None) -> None:
    """A shared content is named by its path: https://hl7.org/fhir/R4/elementdefinition.html#contentReference."""
    assert structure(type_name).elements[path].content_reference == expected


def test_every_content_reference_leads_to_an_element() -> None:
    """No content reference is dangling, and all lead to an element with a type."""
    references = [
        (name, element.content_reference)
        for name in ALL_TYPES
        for element in structure(name).elements.values()
        if element.content_reference is not None
    ]
    assert len(references) == 55
    assert all(structure(name).elements[path].types for name, path in references)


def test_every_element_has_a_type_a_content_reference_or_is_the_root() -> None:
    """There is nothing else that an element could be."""
    for name in ALL_TYPES:
        for path, element in structure(name).elements.items():
            assert element.path == path
            assert bool(element.types) != (path == "" or element.content_reference is not None), (name, path)


@pytest.mark.parametrize(
    ("name", "kind", "base", "abstract"),
    [
        ("Patient", "resource", "DomainResource", False),
        ("Bundle", "resource", "Resource", False),
        ("DomainResource", "resource", "Resource", True),
        ("Resource", "resource", None, True),
        ("Age", "complex-type", "Quantity", False),
        ("BackboneElement", "complex-type", "Element", True),
        ("code", "primitive-type", "string", False),
    ],
)
def test_kinds_and_bases(name: str, kind: str, base: str | None, abstract: bool) -> None:
    """The hierarchy is that of https://hl7.org/fhir/R4/types.html and https://hl7.org/fhir/R4/resource.html."""
    found = structure(name)
    assert (found.kind, found.base, found.abstract) == (kind, base, abstract)


@pytest.mark.parametrize(
    ("name", "text", "matches"),
    [
        ("id", "a-1.B", True),
        ("id", "a_1", False),
        ("id", "x" * 65, False),
        ("decimal", "1.00", True),
        ("decimal", "01", False),
        ("instant", "2015-02-07T13:28:17.239+02:00", True),
        ("instant", "2015-02-07", False),
        ("date", "2015-02", True),
        ("oid", "urn:oid:1.2.3", True),
        ("unsignedInt", "-1", False),
    ],
)
def test_regex_of_primitives(name: str, text: str, matches: bool) -> None:
    """The expressions are those of https://hl7.org/fhir/R4/datatypes.html#primitive."""
    regex = structure(name).regex
    assert regex is not None
    assert bool(re.fullmatch(regex, text)) is matches


def test_only_xhtml_has_no_regex() -> None:
    """Every other primitive type has a regular expression, and types that are not primitive have none."""
    assert [name for name in type_names("primitive-type") if structure(name).regex is None] == ["xhtml"]
    assert structure("Quantity").regex is None


def test_invariants_of_a_resource() -> None:
    """https://hl7.org/fhir/R4/observation.html#invs."""
    keys = {constraint.key: constraint for constraint in structure("Observation").elements[""].constraints}
    assert set(keys) == {"dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "obs-6", "obs-7"}
    assert keys["dom-6"].severity == "warning"
    assert keys["obs-6"].expression == "dataAbsentReason.empty() or value.empty()"


def test_equal_facts_are_one_value() -> None:
    """The invariant that every element carries is in memory once."""
    patient, slot = structure("Patient"), structure("Slot")
    assert patient.elements["name"].constraints[0] is slot.elements["start"].constraints[0]


def test_a_maximum_binding() -> None:
    """https://hl7.org/fhir/R4/resource-definitions.html#Resource.language."""
    assert structure("Resource").elements["language"].binding == Binding(
        "preferred",
        "http://hl7.org/fhir/ValueSet/languages",
        maximum="http://hl7.org/fhir/ValueSet/all-languages",
    )


def test_a_profile_has_slices_and_fixed_values() -> None:
    """https://hl7.org/fhir/R4/bp.html."""
    blood_pressure = profile("http://hl7.org/fhir/StructureDefinition/bp")
    component = blood_pressure.elements["component"]
    assert component.slicing is not None
    assert component.slicing.discriminators == (
        ("value", "code.coding.code"),
        ("value", "code.coding.system"),
    )
    systolic = blood_pressure.elements["component:SystolicBP"]
    assert (systolic.path, systolic.slice_name, systolic.minimum) == ("component", "SystolicBP", 1)
    code = blood_pressure.elements["component:SystolicBP.code.coding:SBPCode.code"]
    assert (code.path, code.fixed) == ("component.code.coding.code", "8480-6")
    assert blood_pressure.base == "http://hl7.org/fhir/StructureDefinition/vitalsigns"


def test_an_extension_tells_its_value_and_context() -> None:
    """https://hl7.org/fhir/R4/extension-patient-birthplace.html."""
    birth_place = profile("http://hl7.org/fhir/StructureDefinition/patient-birthPlace")
    assert [reference.code for reference in birth_place.elements["value[x]"].types] == ["Address"]
    assert birth_place.elements["url"].fixed == birth_place.name
    assert birth_place.context == (("element", "Patient"),)
