"""$graphql: a query in the GraphQL language, about one resource or about the whole system.

Other operations take one about their result, as `_graphql`.
https://hl7.org/fhir/R4/resource-operation-graphql.html, https://hl7.org/fhir/R4/graphql.html#operations
"""

from dataclasses import replace

from fhir_server.context import Context, Handler, Request, Response
from fhir_server.operations.operation import ANY_TYPE, Operation

_PARAMETER = "_graphql"


async def graphql(request: Request, context: Context) -> Response:
    """Answer 200 with the data; all else is told in the form that GraphQL clients understand."""
    # Imported when first asked for: the library takes 0.2 s and 16 MB, which no start has to pay.
    from fhir_server.graphql.answering import answered

    return await answered(request, context)


def taking_graphql(handler: Handler) -> Handler:
    """Return the handler of an operation with what `_graphql` selects of its result, if that is given.

    "If the operation fails, and returns an operation outcome, then the graphQL is not executed."
    """

    async def handle(request: Request, context: Context) -> Response:
        documents = tuple(text for name, text in request.query if name == _PARAMETER)
        if not documents:
            return await handler(request, context)
        others = tuple(pair for pair in request.query if pair[0] != _PARAMETER)
        response = await handler(replace(request, query=others), context)
        if response.resource is None or response.status != 200:
            return response
        from fhir_server.graphql.answering import selected

        return await selected(documents, response.resource, context)

    return handle


GRAPHQL = Operation(
    code="graphql",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-graphql",
    handler=graphql,
    types=ANY_TYPE,
    parameters=("query",),
    on_system=True,
    on_instance=True,
    may_affect_state=True,
)
