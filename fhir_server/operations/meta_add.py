"""$meta-add: add profiles, tags and security labels to a resource, or to an earlier version of it.

https://hl7.org/fhir/R4/resource-operation-meta-add.html
"""

from fhir_server.context import Context, Request, Response
from fhir_server.operations.labels import PARAMETERS, added, change_labels
from fhir_server.operations.operation import ANY_TYPE, Operation


async def meta_add(request: Request, context: Context) -> Response:
    """Answer 200 with the resulting Meta; 404 or 410 if there is no such version."""
    return await change_labels(request, context, added)


META_ADD = Operation(
    code="meta-add",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-meta-add",
    handler=meta_add,
    types=ANY_TYPE,
    parameters=PARAMETERS,
    on_instance=True,
    on_version=True,
    affects_state=True,
)
