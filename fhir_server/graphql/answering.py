"""From a request to the answer: the query is read, checked, carried out and put into form.

https://hl7.org/fhir/R4/graphql.html
"""

import asyncio

from fhir_server.context import Context, Request, Response
from fhir_server.graphql.answers import data, failed, invalid
from fhir_server.graphql.arranging import arranged
from fhir_server.graphql.checking import InvalidQuery, checked
from fhir_server.graphql.execution import Execution
from fhir_server.graphql.limits import LONGEST_SECONDS
from fhir_server.graphql.reading import read
from fhir_server.graphql.requests import asked
from fhir_server.graphql.schema import schema
from resources.operation_outcome import FhirError, NotSupported, TooCostly, error


async def answered(request: Request, context: Context) -> Response:
    """Return the answer to the query in `request`: the data, or the errors in GraphQL's form.

    Errors become answers here already, as the specification gives them a form of their own.
    """
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await _found(request, context)
    except InvalidQuery as failure:
        return invalid(failure.errors)
    except FhirError as failure:
        return failed(failure)
    except TimeoutError:
        return failed(TooCostly(error("too-costly", f"The query took more than {LONGEST_SECONDS} seconds")))


async def _found(request: Request, context: Context) -> Response:
    query = asked(request)
    above = request.path[:-1]
    types = schema(above[0] if above else None)
    operation = checked(query, types)
    if operation.is_mutation and request.method != "POST":
        raise NotSupported(error("not-supported", "A mutation is sent by POST"), allow=("POST",))
    root = types.get_root_type(operation.node.operation)
    assert root is not None  # noqa: S101 - the query is valid
    resource = await read(above, context) if above else None
    return data(arranged(await Execution(operation, types, context).root(root, resource)))
