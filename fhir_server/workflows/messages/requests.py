"""Messages that staff ask for: a CommunicationRequest is carried out when it is due, for each recipient.

What it says stays in the record: the e-mail or text message tells that there is something to read.
https://hl7.org/fhir/R4/communicationrequest.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.consequences import Consequence, Later, Put
from fhir_server.workflows.made import changed
from fhir_server.workflows.messages.conversation import CARE_TEAM, OTHER_PATIENT
from fhir_server.workflows.messages.people import own_patients, references, treats
from fhir_server.workflows.messages.recipients import PATIENTS, STAFF
from fhir_server.workflows.messages.record import FINAL, communication_id
from fhir_server.workflows.notices import NoticeKind, no_notice, notice
from fhir_server.workflows.pattern import Change, Rule, StateTable, Violation
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

STATE = Rule("W14.request-state", "What was asked to be sent is active, and then completed or revoked.")
RECIPIENT = Rule("W14.request-recipient", "Who asks for a message to be sent says to whom.")

STATES = StateTable(
    "CommunicationRequest",
    STATE,
    {
        "draft": ("active", "on-hold", "revoked", "entered-in-error"),
        "active": ("on-hold", "revoked", "completed", "entered-in-error"),
        "on-hold": ("active", "revoked", "completed", "entered-in-error"),
        "completed": ("entered-in-error",),
        "revoked": ("entered-in-error",),
        "unknown": ("active", "revoked", "completed", "entered-in-error"),
    },
)

REQUESTED = NoticeKind(
    "W14.requested",
    "A reminder from your hospital",
    "Your hospital has a reminder for you. Sign in to read it.",
    "Your hospital has a reminder for you. Sign in to read it.",
    category="reminder",
)


def recipients_of(request: Resource, situation: Situation) -> list[str]:
    """Return whom a request is to be sent to: its recipients, or else the patient whom it is about."""
    found = references(request, "recipient", situation) or references(request, "subject", situation)
    return list(dict.fromkeys(one for one in found if one.partition("/")[0] in PATIENTS | STAFF))


def _due(request: Resource | None, situation: Situation) -> datetime | None:
    """Return when an active request is to be carried out, None for others."""
    if request is None or request.get("status") != "active":
        return None
    period = request.get("occurrencePeriod", {})
    text = request.get("occurrenceDateTime", period.get("start", request.get("authoredOn")))
    return situation.now if text is None else interval(text)[0]


def notices(request: Resource, due: datetime, situation: Situation) -> list[Later]:
    """Return the notices that carry a request out."""
    about = f"CommunicationRequest/{request['id']}"
    occasion = request.get("occurrenceDateTime", request.get("occurrencePeriod", {}).get("start", ""))
    recipients = recipients_of(request, situation)
    return [notice(REQUESTED, about, one, due, occasion=occasion) for one in recipients]


async def gather(change: Change, records: Records) -> tuple[str, ...]:
    """Return those recipients of a patient's own request who do not treat the patient."""
    if change.after is None or not records.situation.is_only_patient():
        return ()
    own = {f"Patient/{patient}" for patient in own_patients(records.situation)}
    others = [one for one in recipients_of(change.after, records.situation) if one not in own]
    return tuple([one for one in others if not await treats(one, records)])


def check(change: Change, facts: tuple[str, ...], situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a request."""
    request = change.after
    if request is None:
        return
    if facts:
        yield CARE_TEAM.broken(
            "A recipient is not one of those who treat you", "CommunicationRequest.recipient"
        )
    if _is_for_another(request, situation) and not _is_as_before(request, change.before):
        text = "What is about a patient is sent to no other one"
        yield OTHER_PATIENT.broken(text, "CommunicationRequest.recipient")
    if request.get("status") == "active" and not recipients_of(request, situation):
        text = "A recipient is a patient, somebody related to one, or one of the staff"
        yield RECIPIENT.broken(text, "CommunicationRequest.recipient")


def _is_for_another(request: Resource, situation: Situation) -> bool:
    """Tell whether staff have something about a patient sent to another one."""
    about = {one for one in references(request, "subject", situation) if one.startswith("Patient/")}
    patients = {one for one in references(request, "recipient", situation) if one.startswith("Patient/")}
    return bool(about and patients - about) and not situation.is_only_patient()


def _is_as_before(request: Resource, before: Resource | None) -> bool:
    """Tell whether a request is about and for the same people as before, as one is that is taken back."""
    people = ("subject", "recipient")
    return before is not None and all(before.get(name) == request.get(name) for name in people)


def follows(change: Change, _facts: object, situation: Situation) -> Iterable[Consequence]:
    """Have an active request carried out when it is due; take back what is not wanted any more."""
    before = _planned(change.before, situation)
    after = _planned(change.after, situation)
    if before == after:
        return
    if before:
        yield no_notice(change.reference)
    yield from after.values()


def _planned(request: Resource | None, situation: Situation) -> Mapping[str, Later]:
    due = _due(request, situation)
    if request is None or due is None:
        return {}
    return {one.entry.key: one for one in notices(request, due, situation)}


@dataclass(frozen=True, slots=True)
class Carried:
    """The request that a message carries out, and whether it was the last one of it."""

    request: Resource | None = None
    is_last: bool = False


async def gather_of_message(change: Change, records: Records) -> Carried:
    """Look up whether all messages of a request are done with the one that is changed."""
    message = change.after
    if message is None or message.get("status") not in FINAL:
        return Carried()
    for one in references(message, "basedOn", records.situation):
        if one.startswith("CommunicationRequest/"):
            await records.lock(f"W14/{one}")
            request = await records.read(one)
            due = _due(request, records.situation)
            if request is not None and due is not None:
                wanted = [later.entry.key for later in notices(request, due, records.situation)]
                found = [await records.read(f"Communication/{communication_id(key)}") for key in wanted]
                is_last = all(one is not None and one["status"] in FINAL for one in found)
                return Carried(request, is_last and bool(found))
    return Carried()


def follows_message(_change: Change, facts: Carried, _situation: Situation) -> Iterable[Consequence]:
    """Note on the request that it was carried out."""
    if facts.request is not None and facts.is_last:
        yield Put(changed(facts.request, status="completed"))
