"""How far a request is that the client does not wait for, and its cancellation.

https://hl7.org/fhir/R4/async.html
"""

from fhir_server.context import Context, Request, Response


async def async_status(request: Request, context: Context) -> Response:
    """Answer 202 while it is under way, 200 with a batch-response of one entry afterwards, 404 if unknown."""
    return await context.jobs.status(request.path[1], context)


async def async_cancel(request: Request, context: Context) -> Response:
    """Answer 202, and 404 to whoever asks after it from then on."""
    return await context.jobs.cancel(request.path[1], context)
