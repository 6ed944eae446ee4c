"""The Communication that a notice leaves in the record, whatever became of it.

https://hl7.org/fhir/R4/communication.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.made import Resource, changed, concept, key_id, made
from fhir_server.workflows.messages.recipients import Medium, Recipient
from fhir_server.workflows.messages.texts import Wording
from fhir_server.workflows.notices import NoticeKind

FINAL = frozenset({"completed", "not-done", "stopped", "entered-in-error"})
"""The states after which a Communication does not change any more."""

KINDS = "urn:fhir-hospital-server:notices"
MEDIA = "urn:fhir-hospital-server:media"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/communication-category"
OWN_CATEGORIES = "urn:fhir-hospital-server:message-categories"
_REASONS = "http://terminology.hl7.org/CodeSystem/communication-not-done-reason"
_MODES = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"

NO_ADDRESS = ("recipient-unavailable", "no usable e-mail address or mobile number on file")
NO_MEDIUM = ("system-error", "nothing is set up to reach the addresses on file")
GONE = ("recipient-unavailable", "the recipient is not there any more")
OPTED_OUT = ("patient-objection", "the patient does not want such messages")
REFUSED = ("recipient-unavailable", "no address on file was accepted")


# https://terminology.hl7.org/CodeSystem-communication-category.html
_HL7_CATEGORIES = frozenset({"alert", "notification", "reminder", "instruction"})


def category_system(category: str) -> str:
    """Return the code system of a category of messages: that of HL7, or our own, as for `billing`."""
    return CATEGORIES if category in _HL7_CATEGORIES else OWN_CATEGORIES


def communication_id(key: str) -> str:
    """Return the id of the Communication of the notice with that key: there is one of each."""
    return key_id("W14", key)


def communication(
    entry: Entry, kind: NoticeKind, request: Mapping[str, Any] | None, recipient: Recipient | None
) -> Resource:
    """Return the Communication of a notice, without what depends on whether it is sent.

    `request` is the CommunicationRequest that it carries out, if it is of one. Only a patient's own notices
    have the patient as their subject: staff are told of things that patients are to hear of from people.
    """
    reference = {"reference": entry.data["recipient"]}
    about = [{"reference": entry.subject}]
    subject = reference if recipient is not None and recipient.reference.startswith("Patient/") else None
    asked: Mapping[str, Any] = {}
    if request is not None:
        about = list(request.get("about", ())) or None  # type: ignore[assignment]
        asked = {"basedOn": [{"reference": entry.subject}], "payload": _payload(request)}
        subject = request.get("subject", subject)
    return made(
        "Communication",
        id=communication_id(entry.key),
        status="preparation",
        category=[concept(category_system(kind.category), kind.category)],
        reasonCode=[concept(KINDS, kind.id)],
        subject=subject,
        about=about,
        recipient=[reference],
        **asked,
    )


def _payload(request: Mapping[str, Any]) -> list[Any] | None:
    return list(request.get("payload", ())) or None


def not_done(message: Resource, reason: tuple[str, str], *, began: bool = False) -> Resource:
    """Return the Communication of what is not sent, or (if it `began`) could not be."""
    code, text = reason
    status_reason = concept(_REASONS, code) | {"text": text}
    return changed(message, status="stopped" if began else "not-done", statusReason=status_reason)


def in_progress(
    message: Resource, medium: Medium, said: str, wording: Wording, paper: str | None
) -> Resource:
    """Return the Communication of what is being sent by a medium, with what it says.

    A link to a paper opens it for whoever has the link; the record has the paper itself instead.
    """
    codes = [{"system": MEDIA, "code": medium}]
    if medium == "EMAIL":
        codes.append({"system": _MODES, "code": "EMAILWRIT"})
    payload = message.get("payload") or [{"contentString": said}]
    attached = {"contentReference": {"reference": paper}}
    if paper is not None and attached not in payload:
        payload = [*payload, attached]
    return changed(
        message,
        status="in-progress",
        medium=[{"coding": codes, "text": medium}],
        payload=payload,
        language=wording.language,
    )


def completed(message: Resource, now: datetime) -> Resource:
    """Return the Communication of what was sent."""
    return changed(message, status="completed", sent=instant(now))


def is_by(message: Mapping[str, Any], medium: Medium) -> bool:
    """Tell whether a Communication says that it goes by a medium."""
    return any(one.get("text") == medium for one in message.get("medium", ()))
