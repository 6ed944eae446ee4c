"""$meta-delete: take profiles, tags and security labels from a resource, or from an earlier version of it.

https://hl7.org/fhir/R4/resource-operation-meta-delete.html
"""

from fhir_server.context import Context, Request, Response
from fhir_server.operations.labels import PARAMETERS, change_labels, removed
from fhir_server.operations.operation import ANY_TYPE, Operation


async def meta_delete(request: Request, context: Context) -> Response:
    """Answer 200 with the resulting Meta; 404 or 410 if there is no such version."""
    return await change_labels(request, context, removed)


META_DELETE = Operation(
    code="meta-delete",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
    handler=meta_delete,
    types=ANY_TYPE,
    parameters=PARAMETERS,
    on_instance=True,
    on_version=True,
    affects_state=True,
)
