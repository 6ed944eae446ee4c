"""What systems answer to messages of ours: the outbox, and the Task of an order, follow it.

HL7 v2.5.1 §2.9.3 (the answer of the application comes as its own message), table 0119 (ORC-1 of an answer)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.destinations import Destination
from adapters.outbound import described, verdict
from fhir_server.context import Context
from fhir_server.search.parameters import parse_search
from fhir_server.store import Write, instant
from fhir_server.store.hl7_outbox import ACCEPTED, PARKED, SENT, WAITING, Outgoing
from fhir_server.store.noting import Note
from fhir_server.workflows.hl7v2.alerts import alert, not_taken
from fhir_server.workflows.made import changed, concept, has_code
from fhir_server.workflows.orders.vocabulary import is_fulfilment
from fhir_server.write_path import commit, replacement
from hl7.ack import Ack, read_ack
from hl7.message import Message, Segment
from resources.operation_outcome import PreconditionFailed

# Table 0119: what is said to an order, a change, a cancellation, or a pause that is not taken.
_REFUSED = frozenset({"UA", "UC", "UD", "UH", "UM", "UR", "UX"})
_TAKEN = "OK"
# From which states of a Task to which, as `workflows/orders/rules.py` has them.
_AFTER_YES = {"requested": "accepted", "received": "accepted"}
_AFTER_NO = {"requested": "rejected", "received": "rejected", "accepted": "failed", "in-progress": "failed"}
_TYPES, _FILLER = "http://terminology.hl7.org/CodeSystem/v2-0203", "FILL"
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

    `context` acts for the server itself, by the rules. What `noting` makes of it is stored with what follows,
    or alone if nothing does. An answer that names a message of another system than it comes from, or none of
    ours, changes nothing. Raises HL7Error if it is no answer.
    """
    ack = read_ack(message)
    entry = await context.store.hl7_outbox.entry(ack.control_id)
    where = None if entry is None else _destination(entry, message, destinations)
    if entry is None or where is None:
        if noting is not None:
            await commit(context, [], noting=noting(Taken(is_ours=False)))
        return Taken(is_ours=False)
    references = await follow_order(entry, message, where, context, noting)
    await settle(entry, ack, where, context)
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


async def settle(entry: Outgoing, ack: Ack, destination: Destination, context: Context) -> None:
    """Note in the outbox what was answered to a message that was taken before, or waits to be sent again."""
    if entry.state not in (WAITING, ACCEPTED):
        return
    now, outbox = context.now(), context.store.hl7_outbox
    decided, said = verdict(ack, destination), answer_document(ack)
    if decided == "sent":
        await outbox.settle(entry.id, SENT, now, answer=said)
    elif decided in ("park", "retry") and ack.code[0] == "A":
        # What was taken once is not sent again by itself.
        await context.store.agenda.add(alert("parked", destination.name, now))
        await outbox.settle(entry.id, PARKED, now, problem=described(ack), answer=said)


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
    """Let the Task of an order follow what is said of the order (ORC-1); return what was changed.

    The number that the other system gave to the order (ORC-3) is kept, so that what we say of it later has it
    too.
    """
    order = message.first("ORC")
    control = "" if order is None else order.get(1)
    references: tuple[str, ...] = ()
    for _ in range(_MOST_ATTEMPTS):
        writes: list[Write] = []
        if order is not None and entry.subject.startswith("ServiceRequest/"):
            writes = [
                *await _tasks(entry, control, context),
                *await _numbered(entry, order, destination, context),
            ]
        references = tuple(f"{one.resource_type}/{one.id}" for one in writes)
        note = None if noting is None else noting(Taken(is_ours=True, references=references))
        try:
            if writes or note is not None:
                await commit(context, writes, noting=note)
            break
        except PreconditionFailed:
            continue
    if control in _REFUSED:
        await _tell_requester(entry, context)
    return references


async def _tasks(entry: Outgoing, control: str, context: Context) -> list[Write]:
    """Return the Tasks of an order as they are after the answer."""
    if control not in (_TAKEN, "UA"):
        return []
    following = _AFTER_YES if control == _TAKEN else _AFTER_NO
    asked = [("focus", entry.subject)]
    query = parse_search("Task", asked, lenient=False, base_url=context.base_url, now=context.now())
    writes = []
    for one in await context.store.find("Task", query.filter, (), {"resource": 1, "version": 1}, 10):
        task = one["resource"]
        if is_fulfilment(task) and task["status"] in following:
            after = changed(task, status=following[task["status"]], lastModified=instant(context.now()))
            writes.append(replacement("Task", task["id"], after, if_match=one["version"]))
    return writes


async def _numbered(
    entry: Outgoing, order: Segment, destination: Destination, context: Context
) -> list[Write]:
    """Return the order with the number that the other system gave to it, if that is new."""
    value, namespace, universal = order.get(3, 1), order.get(3, 2), order.get(3, 3)
    if not value:
        return []
    version = await context.store.read(*entry.subject.split("/"))
    request = None if version is None else version.resource
    if version is None or request is None or any(_is_number(one) for one in request.get("identifier", ())):
        return []
    system = destination.authorities.get(namespace) or destination.authorities.get(universal)
    if system is None and universal and order.get(3, 4) == "ISO":
        system = f"urn:oid:{universal}"
    number = {"type": concept(_TYPES, _FILLER), "value": value} | ({"system": system} if system else {})
    after = changed(request, identifier=[*request.get("identifier", ()), number])
    return [replacement("ServiceRequest", request["id"], after, if_match=version.number)]


def _is_number(identifier: Any) -> bool:
    return has_code(identifier.get("type"), _TYPES, _FILLER)


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
