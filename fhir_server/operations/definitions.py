"""The definitions of those operations and search parameters that are our own, and no part of R4.

They are told at the addresses that the CapabilityStatement names: `metadata/OperationDefinition/<code>` and
`metadata/SearchParameter/<id>`.
https://hl7.org/fhir/R4/operationdefinition.html
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.operation import Operation
from fhir_server.operations.registry import OPERATIONS
from fhir_server.query_parameters import check_parameters
from resources.operation_outcome import ResourceNotFound, error
from resources.own_parameters import ADDRESS, own_parameters

OWN_DEFINITIONS = ("metadata", "OperationDefinition")
"""The address below the base where the definitions of our own operations are."""

OWN_PARAMETERS = tuple(ADDRESS.split("/"))
"""The address below the base where those of our own search parameters are."""


async def operation_definition(request: Request, context: Context) -> Response:
    """Answer 200 with the OperationDefinition of one of our own operations, 404 for others."""
    check_parameters(request, context)
    found = next((one for one in OPERATIONS.values() if one.definition == "/".join(request.path)), None)
    if found is None:
        raise ResourceNotFound(error("not-found", "There is no operation of our own of this name"))
    return Response(200, _definition(found, context.base_url))


async def search_parameter(request: Request, context: Context) -> Response:
    """Answer 200 with the SearchParameter of one of our own search parameters, 404 for others."""
    check_parameters(request, context)
    found = own_parameters().get("/".join(request.path))
    if found is None:
        raise ResourceNotFound(error("not-found", "There is no search parameter of our own of this name"))
    return Response(200, {**found, "url": canonical(found["url"], context.base_url)})


def canonical(definition: str, base_url: str) -> str:
    """Return the URL of a definition: the specification's, or where ours is told."""
    return definition if definition.startswith("http") else f"{base_url}/{definition}"


def _definition(operation: Operation, base_url: str) -> dict[str, Any]:
    name = "".join(part.capitalize() for part in operation.code.split("-"))
    inputs = [
        {
            "name": parameter,
            "use": "in",
            "min": 0,
            "max": "*",
            "type": operation.parameter_types.get(parameter, "string"),
            **_documentation(operation, parameter),
        }
        for parameter in operation.parameters
    ]
    output = {"name": "return", "use": "out", "min": 1, "max": "1", "type": operation.returns}
    types = sorted(operation.types)
    return {
        "resourceType": "OperationDefinition",
        "id": operation.code,
        "url": canonical(operation.definition, base_url),
        "name": name,
        "status": "active",
        "kind": "operation",
        "description": (operation.handler.__doc__ or name).strip(),
        "affectsState": operation.affects_state,
        "code": operation.code,
        **({"resource": types} if types else {}),
        "system": operation.on_system,
        "type": operation.on_type,
        "instance": operation.on_instance or operation.on_version,
        "parameter": [*inputs, output],
    }


def _documentation(operation: Operation, parameter: str) -> dict[str, str]:
    told = operation.parameter_docs.get(parameter)
    return {"documentation": told} if told else {}
