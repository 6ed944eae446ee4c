"""capabilities: the CapabilityStatement. https://hl7.org/fhir/R4/http.html#capabilities"""

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
    return Response(200, capability_statement(context.base_url, context.settings, codes))
