"""Mutations: create, update and delete, by the interactions that HTTP has.

"If these operations fail, an http error is returned": https://hl7.org/fhir/R4/graphql.html#mutations
"""

from typing import Any

from fhir_server.context import Request
from fhir_server.graphql.fields import Arguments, Source
from fhir_server.graphql.reading import Reads


async def carried_out(source: Source, arguments: Arguments, reads: Reads) -> dict[str, Any]:
    """Carry out one mutation; return the resource that is stored then, {} after a deletion."""
    path: tuple[str, ...] = (source.resource_type,)
    if source.kind == "create":
        request = Request("POST", path, body=resource_of(source, arguments))
    else:
        path = (*path, arguments["id"])
        is_update = source.kind == "update"
        request = (
            Request("PUT", path, body=resource_of(source, arguments))
            if is_update
            else Request("DELETE", path)
        )
    return await reads.write(request) or {}


def resource_of(source: Source, arguments: Arguments) -> dict[str, Any]:
    """Return the resource that a mutation sends, with its type, which the input may leave out."""
    return {"resourceType": source.resource_type, **arguments["res"]}
