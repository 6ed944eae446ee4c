"""$lineage: which message gave an element its value, and which rule of the mapping.

An operation of this server, on every resource; docs/hl7v2/mapping.md
"""

from dataclasses import replace
from typing import Any

from adapters.channels import Channels
from fhir_server.context import Context, Request, Response
from fhir_server.hl7v2.lineage import Origin, lineage
from fhir_server.interactions.read import current
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import ANY_TYPE, Operation
from fhir_server.operations.outputs import parameters
from resources.operation_outcome import ResourceDeleted, error

_PARAMETERS = ("path",)


async def lineage_of(request: Request, context: Context) -> Response:
    """Answer 200 with an `element` for each that is asked about; 404 for a resource that one may not see.

    That the messages were looked into is put on record.
    """
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    resource_type, resource_id = request.path[0], request.path[1]
    version = await current(resource_type, resource_id, context)
    if version.resource is None:
        raise ResourceDeleted(error("deleted", "It is deleted"), version=version.number)
    channels = Channels() if context.messages is None else context.messages.channels
    everything = replace(context, store=context.store.unguarded())
    found = await lineage(version, given.text("path"), everything, channels)
    messages = sorted({one.message for one in found if one.message})
    if context.trail is not None:
        for message in messages:
            await context.trail.tell("hl7v2-show", None, f"Message {message}")
    return Response(200, parameters(_element(one) for one in found))


def _element(origin: Origin) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "path", "valueString": origin.path},
        {"name": "version", "valueString": str(origin.version)},
    ]
    told = {
        "message": origin.message,
        "controlId": origin.control_id,
        "location": "" if origin.location is None else str(origin.location),
        "rule": origin.row,
    }
    parts += [{"name": name, "valueString": value} for name, value in told.items() if value]
    return {"name": "element", "part": parts}


LINEAGE = Operation(
    code="lineage",
    definition="metadata/OperationDefinition/lineage",
    handler=lineage_of,
    types=ANY_TYPE,
    parameters=_PARAMETERS,
    parameter_docs={"path": "The path of an element, such as name[0].family; without it, all elements."},
    on_instance=True,
)
