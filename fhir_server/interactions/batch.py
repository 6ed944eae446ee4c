"""batch: each entry succeeds or fails by itself. https://hl7.org/fhir/R4/http.html#transaction"""

import asyncio
from collections.abc import Iterator
from typing import Any

from fhir_server.bundle_links import resolve_links
from fhir_server.bundle_requests import entry_request, in_processing_order, is_reading
from fhir_server.context import Context, Response
from fhir_server.errors import error_response
from fhir_server.responses import as_entry
from resources.bundle import Entry, bundle, request_entries
from resources.operation_outcome import FhirError, InvalidContent, error

# Entries under way at once: enough to hide the database's latency, few enough to stay fair to others.
_CONCURRENCY = 8


async def batch(body: dict[str, Any], context: Context) -> Response:
    """Answer 200 with one entry for each that was sent, in the same order, whatever became of it."""
    entries = request_entries(body)
    answers: list[dict[str, Any]] = [{}] * len(entries)

    async def answer(remaining: Iterator[Entry]) -> None:
        for entry in remaining:
            answers[entry.index] = await _answer(entry, context)

    for group in in_processing_order(entries):
        remaining = iter(group)
        await asyncio.gather(*(answer(remaining) for _ in range(_CONCURRENCY)))
    return Response(200, bundle("batch-response", answers))


async def _answer(entry: Entry, context: Context) -> dict[str, Any]:
    is_read = False
    try:
        await resolve_links([(entry, entry.resource)], {}, context)
        request = entry_request(entry, context)
        route = context.match(request)
        if route.code == "batch-or-transaction":
            message = "A batch or transaction cannot be part of another one"
            raise InvalidContent(error("not-supported", message, f"{entry.expression}.request"))
        is_read = is_reading(request, route) or route.code == "operation"
        response = await route.handler(request, context)
    except FhirError as failure:
        response = error_response(failure)
    with_resource = entry.method != "HEAD" and (is_read or context.preferences.returns == "representation")
    return as_entry(response, context.base_url, with_resource=with_resource)
