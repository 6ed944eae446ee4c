"""FHIR R4 as data: its types, codes, search parameters, compartments and operations.

Everything is read from one committed file, part by part, when it is first asked for; what was read stays in
memory. Values are shared: nobody may change them.

Source: https://hl7.org/fhir/R4/downloads.html (package hl7.fhir.r4.core 4.0.1)
"""

from collections.abc import Mapping
from typing import Any

from resources.definitions.archive import whole_section
from resources.definitions.code_systems import CodeSystem, Concept, code_system, code_system_urls
from resources.definitions.structures import (
    Binding,
    Constraint,
    Element,
    Slicing,
    Structure,
    TypeReference,
    profile,
    profile_urls,
    resource_types,
    structure,
    type_names,
)
from resources.definitions.value_sets import value_set_codes, value_set_systems, value_sets

__all__ = [
    "Binding",
    "CodeSystem",
    "Concept",
    "Constraint",
    "Element",
    "Slicing",
    "Structure",
    "TypeReference",
    "code_system",
    "code_system_urls",
    "compartment_definitions",
    "concept_maps",
    "operation_definitions",
    "profile",
    "profile_urls",
    "resource_types",
    "search_parameter_definitions",
    "structure",
    "type_names",
    "value_set_codes",
    "value_set_systems",
    "value_sets",
]

Facts = Mapping[str, Any]
"""The facts of one definition as FHIR JSON."""


def search_parameter_definitions() -> tuple[Facts, ...]:
    """Return the facts of all 1,400 SearchParameter resources: https://hl7.org/fhir/R4/searchparameter.html."""
    return whole_section("SearchParameter")


def compartment_definitions() -> tuple[Facts, ...]:
    """Return the facts of all CompartmentDefinition resources: https://hl7.org/fhir/R4/compartmentdefinition.html."""
    return whole_section("CompartmentDefinition")


def operation_definitions() -> tuple[Facts, ...]:
    """Return the facts of all OperationDefinition resources: https://hl7.org/fhir/R4/operationdefinition.html."""
    return whole_section("OperationDefinition")


def concept_maps() -> tuple[Facts, ...]:
    """Return the facts of all ConceptMap resources: https://hl7.org/fhir/R4/conceptmap.html."""
    return whole_section("ConceptMap")
