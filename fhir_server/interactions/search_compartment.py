"""Search within a compartment: `Patient/1/Observation`, `Patient/1/*`, `Patient/1/_search`.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from datetime import datetime

from fhir_server.context import Context, Request, Response
from fhir_server.search.asked import Condition
from fhir_server.search.compartments import compartment_types, in_compartment
from fhir_server.search.searches import answer
from resources.compartments import compartments
from resources.definitions import resource_types
from resources.operation_outcome import ResourceNotFound, error

_ALL = ("*", "_search")


async def search_compartment(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of type searchset, which is empty also if nobody has the compartment's id.

    Raises ResourceNotFound for what is no compartment, and for types that are never in it.
    """
    compartment, resource_id, wanted = request.path[:3]
    if compartment not in compartments():
        listed = ", ".join(compartments())
        raise ResourceNotFound(error("not-found", f"These types have compartments to search in: {listed}"))
    members = compartment_types(compartment)
    if wanted in resource_types() and wanted not in members:
        raise ResourceNotFound(
            error("not-found", f"No {wanted} is ever in the compartment of a {compartment}")
        )

    def restriction(resource_type: str, now: datetime) -> Condition:
        return in_compartment(compartment, resource_id, resource_type, context.base_url, now)

    if wanted not in _ALL:
        return await answer(request, context, (wanted,), restriction)
    return await answer(request, context, None, restriction, among=members)
