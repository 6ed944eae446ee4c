"""The compartments of https://hl7.org/fhir/R4/compartmentdefinition.html."""

import pytest

from resources.compartments import compartment_parameters, compartments
from resources.definitions import resource_types
from resources.search_parameters import search_parameters


def test_there_are_five_compartments() -> None:
    """The example in the specification is none."""
    assert compartments() == ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")


@pytest.mark.parametrize(
    ("compartment", "resource_type", "expected"),
    [
        # https://hl7.org/fhir/R4/compartmentdefinition-patient.html
        ("Patient", "Observation", ("subject", "performer")),
        ("Patient", "AllergyIntolerance", ("patient", "recorder", "asserter")),
        ("Patient", "Patient", ("link",)),
        ("Patient", "Organization", ()),
        ("Patient", "Parameters", ()),
        # https://hl7.org/fhir/R4/compartmentdefinition-encounter.html
        ("Encounter", "Encounter", ()),
        ("Encounter", "Condition", ("encounter",)),
        # https://hl7.org/fhir/R4/compartmentdefinition-practitioner.html
        ("Practitioner", "Practitioner", ()),
        ("Practitioner", "Schedule", ("actor",)),
        # https://hl7.org/fhir/R4/compartmentdefinition-relatedperson.html
        ("RelatedPerson", "Patient", ("link",)),
        # https://hl7.org/fhir/R4/compartmentdefinition-device.html
        ("Device", "Observation", ("subject", "device")),
    ],
)
def test_parameters(compartment: str, resource_type: str, expected: tuple[str, ...]) -> None:
    """Each row of a compartment's table gives its parameters."""
    assert sorted(compartment_parameters(compartment, resource_type)) == sorted(expected)


def test_an_unknown_compartment_is_a_key_error() -> None:
    """A compartment is named for one of five types only."""
    with pytest.raises(KeyError):
        compartment_parameters("Organization", "Patient")


@pytest.mark.parametrize("compartment", ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"])
def test_every_parameter_refers_to_the_compartment(compartment: str) -> None:
    """All parameters exist, and may refer to a resource of the compartment's type."""
    members = 0
    for resource_type in resource_types():
        for code in compartment_parameters(compartment, resource_type):
            members += 1
            parameter = search_parameters(resource_type)[code]
            assert parameter.type == "reference"
            assert compartment in parameter.targets, (resource_type, code)
    assert members > 20
