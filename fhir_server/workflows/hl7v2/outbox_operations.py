"""What operators do about messages to other systems: list them, read one, have it sent again, put it away.

Operations of this server: docs/hl7v2/outbound.md.
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.store import instant
from fhir_server.store.hl7_outbox import STATES, Outgoing
from resources.operation_outcome import Conflict, InvalidContent, ResourceNotFound, error

_MOST = 1_000
_LIST = ("state", "destination", "_count")
_ONE = ("id",)


async def list_messages(request: Request, context: Context) -> Response:
    """Answer the messages of the outbox without their texts, the oldest first: those that wait for a person.

    Or those in another `state` (waiting, accepted, sent, parked, discarded), for one `destination`.
    """
    given = inputs(request, _LIST, lenient=context.preferences.lenient)
    state = given.text("state") or "parked"
    if state not in STATES:
        raise InvalidContent(error("value", f"The parameter state is one of {', '.join(STATES)}"))
    count = given.count("_count")
    limit = min(_MOST, 100 if count is None else max(1, count))
    found = await context.store.hl7_outbox.listed(state, given.text("destination"), limit)
    return Response(200, parameters({"name": "message", "part": _parts(one)} for one in found))


async def show_message(request: Request, context: Context) -> Response:
    """Answer one message with its text, segment by segment; that somebody read it is on record."""
    entry = await _entry(inputs(request, _ONE, lenient=context.preferences.lenient), context)
    text = await context.store.hl7_outbox.text(entry.id)
    if context.trail is not None:
        kind, _, patient = entry.lane.partition("/")
        await context.trail.tell("hl7v2-show", patient if kind == "Patient" else None, f"Message {entry.id}")
    return Response(
        200,
        parameters([*_parts(entry), *({"name": "segment", "valueString": one} for one in segments(text))]),
    )


async def resend_message(request: Request, context: Context) -> Response:
    """Have a message sent again, with the very bytes and MSH-10 that it had.

    What was refused, or any other.
    """
    entry = await _entry(inputs(request, _ONE, lenient=context.preferences.lenient), context)
    if not await context.store.hl7_outbox.resend(entry.id, context.now()):
        raise _conflict("It waits to be sent already, or could not be made: change the resource again then")
    return await _answer(entry.id, context)


async def discard_message(request: Request, context: Context) -> Response:
    """Put a message away that is not to be sent any more; those behind it go on."""
    entry = await _entry(inputs(request, _ONE, lenient=context.preferences.lenient), context)
    if not await context.store.hl7_outbox.discard(entry.id, context.now()):
        raise _conflict("It is done, or put away already")
    return await _answer(entry.id, context)


async def _entry(given: Inputs, context: Context) -> Outgoing:
    entry_id = given.text("id")
    if entry_id is None:
        raise InvalidContent(error("required", "The parameter id is missing: the MSH-10 of the message"))
    found = await context.store.hl7_outbox.entry(entry_id)
    if found is None:
        raise ResourceNotFound(error("not-found", "There is no message of this id in the outbox"))
    return found


async def _answer(entry_id: str, context: Context) -> Response:
    if context.trail is not None:
        await context.trail.tell("hl7v2-change", None, f"Message {entry_id}")
    found = await context.store.hl7_outbox.entry(entry_id)
    return Response(200, parameters([] if found is None else _parts(found)))


def _conflict(message: str) -> Conflict:
    return Conflict(error("conflict", message))


def segments(text: bytes | None) -> list[str]:
    """Return the segments of a message as text to look at; bytes that are no UTF-8 are shown as Latin-1."""
    try:
        shown = (text or b"").decode()
    except UnicodeDecodeError:
        shown = (text or b"").decode("latin-1")
    return [one for one in shown.split("\r") if one]


def _parts(entry: Outgoing) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"name": "id", "valueString": entry.id},
        {"name": "destination", "valueString": entry.destination},
        {"name": "kind", "valueString": entry.kind},
        {"name": "subject", "valueReference": {"reference": entry.subject}},
        {"name": "state", "valueCode": entry.state},
        {"name": "created", "valueInstant": instant(entry.created)},
        {"name": "attempts", "valueInteger": entry.attempts},
    ]
    if entry.problem:
        parts.append({"name": "problem", "valueString": entry.problem})
    if entry.answer:
        parts.append({"name": "answer", "valueString": str(entry.answer["code"])})
    return parts


_TYPES = {"_count": "integer"}
_DOCS = {
    "state": "waiting, accepted, sent, parked (the default) or discarded.",
    "destination": "The name of a destination in the file of channels.",
    "_count": "How many messages at most, up to 1,000; 100 without it.",
}
_ID = {"id": "The MSH-10 of the message."}
OPERATIONS = (
    Operation(
        code="hl7v2-outbox",
        definition="metadata/OperationDefinition/hl7v2-outbox",
        handler=list_messages,
        parameters=_LIST,
        parameter_types=_TYPES,
        parameter_docs=_DOCS,
        on_system=True,
    ),
    Operation(
        code="hl7v2-outbox-show",
        definition="metadata/OperationDefinition/hl7v2-outbox-show",
        handler=show_message,
        parameters=_ONE,
        parameter_docs=_ID,
        on_system=True,
    ),
    Operation(
        code="hl7v2-outbox-resend",
        definition="metadata/OperationDefinition/hl7v2-outbox-resend",
        handler=resend_message,
        parameters=_ONE,
        parameter_docs=_ID,
        on_system=True,
        affects_state=True,
    ),
    Operation(
        code="hl7v2-outbox-discard",
        definition="metadata/OperationDefinition/hl7v2-outbox-discard",
        handler=discard_message,
        parameters=_ONE,
        parameter_docs=_ID,
        on_system=True,
        affects_state=True,
    ),
)
