"""search-type, by GET and by POST. https://hl7.org/fhir/R4/http.html#search"""

from fhir_server.context import Context, Request, Response
from fhir_server.search.parameters import parse_search
from fhir_server.search.positions import decode_position
from fhir_server.search.searchset import searchset


async def search_type(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of type searchset; 400 for what is not understood."""
    query = parse_search(
        request.path[0],
        request.query,
        lenient=context.preferences.lenient,
        base_url=context.base_url,
        now=context.now(),
    )
    links = [value for name, value in request.query if name == "_page"]
    after = decode_position(links[0], len(query.sort)) if links else None
    return Response(200, await searchset(query, after, context))
