"""$graphql: a query in the GraphQL language, about one resource or about the whole system.

https://hl7.org/fhir/R4/resource-operation-graphql.html, https://hl7.org/fhir/R4/graphql.html
"""

from fhir_server.context import Context, Request, Response
from fhir_server.operations.operation import ANY_TYPE, Operation


async def graphql(request: Request, context: Context) -> Response:
    """Answer 200 with the data; all else is told in the form that GraphQL clients understand."""
    # Imported when first asked for: the library takes 0.2 s and 16 MB, which no start has to pay.
    from fhir_server.graphql.answering import answered

    return await answered(request, context)


GRAPHQL = Operation(
    code="graphql",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-graphql",
    handler=graphql,
    types=ANY_TYPE,
    parameters=("query",),
    on_system=True,
    on_instance=True,
)
