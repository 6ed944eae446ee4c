"""Support tickets: Tasks by which staff tell administrators that something of the system needs them.

Any of the staff makes one by a plain create and sees their own; administrators see and carry out all of them.
https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.context import Context
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.agenda import PARKED
from fhir_server.workflows.consequences import Consequence, Later
from fhir_server.workflows.made import changed, concept, has_code, key_id, made
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, Pattern, Rule, StateTable, Violation, Watch
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement, revision

Resource = Mapping[str, Any]

TASKS = "urn:fhir-hospital-server:tasks"
SUPPORT = "support"
ASSIGN = "W20.ask-administrators"
"""The action that finds out who the administrators are, and asks them."""

STATE = Rule("W20.ticket-state", "A support ticket is requested, worked on, and then completed or not.")
ADMINISTRATOR = Rule(
    "W20.ticket-administrator",
    "Administrators carry support tickets out; who made one may describe it better, or cancel it.",
    403,
    "forbidden",
)
REQUESTER = Rule("W20.ticket-requester", "Who makes a support ticket is its requester.", 403, "forbidden")
DESCRIPTION = Rule("W20.ticket-description", "A support ticket says what is wrong.")

NEW_TICKET = NoticeKind(
    "W20.ticket",
    "A support ticket",
    "There is a new support ticket. Sign in to read it.",
    "There is a new support ticket.",
)
TICKET_DONE = NoticeKind(
    "W20.ticket-done",
    "Your support ticket",
    "Your support ticket is {state}. Sign in to read more.",
    "Your support ticket is {state}.",
)

_WORKED_ON = ("accepted", "rejected", "in-progress", "on-hold", "completed", "failed", "cancelled")
_OVER = ("completed", "failed", "rejected", "cancelled")
_REQUESTERS = frozenset({"description", "status", "note", "priority"})
_SERVERS = frozenset({"meta", "lastModified"})


def is_ticket(task: Resource | None) -> bool:
    """Tell whether a Task is a support ticket."""
    return task is not None and has_code(task.get("code"), TASKS, SUPPORT)


STATES = StateTable(
    "Task",
    STATE,
    {
        "draft": ("requested", "cancelled"),
        "requested": ("received", *_WORKED_ON),
        "received": _WORKED_ON,
        "accepted": ("in-progress", "on-hold", "completed", "failed", "cancelled"),
        "in-progress": ("on-hold", "completed", "failed", "cancelled"),
        "on-hold": ("in-progress", "completed", "failed", "cancelled"),
    },
    first=("draft", "requested"),
    applies=is_ticket,
)


def completes(resource: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Fill in who asks, and when."""
    if not is_ticket(resource):
        return resource
    now = instant(situation.now)
    filled: dict[str, Any] = {}
    if before is None and "requester" not in resource and situation.person is not None:
        filled["requester"] = {"reference": situation.person}
    if before is None and resource.get("authoredOn") != now:
        filled["authoredOn"] = now
    if before is not None and "restriction" in before and "restriction" not in resource:
        filled["restriction"] = before["restriction"]  # which the server adds a moment later
    if resource.get("lastModified") != now:
        filled["lastModified"] = now
    return changed(resource, **filled) if filled else resource


def check(change: Change, _facts: None, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a ticket."""
    before, after = change.before, change.after
    if not (is_ticket(before) or is_ticket(after)):
        return
    if before is not None and is_ticket(before) != is_ticket(after):
        yield ADMINISTRATOR.broken("A support ticket stays one, and nothing else becomes one", "Task.code")
        return
    if after is None:
        return
    if not str(after.get("description", "")).strip():
        yield DESCRIPTION.broken("Say in the description what is wrong", "Task.description")
    requester = after.get("requester", {}).get("reference")
    if before is None and not situation.is_anybody and requester != situation.person:
        yield REQUESTER.broken("The requester is whoever makes the ticket", "Task.requester")
    if situation.has_role("AD"):
        return
    if before is None:
        if "owner" in after or "restriction" in after:
            yield ADMINISTRATOR.broken("Administrators decide who carries it out", "Task.owner")
        return
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)} - _SERVERS
    states = {before["status"], after["status"]}
    if not names <= _REQUESTERS or not (len(states) == 1 or after["status"] in ("cancelled", "requested")):
        yield ADMINISTRATOR.broken("Only its description, notes and cancellation are for others", "Task")


def follows(change: Change, _facts: None, situation: Situation) -> Iterable[Consequence]:
    """Tell administrators of a new ticket, and who made it that it is over."""
    task = change.after
    if task is None or not is_ticket(task):
        return
    if change.became("requested") and "restriction" not in task:
        yield Later(Entry(f"ticket/{change.reference}", situation.now, ASSIGN, change.reference))
    asked = _asked(task)
    for one in asked if _asked(change.before or {}) != asked else ():
        yield notice(NEW_TICKET, change.reference, one, situation.now)
    requester = task.get("requester", {}).get("reference")
    if requester is not None and change.before is not None and any(change.became(one) for one in _OVER):
        state = task["status"]
        yield notice(
            TICKET_DONE, change.reference, requester, situation.now, occasion=state, data={"state": state}
        )


def _asked(task: Resource) -> list[str]:
    recipients = task.get("restriction", {}).get("recipient", ())
    return [one["reference"] for one in recipients if "reference" in one]


async def ask_administrators(entry: Entry, context: Context, services: Services) -> None:
    """Put the administrators into the ticket whom there are now; they are told of it then."""
    del services
    version = await context.store.read(*entry.subject.split("/"))
    task = None if version is None else version.resource
    if task is None or task["status"] in _OVER or "restriction" in task:
        return
    accounts = await context.store.accounts.all()
    people = {one.fhir_user for one in accounts if one.is_active and "AD" in one.roles and one.fhir_user}
    if people:
        recipients = [{"reference": one} for one in sorted(people)]
        await commit(context, [revision(changed(task, restriction={"recipient": recipients}))])


async def tell_of_parked(entry: Entry, context: Context, services: Services) -> None:
    """Make a ticket of an entry of the agenda that failed too often; it says nothing of whom it was about."""
    del services
    now = instant(context.now())
    action, reason = entry.data["action"], entry.data["reason"]
    text = f"{action} failed too often and is parked ({reason}): see `fhir-server agenda list`, and `retry`."
    task = made(
        "Task",
        id=key_id("W20.parked", entry.key),
        status="requested",
        intent="order",
        priority="urgent",
        code=concept(TASKS, SUPPORT, "Support"),
        description=text,
        authoredOn=now,
        lastModified=now,
    )
    await commit(context, [replacement("Task", task["id"], task)])


PATTERN = Pattern(
    "W20",
    "Upkeep",
    rules=(STATE, ADMINISTRATOR, REQUESTER, DESCRIPTION),
    states=(STATES,),
    watches=(Watch(frozenset({"Task"}), completes=completes, check=check, follows=follows),),
    actions={ASSIGN: ask_administrators, PARKED: tell_of_parked},
    creates=frozenset({"Task"}),
    notices=(NEW_TICKET, TICKET_DONE),
)
