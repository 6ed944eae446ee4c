"""$hl7v2-messages and its kin: what operators do with the HL7 v2 messages that came.

Operations of this server, on the system level; docs/hl7v2.md.
"""

from collections.abc import Sequence
from typing import Any

from adapters.channels import Channels
from fhir_server.context import Context, Request, Response
from fhir_server.hl7v2 import quarantine
from fhir_server.hl7v2.quarantine import MOST_LISTED, MOST_REPLAYED, STATES
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.smart.events import EventKind
from fhir_server.store import instant
from fhir_server.store.hl7_quarantine import Listed, Wanted
from resources.operation_outcome import InvalidContent, NotSupported, ResourceNotFound, error

_DEFINITIONS = "metadata/OperationDefinition"
_DEFAULT_LISTED = 100
_WHICH = ("status", "channel", "since", "until", "control-id")
_WHICH_DOCS = {
    "status": f"Where the messages are: {', '.join(STATES)}.",
    "channel": "The channel that they came by.",
    "since": "When they came at the earliest.",
    "until": "Before when they came.",
    "control-id": "Their MSH-10.",
}
_WHICH_TYPES = {"since": "dateTime", "until": "dateTime"}

Part = dict[str, Any]


async def messages(request: Request, context: Context) -> Response:
    """List HL7 v2 messages, the newest first; nothing of their content but what says which ones they are."""
    given = inputs(request, MESSAGES.parameters, lenient=context.preferences.lenient)
    limit = _limit(given, _DEFAULT_LISTED, MOST_LISTED)
    found = await context.store.hl7_quarantine.listed(_wanted(given), limit)
    return Response(200, parameters(_message(one) for one in found))


async def message(request: Request, context: Context) -> Response:
    """Show one HL7 v2 message: its content as it came and as it was edited, and what became of it."""
    given = inputs(request, MESSAGE.parameters, lenient=context.preferences.lenient)
    entry_id = str(given.required("id"))
    found = await context.store.hl7_quarantine.one(entry_id)
    if found is None:
        raise ResourceNotFound(error("not-found", "There is no message of this id"))
    await _tell(context, "hl7v2-show", f"Message {entry_id}")
    shown = await quarantine.shown(context.store, entry_id, _channels(context))
    parts = [*_message(found)["part"], {"name": "content", "valueString": shown.text}]
    if shown.edited is not None:
        parts.append({"name": "edited", "valueString": shown.edited})
    return Response(200, parameters([{"name": "message", "part": parts}]))


async def resubmit(request: Request, context: Context) -> Response:
    """Have an HL7 v2 message in quarantine tried again, as it came or as `content` says."""
    given = inputs(request, RESUBMIT.parameters, lenient=context.preferences.lenient)
    entry_id, content = str(given.required("id")), given.text("content")
    who = _who(context)
    await quarantine.resubmit(context.store, entry_id, who, content, _channels(context))
    await _tell(context, "hl7v2-change", f"Message {entry_id} is tried again")
    return await _told(entry_id, context)


async def discard(request: Request, context: Context) -> Response:
    """Put an HL7 v2 message in quarantine away, with a reason; it stays where it is, and can be shown."""
    given = inputs(request, DISCARD.parameters, lenient=context.preferences.lenient)
    entry_id = str(given.required("id"))
    await quarantine.discard(context.store, entry_id, _who(context), given.text("reason") or "")
    await _tell(context, "hl7v2-change", f"Message {entry_id} is discarded")
    return await _told(entry_id, context)


async def replay(request: Request, context: Context) -> Response:
    """Have HL7 v2 messages that were done applied anew, or tell (`dry-run`) what that would change now."""
    given = inputs(request, REPLAY.parameters, lenient=context.preferences.lenient)
    if given.boolean("dry-run", default=False):
        return await _preview(str(given.required("id")), context)
    wanted = _wanted(given)
    if wanted == Wanted():
        message = "Which messages? Give a channel, a time, a status or a control id"
        raise InvalidContent(error("required", message))
    limit = _limit(given, MOST_REPLAYED, MOST_REPLAYED)
    ids = await context.store.hl7_quarantine.replay(wanted, _who(context), limit)
    await _tell(context, "hl7v2-change", f"{len(ids)} messages are replayed")
    return Response(200, parameters([{"name": "count", "valueInteger": len(ids)}]))


async def _preview(entry_id: str, context: Context) -> Response:
    if context.messages is None:
        raise NotSupported(error("not-supported", "No HL7 v2 messages are taken here (FHIR_CHANNELS)"))
    await _tell(context, "hl7v2-show", f"Message {entry_id}")
    messages = context.messages
    found = await quarantine.differences(context.store, entry_id, messages.channels, messages.preview)
    return Response(200, parameters(_difference(one) for one in found))


def _difference(difference: Any) -> Part:
    parts: list[Part] = [{"name": "reference", "valueString": difference.reference}]
    if difference.before is not None:
        parts.append({"name": "before", "resource": difference.before})
    if difference.after is not None:
        parts.append({"name": "after", "resource": difference.after})
    return {"name": "difference", "part": parts}


async def _told(entry_id: str, context: Context) -> Response:
    found = await context.store.hl7_quarantine.one(entry_id)
    return Response(200, parameters([] if found is None else [_message(found)]))


def _channels(context: Context) -> Channels | None:
    return None if context.messages is None else context.messages.channels


def _who(context: Context) -> str:
    principal = context.principal
    if principal is None:
        return context.client
    return principal.fhir_user or principal.account_id or principal.client_id


async def _tell(context: Context, kind: EventKind, detail: str) -> None:
    if context.trail is not None:
        await context.trail.tell(kind, None, detail)


def _wanted(given: Inputs) -> Wanted:
    status = given.text("status") or ""
    if status and status not in STATES:
        raise InvalidContent(error("value", f"status is one of {', '.join(STATES)}"))
    return Wanted(
        status,
        given.text("channel") or "",
        given.text("control-id") or "",
        given.instant("since"),
        given.instant("until"),
    )


def _limit(given: Inputs, default: int, most: int) -> int:
    limit = given.count("limit")
    if limit is not None and not 1 <= limit <= most:
        raise InvalidContent(error("value", f"limit is a whole number from 1 to {most}"))
    return limit or default


def _message(found: Listed) -> Part:
    texts = {
        "id": found.id,
        "status": found.state,
        "channel": found.channel,
        "event": found.event,
        "control-id": found.control_id,
        "sender": found.sender,
        "peer": found.peer,
        "conflicts-with": found.conflicts_with,
    }
    parts: list[Part] = [{"name": name, "valueString": text} for name, text in texts.items() if text]
    parts.append({"name": "received", "valueInstant": instant(found.received)})
    if found.finished is not None:
        parts.append({"name": "finished", "valueInstant": instant(found.finished)})
    parts += [
        {"name": "size", "valueUnsignedInt": found.size},
        {"name": "attempts", "valueUnsignedInt": found.attempts},
    ]
    parts += [{"name": "reason", "part": _reason(one)} for one in found.reasons]
    parts += [{"name": "reference", "valueString": one} for one in found.references]
    parts += [{"name": "edit", "part": _edit(one)} for one in found.edits]
    return {"name": "message", "part": parts}


def _reason(reason: Any) -> Sequence[Part]:
    texts = {
        "code": reason.code,
        "location": reason.location,
        "severity": reason.severity,
        "text": reason.text,
        "rule": reason.rule,
    }
    return [{"name": name, "valueString": text} for name, text in texts.items() if text]


def _edit(edit: Any) -> Sequence[Part]:
    parts: list[Part] = [
        {"name": "kind", "valueString": edit.kind},
        {"name": "who", "valueString": edit.who},
        {"name": "at", "valueInstant": instant(edit.at)},
    ]
    return [*parts, {"name": "reason", "valueString": edit.reason}] if edit.reason else parts


MESSAGES = Operation(
    code="hl7v2-messages",
    definition=f"{_DEFINITIONS}/hl7v2-messages",
    handler=messages,
    parameters=(*_WHICH, "limit"),
    parameter_types=_WHICH_TYPES | {"limit": "integer"},
    parameter_docs=_WHICH_DOCS | {"limit": f"How many at most, up to {MOST_LISTED}."},
    on_system=True,
)
MESSAGE = Operation(
    code="hl7v2-message",
    definition=f"{_DEFINITIONS}/hl7v2-message",
    handler=message,
    parameters=("id",),
    on_system=True,
)
RESUBMIT = Operation(
    code="hl7v2-resubmit",
    definition=f"{_DEFINITIONS}/hl7v2-resubmit",
    handler=resubmit,
    parameters=("id", "content"),
    parameter_docs={"content": "The message as it should have been; without it as it came."},
    on_system=True,
    affects_state=True,
)
DISCARD = Operation(
    code="hl7v2-discard",
    definition=f"{_DEFINITIONS}/hl7v2-discard",
    handler=discard,
    parameters=("id", "reason"),
    on_system=True,
    affects_state=True,
)
REPLAY = Operation(
    code="hl7v2-replay",
    definition=f"{_DEFINITIONS}/hl7v2-replay",
    handler=replay,
    parameters=(*_WHICH, "limit", "dry-run", "id"),
    parameter_types=_WHICH_TYPES | {"limit": "integer", "dry-run": "boolean"},
    parameter_docs=_WHICH_DOCS
    | {
        "dry-run": "Whether it is only told what the message `id` would change now.",
        "id": "The message of a dry run.",
    },
    on_system=True,
    affects_state=True,
)
HL7V2_OPERATIONS = (MESSAGES, MESSAGE, RESUBMIT, DISCARD, REPLAY)
