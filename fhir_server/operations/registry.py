"""The one table of operations; the route table and the CapabilityStatement are made from it.

https://hl7.org/fhir/R4/operations.html
"""

from collections.abc import Mapping

from fhir_server.context import Route
from fhir_server.operations.operation import Operation
from resources.operation_outcome import NotSupported, ResourceNotFound, error

_OFFERED: tuple[Operation, ...] = ()

OPERATIONS: Mapping[str, Operation] = {operation.code: operation for operation in _OFFERED}
"""The operations by code, without the dollar sign."""


def operation_route(method: str, path: tuple[str, ...]) -> Route:
    """Return what carries out the operation that the last segment of `path` names.

    Raises ResourceNotFound where there is no such operation, and NotSupported for a method that it does not
    take.
    """
    operation = OPERATIONS.get(path[-1].removeprefix("$"))
    if operation is None or not operation.is_offered(path):
        raise ResourceNotFound(error("not-supported", "There is no such operation at this address"))
    if method not in operation.methods:
        message = f"This operation is called by {' or '.join(operation.methods)}"
        raise NotSupported(error("not-supported", message), allow=operation.methods)
    return Route("operation", operation.handler)
