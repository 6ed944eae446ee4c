"""$verify: is the audit log whole? An event that was changed, removed or moved in the database is found.

An operation of this server. docs/audit.md
"""

from typing import Any

from fhir_server.audit.verification import Finding, Verification, verified
from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from resources.operation_outcome import InvalidContent, NotSupported, error

_PARAMETERS = ("block", "seal")


async def verify(request: Request, context: Context) -> Response:
    """Answer 200 with `result`, what was looked at, where the log ends, and a `finding` for each thing wrong.

    `block` and `seal` name a block that was told of before: it has to be the same still.
    """
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    if context.store.audit_log is None:
        raise NotSupported(error("not-supported", "Nothing is on record here (FHIR_AUDIT=off)"))
    return Response(200, _told(await verified(context.store.audit_log, _anchor(given))))


def _anchor(given: Inputs) -> tuple[int, str] | None:
    block, seal = given.count("block"), given.text("seal")
    if (block is None) != (seal is None):
        raise InvalidContent(error("required", "block and seal are given together, or neither"))
    return None if block is None or seal is None else (block, seal)


def _told(found: Verification) -> dict[str, Any]:
    number, seal = found.head
    listed: list[dict[str, Any]] = [
        {"name": "result", "valueBoolean": found.is_whole},
        {"name": "events", "valueInteger": found.events},
        {"name": "unsealed", "valueInteger": found.unsealed},
        {"name": "blocks", "valueInteger": found.blocks},
        {"name": "block", "valueInteger": number},
        {"name": "seal", "valueString": seal},
        *(_finding(one) for one in found.findings),
    ]
    if found.has_more:
        listed.append({"name": "moreFindings", "valueBoolean": True})
    return parameters(listed)


def _finding(finding: Finding) -> dict[str, Any]:
    part: list[dict[str, Any]] = [{"name": "kind", "valueCode": finding.kind}]
    if finding.block is not None:
        part.append({"name": "block", "valueInteger": finding.block})
    if finding.event is not None:
        part.append({"name": "event", "valueReference": {"reference": f"AuditEvent/{finding.event}"}})
    return {"name": "finding", "part": part}


VERIFY = Operation(
    code="verify",
    definition="metadata/OperationDefinition/verify",
    handler=verify,
    types=frozenset({"AuditEvent"}),
    parameters=_PARAMETERS,
    parameter_types={"block": "integer"},
    on_type=True,
    is_enabled=lambda settings: settings.is_audited,
)
