"""One parameter of a search with all its values: about the resource itself, or about others linked with it.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#all
"""

from functools import cache

from fhir_server.search import chains, reverse_chains
from fhir_server.search.asked import Condition, both
from fhir_server.search.conditions import condition
from fhir_server.search.fields import is_searchable
from fhir_server.search.scope import Scope
from resources.operation_outcome import InvalidSearch, Issue, error
from resources.search_parameters import search_parameters

# Bound on what an error message repeats.
_LONGEST_NAME = 64


def criterion(resource_type: str, name: str, texts: tuple[str, ...], scope: Scope) -> Condition:
    """Return the condition that the parameter `name`, modifiers and chains included, has each of `texts`.

    It may have lookups in it. Raises InvalidSearch for what is not understood.
    """
    if reverse_chains.is_reverse_chain(name):
        return both(reverse_chains.condition(resource_type, name, texts, scope, criterion))
    if chains.is_chain(name):
        return both(chains.condition(resource_type, name, texts, scope, criterion))
    issue = unknown(resource_type, name)
    if issue is not None:
        raise InvalidSearch(issue)
    return condition(resource_type, name, texts, scope.base_url, scope.now)


def unknown(resource_type: str, name: str) -> Issue | None:
    """Return what is to be said of a parameter that the type does not have, None if it has it."""
    link = name.partition(".")[0]
    code = link.partition(":")[0]
    if code in supported_codes(resource_type) or reverse_chains.is_reverse_chain(name):
        return None
    known = ", ".join(supported_codes(resource_type))
    is_name = len(code) < _LONGEST_NAME and code.replace("-", "").replace("_", "").isalnum()
    named = f"'{code}'" if is_name else "of such a name"
    return error("not-supported", f"{resource_type} has no search parameter {named} here; it has {known}")


@cache
def supported_codes(resource_type: str) -> tuple[str, ...]:
    """Return the codes of the parameters that can be searched, sorted."""
    found = search_parameters(resource_type).items()
    return tuple(sorted(code for code, parameter in found if is_searchable(parameter)))
