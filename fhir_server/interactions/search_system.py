"""search-system, by GET and by POST: over the types that `_type` names, or over all.

https://hl7.org/fhir/R4/http.html#search
"""

from fhir_server.context import Context, Request, Response
from fhir_server.search.searches import answer


async def search_system(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of type searchset; 400 for a parameter that not all of the types have."""
    return await answer(request, context, None)
