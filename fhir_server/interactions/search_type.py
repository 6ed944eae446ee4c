"""search-type, by GET and by POST. https://hl7.org/fhir/R4/http.html#search"""

from fhir_server.context import Context, Request, Response
from fhir_server.search.searches import answer


async def search_type(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of type searchset; 400 for what is not understood."""
    return await answer(request, context, request.path[:1])
