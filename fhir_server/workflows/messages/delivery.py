"""Carrying out a notice: once for each recipient and reason, whatever goes down on the way.

A Communication with an id of its own is stored before anything is sent, and again when it was. Whoever takes
over from a process that went down in between sends the same message under the same Message-ID or key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from adapters.email.mail import Mail
from adapters.email.mail import NotAccepted as MailNotAccepted
from adapters.sms.text import NotAccepted as TextNotAccepted
from adapters.sms.text import TextMessage
from fhir_server.context import Context
from fhir_server.papers.links import link_to
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.agenda import NotYet
from fhir_server.workflows.made import Resource
from fhir_server.workflows.messages import record
from fhir_server.workflows.messages.hours import end_of_quiet
from fhir_server.workflows.messages.opting_out import has_opted_out
from fhir_server.workflows.messages.recipients import Address, Recipient, recipient_of
from fhir_server.workflows.messages.texts import Wording, chosen, filled, load_texts
from fhir_server.workflows.notices import NoticeKind
from fhir_server.workflows.records import Records
from fhir_server.workflows.rulebook import unfinished
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement

_HOUR = timedelta(hours=1)
_PAUSE = timedelta(minutes=10)

PAPER = "paper"
"""The entry of a notice's data that names a DocumentReference; `{link}` in the texts is a link to it."""


@dataclass(frozen=True, slots=True)
class _Notice:
    """A notice that is being carried out."""

    entry: Entry
    kind: NoticeKind
    recipient: Recipient
    message: Resource
    context: Context
    services: Services
    records: Records

    @property
    def addresses(self) -> list[Address]:
        """Where the recipient is reached, by what there is to send with."""
        media = {"EMAIL": self.services.mailer, "SMS": self.services.texts}
        return [one for one in self._on_file if media[one.medium] is not None]

    @property
    def _on_file(self) -> list[Address]:
        return self.recipient.addresses(self.context.now(), is_urgent=self.kind.urgent)

    @property
    def has_address(self) -> bool:
        """Whether there is any address on file."""
        return bool(self._on_file)


async def notify(entry: Entry, context: Context, services: Services) -> None:
    """Tell the recipient of a notice, or note why not; raise NotYet if it is not the time."""
    kind = _kinds()[entry.data["kind"]]
    records = _records(context)
    stored = await records.read(f"Communication/{record.communication_id(entry.key)}")
    if stored is not None and stored["status"] in record.FINAL:
        return
    request = await _request(entry, records)
    if request is not None and request["status"] != "active":
        return
    recipient = await recipient_of(records, entry.data["recipient"])
    message = stored or record.communication(entry, kind, request, recipient)
    began = stored is not None and stored["status"] == "in-progress"
    if recipient is None or not recipient.is_there:
        await _keep(context, record.not_done(message, record.GONE, began=began))
        return
    notice = _Notice(entry, kind, recipient, message, context, services, records)
    reason = await _reason_against(notice)
    if reason is not None:
        await _keep(context, record.not_done(message, reason, began=began))
        return
    if not began:
        await _wait(notice)
    await _keep(context, await _sent(notice))


async def _request(entry: Entry, records: Records) -> Resource | None:
    if not entry.subject.startswith("CommunicationRequest/"):
        return None
    return await records.read(entry.subject)


async def _reason_against(notice: _Notice) -> tuple[str, str] | None:
    """Return why a notice is not sent at all, None if it is."""
    patient = notice.recipient.patient
    asks = patient is not None and not notice.kind.urgent
    if asks and await has_opted_out(notice.records, str(patient), notice.kind.category):
        return record.OPTED_OUT
    if not notice.addresses:
        return record.NO_MEDIUM if notice.has_address else record.NO_ADDRESS
    return None


async def _wait(notice: _Notice) -> None:
    """Raise NotYet if the recipient is to be left in peace now."""
    if notice.kind.urgent:
        return
    now, settings = notice.context.now(), notice.context.settings
    if notice.recipient.patient is not None:
        end = end_of_quiet(now, settings.quiet_hours, ZoneInfo(settings.time_zone))
        if end is not None:
            raise NotYet(end)
    told = await notice.records.count(
        "Communication",
        ("recipient", notice.recipient.reference),
        ("medium", f"{record.MEDIA}|EMAIL,{record.MEDIA}|SMS"),
        ("sent", f"ge{instant(now - _HOUR)}"),
    )
    if told >= settings.messages_per_hour:
        raise NotYet(now + _PAUSE)


async def _sent(notice: _Notice) -> Resource:
    """Send by the first address that is accepted; return the Communication as it is then.

    Raises what the mailer or the gateway raises if it may go well later.
    """
    wording = _wording(notice)
    zone = ZoneInfo(notice.context.settings.time_zone)
    data = dict(notice.entry.data.get("data", {}))
    paper = data.get(PAPER)
    # What is kept has no link, with which anybody could open the paper.
    said = filled(wording.text, data | {"link": ""}, zone)
    data["link"] = await _link(notice, paper)
    message = notice.message
    for address in notice.addresses:
        if not record.is_by(message, address.medium):
            message = record.in_progress(notice.message, address.medium, said, wording, paper)
            await _keep(unfinished(notice.context), message)
        try:
            await _send(notice, address, wording, data)
        except (MailNotAccepted, TextNotAccepted):
            continue
        return record.completed(message, notice.context.now())
    return record.not_done(message, record.REFUSED, began=True)


async def _link(notice: _Notice, paper: str | None) -> str:
    """Return the link to a paper, "" if there is none: the recipient signs in to read it then."""
    if paper is None:
        return ""
    if notice.services.link is not None:
        return await notice.services.link(paper, notice.context) or ""
    return await link_to(notice.context, paper, f"Patient/{notice.recipient.patient}") or ""


def _wording(notice: _Notice) -> Wording:
    kind = notice.kind
    own = Wording(kind.subject, kind.text, kind.short)
    texts = load_texts(notice.context.settings.message_texts)
    return chosen(kind.id, own, texts, notice.recipient.languages)


async def _send(notice: _Notice, address: Address, wording: Wording, data: Mapping[str, Any]) -> None:
    zone = ZoneInfo(notice.context.settings.time_zone)
    key = notice.message["id"]
    if address.medium == "EMAIL":
        assert notice.services.mailer is not None  # noqa: S101 - see _Notice.addresses
        subject, text = filled(wording.subject, data, zone), filled(wording.text, data, zone)
        await notice.services.mailer.send(Mail(address.value, subject, text, key))
        return
    assert notice.services.texts is not None  # noqa: S101 - see _Notice.addresses
    text = filled(wording.short, data, zone)
    await notice.services.texts.send(TextMessage(address.value, text, key))


async def _keep(context: Context, message: Resource) -> None:
    await commit(context, [replacement("Communication", message["id"], message)])
    log = structlog.get_logger("fhir_server.messages")
    log.info("message", status=message["status"], kind=message["reasonCode"][0]["coding"][0]["code"])


def _records(context: Context) -> Records:
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id, is_system=True)
    return Records(context.store, situation)


@cache
def _kinds() -> Mapping[str, NoticeKind]:
    # The list of patterns has this one in it.
    from fhir_server.workflows.registry import PATTERNS

    return {kind.id: kind for pattern in PATTERNS for kind in pattern.notices}
