"""From a request to the answer: the query is read, checked, carried out and put into form.

https://hl7.org/fhir/R4/graphql.html
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.graphql.answers import data, failed, invalid
from fhir_server.graphql.arranging import arranged
from fhir_server.graphql.checking import InvalidQuery, checked
from fhir_server.graphql.execution import Execution
from fhir_server.graphql.limits import LONGEST_SECONDS
from fhir_server.graphql.places import Place, stored
from fhir_server.graphql.reading import read
from fhir_server.graphql.requests import NAMES, Asked, asked
from fhir_server.graphql.schema import schema
from fhir_server.query_parameters import check_parameters
from resources.operation_outcome import FhirError, InvalidContent, NotSupported, TooCostly, error


async def answered(request: Request, context: Context) -> Response:
    """Return the answer to the query in `request`: the data, or the errors in GraphQL's form."""
    return await _in_form(_found(request, context))


async def selected(documents: Sequence[str], resource: dict[str, Any], context: Context) -> Response:
    """Return what a query, the only one in `documents`, selects of a resource that need not be stored."""
    return await _in_form(_found_in(documents, resource, context))


async def _in_form(finding: Awaitable[dict[str, Any]]) -> Response:
    """Return what is found, or what is wrong.

    Errors become answers here already, as the specification gives them a form of their own.
    """
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return data(await finding)
    except InvalidQuery as failure:
        return invalid(failure.errors)
    except FhirError as failure:
        return failed(failure)
    except TimeoutError:
        return failed(TooCostly(error("too-costly", f"The query took more than {LONGEST_SECONDS} seconds")))


async def _found(request: Request, context: Context) -> dict[str, Any]:
    check_parameters(request, context, NAMES)
    query = asked(request)
    above = request.path[:-1]
    types = schema(above[0] if above else None)
    operation = checked(query, types)
    if operation.is_mutation and request.method != "POST":
        raise NotSupported(error("not-supported", "A mutation is sent by POST"), allow=("POST",))
    place = stored(await read(above, context)) if above else None
    return arranged(await Execution(operation, types, context).root(place))


async def _found_in(documents: Sequence[str], resource: dict[str, Any], context: Context) -> dict[str, Any]:
    if len(documents) > 1:
        raise InvalidContent(error("invalid", "The parameter _graphql is given once at most"))
    types = schema(resource["resourceType"])
    operation = checked(Asked(documents[0]), types)
    place = Place(resource, resource, is_stored=False)
    return arranged(await Execution(operation, types, context).root(place))
