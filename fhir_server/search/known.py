"""Which search parameters a resource type has here, and what is said of one that it does not have.

https://hl7.org/fhir/R4/search.html#errors
"""

from functools import cache

from fhir_server.search.fields import is_searchable
from resources.operation_outcome import Issue, error
from resources.search_parameters import search_parameters

# Bound on what an error message repeats.
_LONGEST_NAME = 64


def unknown(resource_type: str, name: str) -> Issue | None:
    """Return what is to be said of a parameter that the type does not have, None if it has it.

    `name` may have modifiers and chains, at which nothing is looked here.
    """
    code = name.partition(".")[0].partition(":")[0]
    known = supported_codes(resource_type)
    if code in known:
        return None
    is_name = len(code) < _LONGEST_NAME and code.replace("-", "").replace("_", "").isalnum()
    named = f"'{code}'" if is_name else "of such a name"
    message = f"{resource_type} has no search parameter {named} here; it has {', '.join(known)}"
    return error("not-supported", message)


@cache
def supported_codes(resource_type: str) -> tuple[str, ...]:
    """Return the codes of the parameters that can be searched, sorted."""
    found = search_parameters(resource_type).items()
    return tuple(sorted(code for code, parameter in found if is_searchable(parameter)))
