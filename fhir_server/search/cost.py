"""Which searches an index serves, and which would go through all resources of a type.

Told from the condition alone, by what `docs/search.md` says of indexes: an equality, a range or a list of
values that has to hold is looked up; what is negated, missing or somewhere within a text is not.
https://hl7.org/fhir/R4/search.html#errors
"""

from typing import Any

from fhir_server.search.asked import Condition
from fhir_server.search.lookups import lookups_in
from fhir_server.search.related import Related

_LOOKED_UP = frozenset({"$eq", "$in", "$gt", "$gte", "$lt", "$lte", "$geoWithin"})


def is_served(condition: Condition) -> bool:
    """Tell whether an index leads to what meets `condition`; {} is met by all, in their order."""
    return not condition or any(_is_served(path, test) for path, test in condition.items())


def needs_scan(condition: Condition) -> bool:
    """Tell whether the search, or one of the questions about others in it, is served by no index."""
    return not is_served(condition) or any(
        needs_scan(lookup.condition) for lookup in lookups_in(condition) if isinstance(lookup, Related)
    )


def _is_served(path: str, test: Any) -> bool:
    if path == "$and":
        return any(is_served(part) for part in test)
    if path == "$or":
        return all(part and is_served(part) for part in test)
    if path.startswith(("$", "resource.")):
        return False
    return _is_looked_up(test)


def _is_looked_up(test: Any) -> bool:
    """Tell whether a test of an index value says where in the index the value stands."""
    if not isinstance(test, dict):
        return test is not None
    if "$elemMatch" in test:
        inner = test["$elemMatch"]
        return any(
            _is_looked_up(part) if not key.startswith("$") else _bounds(inner) for key, part in inner.items()
        )
    return _bounds(test) or test == {"$exists": True}


def _bounds(test: Condition) -> bool:
    return any(operator in _LOOKED_UP and value is not None for operator, value in test.items())
