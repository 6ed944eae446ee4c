"""Search parameters, compartments and operations as the specification defines them."""

from resources.definitions import (
    compartment_definitions,
    operation_definitions,
    search_parameter_definitions,
)


def test_search_parameters() -> None:
    """https://hl7.org/fhir/R4/patient.html#search: 1,400 parameters, of which 1,375 serve for certain."""
    found = {facts["url"]: facts for facts in search_parameter_definitions()}
    assert len(found) == 1400
    assert found["http://hl7.org/fhir/SearchParameter/Observation-component-code-value-quantity"] == {
        "id": "Observation-component-code-value-quantity",
        "url": "http://hl7.org/fhir/SearchParameter/Observation-component-code-value-quantity",
        "code": "component-code-value-quantity",
        "base": ["Observation"],
        "type": "composite",
        "expression": "Observation.component",
        "xpathUsage": "normal",
        "component": [
            {
                "definition": "http://hl7.org/fhir/SearchParameter/Observation-component-code",
                "expression": "code",
            },
            {
                "definition": "http://hl7.org/fhir/SearchParameter/Observation-component-value-quantity",
                "expression": "value.as(Quantity)",
            },
        ],
        "multipleOr": False,
    }


def test_compartments() -> None:
    """https://hl7.org/fhir/R4/compartmentdefinition-patient.html."""
    found = {facts["id"]: facts for facts in compartment_definitions()}
    assert set(found) == {"device", "encounter", "example", "patient", "practitioner", "relatedPerson"}
    rows = {row["code"]: row.get("param") for row in found["patient"]["resource"]}
    assert len(rows) == 145
    assert rows["AllergyIntolerance"] == ["patient", "recorder", "asserter"]
    assert rows["ActivityDefinition"] is None


def test_operations() -> None:
    """https://hl7.org/fhir/R4/operation-patient-everything.html."""
    found = {facts["id"]: facts for facts in operation_definitions()}
    assert len(found) == 47
    everything = found["Patient-everything"]
    levels = (everything["system"], everything["type"], everything["instance"])
    assert (everything["code"], everything["resource"], levels) == (
        "everything",
        ["Patient"],
        (False, True, True),
    )
    assert {"name": "start", "use": "in", "min": 0, "max": "1", "type": "date"} in everything["parameter"]
