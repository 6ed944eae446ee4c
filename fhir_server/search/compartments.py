"""Conditions on documents that a resource is in a compartment: that of one patient or encounter, or of any.

https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from fhir_server.search.asked import NOTHING, Condition, Field, both, either, starting_with
from fhir_server.search.conditions import condition
from fhir_server.search.fields import fields, narrowed_fields
from resources.compartments import compartment_parameters
from resources.definitions import resource_types


def compartment_types(compartment: str) -> tuple[str, ...]:
    """Return the resource types that may be in a compartment such as `Patient`, itself among them."""
    return tuple(
        name for name in resource_types() if name == compartment or compartment_parameters(compartment, name)
    )


def in_compartment(
    compartment: str, resource_id: str, resource_type: str, base_url: str, now: datetime
) -> Condition:
    """Return the condition that a resource of a type is in the compartment of `compartment/resource_id`.

    That resource itself is in it too.
    """
    found = [
        condition(resource_type, f"{code}:{compartment}", (resource_id,), base_url, now)
        for code in compartment_parameters(compartment, resource_type)
    ]
    if resource_type == compartment:
        found.append({"_id": resource_id})
    # `patient` and `subject` may be about the same element, and then ask the same.
    distinct = [one for index, one in enumerate(found) if one not in found[:index]]
    return either(distinct) if distinct else NOTHING


def each_with(condition: Condition, also: Condition) -> Condition:
    """Return the condition that both hold, with `also` in each alternative: MongoDB does not move it there.

    So a bound on `seq` bounds each index that is read, and their entries are merged in its order.
    """
    if condition.keys() == {"$or"}:
        return either(both([alternative, also]) for alternative in condition["$or"])
    return both([condition, also])


def in_any_compartment(compartment: str, resource_type: str, base_url: str) -> Condition:
    """Return the condition that a resource is in the compartment of any resource here; {} if all are."""
    if resource_type == compartment:
        return {}
    found = [
        {field.path: test if field.is_bare else {"$elemMatch": test}}
        for field in compartment_fields(compartment, resource_type)
        for test in (starting_with(f"{compartment}/"), starting_with(f"{base_url}/{compartment}/"))
    ]
    return either(found) if found else NOTHING


@cache
def compartment_fields(compartment: str, resource_type: str) -> tuple[Field, ...]:
    """Return the fields whose references put a resource of the type into a compartment."""
    known, narrowed = fields(resource_type), narrowed_fields(resource_type)
    found: dict[str, Field] = {}
    for code in compartment_parameters(compartment, resource_type):
        for field in known[code]:
            narrow = narrowed.get((field.parameter.code, compartment), field)
            found[narrow.path] = narrow
    return tuple(found.values())


def owners(compartment: str, resource_type: str, search: Mapping[str, Any], base_url: str) -> set[str]:
    """Return the ids of the resources in whose compartments a resource with the index values `search` is."""
    found = set()
    for field in compartment_fields(compartment, resource_type):
        for reference in _listed(search.get(field.path.removeprefix("search."))):
            local = reference.removeprefix(f"{base_url}/")
            if local.startswith(f"{compartment}/"):
                found.add(local.partition("/")[2])
    return found


def _listed(value: Any) -> Iterable[str]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
