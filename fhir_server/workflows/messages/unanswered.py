"""A patient's message that nobody answered in time: a Task for whom it was written to.

https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Iterable

from fhir_server.context import Context
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence
from fhir_server.workflows.made import concept, has_code, key_id, made
from fhir_server.workflows.messages.conversation import THREADS, WAITING
from fhir_server.workflows.notices import notice
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement

TASKS = "urn:fhir-hospital-server:tasks"
ANSWER = "answer-message"


async def remind(entry: Entry, context: Context, services: Services) -> None:
    """Make the Task, for the first of the staff to whom the message went."""
    del services
    version = await context.store.read(*entry.subject.split("/"))
    message = None if version is None else version.resource
    if message is None:
        return
    now = instant(context.now())
    task = made(
        "Task",
        id=key_id("W14.unanswered", entry.key),
        identifier=[{"system": THREADS, "value": entry.data["thread"]}],
        status="requested",
        intent="order",
        priority="urgent",
        code=concept(TASKS, ANSWER, "Answer a patient's message"),
        focus={"reference": entry.subject},
        **{"for": message.get("subject", message.get("sender"))},
        authoredOn=now,
        lastModified=now,
        owner={"reference": entry.data["owner"]},
        executionPeriod={"start": message.get("sent", now)},
    )
    await commit(context, [replacement("Task", task["id"], task, must_be_new=True)])


def follows(change: Change, _facts: None, situation: Situation) -> Iterable[Consequence]:
    """Tell the owner of a Task that waits for an answer."""
    task = change.after
    if task is None or not has_code(task.get("code"), TASKS, ANSWER) or not change.became("requested"):
        return
    owner = task.get("owner", {}).get("reference")
    if owner is not None:
        since = task.get("executionPeriod", {}).get("start", instant(situation.now))
        yield notice(WAITING, change.reference, owner, situation.now, data={"since": since})
