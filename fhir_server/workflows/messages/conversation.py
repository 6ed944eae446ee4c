"""Messages between patients and staff, in threads, within the record: a notice only says that there is one.

A Communication with a sender, a topic, or an answer in it is such a message; those that the server makes of
notices have none of these. https://hl7.org/fhir/R4/communication.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Later, Put, Strike
from fhir_server.workflows.made import changed
from fhir_server.workflows.messages.people import id_in, is_own_role, own_patients, references, treats
from fhir_server.workflows.messages.recipients import PATIENTS, STAFF
from fhir_server.workflows.messages.record import FINAL
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, Rule, StateTable, Violation
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

THREADS = "urn:fhir-hospital-server:threads"
UNANSWERED = "W14.unanswered"
"""The action that makes a Task of a message that nobody answered."""

STATE = Rule("W14.state", "A message is prepared, sent, and then as it is; it may be held or stopped before.")
IMMUTABLE = Rule(
    "W14.immutable", "A message that was sent, or was not, is not changed or deleted.", 405, "not-supported"
)
SENDER = Rule("W14.sender", "Who writes a message is its sender.", 403, "forbidden")
CARE_TEAM = Rule("W14.care-team", "A patient writes to those who treat them.", 403, "forbidden")
OTHER_PATIENT = Rule(
    "W14.other-patient",
    "What is about one patient goes to no other, and a patient writes about themselves.",
    403,
    "forbidden",
)
THREAD = Rule("W14.thread", "An answer belongs to the thread of the one message that it answers.")
INCOMPLETE = Rule("W14.incomplete", "A message has somebody to receive it, and something to say.")

STATES = StateTable(
    "Communication",
    STATE,
    {
        "preparation": ("in-progress", "on-hold", "completed", "not-done", "stopped", "entered-in-error"),
        "in-progress": ("on-hold", "completed", "stopped", "entered-in-error"),
        "on-hold": ("preparation", "in-progress", "completed", "not-done", "stopped", "entered-in-error"),
        "unknown": ("in-progress", "completed", "not-done", "stopped", "entered-in-error"),
    },
)

NEW_MESSAGE = NoticeKind(
    "W14.message",
    "A new message",
    "You have a new message from {of}. Sign in to read it and to answer.",
    "You have a new message from {of}. Sign in to read it.",
)
WAITING = NoticeKind(
    "W14.unanswered",
    "A patient's message waits for an answer",
    "A patient's message has been waiting for an answer since {since}. It is among your tasks.",
    "A patient's message has been waiting for an answer since {since}.",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be known of a message beside itself.

    `answered` is the message that it answers, `strangers` those of its recipients who do not treat the
    patient who writes, `is_own_role` whether the sender is a role of the caller, and `tasks` those that wait
    for an answer in its thread.
    """

    answered: Resource | None = None
    strangers: tuple[str, ...] = ()
    is_own_role: bool = False
    tasks: tuple[Resource, ...] = ()


def is_message(resource: Resource) -> bool:
    """Tell whether a Communication is a message of a person to others."""
    return any(resource.get(name) for name in ("sender", "topic", "inResponseTo"))


def thread_of(message: Resource) -> str:
    """Return the name of a message's thread: the id of the first message in it."""
    return _named_thread(message) or str(message["id"])


def _named_thread(message: Resource) -> str | None:
    return next((one["value"] for one in message.get("identifier", ()) if one.get("system") == THREADS), None)


def completes(resource: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Fill in who writes, when it was sent, and that a first message begins a thread."""
    if before is not None and before.get("status") in FINAL:
        return resource
    if not is_message(resource) and not situation.is_only_patient():
        return resource
    filled: dict[str, Any] = {}
    if "sender" not in resource and situation.person is not None:
        filled["sender"] = {"reference": situation.person}
    is_past = "sent" in resource and not situation.is_only_patient()
    if resource.get("status") == "completed" and not is_past:
        filled["sent"] = instant(situation.now)
    patients = [one for one in references(resource, "recipient", situation) if one.startswith("Patient/")]
    if "subject" not in resource and len(patients) == 1:
        filled["subject"] = {"reference": patients[0]}  # whose it is, and who sees it
    if not resource.get("inResponseTo") and _named_thread(resource) != resource["id"]:
        others = [one for one in resource.get("identifier", ()) if one.get("system") != THREADS]
        filled["identifier"] = [*others, {"system": THREADS, "value": resource["id"]}]
    return changed(resource, **filled) if filled else resource


async def gather(change: Change, records: Records) -> Facts:
    """Look up the message that is answered, and who treats the patient who writes."""
    message = change.after
    if message is None or not (is_message(message) or records.situation.is_only_patient()):
        return Facts()
    answered = None
    for one in message.get("inResponseTo", ())[:1]:
        answered = await records.read(one)
    strangers: list[str] = []
    if records.situation.is_only_patient():
        recipients = references(message, "recipient", records.situation)
        strangers = [one for one in recipients if not await treats(one, records)]
    tasks: list[Any] = []
    if answered is not None:
        tasks = await records.search(
            "Task",
            ("identifier", f"{THREADS}|{thread_of(answered)}"),
            ("status", "requested,received,accepted,in-progress"),
        )
    return Facts(answered, tuple(strangers), await is_own_role(message, records), tuple(tasks))


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a message."""
    if change.before is not None and change.before.get("status") in FINAL:
        yield IMMUTABLE.broken("A message that was sent stays as it is; write another one")
        return
    message = change.after
    if message is None:
        return
    if not situation.is_only_patient():
        yield from _check_patients(message, situation)
        if not is_message(message):
            return
    yield from _check_people(message, facts, situation)
    if not message.get("recipient"):
        yield INCOMPLETE.broken("A message names its recipients", "Communication.recipient")
    if not message.get("payload"):
        yield INCOMPLETE.broken("A message says something", "Communication.payload")
    yield from _check_thread(message, facts, situation)


def _check_people(message: Resource, facts: Facts, situation: Situation) -> Iterable[Violation]:
    [sender] = references(message, "sender", situation)[:1] or [""]
    if not situation.is_anybody and sender != situation.person and not facts.is_own_role:
        yield SENDER.broken("The sender is whoever writes the message", "Communication.sender")
    if facts.strangers:
        yield CARE_TEAM.broken("A recipient is not one of those who treat you", "Communication.recipient")
    subjects = references(message, "subject", situation)
    if situation.is_only_patient():
        allowed = own_patients(situation)
        if any(id_in(one, "Patient", situation) not in allowed for one in subjects):
            yield OTHER_PATIENT.broken("A message of yours is about yourself", "Communication.subject")


def _check_patients(message: Resource, situation: Situation) -> Iterable[Violation]:
    """Yield that a message of the hospital, or a note that somebody was told, is of two patients."""
    patients = {one for one in references(message, "recipient", situation) if one.startswith("Patient/")}
    about = {one for one in references(message, "subject", situation) if one.startswith("Patient/")}
    if len(patients | about) > 1:
        text = "A message that a patient receives is about this patient, and goes to no other one"
        yield OTHER_PATIENT.broken(text, "Communication.recipient")


def _check_thread(message: Resource, facts: Facts, situation: Situation) -> Iterable[Violation]:
    answers = message.get("inResponseTo", ())
    where = "Communication.inResponseTo"
    if not answers:
        return
    answered = facts.answered
    if len(answers) > 1 or answered is None or not is_message(answered) or answered["id"] == message["id"]:
        yield THREAD.broken("It answers one message that is here", where)
        return
    if _named_thread(message) not in (None, thread_of(answered)):
        yield THREAD.broken("It is in another thread than what it answers", "Communication.identifier")
    topic = message.get("topic")
    if topic is not None and answered.get("topic") is not None and topic != answered["topic"]:
        yield THREAD.broken("It has another topic than its thread; begin another one", "Communication.topic")
    subjects = {*references(message, "subject", situation), *references(answered, "subject", situation)}
    if len(subjects) > 1:
        yield THREAD.broken("It is about somebody else than what it answers", "Communication.subject")
    if situation.is_only_patient() and not _takes_part(answered, situation):
        yield CARE_TEAM.broken("It answers a message of others", where)


def _takes_part(message: Resource, situation: Situation) -> bool:
    people = [
        one for name in ("sender", "recipient", "subject") for one in references(message, name, situation)
    ]
    own = {f"Patient/{patient}" for patient in own_patients(situation)} | {situation.person}
    return not own.isdisjoint(people)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Put an answer into its thread, tell the recipients, and see to it that patients are answered."""
    message = change.after
    if message is None or not is_message(message) or not change.became("completed"):
        return
    thread = thread_of(message)
    if facts.answered is not None and _named_thread(message) is None:
        thread = thread_of(facts.answered)
        identifiers = [*message.get("identifier", ()), {"system": THREADS, "value": thread}]
        subject = message.get("subject", facts.answered.get("subject"))
        yield Put(changed(message, identifier=identifiers, subject=subject))
    [sender] = references(message, "sender", situation)[:1] or [""]
    recipients = references(message, "recipient", situation)
    for recipient in recipients:
        if _type(recipient) in PATIENTS | STAFF:
            of = "a patient" if _type(sender) in PATIENTS else "the hospital"
            yield notice(NEW_MESSAGE, change.reference, recipient, situation.now, data={"of": of})
    if _type(sender) in PATIENTS:
        staff = [one for one in recipients if _type(one) in STAFF]
        if staff:
            due = situation.now + timedelta(hours=situation.settings.answer_hours)
            key = f"unanswered/{thread}/{change.id}"
            data = {"thread": thread, "owner": staff[0]}
            yield Later(Entry(key, due, UNANSWERED, change.reference, data))
    elif _type(sender) in STAFF:
        yield Strike(f"unanswered/{thread}")
        for task in facts.tasks:
            yield Put(changed(task, status="completed"))


def _type(reference: str) -> str:
    return reference.partition("/")[0]
