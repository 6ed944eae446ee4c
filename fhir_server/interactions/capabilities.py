"""capabilities: the CapabilityStatement. https://hl7.org/fhir/R4/http.html#capabilities"""

import asyncio

from fhir_server.capabilities import Routes, capability_statement, interaction_codes
from fhir_server.context import Context, Request, Response
from fhir_server.query_parameters import check_parameters
from resources.operation_outcome import InvalidSearch, error


async def capabilities(request: Request, context: Context, routes: Routes) -> Response:
    """Answer 200 with what this server can do; `mode=full`, the default, is the only one offered."""
    check_parameters(request, context, ("mode",))
    modes = {value for name, value in request.query if name == "mode" and value}
    if modes - {"full"}:
        raise InvalidSearch(error("not-supported", "Only mode=full is offered"))
    codes = interaction_codes(routes)
    # The first one for an address takes seconds to compute, in which others shall not have to wait.
    statement = await asyncio.to_thread(capability_statement, context.base_url, context.settings, codes)
    return Response(200, statement)
