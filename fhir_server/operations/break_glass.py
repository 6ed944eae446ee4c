"""$break-glass: access to a patient whom one does not treat, in an emergency, for a while, with a reason.

An operation of this server. Whoever calls it is known, and what they see from then on is on record.
https://hl7.org/fhir/R4/security-labels.html#break-the-glass
"""

from datetime import timedelta
from typing import Any

import structlog

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.store import instant
from fhir_server.store.emergency_access import EmergencyAccess
from resources.operation_outcome import Forbidden, InvalidContent, ResourceNotFound, error

_SHORTEST_REASON, _LONGEST_REASON = 10, 1_000


async def break_glass(request: Request, context: Context) -> Response:
    """Give the caller access to the patient for the time that the settings say; `reason` says why."""
    given = inputs(request, BREAK_GLASS.parameters, lenient=context.preferences.lenient)
    reason = (given.text("reason") or "").strip()
    if not _SHORTEST_REASON <= len(reason) <= _LONGEST_REASON:
        message = f"reason says in {_SHORTEST_REASON} to {_LONGEST_REASON} characters what the emergency is"
        raise InvalidContent(error("required", message))
    if context.principal is None or context.principal.account_id is None:
        raise Forbidden(error("forbidden", "Only a person who has signed in can ask for emergency access"))
    now, patient = context.now(), request.path[1]
    until = now + timedelta(minutes=context.settings.emergency_minutes)
    access = EmergencyAccess(context.new_id(), context.principal.account_id, patient, reason, now, until)
    if not await context.store.emergency_access.add(access):
        raise ResourceNotFound(error("not-found", f"There is no Patient/{patient}"))
    structlog.get_logger("fhir_server.security").warning("emergency access", account=access.account_id)
    if context.trail is not None:
        await context.trail.tell("emergency-access", patient, reason)
    return Response(200, parameters([_granted(access)]))


def _granted(access: EmergencyAccess) -> dict[str, Any]:
    return {
        "name": "access",
        "part": [
            {"name": "patient", "valueReference": {"reference": f"Patient/{access.patient}"}},
            {"name": "until", "valueInstant": instant(access.until)},
        ],
    }


BREAK_GLASS = Operation(
    code="break-glass",
    definition="metadata/OperationDefinition/break-glass",
    handler=break_glass,
    types=frozenset({"Patient"}),
    parameters=("reason",),
    parameter_docs={"reason": "What the emergency is, in 10 to 1,000 characters."},
    on_instance=True,
    affects_state=True,
)
