"""A filter as a condition on documents: tests of the resource itself, and of those that it is linked with.

https://hl7.org/fhir/R4/search_filter.html
"""

from fhir_server.search import chains, reverse_chains
from fhir_server.search.asked import Condition, both, either
from fhir_server.search.filtering.comparisons import Comparison, compared
from fhir_server.search.filtering.syntax import Filter, Logic, Not, Step, Test, parse
from fhir_server.search.known import unknown
from fhir_server.search.scope import Scope
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import search_parameters


def condition(resource_type: str, texts: tuple[str, ...], scope: Scope) -> Condition:
    """Return the condition that a resource meets all filters.

    Raises InvalidSearch for what is not understood.
    """
    return both(_condition(resource_type, parse(text), scope) for text in texts)


def _condition(resource_type: str, filter_: Filter, scope: Scope) -> Condition:
    match filter_:
        case Not():
            return {"$nor": [_condition(resource_type, filter_.filter, scope)]}
        case Logic():
            sides = [_condition(resource_type, side, scope) for side in (filter_.left, filter_.right)]
            return both(sides) if filter_.operator == "and" else either(sides)
        case Test():
            return _test(resource_type, filter_, scope)


def _test(resource_type: str, test: Test, scope: Scope) -> Condition:
    first, rest = test.path[0], test.path[1:]
    if reverse_chains.is_reverse_chain(first.name):
        return _of_referring(resource_type, test, scope)
    if rest:
        return _of_target(resource_type, test, scope)
    if first.filter is not None:
        raise InvalidSearch(error("value", "_filter: after [...] comes a dot and the name of a parameter"))
    issue = unknown(resource_type, first.name)
    if issue is not None:
        raise InvalidSearch(issue)
    parameter = search_parameters(resource_type).get(first.name)
    if parameter is None:
        raise InvalidSearch(error("not-supported", "_filter: a name takes no modifier; use an operator"))
    return compared(Comparison(parameter, test.operator, test.value, scope))


def _of_target(resource_type: str, test: Test, scope: Scope) -> Condition:
    """Return the condition that a reference leads to a resource that meets the rest of the test."""
    link, rest = test.path[0], Test(test.path[1:], test.operator, test.value)

    def inner(target: str, _name: str, _texts: tuple[str, ...], deeper: Scope) -> Condition:
        conditions = [_test(target, rest, deeper)]
        if link.filter is not None:
            conditions.append(_condition(target, link.filter, deeper))
        return both(conditions)

    # The text says all of the question, as equal questions are asked once.
    return both(chains.condition(resource_type, f"{link.name}.{link} {rest}", ("",), scope, inner))


def _of_referring(resource_type: str, test: Test, scope: Scope) -> Condition:
    """Return the condition that a resource refers here that meets what follows `_has:Type:reference:`."""
    has, referring, code, name = (*test.path[0].name.split(":", 3), "", "", "")[:4]
    rest = Test((Step(name, test.path[0].filter), *test.path[1:]), test.operator, test.value)

    def inner(source: str, _name: str, _texts: tuple[str, ...], deeper: Scope) -> Condition:
        return _test(source, rest, deeper)

    whole = f"{has}:{referring}:{code}:{rest if name else ''}"
    return both(reverse_chains.condition(resource_type, whole, ("",), scope, inner))
