"""The one table of operations; the route table and the CapabilityStatement are made from it.

https://hl7.org/fhir/R4/operations.html
"""

from collections.abc import Mapping

from fhir_server.context import Route
from fhir_server.operations.break_glass import BREAK_GLASS
from fhir_server.operations.convert import CONVERT
from fhir_server.operations.docref import DOCREF
from fhir_server.operations.document import DOCUMENT
from fhir_server.operations.everything import ENCOUNTER_EVERYTHING, PATIENT_EVERYTHING
from fhir_server.operations.expunge import EXPUNGE
from fhir_server.operations.graphql import GRAPHQL, taking_graphql
from fhir_server.operations.hl7v2 import HL7V2_OPERATIONS
from fhir_server.operations.lastn import LASTN
from fhir_server.operations.lineage import LINEAGE
from fhir_server.operations.match import MATCH
from fhir_server.operations.meta import META
from fhir_server.operations.meta_add import META_ADD
from fhir_server.operations.meta_delete import META_DELETE
from fhir_server.operations.operation import Operation
from fhir_server.operations.reindex import REINDEX, REINDEX_CANCEL, REINDEX_STATUS
from fhir_server.operations.verify import VERIFY
from fhir_server.workflows.registry import WORKFLOW_OPERATIONS
from resources.operation_outcome import NotSupported, ResourceNotFound, error

_OFFERED: tuple[Operation, ...] = (
    BREAK_GLASS,
    CONVERT,
    DOCREF,
    DOCUMENT,
    ENCOUNTER_EVERYTHING,
    EXPUNGE,
    GRAPHQL,
    LASTN,
    LINEAGE,
    MATCH,
    META,
    META_ADD,
    META_DELETE,
    PATIENT_EVERYTHING,
    REINDEX,
    REINDEX_CANCEL,
    REINDEX_STATUS,
    VERIFY,
    *HL7V2_OPERATIONS,
    *WORKFLOW_OPERATIONS,
)

OPERATIONS: Mapping[str, Operation] = {operation.definition: operation for operation in _OFFERED}
"""The operations by the canonical URL of their definition; several may have the same code."""


def operation_route(method: str, path: tuple[str, ...]) -> Route:
    """Return what carries out the operation that the last segment of `path` names.

    Raises ResourceNotFound where there is no such operation, and NotSupported for a method that it does not
    take.
    """
    operation = _operation_at(path)
    if method not in operation.methods:
        message = f"This operation is called by {' or '.join(operation.methods)}"
        raise NotSupported(error("not-supported", message), allow=operation.methods)
    is_safe = operation.is_safe(method)
    return Route("operation", taking_graphql(operation.handler), is_safe, may_wait=is_safe)


def operation_methods(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the methods that call the operation at `path`; raise ResourceNotFound if there is none."""
    return _operation_at(path).methods


def _operation_at(path: tuple[str, ...]) -> Operation:
    code = path[-1].removeprefix("$")
    found = (one for one in OPERATIONS.values() if one.code == code and one.is_offered(path))
    operation = next(found, None)
    if operation is None:
        raise ResourceNotFound(error("not-supported", "There is no such operation at this address"))
    return operation
