"""search-type, by GET and by POST. https://hl7.org/fhir/R4/http.html#search"""

from fhir_server.context import Context, Request, Response
from fhir_server.search.joins import resolved
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
    positions = [value for name, value in request.query if name == "_page" and value]
    after = decode_position(positions[0], len(query.results.sort)) if positions else None
    return Response(200, await searchset(await resolved(query, context), after, context))
