"""The query parameters that every interaction takes, and what is said of those that one does not know.

As in a search, a parameter that is not understood is an error and not passed over, unless the client asks for
lenience: one that is misspelt would change what the answer means.
https://hl7.org/fhir/R4/http.html#parameters
"""

from collections.abc import Collection

from fhir_server.context import Context, Request
from resources.operation_outcome import InvalidSearch, error

FORM_PARAMETERS = frozenset({"_format", "_pretty"})
"""About the form of the answer: the endpoint looks at them, for all interactions alike."""


def check_parameters(request: Request, context: Context, known: Collection[str] = ()) -> None:
    """Raise InvalidSearch if `request` has a query parameter that is none of `known` or FORM_PARAMETERS."""
    names = {name for name, _ in request.query} - FORM_PARAMETERS
    if not names <= set(known) and not context.preferences.lenient:
        listed = ", ".join(sorted({*known, *FORM_PARAMETERS}))
        raise InvalidSearch(error("not-supported", f"This interaction knows these parameters: {listed}"))
