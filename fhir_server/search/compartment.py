"""Compartment searches: `Patient/1/Observation` is what belongs to this patient.

A resource belongs to a compartment by any of the parameters that the definition of the compartment names,
each of which is asked of its index. https://hl7.org/fhir/R4/search.html#2.21.1.2,
https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from datetime import datetime

from fhir_server.search.asked import Condition, either
from fhir_server.search.conditions import condition
from resources.compartments import compartment_parameters
from resources.definitions import resource_types


def compartment_types(compartment: str) -> tuple[str, ...]:
    """Return the resource types that may be in a compartment such as `Patient`, itself among them."""
    return tuple(
        name for name in resource_types() if name == compartment or compartment_parameters(compartment, name)
    )


def compartment_condition(
    compartment: str, resource_id: str, resource_type: str, base_url: str, now: datetime
) -> Condition:
    """Return the condition that a resource of `resource_type`, one of the compartment's types, is in it."""
    reference = (f"{compartment}/{resource_id}",)
    conditions = [
        condition(resource_type, code, reference, base_url, now)
        for code in compartment_parameters(compartment, resource_type)
    ]
    if resource_type == compartment:
        conditions.append({"_id": resource_id})
    return either(conditions)
