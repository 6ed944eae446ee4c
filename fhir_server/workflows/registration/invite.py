"""Patient/$invite: a code by which a person whom the desk has seen makes an account for their record.

An operation of this server. docs/accounts.md tells what the person does with it.
"""

import secrets
from datetime import timedelta

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.smart.accounts.register import plain
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.store import instant
from fhir_server.store.sign_ups import Invitation
from fhir_server.workflows.pattern import Rule
from fhir_server.workflows.registration.identity import is_merged

INVITE_RULE = Rule("W1.invite", "A code is handed out for a record that is in use.")

# Without those that look like others.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_GOOD_FOR = timedelta(days=7)


async def invite(request: Request, context: Context) -> Response:
    """Return a code that the patient enters when they make an account, once and within seven days.

    Whoever calls it has seen who the patient is. A code that was handed out before is good no more.
    """
    inputs(request, (), lenient=context.preferences.lenient)
    patient = (await read(Request("GET", request.path[:2]), context)).resource or {}
    if patient.get("active") is False or is_merged(patient) or "birthDate" not in patient:
        raise INVITE_RULE.error("The record is not in use, or has no birth date", "Patient")
    code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(3))
    until = context.now() + _GOOD_FOR
    await context.store.accounts.sign_ups.invite(Invitation(hashed(plain(code)), patient["id"], until))
    return Response(
        200,
        parameters(
            [{"name": "code", "valueString": code}, {"name": "until", "valueInstant": instant(until)}]
        ),
    )


INVITE = Operation(
    code="invite",
    definition="metadata/OperationDefinition/invite",
    handler=invite,
    types=frozenset({"Patient"}),
    on_instance=True,
    affects_state=True,
)
