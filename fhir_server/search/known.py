"""Which search parameters a resource type has here, and what is said of one that it does not have.

https://hl7.org/fhir/R4/search.html#errors
"""

from fhir_server.search.fields import is_searchable
from resources.custom_parameters import once_for_each_type
from resources.operation_outcome import Issue, error
from resources.search_parameters import is_waiting, search_parameters

NOT_INDEXED = "incomplete"
"""The code of the issue about a custom parameter whose values not all resources have yet."""

WITHOUT_ELEMENT = ("_content", "_filter", "_has", "_list", "_text")
"""Parameters of all types that ask for something else than the value of an element."""

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
    if is_waiting(resource_type, code):
        return not_indexed(code)
    is_name = len(code) < _LONGEST_NAME and code.replace("-", "").replace("_", "").isalnum()
    named = f"'{code}'" if is_name else "of such a name"
    listed = ", ".join((*known, *WITHOUT_ELEMENT))
    message = f"{resource_type} has no search parameter {named} here; it has {listed}"
    return error("not-supported", message)


def not_indexed(code: str) -> Issue:
    """Return what is to be said of a custom parameter whose values not all resources have yet."""
    message = f"The search parameter '{code}' is not indexed yet; run $reindex, see $reindex-status"
    return error(NOT_INDEXED, message)


@once_for_each_type
def supported_codes(resource_type: str) -> tuple[str, ...]:
    """Return the codes of the parameters that can be searched, sorted."""
    found = search_parameters(resource_type).items()
    return tuple(sorted(code for code, parameter in found if is_searchable(parameter)))
