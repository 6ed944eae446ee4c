"""What systems answer to messages of ours: the outbox, and the Task of an order, follow it.

HL7 v2.5.1 §2.9.3 (the answer of the application comes as its own message), table 0119 (ORC-1 of an answer)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.destinations import Destination
from adapters.outbound import described, verdict
from fhir_server.context import Context
from fhir_server.hl7v2.order_following import REFUSED, followed
from fhir_server.store.hl7_outbox import ACCEPTED, PARKED, SENT, WAITING, Outgoing
from fhir_server.store.noting import Note
from fhir_server.workflows.hl7v2.alerts import alert, not_taken
from fhir_server.write_path import commit
from hl7.ack import Ack, read_ack
from hl7.message import Message
from resources.operation_outcome import PreconditionFailed

_MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an answer: whether it was to a message of ours, and the resources that follow from it."""

    is_ours: bool
    references: tuple[str, ...] = ()


Noting = Callable[[Taken], Note]
"""Makes the note of what came of an answer, which is stored in the same transaction."""


async def answered(
    message: Message, context: Context, destinations: Sequence[Destination], noting: Noting | None = None
) -> Taken:
    """Take an answer that came as a message of its own (ACK, ORL, ORR, RRE) to one that was sent.

    `context` writes down what others report, by the rules. What `noting` makes of it is stored with what
    follows, or alone if nothing does. An answer that names a message of another system than it comes from, or
    none of ours, changes nothing. Raises HL7Error if it is no answer.
    """
    ack = read_ack(message)
    entry = await context.store.hl7_outbox.entry(ack.control_id)
    where = None if entry is None else _destination(entry, message, destinations)
    if entry is None or where is None:
        if noting is not None:
            await commit(context, [], noting=noting(Taken(is_ours=False)))
        return Taken(is_ours=False)
    references = await follow_order(entry, message, where, context, noting)
    await settle(entry, message, ack, where, context)
    return Taken(is_ours=True, references=references)


def _destination(
    entry: Outgoing, message: Message, destinations: Sequence[Destination]
) -> Destination | None:
    """Return the destination of a message, if the answer comes from there."""
    for one in destinations:
        if one.name == entry.destination:
            sender = message.header.sending_application[1].text
            return one if one.receiving_application in ("", sender) else None
    return None


async def settle(
    entry: Outgoing, message: Message, ack: Ack, destination: Destination, context: Context
) -> None:
    """Note in the outbox what was answered to a message that was taken before, or waits to be sent again."""
    if entry.state not in (WAITING, ACCEPTED):
        return
    now, outbox = context.now(), context.store.hl7_outbox
    decided, said = verdict(ack, destination), answer_document(ack)
    if decided == "sent":
        await outbox.settle(entry.id, SENT, now, problem=undone(message), answer=said)
    elif decided in ("park", "retry") and ack.code[0] == "A":
        # What was taken once is not sent again by itself.
        await context.store.agenda.add(alert("parked", destination.name, now))
        await outbox.settle(entry.id, PARKED, now, problem=described(ack), answer=said)


def undone(message: Message) -> str:
    """Return for operators that what a message asked for is not done, "" if it is, or was not answered."""
    order = message.first("ORC")
    control = "" if order is None else order.get(1)
    if control not in REFUSED:
        return ""
    return f"answered by ORC-1 {control}: what was asked of the order is not done"


def answer_document(ack: Ack) -> dict[str, Any]:
    """Return what is kept of an acknowledgment: codes and places, as its texts may name a patient."""
    errors = [
        {"code": one.code, "location": str(one.location or ""), "severity": one.severity}
        for one in ack.errors
    ]
    return {"code": ack.code, "errors": errors}


async def follow_order(
    entry: Outgoing,
    message: Message,
    destination: Destination,
    context: Context,
    noting: Noting | None = None,
) -> tuple[str, ...]:
    """Let an order and its Task follow what is said of the order (ORC-1); return what was changed.

    `context` writes down what others report. Who ordered is told of what is not done.
    """
    order = message.first("ORC")
    control = "" if order is None else order.get(1)
    references: tuple[str, ...] = ()
    for _ in range(_MOST_ATTEMPTS):
        writes = [] if order is None else await followed(entry, order, destination, context)
        references = tuple(f"{one.resource_type}/{one.id}" for one in writes)
        note = None if noting is None else noting(Taken(is_ours=True, references=references))
        try:
            if writes or note is not None:
                await commit(context, writes, noting=note)
            break
        except PreconditionFailed:
            continue
    if control in REFUSED:
        await _tell_requester(entry, context)
    return references


async def _tell_requester(entry: Outgoing, context: Context) -> None:
    """Tell who ordered that it was not taken.

    A cancellation that came too late is no less urgent than an order.
    """
    kind, _, resource_id = entry.subject.partition("/")
    version = await context.store.read(kind, resource_id)
    resource = {} if version is None else version.resource or {}
    requester = resource.get("requester", {}).get("reference")
    if requester:
        await context.store.agenda.add(not_taken(entry.subject, requester, entry.id, context.now()))
