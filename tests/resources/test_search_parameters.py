"""All search parameters of R4: https://hl7.org/fhir/R4/searchparameter-registry.html."""

import json
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from resources.definitions import resource_types, search_parameter_definitions, structure
from resources.fhirpath.element_paths import AtIndex, ElementIs, ElementPath, HasExtension, Step
from resources.search_parameters import SEARCHABLE_TYPES, SearchParameter, search_parameters

EXAMPLES = Path(__file__).parents[3] / "shared/data/fhir/r4-examples.tar.gz"
URL = "http://hl7.org/fhir/SearchParameter/"

ALL = [parameter for name in resource_types() for parameter in search_parameters(name).values()]


def json_keys(paths: tuple[ElementPath, ...]) -> list[str]:
    """Return paths as keys joined by points."""
    return [".".join(step.key for step in path.steps) for path in paths]


def test_all_but_thirteen_definitions_serve() -> None:
    """Of 1,400 definitions, ten name no resource type and three are examples."""
    unused = {facts["url"] for facts in search_parameter_definitions()} - {found.url for found in ALL}
    assert unused == {
        URL + name
        for name in (
            *("example", "example-extension", "example-reference"),
            *(
                f"{prefix}-extensions-{resource_type}-{code}"
                for prefix, resource_type in (("codesystem", "CodeSystem"), ("valueset", "ValueSet"))
                for code in ("author", "effective", "end", "keyword", "workflow")
            ),
        )
    }


def test_every_definition_serves_all_its_bases() -> None:
    """A parameter for several resource types, or for all, is there for each of them."""
    served = {(found.resource_type, found.url) for found in ALL}
    for facts in search_parameter_definitions():
        for base in facts.get("base", ()):
            if base in resource_types() and not facts["url"].startswith(URL + "example"):
                assert (base, facts["url"]) in served
    for resource_type in resource_types():
        assert {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"} <= set(
            search_parameters(resource_type)
        )


def test_every_parameter_with_an_expression_has_paths() -> None:
    """No expression of R4 is beyond what the definitions tell, for any resource type that it is for."""
    assert [found for found in ALL if found.expression and not found.paths] == []


def test_the_parameters_without_paths() -> None:
    """Four of https://hl7.org/fhir/R4/search.html#all have no expression, and two of Patient."""
    without = {found.code for found in ALL if not found.paths}
    assert without == {"_text", "_content", "_query", "_filter", "age", "birthOrderBoolean"}


def test_every_component_has_paths_for_every_path_of_its_composite() -> None:
    """A composite's component is found wherever the composite leads."""
    composites = [found for found in ALL if found.type == "composite"]
    assert len(composites) > 46
    for composite in composites:
        assert len(composite.components) >= 2
        for component in composite.components:
            assert len(component.paths) == len(composite.paths)
            assert all(component.paths), (composite.resource_type, composite.code, component.code)


def test_every_path_ends_at_a_type_that_the_parameter_searches() -> None:
    """https://hl7.org/fhir/R4/search.html#ptypes."""
    for found in ALL:
        searchable = SEARCHABLE_TYPES.get(found.type)
        for path in found.paths:
            assert searchable is None or path.type in searchable
        for component in found.components:
            types = {path.type for paths in component.paths for path in paths}
            assert types <= SEARCHABLE_TYPES[component.type]


def test_every_searchable_type_occurs() -> None:
    """The table of searchable types has no type that no parameter needs."""
    used = {(found.type, path.type) for found in ALL for path in found.paths}
    listed = {(parameter_type, name) for parameter_type, names in SEARCHABLE_TYPES.items() for name in names}
    # the integers of a number's table are one type for whoever compares numbers
    assert listed - used == {("number", "positiveInt"), ("number", "unsignedInt")}


@pytest.mark.parametrize(
    ("resource_type", "code", "parameter_type", "expected"),
    [
        ("Patient", "_id", "token", ["id"]),
        ("Patient", "_lastUpdated", "date", ["meta.lastUpdated"]),
        ("Patient", "birthdate", "date", ["birthDate"]),
        ("Patient", "given", "string", ["name.given"]),
        ("Patient", "phone", "token", ["telecom"]),
        (
            "Patient",
            "address",
            "string",
            ["address"],
        ),
        (
            "Observation",
            "date",
            "date",
            ["effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant"],
        ),
        ("Observation", "value-string", "string", ["valueString", "valueCodeableConcept.text"]),
        ("Procedure", "date", "date", ["performedDateTime", "performedPeriod"]),
        ("Condition", "onset-age", "quantity", ["onsetAge", "onsetRange"]),
        ("RiskAssessment", "probability", "number", ["prediction.probabilityDecimal"]),
        ("Group", "value", "token", ["characteristic.valueCodeableConcept", "characteristic.valueBoolean"]),
        ("MedicationRequest", "code", "token", ["medicationCodeableConcept"]),
        ("MedicationRequest", "medication", "reference", ["medicationReference"]),
        ("Consent", "source-reference", "reference", ["sourceReference"]),
        ("Location", "near", "special", ["position"]),
        ("ValueSet", "reference", "uri", ["compose.include.system"]),
    ],
)
def test_paths(resource_type: str, code: str, parameter_type: str, expected: list[str]) -> None:
    """A parameter looks at the elements that the resource's page names, in the types that it can search."""
    found = search_parameters(resource_type)[code]
    assert (found.code, found.type, found.resource_type) == (code, parameter_type, resource_type)
    assert json_keys(found.paths) == expected


@pytest.mark.parametrize(
    ("resource_type", "code", "url"),
    [
        ("Patient", "_id", URL + "Resource-id"),
        ("Condition", "subject", URL + "Condition-subject"),
        ("Patient", "name", URL + "Patient-name"),
        ("Observation", "code", URL + "clinical-code"),
    ],
)
def test_the_definition_behind_a_code(resource_type: str, code: str, url: str) -> None:
    """Where two definitions have the same code, it is not the example that counts."""
    assert search_parameters(resource_type)[code].url == url


@pytest.mark.parametrize(
    ("resource_type", "code", "expected"),
    [
        ("Observation", "patient", ("Patient",)),
        ("Encounter", "subject", ("Group", "Patient")),
        ("AllergyIntolerance", "patient", ("Patient",)),
        ("Appointment", "practitioner", ("Practitioner",)),
        ("Bundle", "composition", ("Composition",)),
        ("DiagnosticReport", "assessed-condition", ("Condition",)),  # only the extension says so
        ("RequestGroup", "instantiates-canonical", ()),
        ("Patient", "gender", ()),
    ],
)
def test_targets(resource_type: str, code: str, expected: tuple[str, ...]) -> None:
    """The targets of a reference are as narrow as definition, expression and element make them."""
    assert search_parameters(resource_type)[code].targets == expected


def test_targets_of_a_reference_to_anything() -> None:
    """A reference to any resource keeps the types that its definition lists: all but Parameters."""
    assert set(resource_types()) - set(search_parameters("List")["item"].targets) == {"Parameters"}


@pytest.mark.parametrize(
    ("resource_type", "code", "expected"),
    [("Organization", "phonetic", "phonetic"), ("Location", "near", "nearby"), ("Patient", "name", "normal")],
)
def test_usage(resource_type: str, code: str, expected: str) -> None:
    """Some parameters compare in another way: https://hl7.org/fhir/R4/valueset-search-xpath-usage.html."""
    assert search_parameters(resource_type)[code].usage == expected


def test_a_composite() -> None:
    """https://hl7.org/fhir/R4/observation.html#search: code and value of an observation or a component."""
    found = search_parameters("Observation")["combo-code-value-quantity"]
    assert json_keys(found.paths) == ["", "component"]
    code, value = found.components
    assert (code.code, code.type, value.code, value.type) == (
        "combo-code",
        "token",
        "combo-value-quantity",
        "quantity",
    )
    assert [json_keys(paths) for paths in code.paths] == [["code"], ["code"]]
    assert [json_keys(paths) for paths in value.paths] == [["valueQuantity"], ["valueQuantity"]]


def test_the_components_of_a_relationship_are_set_right() -> None:
    """R4 has the expressions of the two components the wrong way round."""
    relates_to, relation = search_parameters("DocumentReference")["relationship"].components
    assert (relates_to.code, relates_to.type, json_keys(relates_to.paths[0])) == (
        "relatesto",
        "reference",
        ["target"],
    )
    assert (relation.code, relation.type, json_keys(relation.paths[0])) == ("relation", "token", ["code"])


def test_an_unknown_resource_type_is_a_key_error() -> None:
    """Only types that have instances are searched."""
    for name in ("Patiant", "DomainResource", "HumanName"):
        with pytest.raises(KeyError):
            search_parameters(name)


def test_parameters_are_compiled_once() -> None:
    """The parameters of a type are the same object each time."""
    assert search_parameters("Slot") is search_parameters("Slot")


def kept(values: list[Any], step: Step) -> list[Any]:
    """Return those values at the end of a step that its condition lets pass."""
    match step.condition:
        case ElementIs(key=key, value=value):
            return [element for element in values if element.get(key) == value]
        case HasExtension(url=url):
            return [e for e in values if any(x["url"] == url for x in e.get("extension", ()))]
        case AtIndex(index=index):
            return values[index : index + 1]
    return values


def values_at(resource: dict[str, Any], steps: tuple[Step, ...]) -> list[Any]:
    """Return what is in a resource at the end of a path; an array where none is expected fails."""
    values: list[Any] = [resource]
    for step in steps:
        found = [value[step.key] for value in values if step.key in value]
        assert all(isinstance(value, list) is step.is_array for value in found), step
        values = kept([item for value in found for item in value] if step.is_array else found, step)
    return [value for value in values if value is not None]


def example_values() -> Iterator[tuple[SearchParameter, ElementPath, list[Any]]]:
    """Yield, for each official example, what is at the end of each path of its type's parameters."""
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".json") else None
            if content is None:
                continue
            resource = json.load(content, parse_float=Decimal)
            for parameter in search_parameters(resource["resourceType"]).values():
                for path in parameter.paths:
                    yield parameter, path, values_at(resource, path.steps)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="needs ../shared/data/fhir")
def test_the_official_examples_have_values_where_paths_lead() -> None:
    """Arrays, single values and types are as the paths say, and 1,356 parameters find something."""
    found_something = set()
    for parameter, path, values in example_values():
        assert len(values) <= 1 or not path.single
        if values:
            found_something.add((parameter.resource_type, parameter.code))
        is_object = structure(path.type).kind != "primitive-type"
        assert path.presence_of or all(isinstance(value, dict) is is_object for value in values)
    assert len(found_something) >= 1356
