"""Mutations: create, update and delete, by the interactions that HTTP has.

"If these operations fail, an http error is returned": those of a document that come before have been carried
out then, and those after it are not. https://hl7.org/fhir/R4/graphql.html#mutations
"""

from typing import Any

from fhir_server.context import Request
from fhir_server.graphql.fields import Arguments, Source
from fhir_server.graphql.reading import Reads
from resources import json_format
from resources.operation_outcome import InvalidContent, Issue, error, operation_outcome

_DELETED = Issue("information", "informational", "The resource is deleted")


async def carried_out(source: Source, arguments: Arguments, reads: Reads) -> dict[str, Any]:
    """Carry out one mutation.

    Returns the resource that is stored then, or the object that tells of a deletion. Raises what the
    interaction raises.
    """
    path: tuple[str, ...] = (source.resource_type,)
    if source.kind == "create":
        return await reads.write(Request("POST", path, body=_resource(source, arguments["res"]))) or {}
    path = (*path, arguments["id"])
    if source.kind == "delete":
        await reads.write(Request("DELETE", path))
        return {"information": operation_outcome([_DELETED])}
    body = _resource(source, {"id": arguments["id"], **arguments["res"]})
    return await reads.write(Request("PUT", path, body=body)) or {}


def _resource(source: Source, given: dict[str, Any]) -> dict[str, Any]:
    """Return the resource that a mutation sends, read as strictly as if it had come as JSON."""
    try:
        sent = json_format.dumps(_without_nulls({"resourceType": source.resource_type, **given}))
    except (TypeError, ValueError):
        raise InvalidContent(error("value", "The resource has what cannot be written as JSON")) from None
    resource: dict[str, Any] = json_format.parse(sent)
    return resource


def _without_nulls(value: Any) -> Any:
    """Return `value` without the properties that are null: what GraphQL calls null is not there in FHIR."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value
