"""One parameter of a search with all its values: about the resource itself, or about others linked with it.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#all
"""

from collections.abc import Callable, Mapping
from functools import partial

from fhir_server.search import chains, filtering, full_text, lists, reverse_chains
from fhir_server.search.asked import Condition, both
from fhir_server.search.conditions import condition
from fhir_server.search.known import unknown
from fhir_server.search.scope import Scope
from resources.operation_outcome import InvalidSearch, Issue

_WITHOUT_EXPRESSION: Mapping[str, Callable[[str, tuple[str, ...], Scope], Condition]] = {
    "_content": partial(full_text.condition, "_content"),
    "_filter": filtering.condition,
    "_list": lists.condition,
    "_text": partial(full_text.condition, "_text"),
}
"""Parameters of all types that ask for something else than the value of an element."""


def criterion(resource_type: str, name: str, texts: tuple[str, ...], scope: Scope) -> Condition:
    """Return the condition that the parameter `name`, modifiers and chains included, has each of `texts`.

    It may have lookups in it. Raises InvalidSearch for what is not understood.
    """
    if name in _WITHOUT_EXPRESSION:
        return _WITHOUT_EXPRESSION[name](resource_type, texts, scope)
    if reverse_chains.is_reverse_chain(name):
        return both(reverse_chains.condition(resource_type, name, texts, scope, criterion))
    issue = unknown(resource_type, name)
    if issue is not None:
        raise InvalidSearch(issue)
    if chains.is_chain(name):
        return both(chains.condition(resource_type, name, texts, scope, criterion))
    return condition(resource_type, name, texts, scope.base_url, scope.now)


def problem(resource_type: str, name: str) -> Issue | None:
    """Return what is to be said of a parameter that the type does not have, None if it has it."""
    if name in _WITHOUT_EXPRESSION or reverse_chains.is_reverse_chain(name):
        return None
    return unknown(resource_type, name)
