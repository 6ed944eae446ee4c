"""What people are told of messages that do not go through: operators by a ticket, who ordered by a notice."""

from datetime import datetime

from fhir_server.context import Context
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.services import Services
from fhir_server.workflows.upkeep.tickets import SUPPORT, TASKS
from fhir_server.write_path import commit, replacement

ALERT = "W19.alert"
"""The action that makes a ticket for operators."""

NOT_TAKEN = NoticeKind(
    "W19.order-not-taken",
    "An order was not taken",
    "The system that carries out what you ordered, changed or cancelled says that it cannot. "
    "Please call there.",
    "Something that you ordered or cancelled was not taken. Please call there.",
    urgent=True,
)

_TEXTS = {
    "parked": "HL7 v2 messages to {destination} wait for a person: they were refused, could not be made, or "
    "were sent too often in vain. See `fhir-server hl7v2 outbox list`, and `resend` or `discard`.",
    "unanswered": "{destination} took HL7 v2 messages (CA), and has not said since that they were processed. "
    "See `fhir-server hl7v2 outbox list --state accepted`.",
    "away": "{destination} does not answer. Its HL7 v2 messages wait, and go out when it does.",
}


def alert(what: str, destination: str, now: datetime) -> Entry:
    """Return the entry of the agenda by which operators are told, once an hour for each destination.

    `what` is `parked`, `unanswered` or `away`.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    key = f"hl7v2/{what}/{destination}/{hour.isoformat()}"
    return Entry(key, now, ALERT, "", {"what": what, "destination": destination})


async def tell_operators(entry: Entry, context: Context, services: Services) -> None:
    """Make a ticket; it says nothing of whom messages are about."""
    del services
    now = instant(context.now())
    text = _TEXTS[entry.data["what"]].format(destination=entry.data["destination"])
    task = made(
        "Task",
        id=key_id(ALERT, entry.key),
        status="requested",
        intent="order",
        priority="urgent",
        code=concept(TASKS, SUPPORT, "Support"),
        description=text,
        authoredOn=now,
        lastModified=now,
    )
    await commit(context, [replacement("Task", task["id"], task)])


def not_taken(subject: str, requester: str, control_id: str, now: datetime) -> Entry:
    """Return the entry by which who ordered is told that the order, or its change, was not taken."""
    return notice(NOT_TAKEN, subject, requester, now, occasion=control_id).entry
