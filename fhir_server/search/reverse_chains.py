"""_has: `Patient?_has:Observation:patient:code=x` asks the resources that refer to what is looked for.

What follows the reference is any parameter, a chain or another `_has` included.
https://hl7.org/fhir/R4/search.html#has
"""

from fhir_server.search.asked import Condition, both, either
from fhir_server.search.chains import places, reference_parameter
from fhir_server.search.related import Referred, url_path
from fhir_server.search.scope import Criterion, Scope
from resources.definitions import resource_types
from resources.operation_outcome import InvalidSearch, error

_HAS = "_has:"


def is_reverse_chain(name: str) -> bool:
    """Tell whether a parameter is `_has`."""
    return name.startswith(_HAS) or name == "_has"


def condition(
    resource_type: str, name: str, texts: tuple[str, ...], scope: Scope, criterion: Criterion
) -> list[Condition]:
    """Return the conditions, all of which hold, that a resource refers here that meets the rest of `name`."""
    parts = name.split(":", 3)
    if len(parts) != 4 or not all(parts):
        message = "_has is _has:[type]:[reference parameter]:[parameter]"
        raise InvalidSearch(error("value", message))
    _, referring, code, rest = parts
    if referring not in resource_types():
        raise InvalidSearch(error("value", "_has: what follows is not a resource type of FHIR R4"))
    parameter = reference_parameter(referring, code)
    if parameter.targets and resource_type not in parameter.targets:
        message = f"_has: {referring}.{code} does not refer to {resource_type}"
        raise InvalidSearch(error("not-supported", message))
    deeper = scope.deeper()
    found: list[Condition] = []
    for text in texts:
        asked = criterion(referring, rest, (text,), deeper)
        alternatives: list[Condition] = []
        for place in places(parameter, resource_type):
            having = both([asked, {place.path: {"$exists": True}}])
            values = Referred(referring, place, resource_type, (name, text), scope.base_url, having)
            path = url_path(resource_type) if place.by_url else "_id"
            alternatives.append({path: {"$in": values}})
        found.append(either(alternatives))
    return found
