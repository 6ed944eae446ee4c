"""What the definition of a custom parameter allows to be asked, and nothing beyond.

`modifier`, `comparator`, `chain`, `multipleOr` and `multipleAnd`; a definition that does not say allows all.
https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.modifier
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.search.asked import Condition
from fhir_server.search.escaping import split
from fhir_server.search.prefixes import split_prefix
from resources.definitions import resource_types
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import ANYTHING, SearchParameter, search_parameters

_WITH_PREFIX = frozenset({"number", "date", "quantity"})


def check_allowed(parameter: SearchParameter, modifier: str, texts: tuple[str, ...]) -> None:
    """Raise InvalidSearch unless the parameter may be asked with this modifier for these values."""
    allowed = parameter.allowed
    if allowed is ANYTHING:
        return
    if modifier and allowed.modifiers is not None and _code(modifier) not in allowed.modifiers:
        raise _refusal(parameter, f"takes these modifiers: {', '.join(allowed.modifiers)}")
    if not allowed.multiple_and and len(texts) > 1:
        raise _refusal(parameter, "is given once at most")
    alternatives = [one for text in texts for one in split(text, ",")]
    if not allowed.multiple_or and len(alternatives) > len(texts):
        raise _refusal(parameter, "takes one value at a time")
    has_prefixes = parameter.type in _WITH_PREFIX and modifier != "missing"
    if allowed.comparators is not None and has_prefixes:
        # "eq" is what a value without a prefix means, and that may be asked of any parameter.
        asked = {split_prefix(one)[0] for one in alternatives}
        if asked - {"eq", *allowed.comparators}:
            raise _refusal(parameter, f"takes these prefixes: {', '.join(allowed.comparators)}")


def check_chain(parameter: SearchParameter, rest: str) -> None:
    """Raise InvalidSearch unless a chain may go on from the parameter with what `rest` begins with."""
    code = rest.partition(".")[0].partition(":")[0]
    chain = parameter.allowed.chain
    if chain is not None and code not in chain:
        raise _refusal(parameter, f"is followed by one of these: {', '.join(chain)}")


def check_contained(resource_type: str, conditions: Iterable[Condition], sort: Iterable[str]) -> None:
    """Raise InvalidSearch if a search in contained resources asks a custom parameter, or sorts by one.

    Their values are indexed with the resources of their own type, not with those that contain such resources.
    """
    asked = {path for condition in conditions for path in _paths(condition)} | set(sort)
    for parameter in search_parameters(resource_type).values():
        path = f"search.{parameter.code}"
        if parameter.is_custom and any(one == path or one.startswith(f"{path}.") for one in asked):
            message = f"{parameter.code} cannot be asked of contained resources"
            raise InvalidSearch(error("not-supported", message))


def _paths(condition: Any) -> Iterator[str]:
    """Yield the keys of a filter, fields of documents among them."""
    if isinstance(condition, dict):
        yield from condition
    if isinstance(condition, dict | list):
        for inner in condition.values() if isinstance(condition, dict) else condition:
            yield from _paths(inner)


def _code(modifier: str) -> str:
    """Return the code of a modifier: https://hl7.org/fhir/R4/valueset-search-modifier-code.html."""
    if modifier in resource_types():
        return "type"
    return "ofType" if modifier == "of-type" else modifier


def _refusal(parameter: SearchParameter, rule: str) -> InvalidSearch:
    return InvalidSearch(error("not-supported", f"{parameter.code} {rule}, by its definition"))
