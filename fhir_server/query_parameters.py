"""The query parameters that every interaction takes, and what is said of those that one does not know.

As in a search, a parameter that is not understood is an error and not passed over, unless the client asks for
lenience: one that is misspelt would change what the answer means.
https://hl7.org/fhir/R4/http.html#parameters
"""

from collections.abc import Collection, Iterable

from fhir_server.context import Context, Request
from fhir_server.search.subsetting import Subsetting, parse_subsetting
from resources.operation_outcome import InvalidSearch, error

FORM_PARAMETERS = frozenset({"_format", "_pretty"})
"""About the form of the answer: the endpoint looks at them, for all interactions alike."""


SUBSETTING_PARAMETERS = ("_elements", "_summary")
"""About how much comes of each resource, for all interactions that read."""


def check_parameters(request: Request, context: Context, known: Collection[str] = ()) -> None:
    """Raise InvalidSearch if `request` has a query parameter that is none of `known` or FORM_PARAMETERS."""
    names = {name for name, _ in request.query} - FORM_PARAMETERS
    if not names <= set(known) and not context.preferences.lenient:
        listed = ", ".join(sorted({*known, *FORM_PARAMETERS}))
        raise InvalidSearch(error("not-supported", f"This interaction knows these parameters: {listed}"))


def subsetting_of(request: Request, types: Iterable[str]) -> Subsetting:
    """Return what SUBSETTING_PARAMETERS ask for of resources of `types`; raise InvalidSearch if malformed."""
    given = {name: [text for other, text in request.query if other == name] for name in SUBSETTING_PARAMETERS}
    return parse_subsetting(given, types)
