"""$document: a Composition and all that it refers to, as one Bundle of type document.

https://hl7.org/fhir/R4/composition-operation-document.html, https://hl7.org/fhir/R4/documents.html
"""

import uuid
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.document_content import content
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.store import instant
from fhir_server.write_path import check_id, new_resource
from resources.operation_outcome import InvalidContent, NotSupported, error
from resources.references import parse_reference

_PARAMETERS = ("id", "persist", "graph")
# https://hl7.org/fhir/R4/datatypes.html#Identifier: the system of identifiers that are URIs themselves.
_OF_URIS = "urn:ietf:rfc:3986"


async def document(request: Request, context: Context) -> Response:
    """Answer 200 with the document; with `persist` it is stored, and `Location` says where.

    Raises ResourceNotFound or ResourceDeleted for the Composition, and UnprocessableContent if something that
    it refers to is not to be had here: a document without it would not be the whole one.
    """
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    persist = given.boolean("persist", default=False)
    if persist and request.method != "POST":
        message = "A document is stored by POST: with persist the operation changes something"
        raise NotSupported(error("not-supported", message), allow=("POST",))
    if given.text("graph") is not None:
        message = "The parameter graph is not supported: a document has what the Composition refers to"
        raise InvalidContent(error("not-supported", message))
    resource_id = _id(request, given, context)
    answer = await read(Request("GET", ("Composition", resource_id)), context)
    composition = answer.resource or {}
    assembled = await _assembled(composition, context)
    if not persist:
        return Response(200, assembled)
    write = new_resource("Bundle", context.new_id(), assembled)
    [written] = await context.store.commit([write])
    version = written.version
    assert version is not None  # noqa: S101 - a create always stores a version
    location = f"Bundle/{version.id}"
    return Response(200, version.resource, version.number, version.updated, location)


def _id(request: Request, given: Inputs, context: Context) -> str:
    """Return the id of the Composition, which stands in the address or in the parameter `id`."""
    text = given.text("id")
    if len(request.path) == 3:
        if text is not None:
            message = "The parameter id is for Composition/$document: here the address says which one"
            raise InvalidContent(error("invalid", message))
        return request.path[1]
    if text is None:
        raise InvalidContent(error("required", "The parameter id is missing"))
    literal = parse_reference(text.removeprefix(f"{context.base_url}/"))
    if literal is None:
        if "/" in text or ":" in text:
            raise _elsewhere()
        check_id(text)
        return text
    if literal.base or literal.resource_type != "Composition" or literal.version is not None:
        raise _elsewhere()
    return literal.id


def _elsewhere() -> InvalidContent:
    return InvalidContent(
        error("value", "The parameter id is the id or address of a Composition on this server")
    )


async def _assembled(composition: dict[str, Any], context: Context) -> dict[str, Any]:
    resources = [composition, *await content(composition, context)]
    entries = [
        {
            "fullUrl": f"{context.base_url}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
        }
        for resource in resources
    ]
    return {
        "resourceType": "Bundle",
        "identifier": {"system": _OF_URIS, "value": f"urn:uuid:{uuid.uuid4()}"},
        "type": "document",
        "timestamp": instant(context.now()),
        "entry": entries,
    }


DOCUMENT = Operation(
    code="document",
    definition="http://hl7.org/fhir/OperationDefinition/Composition-document",
    handler=document,
    types=frozenset({"Composition"}),
    parameters=_PARAMETERS,
    on_type=True,
    on_instance=True,
    may_affect_state=True,
)
